"""Streams of several sources: ``merge``, ``zip``, ``combine_latest``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar, overload

from .._checks import check_count
from .._runtime.core import Chan
from .crew import Crew
from .hop import CAPACITY, Feed, Hop, HopFeed, Puller, pump
from .stream import Source, Stream, stream_of

__all__ = ["combine_latest", "merge", "zip"]

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

_NONE_YET: Final = object()


class _Merged(Stream[T]):
    def __init__(self, sources: list[Stream[T]], capacity: int) -> None:
        super().__init__()
        self._sources = sources
        self._capacity = capacity

    def _start(self, crew: Crew) -> Feed[T]:
        hop: Hop[T] = Hop(crew, self._capacity)
        for source in self._sources:
            feed = source._start(crew)
            hop.start("streams.merge", pump, feed, hop.channel, source=feed)
        if not self._sources:
            hop.end()
        return HopFeed(hop)


def merge(*sources: Source[T], capacity: int = CAPACITY) -> Stream[T]:
    """The values of all ``sources``, as they come; it ends when all have ended. Go's fan-in.

    ``sources``: iterables, async iterables, channels, streams; each keeps its order, and is read by a goroutine, so
    values that the consumer has not got to are taken from channels too. ``capacity``: how many values may wait for the
    consumer. The first error ends it, and the others are cancelled. TypeError and ValueError for other arguments.

    Example::

        merged = streams.merge([1, 3], [2, 4])
        print(sorted(await streams.collect(merged)))  # -> [1, 2, 3, 4]
    """
    return _Merged([stream_of(source) for source in sources], check_count("capacity", capacity))


class _Zipped(Stream[tuple[Any, ...]]):
    def __init__(self, sources: list[Stream[Any]], strict: bool) -> None:
        super().__init__()
        self._sources = sources
        self._strict = strict

    def _start(self, crew: Crew) -> Feed[tuple[Any, ...]]:
        return _ZipFeed([source._start(crew) for source in self._sources], self._strict)


class _ZipFeed(Feed[tuple[Any, ...]]):
    def __init__(self, feeds: list[Feed[Any]], strict: bool) -> None:
        self._pullers = [Puller(feed) for feed in feeds]
        self._strict = strict

    async def next(self) -> Iterable[tuple[Any, ...]] | None:
        row: list[Any] = []
        for i, puller in enumerate(self._pullers):
            found = await puller.pull()
            if not found:
                if self._strict:
                    await self._check_all_have_ended(i)
                self.leave()
                return None
            row += found
        return (tuple(row),) if row else None

    async def _check_all_have_ended(self, ended: int) -> None:
        if ended:
            raise ValueError(f"zip(): source {ended + 1} is shorter than those before it")
        for i, puller in enumerate(self._pullers[1:], 2):
            if await puller.pull():
                raise ValueError(f"zip(): source {i} is longer than those before it")

    def leave(self) -> None:
        for puller in self._pullers:
            puller.feed.leave()


@overload
def zip(a: Source[A], /, *, strict: bool = False) -> Stream[tuple[A]]: ...
@overload
def zip(a: Source[A], b: Source[B], /, *, strict: bool = False) -> Stream[tuple[A, B]]: ...
@overload
def zip(a: Source[A], b: Source[B], c: Source[C], /, *, strict: bool = False) -> Stream[tuple[A, B, C]]: ...
@overload
def zip(*sources: Source[Any], strict: bool = False) -> Stream[tuple[Any, ...]]: ...
def zip(*sources: Source[Any], strict: bool = False) -> Stream[tuple[Any, ...]]:
    """Tuples of one value of each source; it ends with the shortest, and the others are cancelled.

    ``strict``: if the sources are not of one length it raises ValueError at the end, as Python's ``zip`` does. The
    sources are asked in their order, and no source for more than it takes.

    Example::

        print(await streams.collect(streams.zip("ab", [1, 2, 3])))  # -> [('a', 1), ('b', 2)]
    """
    return _Zipped([stream_of(source) for source in sources], bool(strict))


class _Combined(Stream[tuple[Any, ...]]):
    def __init__(self, sources: list[Stream[Any]]) -> None:
        super().__init__()
        self._sources = sources

    def _start(self, crew: Crew) -> Feed[tuple[Any, ...]]:
        hop: Hop[tuple[int, Any]] = Hop(crew, 1)
        for i, source in enumerate(self._sources):
            feed = source._start(crew)
            hop.start("streams.combine_latest", _pump_numbered, i, feed, hop.channel, source=feed)
        if not self._sources:
            hop.end()
        return _CombineFeed(HopFeed(hop), len(self._sources))


async def _pump_numbered(i: int, source: Feed[Any], out: Chan[tuple[int, Any]]) -> None:
    while (chunk := await source.next()) is not None:
        for value in chunk:
            await out.send((i, value))


class _CombineFeed(Feed[tuple[Any, ...]]):
    def __init__(self, feed: Feed[tuple[int, Any]], n: int) -> None:
        self._feed = feed
        self._latest: list[Any] = [_NONE_YET] * n

    async def next(self) -> Iterable[tuple[Any, ...]] | None:
        chunk = await self._feed.next()
        return None if chunk is None else self._combined(chunk)

    def _combined(self, chunk: Iterable[tuple[int, Any]]) -> Iterable[tuple[Any, ...]]:
        for i, value in chunk:
            self._latest[i] = value
            if all(latest is not _NONE_YET for latest in self._latest):
                yield tuple(self._latest)

    def leave(self) -> None:
        self._feed.leave()


@overload
def combine_latest(a: Source[A], /) -> Stream[tuple[A]]: ...
@overload
def combine_latest(a: Source[A], b: Source[B], /) -> Stream[tuple[A, B]]: ...
@overload
def combine_latest(a: Source[A], b: Source[B], c: Source[C], /) -> Stream[tuple[A, B, C]]: ...
@overload
def combine_latest(*sources: Source[Any]) -> Stream[tuple[Any, ...]]: ...
def combine_latest(*sources: Source[Any]) -> Stream[tuple[Any, ...]]:
    """A tuple of the latest value of each source, whenever one of them gives a value and all have given one.

    It ends when all have ended. Each source is read by a goroutine, one value ahead of the consumer.

    Example::

        async def settings():
            yield "dark"

        async def clicks():
            await sleep(0.01)
            yield 1

        print(await streams.collect(streams.combine_latest(settings(), clicks())))  # -> [('dark', 1)]
    """
    return _Combined([stream_of(source) for source in sources])
