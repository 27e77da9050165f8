"""The ends of a channel as anyio streams, so that a channel goes wherever an anyio stream goes.

Import it by name (``from goish.anyio import SendStream``): goish itself does not need anyio's streams. Not here: cancel
scopes, task groups and the rest of anyio, which work in goroutines as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Generic, Self, TypeVar

try:
    from anyio import BrokenResourceError, ClosedResourceError, EndOfStream
    from anyio.abc import ObjectReceiveStream, ObjectSendStream
except ModuleNotFoundError as missing:
    raise ImportError('goish.anyio needs anyio: pip install "goish[anyio]"') from missing

from ._runtime.core import Chan, RecvChan, SendChan
from .errors import ChanClosed, CloseOfNil, SendOnClosed

__all__ = ["ReceiveStream", "SendStream"]

T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)
C = TypeVar("C")


class _End(Generic[C]):
    """One end of a channel, shared by a stream and its clones; the last that is closed closes the channel."""

    def __init__(self, channel: C) -> None:
        self.channel = channel
        self.open_streams = 0

    def close_one(self) -> None:
        self.open_streams -= 1
        close_once: Callable[[], object] | None = getattr(self.channel, "close_once", None)  # a RecvChan has none
        if self.open_streams == 0 and close_once is not None:
            with suppress(TypeError, CloseOfNil):  # after() and NIL, which are never closed
                close_once()


def _check(channel: object, kinds: tuple[type, ...], takes: str) -> None:
    if not isinstance(channel, kinds):
        raise TypeError(f"{takes}, got {channel!r}")


class _Stream(Generic[C]):
    _end: _End[C] | None

    def _attach(self, end: _End[C]) -> Self:
        end.open_streams += 1
        self._end = end
        return self

    def _channel(self) -> C:
        if self._end is None:
            raise ClosedResourceError
        return self._end.channel

    def clone(self) -> Self:
        """Another stream on the same end, which is closed on its own. ClosedResourceError if this one is closed."""
        self._channel()
        assert self._end is not None
        return type(self).__new__(type(self))._attach(self._end)

    async def aclose(self) -> None:
        """Close this stream, and the channel if no clone is open. A second time does nothing."""
        end, self._end = self._end, None
        if end is not None:
            end.close_one()


class SendStream(_Stream[Chan[T_contra] | SendChan[T_contra]], ObjectSendStream[T_contra]):
    """The sending end of ``channel`` as an ``anyio.abc.ObjectSendStream``.

    ``channel``: a Chan or its ``sender``; TypeError for anything else. ``send`` waits as the channel does, and raises
    BrokenResourceError when the channel is closed, ClosedResourceError when this stream is. ``aclose`` closes the
    channel, unless a ``clone`` is still open. Cancelled, a value was not sent; one that was taken before is sent, and
    the cancel comes at the next wait. For goroutines and asyncio tasks, on any loop.

    Example::

        from goish.anyio import SendStream

        async def produce(stream):
            async with stream:
                await stream.send("a")

        ch = chan()
        go(produce, SendStream(ch))
        print([v async for v in ch])  # -> ['a']
    """

    def __init__(self, channel: Chan[T_contra] | SendChan[T_contra], /) -> None:
        _check(channel, (Chan, SendChan), "SendStream takes a Chan or its sender")
        self._attach(_End(channel))

    async def send(self, item: T_contra) -> None:
        """Send ``item``. See the class."""
        try:
            await self._channel().send(item)
        except SendOnClosed:
            raise BrokenResourceError from None


class ReceiveStream(_Stream[Chan[T_co] | RecvChan[T_co]], ObjectReceiveStream[T_co]):
    """The receiving end of ``channel`` as an ``anyio.abc.ObjectReceiveStream``; ``async for`` works too.

    ``channel``: a Chan or its ``receiver``; TypeError for anything else. ``receive`` raises EndOfStream when the
    channel is closed and drained, ClosedResourceError when this stream is closed. ``aclose`` of a stream on a Chan
    closes the channel, so that its senders stop, unless a ``clone`` is still open; a ``receiver`` cannot close.
    Cancelled, nothing was received; a value handed over before is returned, and the cancel comes at the next wait. For
    goroutines and asyncio tasks, on any loop.

    Example::

        from goish.anyio import ReceiveStream

        ch = chan(2)
        await ch.send_many("ab")
        ch.close()
        async with ReceiveStream(ch) as stream:
            print([v async for v in stream])  # -> ['a', 'b']
    """

    def __init__(self, channel: Chan[T_co] | RecvChan[T_co], /) -> None:
        _check(channel, (Chan, RecvChan), "ReceiveStream takes a Chan or its receiver")
        self._attach(_End(channel))

    async def receive(self) -> T_co:
        """Receive the next value. See the class."""
        try:
            return await self._channel().recv()
        except ChanClosed:
            raise EndOfStream from None
