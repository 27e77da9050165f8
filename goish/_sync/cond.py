"""Go's ``sync.Cond``: waiting, with a lock, until another says that something has changed.

Invariant: ``wait`` is left with the lock held, whatever ends it. A signal that a cancelled waiter was given is passed
on. A coroutine that is closed as it waits cannot wait for the lock: the unlock that follows changes nothing (owe).
Not here: the queue of the waiters, and the wait that gives the lock back (chan/cond.pyx).
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from .._checks import check_timeout
from .._runtime.core import Notifier, Released

__all__ = ["Cond"]

T = TypeVar("T")


class Cond(Notifier):
    """Waits, with a lock, until another says that something has changed. Go's ``sync.Cond``.

    ``mu``: the ``Mutex``, the ``RWMutex`` (its writers wait), or ``rw.rlocker()`` (its readers). ``async with cond``
    locks it; on threads ``with``. Signals come from anywhere: a goroutine, a task of any loop, a thread. A channel does
    mostly better: it hands over what has changed, too.

    Example::

        items, cond = [], Cond(Mutex())

        async def take():
            async with cond:
                await cond.wait_for(lambda: items)
                return items.pop()

        taker = go(take)
        await gosched()
        async with cond:
            items.append("a")
            cond.signal()
        print(await taker)  # -> a
    """

    __slots__ = ()

    async def wait(self) -> None:
        """Gives the lock back, waits for a signal or broadcast, and takes the lock again.

        The state may have changed once more by then, so look at it in a loop, or use ``wait_for``. Cancelled, it raises
        CancelledError with the lock held; a signal that came first goes to the next waiter. RuntimeError without the
        lock.

        Example::

            cond = Cond(Mutex())
            async with cond:
                try:
                    async with asyncio.timeout(0.001):
                        await cond.wait()
                except TimeoutError:
                    print(cond.mu.locked())  # -> True
        """
        ticket = self._release()
        try:
            signalled = await ticket.signalled()
        except GeneratorExit:
            ticket.owe()
            raise
        except BaseException:
            await _lock_again(ticket)
            raise
        try:
            cancelled = await _lock_again(ticket)
            if cancelled is not None:
                raise cancelled
        except BaseException:
            if signalled:
                self.signal()
            raise

    async def wait_for(self, predicate: Callable[[], T]) -> T:
        """Waits until ``predicate()`` is true, and gives what it gave. It is called with the lock held. As ``wait``."""
        while not (result := predicate()):
            await self.wait()
        return result

    def wait_for_blocking(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        """``wait_for`` for threads without an event loop. As ``wait_blocking``; ``timeout`` is for all its waits.

        Example::

            cond = Cond(Mutex())
            with cond:
                print(cond.wait_for_blocking(lambda: "there", timeout=1))  # -> there
        """
        timeout = check_timeout(timeout)
        deadline = None if timeout is None else monotonic() + timeout
        while not (result := predicate()):
            self.wait_blocking(None if deadline is None else max(0.0, deadline - monotonic()))
        return result

    def __repr__(self) -> str:
        return f"<Cond of {self.mu!r} waiting={self.waiting}>"


async def _lock_again(ticket: Released) -> CancelledError | None:
    """Take the lock, whatever comes; the first cancel that came meanwhile."""
    cancelled = None
    while ticket.is_released():
        try:
            await ticket.locked()
        except CancelledError as exc:
            cancelled = cancelled or exc
        except BaseException:  # it is closed, or given up
            ticket.owe()
            raise
        else:
            break
    return cancelled
