"""Go's package ``context``: whether work is cancelled, until when it may take, and why; and blocks, as in anyio."""

import sys

from ._context.after import after_func
from ._context.scope import Scope, Shield, fail_after, fail_at, move_on_after, move_on_at, scope, shield
from ._runtime.core import (
    CancelFunc,
    Context,
    background,
    current,
    publish_module,
    todo,
    with_cancel,
    with_cancel_cause,
    with_deadline,
    with_timeout,
    with_value,
    without_cancel,
)
from ._runtime.values import Reason
from .errors import Canceled as Canceled
from .errors import DeadlineExceeded as DeadlineExceeded

__all__ = [
    "CancelFunc",
    "Context",
    "Reason",
    "Scope",
    "Shield",
    "after_func",
    "background",
    "cause",
    "current",
    "fail_after",
    "fail_at",
    "move_on_after",
    "move_on_at",
    "scope",
    "shield",
    "todo",
    "with_cancel",
    "with_cancel_cause",
    "with_deadline",
    "with_timeout",
    "with_value",
    "without_cancel",
]


def cause(ctx: Context, /) -> BaseException | None:
    """Why ``ctx`` was cancelled, ``ctx.cause()``; None while it is live. Go's ``context.Cause``.

    Example::

        from goish import context

        ctx, cancel = context.with_cancel_cause(context.background())
        cancel(OSError("disk full"))
        print(context.cause(ctx))  # -> disk full
    """
    if not isinstance(ctx, Context):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"cause() takes a Context, got {ctx!r} of type {type(ctx).__name__}")
    return ctx.cause()


publish_module(sys.modules[__name__])
