"""Functions that run at the cancel of a context, and deadlines that no loop looks after.

Threads: any.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any, ParamSpec

from .._checks import check_function
from .._runtime.core import NIL, Context, context_hook, context_unhook, go, go_thread, install_host, scheduler_for
from ..errors import PoolShutdown

__all__ = ["after_func"]

P = ParamSpec("P")


def after_func(ctx: Context, fn: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> Callable[[], bool]:
    """Has ``fn(*args, **kwargs)`` run in a goroutine of its own when ``ctx`` is cancelled; gives ``stop``.

    Runs once, on the loop of this thread, or at once if ``ctx`` is cancelled already; where no loop runs, or it is
    closed by then, on a worker (``go_thread``). ``fn`` may be an ``async def``. An exception of it is a panic.
    ``stop()`` is True if it prevented the run, and waits for nothing. Any thread may call both, and cancel. Go's
    ``context.AfterFunc``.

    TypeError if ``ctx`` is no Context or ``fn`` cannot be called.

    Example::

        from goish import context

        ctx, cancel = context.with_cancel(context.background())
        cleaned = chan(1)
        stop = context.after_func(ctx, cleaned.send, "up")
        cancel()
        print(await cleaned.recv(), stop())  # -> up False
    """
    if not isinstance(ctx, Context):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"after_func() takes a context first, got {ctx!r} of type {type(ctx).__name__}")
    check_function("after_func()", fn)
    after = _AfterFunc(ctx, fn, args, kwargs)
    if not context_hook(ctx, after):
        after()
    return after.stop


class _AfterFunc:
    def __init__(self, ctx: Context, fn: Callable[..., object], args: Any, kwargs: Any) -> None:
        loop = asyncio._get_running_loop()
        self._ctx = ctx
        self._work = fn, args, kwargs
        self._sched = None if loop is None else scheduler_for(loop)
        self._vars = copy_context()
        self._stopped = False

    def stop(self) -> bool:
        """Whether it prevented the run."""
        if self._ctx.done() == NIL and not self._stopped:  # never cancelled: no hook was made
            self._stopped = True
            return True
        return context_unhook(self._ctx, self)

    def __call__(self) -> None:
        """The hook: on any thread."""
        if self._sched is None or not self._sched.post(self._start):
            fn, args, kwargs = self._work
            go_thread.options(context=self._vars)(fn, *args, **kwargs)

    def _start(self) -> None:
        go.options(context=self._vars)(self._run)

    async def _run(self) -> None:
        fn, args, kwargs = self._work
        result = fn(*args, **kwargs)
        if inspect.isawaitable(result):
            await result


def _watch(ctx: Context) -> None:
    """Has the loop of a worker set the timer for the deadline of ``ctx``."""
    with suppress(PoolShutdown):  # the program ends before the deadline
        go_thread(_wait_for, ctx)


async def _wait_for(ctx: Context) -> None:
    await ctx.done().recv_ok()


install_host(watch_deadline=_watch)
