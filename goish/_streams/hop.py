"""The hop between two goroutines of a stream, and the feed: how values are pulled.

A feed gives chunks: iterables that compute their values when they are asked for them. All values of a chunk are taken
before the next one is asked for. So stages that wait for nothing cost a generator and no goroutine, and a hop moves
what it has in one step.

A hop is a channel, the goroutines that send into it, and the error that ended it. Close and errors go down: the hop is
closed when its last sender ends, and the receiver raises the error behind the values that were sent before. Cancel goes
up: ``leave`` cancels the senders and leaves what they receive from. Each goroutine is cancelled once.
Threads: all of a stream but its calls on workers is on one event loop.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final, Generic, TypeVar

from .._runtime.core import (
    Chan,
    GoExit,
    Goroutine,
    RecvChan,
    current_goroutine,
    gosched,
)
from ..errors import SendOnClosed
from .crew import Crew

__all__ = ["CAPACITY", "ChanFeed", "Feed", "Hop", "HopFeed", "IterFeed", "Puller", "hop_of", "pump"]

T = TypeVar("T")

CAPACITY: Final = 16  # of a hop, unless the program says otherwise
_MANY: Final = 16  # places in a channel, from which on a step for several values is cheaper
_SLICE: Final = 128  # values of a plain iterable, after which others have their turn


class Feed(ABC, Generic[T]):
    @abstractmethod
    async def next(self) -> Iterable[T] | None:
        """The next chunk; None at the end. Raises what the sending side has failed with."""

    def leave(self) -> None:
        """No more values are wanted."""


class IterFeed(Feed[T]):
    """A plain iterable: nothing is read ahead. It is not closed: what is left is its owner's."""

    def __init__(self, source: Iterable[T]) -> None:
        self._values = iter(source)
        self._is_first = True

    async def next(self) -> Iterable[T] | None:
        if not self._is_first:
            await gosched()
        self._is_first = False
        for value in self._values:
            return chain((value,), islice(self._values, _SLICE - 1))
        return None


class ChanFeed(Feed[T]):
    """A channel of the program: values are received one by one, so that those not asked for stay in it."""

    def __init__(self, channel: RecvChan[T]) -> None:
        self.channel = channel

    async def next(self) -> Iterable[T] | None:
        value, ok = await self.channel.recv_ok()
        return (value,) if ok else None  # type: ignore[return-value]

    def end(self) -> None:
        """Nothing can have failed."""


class Hop(Generic[T]):
    """See the file header. ``capacity``: how many values are on their way, those in the receiver's hands included."""

    def __init__(self, crew: Crew, capacity: int) -> None:
        self.most = max(1, capacity // 2)  # that the receiver takes at a time
        self.channel: Chan[T] = Chan(capacity if capacity < 2 else capacity - self.most)
        self.error: BaseException | None = None
        self._last_error: Exception | None = None
        self._crew = crew
        self._senders: set[Goroutine[None]] = set()
        self._sources: list[Feed[Any]] = []
        self.is_left = False
        crew.at_cancel(self.leave)

    def start(
        self, name: str, fn: Callable[..., Coroutine[Any, Any, None]], /, *args: Any, source: Feed[Any] | None = None
    ) -> Goroutine[None]:
        """Start a sender, which receives from ``source``. The last that ends closes the hop."""
        if source is not None:
            self._sources.append(source)
        g = self._crew.go(name, self._send, fn, args, source)
        self._senders.add(g)
        if self.is_left or self.error is not None:
            self._crew.cancel_member(g, "its stage has ended")
        return g

    async def _send(
        self, fn: Callable[..., Coroutine[Any, Any, None]], args: tuple[Any, ...], source: Feed[Any] | None
    ) -> None:
        g = current_goroutine()
        try:
            await fn(*args)
        except GoExit:
            raise
        except Exception as exc:
            self.fail(exc)
        except asyncio.CancelledError as exc:
            self.fail(exc)
            raise
        except BaseException as exc:
            self._end(exc)
            raise
        finally:
            if source is not None:
                source.leave()
            self._senders.discard(g)
            if not self._senders:
                self._end(self._last_error)

    def fail(self, error: BaseException) -> None:
        """One sender has failed: the others are cancelled, and the hop is closed."""
        if self.is_left or self._crew.is_closing:
            if not isinstance(error, (asyncio.CancelledError, SendOnClosed)):
                self._crew.failed(error)
            return
        if self.error is not None:
            return
        self._crew.failed(error)
        self._end(error)
        self._stop()

    def fail_at_end(self, error: Exception) -> None:
        """As ``fail``, when the other senders have ended too."""
        if self.is_left or self._crew.is_closing:
            self.fail(error)
        else:
            self._crew.failed(error)
            self._last_error = error

    def _end(self, error: BaseException | None) -> None:
        if not self.channel.closed:
            self.error = error  # before the receiver runs, on whatever thread
            self.channel.close_once()

    def _stop(self) -> None:
        here = current_goroutine()
        for g in list(self._senders):
            if g is not here:
                why = "another goroutine of its stage failed" if self.error else "its receiver has left"
                self._crew.cancel_member(g, why)
        for source in self._sources:
            source.leave()

    def leave(self) -> None:
        """No more is received. The channel stays open: a send that raised would bring the cancel to a clean-up."""
        if not self.is_left:
            self.is_left = True
            self._stop()
            if not self._senders:
                self.end()

    def end(self) -> None:
        self._end(None)

    def raise_error(self) -> None:
        """Called when the channel is closed and drained."""
        if self.error is not None:
            self._crew.seen(self.error)
            raise self.error


class HopFeed(Feed[T]):
    def __init__(self, hop: Hop[T], most: int | None = None) -> None:
        self._hop = hop
        self.channel: RecvChan[T] = hop.channel
        self.most = hop.most if most is None else most

    async def next(self) -> Iterable[T] | None:
        channel, most = self.channel, self.most
        if most > 1 and (values := channel.try_recv_many(most)):
            return values
        value, ok = await channel.recv_ok()
        if not ok:
            self.end()
            return None
        received: list[Any] = [value]
        if most > 1:
            received += channel.try_recv_many(most - 1)
        return received

    def end(self) -> None:
        self._hop.raise_error()

    def leave(self) -> None:
        self._hop.leave()


async def pump(source: Feed[T], out: Chan[T]) -> None:
    """Send all that ``source`` gives."""
    while (chunk := await source.next()) is not None:
        await (_send_many if out.cap >= _MANY else _send_each)(iter(chunk), out)


async def _send_each(values: Iterator[T], out: Chan[T]) -> None:
    try_send = out.try_send
    for value in values:
        if not try_send(value):
            await out.send(value)


async def _send_many(values: Iterator[T], out: Chan[T]) -> None:
    """What there is room for is computed and sent in one step: no other goroutine runs in between."""
    cap, try_send_many = int(out.cap), out.try_send_many
    for value in values:
        ready = [value]
        try:
            ready.extend(islice(values, max(0, cap - len(out) - 1)))
        finally:  # an error comes behind what was computed before it
            if not try_send_many(ready):
                for value in ready:
                    await out.send(value)


def hop_of(crew: Crew, feed: Feed[T], capacity: int = CAPACITY) -> HopFeed[T] | ChanFeed[T]:
    """``feed`` as a channel: itself if it is one already."""
    if isinstance(feed, (HopFeed, ChanFeed)):
        return feed
    hop: Hop[T] = Hop(crew, capacity)
    hop.start("streams.pump", pump, feed, hop.channel, source=feed)
    return HopFeed(hop)


class Puller(Generic[T]):
    """Pulls single values of a feed."""

    def __init__(self, feed: Feed[T]) -> None:
        self.feed = feed
        self._chunk: Iterator[T] = iter(())

    async def pull(self) -> Sequence[T]:
        """The next value, in a list; an empty one at the end."""
        while True:
            for value in self._chunk:
                return [value]
            chunk = await self.feed.next()
            if chunk is None:
                return []
            self._chunk = iter(chunk)
