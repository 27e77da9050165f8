"""The goroutines of one running stream: started together, ended together.

A crew begins with the first value that is asked for, and ends when the consumer leaves. ``close`` cancels what is left
and returns when all have ended, also if its caller is cancelled meanwhile.
Threads: one crew belongs to one event loop; calls on workers are members like goroutines.
Not here: what the members do, and how their errors travel (hop.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final
from weakref import WeakSet

from .._runtime.core import Goroutine, GoThread, Nursery, go
from .._threads.members import emptied

__all__ = ["Crew"]

logger: Final = logging.getLogger("goish")

_WHY: Final = "the consumer of its stream has left"


class Crew:
    def __init__(self) -> None:
        self._members = Nursery()
        self._cancelled: WeakSet[Goroutine[Any]] = WeakSet()
        self._at_cancel: list[Callable[[], object]] = []
        self._at_end: list[Callable[[], object]] = []
        self._unseen: list[BaseException] = []  # errors that no receiver has raised so far
        self.is_closing = False

    def go(self, name: str, fn: Callable[..., Coroutine[Any, Any, None]], /, *args: Any) -> Goroutine[None]:
        """Start a member."""
        return self._taken(go.options(name=name)(fn, *args))

    def go_thread(self, verb: GoThread, fn: Callable[..., Any], /, *args: Any) -> Goroutine[Any]:
        """Give a worker a call that the crew waits for."""
        return self._taken(verb(fn, *args))

    def _taken(self, g: Goroutine[Any]) -> Goroutine[Any]:
        self._members.adopt(g)
        if self.is_closing:
            self.cancel_member(g, _WHY)
        return g

    def cancel_member(self, g: Goroutine[Any], why: str) -> None:
        """Cancel it once: a second cancel would hit it where it cleans up."""
        if g not in self._cancelled:
            self._cancelled.add(g)
            g.cancel(why)

    def at_cancel(self, fn: Callable[[], object]) -> None:
        """Have ``fn()`` called when the members are cancelled."""
        self._at_cancel.append(fn)

    def at_end(self, fn: Callable[[], object]) -> None:
        """Have ``fn()`` called when all members have ended."""
        self._at_end.append(fn)

    def failed(self, error: BaseException) -> None:
        """Note an error that is on its way to a receiver."""
        if all(error is not other for other in self._unseen):
            self._unseen.append(error)

    def is_unseen(self, error: BaseException) -> bool:
        return any(error is other for other in self._unseen)

    def seen(self, error: BaseException) -> None:
        """A receiver raises it."""
        self._unseen[:] = [other for other in self._unseen if other is not error]

    def cancel(self) -> None:
        self.is_closing = True
        for g in self._members.alive():
            self.cancel_member(g, _WHY)
        for fn in self._at_cancel:
            fn()
        self._at_cancel.clear()

    async def close(self) -> None:
        """Cancel all members and wait for their end. A cancel of the caller is raised behind that."""
        self.cancel()
        interrupt = await emptied(self._members)
        for fn in self._at_end:
            fn()
        self._at_end.clear()
        self._log_unseen()
        if interrupt is not None:
            raise interrupt

    def _log_unseen(self) -> None:
        for error in self._unseen:
            if isinstance(error, asyncio.CancelledError):  # as when the loop ends: nothing has failed
                continue
            logger.error("a stage of a stream failed, and its receiver had left: %r", error, exc_info=error)
        self._unseen.clear()
