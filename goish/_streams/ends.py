"""The ends of streams, ``collect`` and ``reduce``, and many calls at a time: ``gather``, ``amap``, ``as_completed``."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from .._checks import check_whole
from .._runtime.core import is_coroutine
from .crew import Crew
from .hop import Feed
from .steps import check_plain
from .stream import Source, Stream, is_a, stream_of
from .work import Work, check_function, worked

__all__ = ["amap", "as_completed", "collect", "gather", "reduce"]

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")


async def collect(source: Source[T], /) -> list[T]:
    """All values of a stream, or of another source, in a list. Raises what it fails with; then nothing is given.

    Example::

        print(await streams.collect(streams.merge([1, 2])))  # -> [1, 2]
    """
    async with stream_of(source) as flow:
        return [value async for value in flow]


async def reduce(source: Source[A], fn: Callable[[B, A], B], initial: B, /) -> B:
    """The last ``total`` of ``total = fn(total, value)``, a plain function, which begins with ``initial``.

    Example::

        print(await streams.reduce([1, 2, 3], lambda total, n: total + n, 0))  # -> 6
    """
    check_plain("reduce", fn)
    total = initial
    async with stream_of(source) as flow:
        async for value in flow:
            total = fn(total, value)
    return total


def _check_limit(limit: int | None) -> float:
    return math.inf if limit is None else check_whole("limit", limit)


async def amap(fn: Callable[[A], Awaitable[B]], source: Source[A], /, *, limit: int | None = None) -> list[B]:
    """The results of ``await fn(value)`` for each value, in their order, of which up to ``limit`` run at a time.

    ``fn``: a coroutine function. ``limit``: 1 or more; None: all at once. Each call is a goroutine, started when there
    is room, and the source is read no further. The first exception cancels the others, waits for their end, and is
    raised. For results as they come, and more: ``stage``.

    Example::

        async def double(n):
            return 2 * n

        print(await streams.amap(double, [1, 2, 3], limit=2))  # -> [2, 4, 6]
    """
    check_function("amap", fn)
    work = Work(fn, _check_limit(limit), None, True, 0, fails_at_once=True)
    return await collect(worked("amap", work)(source))


async def gather(*awaitables: Awaitable[T], limit: int | None = None) -> list[T]:
    """The results of ``awaitables``, in their order: coroutines, of which up to ``limit`` run at a time, and handles.

    As ``asyncio.gather``, but bounded, and nothing is left behind: the first exception, or a cancel, cancels the other
    coroutines and waits for their end; those that have not begun never do. ``limit``: 1 or more; None: all at once.
    A goroutine goes on, as it does when its awaiter gives up; an asyncio task or future is cancelled.

    Example::

        async def double(n):
            return 2 * n

        print(await streams.gather(double(1), double(2), limit=1))  # -> [2, 4]
    """
    return await collect(_Awaited(awaitables, _check_limit(limit), ordered=True))


def as_completed(awaitables: Iterable[Awaitable[T]], /, *, limit: int | None = None) -> Stream[T]:
    """A stream of the results of ``awaitables``, as they come: otherwise as ``gather``.

    Results and not awaitables, unlike ``asyncio.as_completed``: the first exception ends it. Coroutines that were not
    begun when the consumer leaves are closed. It runs once.

    Example::

        async def wait(n):
            await sleep(n / 1000)
            return n

        print([n async for n in streams.as_completed([wait(5), wait(1)])])  # -> [1, 5]
    """
    return _Awaited(awaitables, _check_limit(limit), ordered=False)


class _Awaited(Stream[T]):
    def __init__(self, awaitables: Iterable[Awaitable[T]], limit: float, ordered: bool) -> None:
        super().__init__()
        name = "gather" if ordered else "as_completed"
        self._awaitables = list(awaitables)
        self._work = worked("gather", Work(_result_of, limit, None, ordered, 0, fails_at_once=True))
        for awaitable in self._awaitables:
            if not is_a(awaitable, Awaitable):
                self._close()
                advice = "; gather(*awaitables) takes them one by one" if is_a(awaitable, (list, tuple)) else ""
                raise TypeError(f"{name}() takes awaitables, such as coroutines; got {awaitable!r}{advice}")

    def _start(self, crew: Crew) -> Feed[T]:
        crew.at_end(self._close)
        return self._work(self._awaitables)._start(crew)

    def _close(self) -> None:
        """Those that were not begun: the others have ended."""
        for awaitable in self._awaitables:
            if is_coroutine(awaitable):
                awaitable.close()


async def _result_of(awaitable: Awaitable[T]) -> T:
    return await awaitable
