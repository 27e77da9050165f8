"""Which of the workers accepts the next connection: one that is ahead of another lets that come first.

All look at one listening socket, and the first to wake would take what is there: of bursts of 64 connections some went
to one of two processes as a whole, as the other was not running at that moment; and of threads the one whose loop looks
at the socket took more than its part. So each tells the others, in memory that they share, how many it has, and one
that is ahead holds off for a moment before it accepts. If no other has come by then, it takes twice as many each time:
a worker that hangs does not hold up the rest.

Threads: the loop of each worker. A count that is out of date makes a worse choice, and no wrong one.
Not here: accepting (listener.py for processes, site.py for threads).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["HOLD", "Balance", "Slot", "slots", "slots_of_threads"]

HOLD: Final = 0.004  # seconds in which another worker may accept: about a slice of the time of a process

NOBODY: Final = -1  # in a slot: no worker that accepts
SLACK: Final = 16  # one with less than a sixteenth more than another is not ahead
MOST_DOUBLINGS: Final = 6


@dataclass(frozen=True)
class Slot:
    """Where a worker tells how many connections it has. It can be given to a process that is being started."""

    counts: Any
    index: int

    def tell(self, n: int) -> None:
        self.counts[self.index] = n

    def free(self) -> None:
        """Nobody accepts here: the others do not wait for it."""
        self.counts[self.index] = NOBODY

    def others(self) -> list[int]:
        return [n for i, n in enumerate(self.counts[:]) if n != NOBODY and i != self.index]


def slots_of_threads(number: int) -> list[Slot]:
    """All of them begin together."""
    counts = [0] * number
    return [Slot(counts, i) for i in range(number)]


def slots(number: int) -> list[Slot]:
    """For processes."""
    import multiprocessing  # here, as threads do without
    from ctypes import c_int

    counts = multiprocessing.get_context("spawn").RawArray(c_int, [NOBODY] * number)
    return [Slot(counts, i) for i in range(number)]


class Balance:
    """Of the worker that has ``slot``; ``count()``: how many connections it has."""

    def __init__(self, slot: Slot, count: Callable[[], int]) -> None:
        self._slot = slot
        self._count = count
        self._holds = 0

    def turn(self, has_held: bool) -> int:
        """How many connections to accept now; 0: hold off for a moment, and then ask again, with ``has_held``."""
        mine, others = self._count(), self._slot.others()
        self._slot.tell(mine)
        if not others or mine <= min(others) + 1 + mine // SLACK:
            self._holds = 0
            return 1
        if not has_held:
            return 0
        self._holds = min(self._holds + 1, MOST_DOUBLINGS)
        return 1 << self._holds
