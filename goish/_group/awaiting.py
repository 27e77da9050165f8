"""Awaiting what others have started, as a member of a group does."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable
from typing import Any, TypeVar

from .._runtime.core import FlowVar, Goroutine, Op, goroutine_behind
from .._threads.handles import call_on, end_of_handle

__all__ = [
    "awaited",
    "awaited_quietly",
    "check_awaitable",
    "close_unstarted",
    "goroutine_of",
]

T = TypeVar("T")


def check_awaitable(what: str, awaitable: object) -> None:
    if not inspect.isawaitable(awaitable):
        instead = "; go() takes a function and its arguments" if callable(awaitable) else ""
        raise TypeError(f"{what} takes an awaitable, got {awaitable!r} of type {type(awaitable).__name__}{instead}")


def goroutine_of(awaitable: Any) -> Goroutine[Any] | None:
    """The goroutine behind a handle, or None."""
    if type(awaitable) is Goroutine:  # isinstance(): a task of the factory passes for one of asyncio's
        return awaitable  # pyright: ignore[reportUnknownVariableType]
    if isinstance(awaitable, FlowVar):
        return goroutine_behind(awaitable)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return None


async def awaited(awaitable: Awaitable[T]) -> T:
    """Its result. A cancel reaches it, and waits for its end: for one that others have started, too."""
    if isinstance(awaitable, Op) or not isinstance(awaitable, (Goroutine, FlowVar, asyncio.Future)):
        return await awaitable
    await awaited_quietly(awaitable, passes=True)
    result: T = awaitable.result() if isinstance(awaitable, asyncio.Future) else await awaitable
    return result


async def awaited_quietly(awaitable: Awaitable[Any], *, passes: bool = False) -> None:
    """Wait for its end, however it ends. ``passes``: a cancel reaches it."""
    if isinstance(awaitable, Op) or not isinstance(awaitable, (Goroutine, FlowVar, asyncio.Future)):
        await awaitable
        return
    interrupt: asyncio.CancelledError | None = None
    while True:
        try:
            await end_of_handle(awaitable)
            break
        except asyncio.CancelledError as exc:
            if not passes:
                raise
            interrupt = exc
            _cancel(awaitable, *exc.args[:1])
    if interrupt is not None:
        raise interrupt


def _cancel(handle: Any, *msg: object) -> None:
    behind = goroutine_of(handle)
    if behind is not None:
        behind.cancel(*msg)
    elif handle.get_loop() is asyncio._get_running_loop():
        handle.cancel(*msg)
    else:
        with contextlib.suppress(RuntimeError):  # that loop is closed
            call_on(handle.get_loop(), handle.cancel, *msg)


def close_unstarted(fn: object) -> None:
    """Close a coroutine that will not be started, or it would complain that nobody has awaited it."""
    if inspect.iscoroutine(fn) and inspect.getcoroutinestate(fn) == inspect.CORO_CREATED:
        fn.close()
