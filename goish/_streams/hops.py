"""Stages that are about the hop itself: ``batch``, ``buffer``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from .._checks import check_seconds, check_whole
from .crew import Crew
from .hop import ChanFeed, Feed, Hop, HopFeed, hop_of, pump
from .steps import groups_of
from .stream import Keeps, Lists, Stage, Stream

__all__ = ["batch", "buffer"]

T = TypeVar("T")


class _Batched(Stream[list[T]]):
    def __init__(self, source: Stream[T], n: int, seconds: float) -> None:
        super().__init__()
        self._source = source
        self._n = n
        self._seconds = seconds

    def _start(self, crew: Crew) -> Feed[list[T]]:
        return _BatchFeed(hop_of(crew, self._source._start(crew), self._n), self._n, self._seconds)


class _BatchFeed(Feed[list[T]]):
    def __init__(self, source: HopFeed[T] | ChanFeed[T], n: int, seconds: float) -> None:
        self._source = source
        self._n = n
        self._seconds = seconds

    async def next(self) -> Iterable[list[T]] | None:
        values = await self._source.channel.recv_many(self._n, linger=self._seconds)
        if not values:
            self._source.end()
            return None
        return (values,)

    def leave(self) -> None:
        self._source.leave()


def batch(n: int, seconds: float | None = None, /) -> Lists:
    """Give lists of ``n`` values, the last of fewer; with ``seconds``, of what has come within that time.

    ``n``: 1 or more. ``seconds``: how long a list waits at most for more behind its first value; 0: not at all, so a
    list has what is there; None: until it is full. An error comes behind the list of what was before it. Large hops are
    cheaper than many: to hand a million small things to a slow stage or a thread, batch them.

    Example::

        print(await streams.collect(streams.pipeline(range(5), streams.batch(2))))  # -> [[0, 1], [2, 3], [4]]
    """
    check_whole("n", n)
    if seconds is None:
        return groups_of(n)
    seconds = check_seconds("seconds", seconds)
    return Stage[Any, Any](f"batch({n}, {seconds})", lambda source: _Batched(source, n, seconds))


class _Buffered(Stream[T]):
    def __init__(self, source: Stream[T], n: int) -> None:
        super().__init__()
        self._source = source
        self._n = n

    def _start(self, crew: Crew) -> Feed[T]:
        hop: Hop[T] = Hop(crew, self._n)
        source: Feed[Any] = self._source._start(crew)
        hop.start("streams.buffer", pump, source, hop.channel, source=source)
        return HopFeed(hop)


def buffer(n: int, /) -> Keeps:
    """Read up to ``n`` values ahead, in a goroutine: the stages before it go on while those behind it work.

    ``n``: 1 or more.

    Example::

        print(await streams.collect(streams.pipeline("abc", streams.buffer(2))))  # -> ['a', 'b', 'c']
    """
    check_whole("n", n)
    return Stage[Any, Any](f"buffer({n})", lambda source: _Buffered(source, n))
