"""One source for several consumers: ``dup``, ``split``, ``distribute``. A block owns its goroutine and its flows."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

from .._checks import check_count, check_whole
from ..errors import SendOnClosed
from .crew import Crew
from .hop import CAPACITY, Feed, Hop, HopFeed, pump
from .steps import check_plain
from .stream import Branch, Source, Stream, stream_of

__all__ = ["Fork", "distribute", "dup", "split"]

T = TypeVar("T")


class Fork(Generic[T]):
    """The block of ``dup``, ``split`` and ``distribute``: ``async with`` gives a tuple of flows, and ends them.

    Example::

        async with streams.distribute(range(4), 2) as (left, right):
            print(await anext(left), await anext(right))  # -> 0 1
    """

    def __init__(self, source: Source[T], n: int, capacity: int) -> None:
        self._source: Stream[T] = stream_of(source)
        self._n = n
        self._capacity = check_count("capacity", capacity)
        self._crew = Crew()
        self._flows: tuple[Branch[T], ...] = ()

    def _hops(self) -> list[Hop[T]]:
        return [Hop(self._crew, self._capacity) for _ in range(self._n)]

    def _route(self, value: T, hops: list[Hop[T]]) -> list[Hop[T]]:
        """The hops that get ``value``."""
        return hops

    def _start(self) -> None:
        hops = self._hops()
        source = self._source._start(self._crew)  # pyright: ignore[reportPrivateUsage]
        self._flows = tuple(Branch(self._crew, HopFeed(hop)) for hop in hops)
        carrier: Hop[None] = Hop(self._crew, 0)
        carrier.start("streams.fork", self._carry, source, hops, carrier, source=source)

    async def _carry(self, source: Feed[T], hops: list[Hop[T]], carrier: Hop[None]) -> None:
        error: BaseException | None = None
        try:
            while (chunk := await source.next()) is not None:
                for value in chunk:
                    for hop in self._route(value, hops):
                        await self._send(hop, value)
                    if all(hop.channel.closed for hop in hops):
                        return
        except Exception as exc:
            error = exc
        finally:
            for hop in hops:
                hop.fail(error) if error is not None else hop.channel.close_once()

    async def _send(self, hop: Hop[T], value: T) -> None:
        try:
            if not hop.channel.closed:
                await hop.channel.send(value)
        except SendOnClosed:  # its consumer has left
            pass

    async def __aenter__(self) -> tuple[Branch[T], ...]:
        if self._flows:
            raise RuntimeError("this block was entered already; make another")
        try:
            self._start()
        except BaseException:
            await self._crew.close()
            raise
        return self._flows

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if exc is None:
                for flow in self._flows:
                    flow._raise_unseen()  # pyright: ignore[reportPrivateUsage]
        finally:
            await self._crew.close()


def dup(source: Source[T], n: int = 2, /, *, capacity: int = CAPACITY) -> Fork[T]:
    """Give every value to each of ``n`` flows, which ``async with`` gives as a tuple.

    All flows are to be consumed at the same time: a flow that lags behind by ``capacity`` values holds up the others,
    until its consumer goes on, or leaves it by ``await flow.aclose()``. An error of the source is raised in each.

    Example::

        async with streams.dup("ab") as (left, right):
            print([pair async for pair in streams.zip(left, right)])  # -> [('a', 'a'), ('b', 'b')]
    """
    return Fork(source, check_whole("n", n), capacity)


class _Split(Fork[T]):
    def __init__(self, source: Source[T], predicate: Callable[[T], object], capacity: int) -> None:
        super().__init__(source, 2, capacity)
        self._predicate = predicate

    def _route(self, value: T, hops: list[Hop[T]]) -> list[Hop[T]]:
        return hops[:1] if self._predicate(value) else hops[1:]


def split(source: Source[T], predicate: Callable[[T], object], /, *, capacity: int = CAPACITY) -> Fork[T]:
    """Give two flows: the values for which ``predicate(value)``, a plain function, is true, and the others.

    As with ``dup`` both are to be consumed at the same time; values of a flow that was left are dropped.

    Example::

        async with streams.split(range(5), lambda n: n % 2) as (odd, even):
            print([n async for n in odd], [n async for n in even])  # -> [1, 3] [0, 2, 4]
    """
    check_plain("split", predicate)
    return _Split(source, predicate, capacity)


class _Distributed(Fork[T]):
    def _start(self) -> None:
        hop: Hop[T] = Hop(self._crew, self._capacity)
        source = self._source._start(self._crew)  # pyright: ignore[reportPrivateUsage]
        hop.start("streams.distribute", pump, source, hop.channel, source=source)
        consumers = set(range(self._n))
        self._flows = tuple(Branch(self._crew, _SharedFeed(hop, consumers, i)) for i in range(self._n))


class _SharedFeed(HopFeed[T]):
    """One consumer of several; the last that leaves ends it."""

    def __init__(self, hop: Hop[T], consumers: set[int], i: int) -> None:
        super().__init__(hop, most=1)
        self._consumers = consumers
        self._i = i

    def leave(self) -> None:
        self._consumers.discard(self._i)
        if not self._consumers:
            super().leave()


def distribute(source: Source[T], n: int, /, *, capacity: int = CAPACITY) -> Fork[T]:
    """Give each value to one of ``n`` flows, the one whose consumer asks first. Go's fan-out.

    An error of the source is raised in each. Goroutines that all do the same need no more than ``stage(workers=n)``.

    Example::

        async with streams.distribute("abc", 2) as (left, right):
            print(await anext(left), await anext(right), await anext(left))  # -> a b c
    """
    return _Distributed(source, check_whole("n", n), capacity)
