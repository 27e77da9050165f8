"""Go's package ``time``, the part that waits: the clock, timers and tickers, in seconds.

``from goish import time`` hides Python's ``time`` in a module that imports both: there, ``import goish`` and
``goish.time.Ticker``. Nothing in goish itself takes the place of Python's module.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from typing import Any, TypeVarTuple, Unpack

from ._checks import check_function
from ._runtime.core import RecvChan, Ticker, Timer, after, at, clock_now, go, new_calling_timer, publish_module, sleep

__all__ = ["Ticker", "Timer", "after", "after_func", "at", "now", "sleep", "tick"]

Ts = TypeVarTuple("Ts")


def now() -> float:
    """The time by the clock of this thread's event loop, or else by the system's monotonic one; in seconds.

    It never goes back, and begins anywhere: only differences mean something. It is ``loop.time()``, so a loop with a
    virtual clock gives virtual time (uvloop's own ``loop.time()`` stands still while callbacks run, and this clock does
    not). All of ``goish.time`` goes by it. Any thread. Go's ``time.Now``, of which Go too uses the monotonic part.

    Example::

        began = goish.time.now()
        await sleep(0.001)
        print(goish.time.now() > began)  # -> True
    """
    return clock_now()


def tick(seconds: float) -> RecvChan[float]:
    """The channel of a ``Ticker``, for those that never stop it. Go's ``time.Tick``.

    ``seconds``: more than 0, or ValueError. It is gone when it is forgotten. Any thread.

    Example::

        ticks = goish.time.tick(0.001)
        await ticks.recv()
        await ticks.recv()
    """
    return Ticker(seconds).c


def after_func(seconds: float, fn: Callable[[Unpack[Ts]], object], /, *args: *Ts) -> Timer:
    """Calls ``fn(*args)`` in a goroutine of its own, ``seconds`` from now. Go's ``time.AfterFunc``.

    ``fn`` is a function or a coroutine function. It runs on this thread's event loop, in a copy of the current Context;
    what it raises is a panic. Gives the Timer: ``stop`` is True if it prevented the call, and False when the goroutine
    was started, whether or not it is done; ``reset`` has ``fn`` called again. The timer's channel ``c`` is never ready.
    The call comes also if the Timer is forgotten, but not after the loop has ended. RuntimeError where no event loop
    runs, TypeError or ValueError for no function, no number or NaN. ``stop`` and ``reset`` from any thread.

    Example::

        def hang_up():
            print("nobody answers")  # -> nobody answers

        timer = goish.time.after_func(0.001, hang_up)
        await sleep(0.01)
        print(timer.stop())  # -> False
    """
    check_function("after_func()", fn)
    start: Callable[[], object]
    if iscoroutinefunction(fn):
        start = partial(go, fn, *args)
    else:
        start = partial(go.options(name=getattr(fn, "__qualname__", None)), _call, fn, args)  # pyright: ignore[reportCallIssue]
    return new_calling_timer(seconds, partial(copy_context().run, start))


async def _call(fn: Callable[..., object], args: tuple[Any, ...]) -> None:
    result = fn(*args)
    if isawaitable(result):
        await result


publish_module(sys.modules[__name__])
