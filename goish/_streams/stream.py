"""Stream, which is lazy, and Flow, one run of it.

A Stream describes: nothing runs until it is iterated or entered. Each run has a crew of its own (crew.py), which ends
when the consumer leaves: at the end of the block; or, behind a bare ``async for``, when the iterator is exhausted,
closed, or dropped: the event loop then closes it (``sys.set_asyncgen_hooks``).
Not here: the stages.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from types import AsyncGeneratorType, TracebackType
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, overload

from .._checks import check_no_loop
from .._runtime.core import Chan, RecvChan, SendChan, go_thread
from .crew import Crew
from .hop import CAPACITY, ChanFeed, Feed, Hop, HopFeed, IterFeed

__all__ = [
    "Branch",
    "Flattens",
    "Flow",
    "Keeps",
    "Lists",
    "Source",
    "Stage",
    "Stream",
    "Tuples",
    "is_a",
    "iterate",
    "pipeline",
    "stream_of",
]

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")
G = TypeVar("G")
T_co = TypeVar("T_co", covariant=True)
A_contra = TypeVar("A_contra", contravariant=True)
B_co = TypeVar("B_co", covariant=True)

Source: TypeAlias = AsyncIterable[T] | Iterable[T]


class Flow(AsyncIterator[T_co]):
    """One run of a stream, which ``async with stream as flow`` gives: an async iterator, and a channel for ``select``.

    It has one consumer at a time; several share its ``receiver``. It ends with its block.

    Example::

        async with streams.pipeline([1, 2, 3], streams.map(str)) as flow:
            print(await anext(flow))  # -> 1
            print(await select(flow.receiver.recv(), after(60).recv()))  # -> (0, '2', True)
    """

    def __init__(self, crew: Crew, feed: Feed[T_co]) -> None:
        self._crew = crew
        self._feed = feed
        self._chunk: Iterator[T_co] = iter(())
        self._hop: Hop[T_co] | None = None
        self._values: AsyncGeneratorType[T_co, None] = self._pull()  # type: ignore[assignment]

    async def _pull(self) -> AsyncGenerator[T_co]:
        while True:
            begun = self._chunk
            for value in begun:
                yield value
                if self._chunk is not begun:  # ``receiver`` has it now
                    break
            else:
                chunk = await self._feed.next()
                if chunk is None:
                    return
                self._chunk = iter(chunk)

    async def _next_chunk(self) -> Iterable[T_co] | None:
        for value in self._chunk:
            return chain((value,), self._chunk)
        return await self._feed.next()

    def __aiter__(self) -> AsyncIterator[T_co]:
        return self._values

    async def __anext__(self) -> T_co:
        return await anext(self._values)

    @property
    def receiver(self) -> RecvChan[T_co]:
        """The values that are left, as a channel: for ``select``, and for several receivers.

        It is closed behind the last one. What the stream failed with is raised at the end of the block then.

        Example::

            async with streams.pipeline(range(3)) as flow:
                print([n async for n in flow.receiver])  # -> [0, 1, 2]
        """
        if self._hop is None:
            hop: Hop[T_co] = Hop(self._crew, 1)
            hop.start("streams.receiver", self._send_rest, self._feed, self._chunk, hop.channel, source=self._feed)
            self._feed, self._chunk, self._hop = HopFeed(hop), iter(()), hop
        return self._hop.channel.receiver

    @staticmethod
    async def _send_rest(feed: Feed[T], begun: Iterator[T], out: Chan[T]) -> None:
        chunk: Iterable[T] | None = begun
        while chunk is not None:
            for value in chunk:
                await out.send(value)
            chunk = await feed.next()

    async def aclose(self) -> None:
        """End the run before its block ends: cancel its goroutines, and wait for their end. A second time does nothing.

        Of several flows of one block it ends this one. Cancelled, it waits all the same, and the cancel is raised
        behind that.

        Example::

            async with streams.pipeline(range(3)) as flow:
                await flow.aclose()
                print([n async for n in flow])  # -> []
        """
        try:
            self._feed.leave()
            await self._close_crew()
        finally:
            self._feed, self._chunk = IterFeed(()), iter(())
            if not self._values.ag_running:
                await self._values.aclose()

    async def _close_crew(self) -> None:
        await self._crew.close()

    def _left_by(self, crew: Crew) -> None:
        if crew is self._crew:
            self._feed.leave()

    def _raise_unseen(self) -> None:
        """At the end of its block: raise the error that ended the channel of ``receiver``, which cannot tell it."""
        hop = self._hop
        if hop is not None and hop.error is not None and not len(hop.channel) and self._crew.is_unseen(hop.error):
            hop.raise_error()


class Branch(Flow[T_co]):
    """One of several flows of a block, which owns the crew."""

    async def _close_crew(self) -> None:
        pass


class Stream(AsyncIterable[T_co]):
    """Values to come: iterate it by ``async for``, enter it, or give it to further stages.

    It is lazy: nothing runs before. Each time it is iterated or entered it runs anew, from its source: a list can be
    read again, an iterator goes on where it was. The goroutines of a run belong to it and end with it::

        async with stream as flow:      # at the end of the block none is left
            async for value in flow: ...

        async for value in stream: ...  # none is left at its end, or when it raises; behind a break they are cancelled,
                                        # and end soon after

    In between the consumer's error, a cancel, a ``return`` end a run likewise. A stage that fails ends the run, and its
    exception is raised behind the values that went before. On a thread without an event loop ``for value in stream``
    blocks, and the stages run on a worker.

    Example::

        squares = streams.pipeline(range(4), streams.map(lambda n: n * n))
        print([n async for n in squares])  # -> [0, 1, 4, 9]
    """

    def __init__(self) -> None:
        self._entered: list[tuple[object, Flow[T_co]]] = []  # by which task

    def _start(self, crew: Crew) -> Feed[T_co]:
        """Begin a run: start its goroutines as members of ``crew``."""
        raise NotImplementedError

    async def _run(self) -> AsyncGenerator[T_co]:
        crew = Crew()
        try:
            feed = self._start(crew)
            while (chunk := await feed.next()) is not None:
                for value in chunk:
                    yield value
        finally:
            await crew.close()

    def __aiter__(self) -> AsyncIterator[T_co]:
        return self._run()

    async def __aenter__(self) -> Flow[T_co]:
        crew = Crew()
        try:
            flow = Flow(crew, self._start(crew))
        except BaseException:
            await crew.close()
            raise
        self._entered.append((asyncio.current_task(), flow))
        return flow

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        here = asyncio.current_task()
        entry = next((entry for entry in reversed(self._entered) if entry[0] is here), self._entered[-1])
        self._entered.remove(entry)
        flow = entry[1]
        try:
            if exc is None:
                flow._raise_unseen()  # pyright: ignore[reportPrivateUsage]
        finally:
            await flow.aclose()

    def __iter__(self) -> Iterator[T_co]:
        check_no_loop("`for` over a stream", "use `async for`")
        return self._run_blocking()

    def _run_blocking(self) -> Iterator[T_co]:
        values: Chan[T_co] = Chan(CAPACITY)
        g = go_thread.options(name="streams.worker")(self._deliver, values)
        try:
            yield from values
            if (error := g.result_blocking()) is not None:
                raise error
        finally:
            g.cancel("the consumer of its stream has left")
            with suppress(asyncio.CancelledError):
                g.result_blocking()

    async def _deliver(self, out: Chan[Any]) -> Exception | None:
        """Run it for a consumer on another thread, and give the error it ends in."""
        try:
            async with self as flow:
                async for value in flow:
                    await out.send(value)
        except Exception as error:
            return error
        finally:
            out.close_once()
        return None


class Stage(Generic[A_contra, B_co]):
    """A step of a pipeline, such as ``map(fn)`` makes: called with a source it gives a ``Stream``.

    It holds no state of a run, so it may stand in many pipelines. A function that takes an async iterator and gives one
    is a stage too, so most often an async generator.

    Example::

        async def pairs(values):
            async for first in values:
                yield first, await anext(values)

        print(await streams.collect(streams.pipeline("abcd", pairs)))  # -> [('a', 'b'), ('c', 'd')]
        evens = streams.filter(lambda n: n % 2 == 0)
        print(await streams.collect(evens(range(6))))  # -> [0, 2, 4]
    """

    def __init__(self, name: str, make: Callable[[Stream[Any]], Stream[Any]]) -> None:
        self._name = name
        self._make = make

    def __call__(self, source: Source[A_contra], /) -> Stream[B_co]:
        return self._make(stream_of(source))

    def __repr__(self) -> str:
        return f"<Stage {self._name}>"


# Stages that take values of any type, as type checkers see them: the type of the source is that of the values.
class Keeps(Protocol):
    def __call__(self, source: Source[T], /) -> Stream[T]: ...


class Lists(Protocol):
    def __call__(self, source: Source[T], /) -> Stream[list[T]]: ...


class Tuples(Protocol):
    def __call__(self, source: Source[T], /) -> Stream[tuple[T, ...]]: ...


class Flattens(Protocol):
    def __call__(self, source: Source[Iterable[T]], /) -> Stream[T]: ...


# ── sources ──


class _Values(Stream[T]):
    def __init__(self, source: Iterable[T]) -> None:
        super().__init__()
        self._source = source

    def _start(self, crew: Crew) -> Feed[T]:
        return IterFeed(self._source)


class _Received(Stream[T]):
    def __init__(self, channel: RecvChan[T]) -> None:
        super().__init__()
        self._channel = channel

    def _start(self, crew: Crew) -> Feed[T]:
        return ChanFeed(self._channel)


class _Running(Stream[T]):
    """What is left of a flow."""

    def __init__(self, flow: Flow[T]) -> None:
        super().__init__()
        self._flow = flow

    def _start(self, crew: Crew) -> Feed[T]:
        return _FlowFeed(self._flow, crew)


class _FlowFeed(Feed[T]):
    def __init__(self, flow: Flow[T], crew: Crew) -> None:
        self._flow = flow
        self._crew = crew

    async def next(self) -> Iterable[T] | None:
        return await self._flow._next_chunk()  # pyright: ignore[reportPrivateUsage]

    def leave(self) -> None:
        """A flow of another run belongs to the block that it was made by."""
        self._flow._left_by(self._crew)  # pyright: ignore[reportPrivateUsage]


class _Iterated(Stream[T]):
    """An async iterable, which a goroutine of its own iterates: so its timeouts and groups stay its own (PEP 789)."""

    def __init__(self, source: AsyncIterable[T]) -> None:
        super().__init__()
        self._source = source

    def _start(self, crew: Crew) -> Feed[T]:
        return iterate(crew, self._source, CAPACITY)


def iterate(crew: Crew, source: AsyncIterable[T], capacity: int) -> Feed[T]:
    hop: Hop[T] = Hop(crew, capacity)
    hop.start("streams.source", _iterate, source, hop)
    return HopFeed(hop)


async def _iterate(source: AsyncIterable[T], hop: Hop[T]) -> None:
    values, try_send = aiter(source), hop.channel.try_send
    try:
        async for value in values:
            if not try_send(value):
                await _send(values, hop, value)
    finally:
        aclose = getattr(values, "aclose", None)
        if aclose is not None:
            await aclose()


async def _send(values: AsyncIterator[T], hop: Hop[T], value: T) -> None:
    """Send what a generator has yielded. A cancel is raised at its ``yield``: it may be of a timeout or group there."""
    out = hop.channel
    try:
        await out.send(value)
    except asyncio.CancelledError as exc:
        athrow: Callable[[BaseException], Awaitable[T]] | None = getattr(values, "athrow", None)
        if athrow is None or hop.is_left:
            raise
        try:
            more = await athrow(exc)
        except asyncio.CancelledError:
            raise
        except StopAsyncIteration:
            await out.send(value)
        except Exception:
            await out.send(value)  # it was yielded before
            raise
        else:
            await out.send(value)
            await _send(values, hop, more)


def is_a(value: object, kinds: Any) -> bool:
    """``isinstance``, of which type checkers conclude nothing: the parameters of generic types they cannot know."""
    return isinstance(value, kinds)


def stream_of(source: Source[T]) -> Stream[T]:
    given: Any = source
    if is_a(given, Stream):
        stream: Stream[T] = given
        return stream
    if is_a(given, Flow):
        return _Running(given)
    if is_a(given, (Chan, RecvChan)):
        return _Received(given)
    if is_a(given, AsyncIterable):
        return _Iterated(given)
    if is_a(given, Iterable):
        return _Values(given)
    wanted = "a source is an iterable, an async iterable, a channel or a stream"
    if is_a(given, SendChan):
        raise TypeError(f"{wanted}; from the sending end of a channel nothing can be received")
    if inspect.isasyncgenfunction(given) or inspect.isgeneratorfunction(given):
        raise TypeError(f"{wanted}; {given.__qualname__} is a function: call it")
    raise TypeError(f"{wanted}, got {given!r} of type {type(given).__name__}")


# ── pipelines ──


class _Custom(Stream[B]):
    """A stage that the program has written: it is called when a run begins."""

    def __init__(self, source: Stream[A], fn: Callable[[AsyncIterator[A]], AsyncIterable[B]]) -> None:
        super().__init__()
        self._source: Stream[Any] = source
        self._fn = fn

    def _start(self, crew: Crew) -> Feed[B]:
        flow: Any = Flow(crew, self._source._start(crew))
        try:
            made: Any = self._fn(flow)
        except TypeError as error:
            error.add_note(f"{_name(self._fn)} as a stage is given an async iterator; for each value: streams.map(fn)")
            raise
        if is_a(made, Stream):
            stream: Stream[B] = made
            return stream._start(crew)
        if not is_a(made, AsyncIterable):
            instead = "for each value: streams.map(fn)"
            raise TypeError(f"{_name(self._fn)} is no stage: it gave {made!r}, and not an async iterator; {instead}")
        return iterate(crew, made, CAPACITY)


def _name(fn: object) -> str:
    return getattr(fn, "__qualname__", repr(fn))


_Step: TypeAlias = Callable[[AsyncIterator[A]], AsyncIterable[B]]


@overload
def pipeline(source: Source[A], /) -> Stream[A]: ...
@overload
def pipeline(source: Source[A], s1: _Step[A, B], /) -> Stream[B]: ...
@overload
def pipeline(source: Source[A], s1: _Step[A, B], s2: _Step[B, C], /) -> Stream[C]: ...
@overload
def pipeline(source: Source[A], s1: _Step[A, B], s2: _Step[B, C], s3: _Step[C, D], /) -> Stream[D]: ...
@overload
def pipeline(source: Source[A], s1: _Step[A, B], s2: _Step[B, C], s3: _Step[C, D], s4: _Step[D, E], /) -> Stream[E]: ...
@overload
def pipeline(
    source: Source[A], s1: _Step[A, B], s2: _Step[B, C], s3: _Step[C, D], s4: _Step[D, E], s5: _Step[E, F], /
) -> Stream[F]: ...
@overload
def pipeline(
    source: Source[A],
    s1: _Step[A, B],
    s2: _Step[B, C],
    s3: _Step[C, D],
    s4: _Step[D, E],
    s5: _Step[E, F],
    s6: _Step[F, G],
    /,
) -> Stream[G]: ...
@overload
def pipeline(
    source: Source[Any],
    s1: _Step[Any, Any],
    s2: _Step[Any, Any],
    s3: _Step[Any, Any],
    s4: _Step[Any, Any],
    s5: _Step[Any, Any],
    s6: _Step[Any, Any],
    s7: _Step[Any, Any],
    /,
    *stages: _Step[Any, Any],
) -> Stream[Any]: ...
def pipeline(source: Source[Any], /, *stages: _Step[Any, Any]) -> Stream[Any]:
    """A stream of what ``source`` gives, sent through ``stages`` one after the other.

    ``source``: an iterable, an async iterable, a channel, or a stream. ``stages``: what ``map``, ``filter``, ``batch``
    and the like make, or functions that take an async iterator and give one, such as async generators. Stages that wait
    for nothing run where their values are asked for; each of the others has goroutines of its own, and a bounded
    channel behind it. Values of an iterable or of a channel are not taken before they are asked for; an async iterable
    is read ahead, and closed at the end. TypeError for other things. See ``Stream`` for when it runs and ends.

    Example::

        async def double(n):
            return 2 * n

        stream = streams.pipeline(range(10), streams.filter(lambda n: n > 6), streams.map(double))
        print([n async for n in stream])  # -> [14, 16, 18]
    """
    stream = stream_of(source)
    for stage in stages:
        stream = _attached(stream, stage)
    return stream


def _attached(stream: Stream[Any], stage: Any) -> Stream[Any]:
    if is_a(stage, Stage):
        attached: Stream[Any] = stage(stream)
        return attached
    if inspect.iscoroutinefunction(stage):
        raise TypeError(f"{_name(stage)} is a coroutine function, and no stage: write streams.map({_name(stage)})")
    if not is_a(stage, Callable):
        raise TypeError(
            "a stage is what streams.map(fn) and the like make, or a function that takes an async iterator and gives "
            f"one; got {stage!r} of type {type(stage).__name__}"
        )
    return _Custom(stream, stage)
