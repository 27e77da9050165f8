"""Stages with goroutines of their own: ``stage``, and ``map`` of a coroutine function.

One worker is one goroutine. Several have a dispatcher before them, which starts a worker when all others are busy, up
to their number, and hands each value to a worker that waits for one. In input order, results carry the number of their
job; the receiver holds back those that are early, and a window bounds how far ahead the dispatcher goes.
Calls on threads are short: each takes as many values as are there and fill about a millisecond, so that a hop between
threads is paid once for them, and other calls of the pool have their turn in between.
Threads: only ``call_each`` runs on workers; all else is on the loop of the stream.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Coroutine, Iterable
from itertools import islice
from time import perf_counter
from typing import Any, Final, Literal, TypeAlias, TypeVar, cast, overload

from .._checks import check_choice, check_count, check_flag, check_whole
from .._runtime.core import (
    Chan,
    Goroutine,
    GoThread,
    Weighted,
    check_cancel,
    go_thread,
)
from .._threads.adopted import AnyExecutor, check_executor
from ..errors import SendOnClosed
from .crew import Crew
from .hop import CAPACITY, Feed, Hop, HopFeed
from .steps import Map, stepped
from .stream import Stage, Stream

__all__ = ["Kind", "Work", "check_function", "map", "stage", "worked"]

A = TypeVar("A")
B = TypeVar("B")

Kind: TypeAlias = Literal["go", "thread"]
_Job: TypeAlias = tuple[int, list[Any]]  # its number, and the values
_Done: TypeAlias = tuple[int, list[Any], BaseException | None]  # the results, and what the next call failed with

_CHUNK_SECONDS: Final = 0.001  # of calls on a thread that are made in a row


class Work:
    """What one stage does; a run of it is a ``_Run``."""

    def __init__(
        self,
        fn: Callable[[Any], Any],
        workers: float,
        verb: GoThread | None,
        ordered: bool,
        capacity: int,
        fails_at_once: bool = False,  # where all results are needed, earlier ones are not waited for
    ) -> None:
        self.fn = fn
        self.workers = workers
        self.verb = verb
        self.ordered = ordered
        self.capacity = capacity
        self.fails_at_once = fails_at_once
        self.is_async = inspect.iscoroutinefunction(fn)
        self.name = f"streams.stage {getattr(fn, '__qualname__', type(fn).__name__)}"


def call_each(fn: Callable[[Any], Any], values: list[Any]) -> tuple[list[Any], Exception | None, float]:
    """The results, the exception that came instead of the next one, and how many seconds it took."""
    results: list[Any] = []
    begin = perf_counter()
    try:
        for value in values:
            results.append(fn(value))
            check_cancel()
    except Exception as error:
        return results, error, 0.0
    return results, None, perf_counter() - begin


class _Worked(Stream[B]):
    def __init__(self, source: Stream[Any], work: Work) -> None:
        super().__init__()
        self._source = source
        self._work = work

    def _start(self, crew: Crew) -> Feed[B]:
        work, source = self._work, self._source._start(crew)
        if work.workers == 1 and work.verb is None:
            hop: Hop[B] = Hop(crew, work.capacity)
            hop.start(work.name, _one_by_one, work, source, hop.channel, source=source)
            return HopFeed(hop)
        return _Run(crew, work, source).feed()


def worked(name: str, work: Work) -> Stage[Any, Any]:
    return Stage(name, lambda source: _Worked(source, work))


async def _one_by_one(work: Work, source: Feed[Any], out: Chan[Any]) -> None:
    fn, is_async, try_send = work.fn, work.is_async, out.try_send
    while (chunk := await source.next()) is not None:
        for value in chunk:
            result = fn(value)
            if is_async or hasattr(result, "__await__"):
                result = await result
            if not try_send(result):
                await out.send(result)


class _Run:
    """Several workers, or those on threads."""

    def __init__(self, crew: Crew, work: Work, source: Feed[Any]) -> None:
        self._crew = crew
        self._work = work
        self._source = source
        self._size = 1  # of a job
        self._started = 0
        self._jobs: Chan[_Job] = Chan()
        self._window: Weighted | None = None
        if work.ordered and work.workers != math.inf:
            self._window = Weighted(int(work.workers) * self._most + work.capacity)
        self._hop: Hop[Any] = Hop(crew, work.capacity)

    @property
    def _most(self) -> int:
        """The size of a job at most: what a thread is given at a time is on its way, as what is in a hop."""
        return 1 if self._work.verb is None or self._work.is_async else max(1, self._work.capacity)

    def feed(self) -> Feed[Any]:
        self._hop.start(self._work.name, self._dispatch, source=self._source)
        feed: HopFeed[Any] = HopFeed(self._hop)
        return _OrderedFeed(feed, self._window, self._crew) if self._work.ordered else feed

    async def _dispatch(self) -> None:
        number = 0
        try:
            while (chunk := await self._source.next()) is not None:
                values = iter(chunk)
                while job := list(islice(values, self._size)):
                    await self._give((number, job))
                    number += 1
        except Exception as error:
            # The jobs are closed when a worker has failed: what is behind that is not wanted.
            if not (isinstance(error, SendOnClosed) and self._jobs.closed):
                self._hop.fail_at_end(error)
        finally:
            self._jobs.close_once()

    async def _give(self, job: _Job) -> None:
        window = self._window
        if window is not None and not window.try_acquire(len(job[1])):
            await window.acquire(len(job[1]))
        if self._jobs.try_send(job):
            return
        if self._started < self._work.workers:
            self._started += 1
            self._hop.start(self._work.name, self._serve, job)
        else:
            await self._jobs.send(job)

    async def _serve(self, job: _Job) -> None:
        call = self._call if self._work.verb is None else self._call_on_thread
        send = self._hop.channel.send
        ordered, ok = self._work.ordered, True
        while ok:
            results, error = await call(job[1])
            if error is not None and self._work.fails_at_once:
                raise error
            if ordered:
                if error is not None:
                    self._stop(error)
                await send((job[0], results, error))
            else:
                for result in results:
                    await send(result)
                if error is not None:
                    raise error
            job, ok = cast("tuple[_Job, bool]", await self._jobs.recv_ok())

    def _stop(self, error: BaseException) -> None:
        """The error waits behind the results of earlier jobs; there are no later ones."""
        self._crew.failed(error)
        self._jobs.close_once()
        self._source.leave()

    async def _call(self, values: list[Any]) -> tuple[list[Any], BaseException | None]:
        try:
            result = self._work.fn(values[0])
            if self._work.is_async or hasattr(result, "__await__"):
                result = await result
        except Exception as error:
            return [], error
        return [result], None

    async def _call_on_thread(self, values: list[Any]) -> tuple[list[Any], BaseException | None]:
        verb = self._work.verb
        assert verb is not None
        if self._work.is_async:
            try:
                return [await self._joined(self._crew.go_thread(verb, self._work.fn, values[0]))], None
            except Exception as error:
                return [], error
        g = self._crew.go_thread(verb, call_each, self._work.fn, values)
        results, failure, seconds = await self._joined(g)
        if failure is None:
            self._size = max(1, min(self._most, int(_CHUNK_SECONDS * len(values) / max(seconds, 1e-9))))
        return results, failure

    async def _joined(self, g: Goroutine[Any]) -> Any:
        try:
            return await g
        except BaseException:
            if not g.done():
                self._crew.cancel_member(g, "its stream has ended")  # and wait for it at the end
            raise


class _OrderedFeed(Feed[B]):
    """Results in the order of their jobs."""

    def __init__(self, feed: Feed[_Done], window: Weighted | None, crew: Crew) -> None:
        self._feed = feed
        self._window = window
        self._crew = crew
        self._early: dict[int, _Done] = {}
        self._next = 0
        self._error: BaseException | None = None

    async def next(self) -> Iterable[B] | None:
        while self._error is None:
            if ready := self._take_ready():
                return ready
            if self._error is not None:
                break
            chunk = await self._feed.next()
            if chunk is None:
                return None
            for done in chunk:
                self._early[done[0]] = done
        self._crew.seen(self._error)
        raise self._error

    def _take_ready(self) -> list[B]:
        ready: list[B] = []
        while (done := self._early.pop(self._next, None)) is not None:
            self._next += 1
            ready += done[1]
            if done[2] is not None:
                self._error = done[2]
                break
        if self._window is not None and ready:
            self._window.release(len(ready))
        return ready

    def leave(self) -> None:
        self._feed.leave()


@overload
def stage(
    fn: Callable[[A], Coroutine[Any, Any, B]],
    /,
    *,
    workers: float = 1,
    kind: Kind = "go",
    ordered: bool = True,
    capacity: int = CAPACITY,
    executor: AnyExecutor | None = None,
) -> Stage[A, B]: ...
@overload
def stage(
    fn: Callable[[A], B],
    /,
    *,
    workers: float = 1,
    kind: Kind = "go",
    ordered: bool = True,
    capacity: int = CAPACITY,
    executor: AnyExecutor | None = None,
) -> Stage[A, B]: ...
def stage(
    fn: Callable[[Any], Any],
    /,
    *,
    workers: float = 1,
    kind: Kind = "go",
    ordered: bool = True,
    capacity: int = CAPACITY,
    executor: AnyExecutor | None = None,
) -> Stage[Any, Any]:
    """Give ``fn(value)`` of each value, from goroutines of its own, so that the stages before and behind go on.

    ``fn``: a coroutine function, or a plain one. ``workers``: how many calls run at the same time, 1 or more;
    ``math.inf``: one for each value. ``kind``: ``"go"``, goroutines of the same loop, or ``"thread"``, calls by
    ``go_thread``, for functions that compute. ``ordered``: results in the order of the values; with False as they come.
    ``capacity``: how many results may wait for the next stage, 0 or more. Ordered, at most that many and one for each
    worker are ahead of the result that is due; on threads, where a short function is called for up to ``capacity``
    values in a row, so many for each worker. ``executor``: whose ``go_thread`` is taken, an adopted one too; with it
    the kind is "thread".

    An exception of ``fn`` ends the stream, behind the results that come before it; other calls are cancelled. If the
    consumer leaves, they are cancelled too, and it waits for their end: a function on a thread ends when it has
    returned, or calls ``check_cancel``. TypeError and ValueError for other arguments.

    Example::

        async def fetch(n):
            await sleep(0.001 * (3 - n))
            return n

        print(await streams.collect(streams.pipeline(range(3), streams.stage(fetch, workers=3))))  # -> [0, 1, 2]
        threads = streams.stage(lambda n: n * n, workers=2, kind="thread")
        print(await streams.collect(streams.pipeline(range(3), threads)))  # -> [0, 1, 4]
    """
    check_function("stage", fn)
    if workers != math.inf:
        check_whole("workers", workers)
    check_choice("kind", kind, ("go", "thread"))
    check_flag("ordered", ordered)
    check_count("capacity", capacity)
    checked = check_executor(executor)
    verb = checked.go_thread if checked is not None else go_thread if kind == "thread" else None
    return worked(f"stage({_name(fn)})", Work(fn, workers, verb, ordered, capacity))


@overload
def map(fn: Callable[[A], Coroutine[Any, Any, B]], /) -> Stage[A, B]: ...
@overload
def map(fn: Callable[[A], B], /) -> Stage[A, B]: ...
def map(fn: Callable[[Any], Any], /) -> Stage[Any, Any]:
    """Give ``fn(value)`` of each value, one after the other. ``fn``: a plain or a coroutine function.

    A plain function runs where its results are asked for. A coroutine function runs in a goroutine of its own, as
    ``stage(fn)`` has it; there are more workers, and threads. A plain function that gives a coroutine, such as a
    lambda, is for ``stage``: here that is a TypeError.

    Example::

        print(await streams.collect(streams.pipeline("abc", streams.map(str.upper))))  # -> ['A', 'B', 'C']
    """
    check_function("map", fn)
    if inspect.iscoroutinefunction(fn):
        return worked(f"map({_name(fn)})", Work(fn, 1, None, True, CAPACITY))
    return stepped(f"map({_name(fn)})", lambda: Map(fn))


def check_function(stage: str, fn: object) -> None:
    if not callable(fn):
        raise TypeError(f"streams.{stage} takes a function of one value, got {fn!r} of type {type(fn).__name__}")
    if inspect.isasyncgenfunction(fn):
        raise TypeError(
            f"{_name(fn)} is an async generator: if it takes one value, iterate it in a stage of your own; "
            "if it takes all of them, it is a stage itself, and pipeline() takes it as it is"
        )


def _name(fn: object) -> str:
    return getattr(fn, "__qualname__", type(fn).__name__)
