"""A group and its context, as Go has them."""

from __future__ import annotations

from .._runtime.core import Context
from .group import Group

__all__ = ["with_context"]


def with_context(ctx: Context) -> tuple[Group, Context]:
    """A ``Group`` and its context, derived from ``ctx``; a failure is raised as it is. Go's ``errgroup.WithContext``.

    As ``Group(ctx=ctx, errors="first")`` and its ``ctx``.

    Example::

        from goish import context

        g, ctx = goish.errgroup.with_context(context.background())
        await g.wait()
        print(ctx.err())  # -> context canceled
    """
    group = Group(ctx=ctx, errors="first")
    return group, group.ctx
