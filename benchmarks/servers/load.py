"""The clients, in a process of their own: ``python -m benchmarks.servers.load <workload> <port> <n>``.

Protocols on uvloop that count bytes: the first answer of each connection is read and checked, and those after it must
have its length (a streamed answer must end as one).  So the client costs less than any server beside it that reads what
it is sent; ``client_busy`` tells how near it came to its own limit.  Prints the figures as JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from statistics import quantiles
from time import perf_counter, process_time
from typing import cast

from benchmarks.measure import Result
from benchmarks.servers.workloads import (
    BLOB,
    BROWSER_HEADERS,
    CHUNK,
    CHUNKS,
    MESSAGE,
    PATHS,
    WINDOW,
    WORKERS,
    WORKLOADS,
)

HEAD_END = b"\r\n\r\n"
LAST_CHUNK = b"\r\n0\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
AT_ONCE = 100  # connections that are opened together
MASK = bytes(4)  # of zeros: the payload as it is


@dataclass(frozen=True)
class Exchange:
    """What a client sends for one item, and what it expects."""

    ask: bytes
    size: int = 0  # of the answer; 0: an HTTP answer, whose first one tells
    hello: bytes = b""  # sent once, and answered by a head
    window: int = 1


def request(path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    method = "POST" if body else "GET"
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def exchange(workload: str) -> Exchange:
    path = PATHS.get(workload, "/")
    if workload.startswith("echo"):
        return Exchange(MESSAGE, len(MESSAGE), window=WINDOW if workload == "echo_16" else 1)
    if workload == "ws_echo":
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        hello = request(path, upgrade | {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
        length = len(MESSAGE).to_bytes(2, "big")
        return Exchange(b"\x82\xfe" + length + MASK + MESSAGE, len(MESSAGE) + 4, hello)
    headers = BROWSER_HEADERS if workload == "http_json" else {"Accept": "*/*"}
    window = WINDOW if workload in WORKERS else 1
    return Exchange(request(path, headers, BLOB if workload == "http_up" else b""), window=window)


class Load:
    """What all clients share: how many items are to be sent yet, and how long those took that are answered."""

    def __init__(self, exchange: Exchange, n: int) -> None:
        self.exchange = exchange
        self._left = self._unanswered = n
        self.seconds: list[float] = []
        self.answered = asyncio.get_running_loop().create_future()

    def take(self, count: int) -> int:
        """How many of ``count`` items more may be sent."""
        taken = min(count, self._left)
        self._left -= taken
        return taken

    def took(self, count: int, seconds: float) -> None:
        self.seconds.append(seconds)
        self._unanswered -= count
        if not self._unanswered:
            self.answered.set_result(None)

    def fail(self, why: str) -> None:
        if not self.answered.done():
            self.answered.set_exception(ConnectionError(why))


class Client(asyncio.Protocol):
    """One connection; ``ready`` is set when its first answer has come, which is none of the ``n``."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.ready = asyncio.get_running_loop().create_future()
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self.load.exchange.hello or self.load.exchange.ask)
        self._greeting = bool(self.load.exchange.hello)

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(f"the server hung up: {exc}")

    def fail(self, why: str) -> None:
        self.load.fail(why)
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(why))

    def data_received(self, data: bytes) -> None:
        self._received += data
        load = self.load
        if self._greeting:
            if HEAD_END in self._received:
                if not self._received.startswith(b"HTTP/1.1 101 "):
                    self.fail(f"not the answer expected: {self._received!r}")
                self._received, self._greeting = b"", False
                self.transport.write(load.exchange.ask)
        elif load.exchange.size:
            if len(self._received) == load.exchange.size:
                self._count(load.exchange.size, self._received[-len(MESSAGE) :] == MESSAGE)
        else:
            self._learn()

    def _learn(self) -> None:
        head, end, body = self._received.partition(HEAD_END)
        if not end:
            return
        right = head.startswith(b"HTTP/1.1 200 ")
        if length := LENGTH.search(head):
            if len(body) == int(length[1]):
                self._count(len(self._received), right)
        elif body.endswith(LAST_CHUNK):
            self._until_end(right and body.count(CHUNK[:1]) == len(CHUNK) * CHUNKS)

    def _count(self, size: int, right: bool) -> None:
        self._go_on(Counted(self, size), right)

    def _until_end(self, right: bool) -> None:
        self._go_on(Streamed(self), right)

    def _go_on(self, protocol: Counted, right: bool) -> None:
        if not right:
            self.fail(f"not the answer expected: {self._received[:500]!r}")
            return
        self.ask = protocol.ask
        self.transport.set_protocol(protocol)
        self.ready.set_result(None)


class Counted(asyncio.Protocol):
    """Reads answers of a known size, and asks again when one is complete."""

    def __init__(self, client: Client, size: int) -> None:
        self._client = client
        self._load = client.load
        self._write = client.transport.write
        self._message = client.load.exchange.ask
        self._size = self._missing = size
        self._began = 0.0
        self.connection_lost = client.connection_lost  # type: ignore[method-assign]
        if client.load.exchange.window > 1:
            self.data_received = self._in_flight  # type: ignore[method-assign]

    def ask(self) -> None:
        if taken := self._load.take(self._load.exchange.window):
            self._began = perf_counter()
            self._write(self._message * taken)

    def data_received(self, data: bytes) -> None:
        self._missing -= len(data)
        if self._missing <= 0:
            self._answered()

    def _answered(self) -> None:
        if self._missing:
            self._client.fail(f"an answer of {self._size - self._missing} bytes after one of {self._size}")
            return
        self._load.took(1, perf_counter() - self._began)
        self._missing = self._size
        self.ask()

    def _in_flight(self, data: bytes) -> None:
        """For each message that came back send another."""
        came, self._missing = divmod(self._size - self._missing + len(data), self._size)
        self._missing = self._size - self._missing
        if came:
            if taken := self._load.take(came):
                self._write(self._message * taken)
            self._load.took(came, 0.0)


class Streamed(Counted):
    """Reads answers whose end tells that they are complete: how they are cut into chunks is the server's affair."""

    def __init__(self, client: Client) -> None:
        super().__init__(client, 0)
        self._tail = b""

    def data_received(self, data: bytes) -> None:
        self._tail = data if len(data) >= len(LAST_CHUNK) else (self._tail + data)[-len(LAST_CHUNK) :]
        if self._tail.endswith(LAST_CHUNK):
            self._tail = b""
            self._answered()


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def connect(load: Load, port: int, count: int, context: ssl.SSLContext | None) -> list[Client]:
    loop = asyncio.get_running_loop()
    clients: list[Client] = []
    factory: Callable[[], Client] = lambda: Client(load)  # noqa: E731
    while len(clients) < count:
        dials = [
            loop.create_connection(factory, "127.0.0.1", port, ssl=context)
            for _ in range(min(AT_ONCE, count - len(clients)))
        ]
        opened = [client for _, client in await asyncio.gather(*dials)]
        await asyncio.gather(*[client.ready for client in opened])
        clients += opened
    return clients


async def measure(name: str, port: int, n: int) -> Result:
    workload = WORKLOADS[name]
    load = Load(exchange(name), n)
    held = n if workload.holds else workload.clients
    clients = await connect(load, port, held, trusting() if name == "echo_tls" else None)
    if workload.holds:
        print(json.dumps({"held": held}), flush=True)
        await asyncio.to_thread(sys.stdin.read)  # until the server has been measured
        return {}
    start, cpu = perf_counter(), process_time()
    for client in clients:
        client.ask()
    await load.answered
    seconds = perf_counter() - start
    percentiles = quantiles(load.seconds, n=100)
    figures = {"rate": n / seconds, "client_busy": (process_time() - cpu) / seconds}
    return figures | {"p50_ns": percentiles[49] * 1e9, "p99_ns": percentiles[98] * 1e9}


def main(name: str, port: str, n: str) -> None:
    import uvloop

    print(json.dumps(uvloop.run(measure(name, int(port), int(n)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
