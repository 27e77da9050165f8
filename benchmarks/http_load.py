"""The clients of the HTTP workloads, in a process of their own: ``python -m benchmarks.http_load <port> <requests>``.

Each keeps one connection and sends its next request when the last one is answered.  Bare protocols, so that one process
keeps a server of the same language busy.  Prints the figures as JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from statistics import quantiles
from time import perf_counter
from typing import cast

from benchmarks.measure import Result
from benchmarks.workloads import HTTP_CLIENTS

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n"
HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Load:
    """What all clients share: how many requests are to be sent yet, and how long those took that are answered."""

    def __init__(self, n: int) -> None:
        self._left = n
        self._unanswered = n
        self.seconds: list[float] = []
        self.answered = asyncio.get_running_loop().create_future()

    def take(self) -> bool:
        self._left -= 1
        return self._left >= 0

    def took(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self._unanswered -= 1
        if not self._unanswered:
            self.answered.set_result(None)

    def fail(self, why: str) -> None:
        if not self.answered.done():
            self.answered.set_exception(ConnectionError(why))


class Client(asyncio.Protocol):
    def __init__(self, load: Load) -> None:
        self._load = load
        self._received = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.fail(f"the server hung up: {exc}")

    def ask(self) -> None:
        if self._load.take():
            self._began = perf_counter()
            self._transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(HEAD_END)
        if not end:
            return
        length = LENGTH.search(head)
        if not head.startswith(b"HTTP/1.1 200 ") or length is None:
            self._load.fail(f"not the answer expected: {head!r}")
        elif len(body) == int(length[1]):
            self._load.took(perf_counter() - self._began)
            self._received = b""
            self.ask()


async def measure(port: int, n: int) -> Result:
    loop = asyncio.get_running_loop()
    load = Load(n)
    clients = [Client(load) for _ in range(HTTP_CLIENTS)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
    start = perf_counter()
    for client in clients:
        client.ask()
    await load.answered
    rate = n / (perf_counter() - start)
    percentiles = quantiles(load.seconds, n=100)
    return {"rate": rate, "p50_ns": percentiles[49] * 1e9, "p99_ns": percentiles[98] * 1e9}


def main(port: str, n: str) -> None:
    import uvloop

    print(json.dumps(uvloop.run(measure(int(port), int(n)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
