"""asyncio transports without sockets: a pair of ends, and the two ways for bytes between them.

Invariants: what is written arrives in order and once, whatever the faults, until the connection is reset. A way calls
back in a later turn of the loop, never from within ``write``. Bytes count for the sender until the receiver has them:
the first 64 KiB stand for the buffers of the kernel, the rest is the write buffer of the transport.
A close is as in TCP: what was written arrives, then the end. Bytes that come to an end which is closed are answered by
a reset. Unlike asyncio's, ``abort`` resets always, so that tests meet it.
Threads: those of one loop.
Not here: addresses, listening, partitions by name (memory.py).
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

__all__ = ["NO_FAULTS", "Faults", "MemoryTransport", "Way", "transport_pair"]

LOW: Final = 16384  # of the write buffer, as with asyncio
HIGH: Final = 65536
KERNEL: Final = 65536  # bytes that a way takes before they count as the sender's
CHUNK: Final = 262144  # bytes that arrive at once at most, as with asyncio


@dataclass(frozen=True, slots=True)
class Faults:
    """What happens to bytes on their way: the same for the same random numbers."""

    latency: tuple[float, float] = (0.0, 0.0)
    split: int | None = None
    reset: float = 0.0

    def delay(self, rng: random.Random) -> float:
        least, most = self.latency
        return least if least == most else rng.uniform(least, most)


NO_FAULTS: Final = Faults()


class _End:
    """No more bytes come: the sender has closed its half."""


class _Reset:
    """The connection is no more."""


class Way:
    """One direction: bytes in flight, delivered to the ``sink`` in order, when they are due and the sink reads."""

    def __init__(self, loop: asyncio.AbstractEventLoop, faults: Faults, rng: random.Random) -> None:
        self._loop = loop
        self._faults = faults
        self._rng = rng
        self._flying: deque[tuple[float, bytes | type[_End] | type[_Reset]]] = deque()
        self._offset = 0  # bytes of the first chunk that have arrived
        self._timer: asyncio.Handle | None = None
        self._held = False
        self._last_due = 0.0
        self.size = 0
        self.hosts: frozenset[str] = frozenset()  # between which it goes, where a network has them
        self.source: MemoryTransport | None = None
        self.sink: MemoryTransport | None = None

    def put(self, item: bytes | type[_End] | type[_Reset]) -> None:
        # Whatever the latencies are: nothing overtakes what was sent before it.
        self._last_due = max(self._last_due, self._loop.time() + self._faults.delay(self._rng))
        self._flying.append((self._last_due, item))
        if isinstance(item, bytes):
            self.size += len(item)
        self.arm()

    def clear(self) -> None:
        self._flying.clear()
        self._offset = self.size = 0
        self._disarm()

    def hold(self) -> None:
        """Nothing gets through until ``release``."""
        self._held = True
        self._disarm()

    def release(self) -> None:
        self._held = False
        self.arm()

    def arm(self) -> None:
        """Have the next item delivered as soon as that may be."""
        if self._timer is not None or self._held or not self._flying:
            return
        due, item = self._flying[0]
        if item is not _Reset and self.sink is not None and not self.sink.takes_data():
            return
        if due <= self._loop.time():
            self._timer = self._loop.call_soon(self._deliver, due)
        else:
            self._timer = self._loop.call_at(due, self._deliver, due)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _deliver(self, due: float) -> None:
        self._timer = None
        sink = self.sink
        if sink is None or not self._flying:
            return
        item = self._flying[0][1]
        if item is _Reset:
            self.clear()
            sink.connection_reset()
        elif sink.takes_data():
            self._deliver_data(sink, item, max(due, self._loop.time()))  # the timer may go off a little early
        self.arm()

    def _deliver_data(self, sink: MemoryTransport, item: Any, now: float) -> None:
        if item is _End:
            self._flying.popleft()
            sink.end_received()
        elif self._faults.reset and self._rng.random() < self._faults.reset:
            self.break_both()
        else:
            data = self._take(now)
            sink.data_received(data)
            if self.source is not None:
                self.source.bytes_arrived()

    def _take(self, now: float) -> bytes:
        """The bytes that arrive together: all that are due, or fewer."""
        split = self._faults.split
        room = CHUNK if split is None else self._rng.randint(1, split)
        taken: list[bytes] = []
        while room and self._flying and self._flying[0][0] <= now and isinstance(self._flying[0][1], bytes):
            chunk = self._flying[0][1]
            piece = chunk[self._offset : self._offset + room]
            room -= len(piece)
            taken.append(piece)
            self._offset += len(piece)
            if self._offset == len(chunk):
                self._flying.popleft()
                self._offset = 0
        data = taken[0] if len(taken) == 1 else b"".join(taken)
        self.size -= len(data)
        return data

    def break_both(self) -> None:
        """The network resets the connection: both ends hear of it."""
        self.clear()
        for end in (self.sink, self.source):
            if end is not None:
                end.connection_reset()


class MemoryTransport(asyncio.Transport):
    """One end of a connection in memory, for any protocol of asyncio."""

    def __init__(self, loop: asyncio.AbstractEventLoop, out: Way, into: Way, extra: dict[str, Any]) -> None:
        super().__init__(extra)
        self._loop = loop
        self._out = out
        self._into = into
        self._protocol: asyncio.BaseProtocol | None = None
        self._paused = False
        self._low, self._high = LOW, HIGH
        self._writing_paused = False
        self._closing = False
        self._ended = False  # the end is written
        self._lost = False  # connection_lost is called, or will be
        out.source = into.sink = self

    def start(self, protocol: asyncio.BaseProtocol) -> None:
        """The protocol hears of its connection; from now on bytes arrive."""
        self.set_protocol(protocol)
        protocol.connection_made(self)
        self._into.arm()

    def ways(self) -> tuple[Way, Way]:
        return self._out, self._into

    # ── what a protocol calls ──

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"write() takes bytes, a bytearray or a memoryview; got {type(data).__name__}")
        if self._ended and not self._closing:
            raise RuntimeError("write() after write_eof()")
        if self._closing or not data:
            return
        self._out.put(bytes(data))
        self._pause_writing()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._ended and not self._closing:
            self._ended = True
            self._out.put(_End)

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._into.arm()

    def is_reading(self) -> bool:
        return not self._paused and not self._closing

    def get_write_buffer_size(self) -> int:
        return max(0, self._out.size - KERNEL)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = HIGH if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high is low or more, and low is 0 or more; got {high} and {low}")
        self._high, self._low = high, low
        self._pause_writing()

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if self._closing:
            return
        self.write_eof()
        self._closing = True
        self._into.arm()  # a paused end that is closed answers what comes by a reset
        self._lose_when_written()

    def abort(self) -> None:
        if not self._lost:
            self._out.clear()
            self._out.put(_Reset)
            self._lose(None)

    # ── what a way calls ──

    def takes_data(self) -> bool:
        return self._protocol is not None and (self._closing or not self._paused)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            self._into.clear()
            self._out.put(_Reset)
        else:
            self._call("data_received", partial(self._feed, data))

    def end_received(self) -> None:
        if not self._closing:
            self._call("eof_received", self._eof_received)

    def connection_reset(self) -> None:
        if not self._lost:
            self._out.clear()
            self._lose(ConnectionResetError(104, "Connection reset by peer"))

    def bytes_arrived(self) -> None:
        """Some of what this end has written has arrived."""
        if self._writing_paused and self.get_write_buffer_size() <= self._low:
            self._writing_paused = False
            self._call("resume_writing", self.get_protocol().resume_writing)
        self._lose_when_written()

    # ── within ──

    def _pause_writing(self) -> None:
        if not self._writing_paused and self.get_write_buffer_size() > self._high:
            self._writing_paused = True
            self._call("pause_writing", self.get_protocol().pause_writing)

    def _feed(self, data: bytes) -> None:
        protocol = self._protocol
        if isinstance(protocol, asyncio.BufferedProtocol):
            _fill(protocol, data)
        else:
            protocol.data_received(data)  # type: ignore[union-attr]

    def _eof_received(self) -> None:
        if not self.get_protocol().eof_received():  # type: ignore[attr-defined]
            self.close()

    def _call(self, name: str, fn: Callable[[], object]) -> None:
        """As asyncio does: a protocol that fails loses its connection, and nothing else is harmed."""
        try:
            fn()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._loop.call_exception_handler(
                {
                    "message": f"Fatal error: protocol.{name}() call failed.",
                    "exception": error,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )
            if not self._lost:
                self._out.clear()
                self._out.put(_Reset)
                self._lose(error)

    def _lose_when_written(self) -> None:
        if self._closing and self.get_write_buffer_size() == 0:
            self._lose(None)

    def _lose(self, error: BaseException | None) -> None:
        if self._lost:
            return
        self._lost = self._closing = True
        self._loop.call_soon(self._tell_lost, error)

    def _tell_lost(self, error: BaseException | None) -> None:
        protocol = self._protocol
        if protocol is not None:
            protocol.connection_lost(error)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        state = "lost" if self._lost else "closing" if self._closing else "open"
        return f"<MemoryTransport {state} {self.get_extra_info('sockname')} to {self.get_extra_info('peername')}>"


def _fill(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    while data:
        buffer = protocol.get_buffer(len(data))
        room = len(buffer)  # type: ignore[arg-type]
        if not room:
            raise RuntimeError("get_buffer() returned an empty buffer")
        part = data[:room]
        buffer[: len(part)] = part  # type: ignore[index]
        protocol.buffer_updated(len(part))
        data = data[room:]


def transport_pair(
    loop: asyncio.AbstractEventLoop,
    names: tuple[object, object] = ("pipe", "pipe"),
    faults: Faults = NO_FAULTS,
    seed: object = 0,
) -> tuple[MemoryTransport, MemoryTransport]:
    """The two ends of a connection, each to be given to a protocol by ``start``."""
    there, back = (Way(loop, faults, random.Random(f"{seed} {way}")) for way in ("there", "back"))
    first, second = names
    return (
        MemoryTransport(loop, there, back, {"sockname": first, "peername": second}),
        MemoryTransport(loop, back, there, {"sockname": second, "peername": first}),
    )
