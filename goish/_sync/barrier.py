"""A barrier: parties that wait until all of them have come.

The arrivals are numbered; every ``parties`` of them make a round. The last to join a round lets it go. A party that
gives up breaks the barrier for all that wait and come, until ``reset``.

Invariant: the verdict on a round (passed or broken) is given once, by compare-and-swap; then its event is set.
Threads: any.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import NoReturn

from .._checks import check_no_loop, check_timeout, check_whole
from .._runtime.core import Bool, Event, Int64, Ref
from ..errors import BrokenBarrier

__all__ = ["Barrier"]

_OPEN, _PASSED, _BROKEN = range(3)


class _Round:
    __slots__ = ("joined", "over", "verdict")

    def __init__(self) -> None:
        self.joined = Int64()
        self.verdict = Int64(_OPEN)
        self.over = Event()

    def decide(self, verdict: int) -> None:
        self.verdict.compare_and_swap(_OPEN, verdict)
        self.over.set()

    def check(self) -> None:
        if self.verdict.load() != _PASSED:
            raise BrokenBarrier


class _Life:
    """What a barrier is from one reset to the next."""

    __slots__ = ("arrivals", "broken", "rounds")

    def __init__(self) -> None:
        self.arrivals = Int64()
        self.broken = Bool()
        self.rounds: dict[int, _Round] = {}  # those that are not over; its methods are one step each

    def end(self) -> None:
        # A party that is not seen here sees `broken` before it waits.
        self.broken.store(True)
        for each in self.rounds.copy().values():
            each.decide(_BROKEN)
        self.rounds.clear()


class Barrier:
    """Waits until ``parties`` have come, and lets them go together; again and again.

    As ``asyncio.Barrier`` and ``threading.Barrier``, for goroutines, tasks of any loops, and threads together. A party
    that is cancelled, or whose time is up, breaks it for all: they get ``BrokenBarrier``, and so does each that comes,
    until ``reset``. ``async with barrier as i`` waits, too; on threads ``with``. TypeError or ValueError unless
    ``parties`` is a whole number, 1 or more.

    Example::

        barrier = Barrier(3)

        async def party():
            return await barrier.wait()

        print(sorted(await wait_all(*[go(party) for _ in range(3)])))  # -> [0, 1, 2]
    """

    __slots__ = ("__weakref__", "_life", "_parties")

    def __init__(self, parties: int) -> None:
        self._parties = check_whole("parties", parties)
        self._life = Ref(_Life())

    async def wait(self) -> int:
        """Waits until all parties have come; the number of this one among them, 0 to ``parties`` - 1.

        A cancel breaks the barrier. Raises BrokenBarrier if it is broken, or breaks meanwhile.

        Example::

            print(await Barrier(1).wait())  # -> 0
        """
        life, index, this = self._arrive()
        with _breaking(life, this):
            await this.over.wait()
        this.check()
        return index

    def wait_blocking(self, timeout: float | None = None) -> int:
        """``wait`` for threads without an event loop: blocks the calling thread.

        ``timeout``: seconds, None to wait for ever. TimeoutError if they have not come by then, which breaks the
        barrier; SyncOnLoop on a thread whose event loop runs. Ctrl-C ends the wait, and breaks it too.

        Example::

            print(Barrier(1).wait_blocking())  # -> 0
        """
        timeout = check_timeout(timeout)
        check_no_loop("wait_blocking()", "use await barrier.wait()")
        life, index, this = self._arrive()
        with _breaking(life, this):
            this.over.wait_blocking(timeout)
        this.check()
        return index

    def _arrive(self) -> tuple[_Life, int, _Round]:
        life = self._life.load()
        if life.broken.load():
            raise BrokenBarrier
        number, index = divmod(life.arrivals.add(1) - 1, self._parties)
        this = life.rounds.setdefault(number, _Round())
        if life.broken.load():
            this.decide(_BROKEN)
        # Not by the last index: another party, that has its number already, may not have found the round yet.
        elif this.joined.add(1) == self._parties:
            life.rounds.pop(number, None)
            this.decide(_PASSED)
        return life, index, this

    def abort(self) -> None:
        """Breaks it: all that wait get BrokenBarrier, and so does each that comes, until ``reset``. Any thread."""
        self._life.load().end()

    def reset(self) -> None:
        """Makes it as new: all that wait get BrokenBarrier, and those that come then begin anew. Any thread.

        Example::

            barrier = Barrier(2)
            barrier.abort()
            barrier.reset()
            print(barrier.broken)  # -> False
        """
        self._life.swap(_Life()).end()

    @property
    def parties(self) -> int:
        """How many let it go."""
        return self._parties

    @property
    def n_waiting(self) -> int:
        """How many have come and wait for the others. Any thread; out of date at once."""
        life = self._life.load()
        return 0 if life.broken.load() else life.arrivals.load() % self._parties

    @property
    def broken(self) -> bool:
        """Whether it is broken. Any thread."""
        return self._life.load().broken.load()

    async def __aenter__(self) -> int:
        return await self.wait()

    async def __aexit__(self, *_: object) -> None:
        pass

    def __enter__(self) -> int:
        return self.wait_blocking()

    def __exit__(self, *_: object) -> None:
        pass

    def __repr__(self) -> str:
        state = "broken" if self.broken else f"waiting={self.n_waiting}"
        return f"<Barrier parties={self._parties} {state}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Barrier cannot be copied or pickled: parties of its copies would wait apart")


@contextmanager
def _breaking(life: _Life, this: _Round) -> Generator[None]:
    """A party that leaves its wait by an exception breaks the barrier, unless its round has passed."""
    try:
        yield
    except BaseException:
        if this.verdict.compare_and_swap(_OPEN, _BROKEN):
            this.over.set()
            life.end()
        raise
