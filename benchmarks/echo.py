"""The socket side of the fairness workload: an echo client in a process of its own, and a server for asyncio loops.

The client connects, gets its hello echoed, then measures round trips of pings one after the other.  The server starts
to spin when the first ping arrives: some loops would not even have sent their answer to the hello before.
It is its own process because a client thread would measure how long it waits for the interpreter lock.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from bisect import bisect_left
from contextlib import suppress
from itertools import accumulate
from time import perf_counter
from typing import cast

from benchmarks.measure import Result, per_item
from benchmarks.workloads import SPIN_SECONDS

HELLO = b"hello"
PING = b"ping"


def measure(port: int, n: int) -> list[float]:
    """Seconds of up to ``n`` round trips; one that is not answered before the spinner gives up counts as it stands."""
    samples: list[float] = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(HELLO)
        connection.recv(len(HELLO))
        end = perf_counter() + SPIN_SECONDS
        while len(samples) < n and (start := perf_counter()) < end:
            connection.settimeout(end - start)
            connection.sendall(PING)
            with suppress(TimeoutError):
                connection.recv(len(PING))
            samples.append(perf_counter() - start)
    return samples


def percentile(samples: list[float], p: int) -> float:
    """Find the round trip that ``p`` per cent of the *time* was spent in, or in shorter ones.

    Per cent of the round trips would hide a stall: while it lasts the client sends nothing that could be counted.
    """
    ordered = sorted(samples)
    spent = list(accumulate(ordered))
    return ordered[bisect_left(spent, spent[-1] * p / 100)]


class Client:
    """The client's process as seen by the server's."""

    def __init__(self, port: int, n: int) -> None:
        command = [sys.executable, "-m", "benchmarks.echo", str(port), str(n)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)

    def result(self) -> Result:
        """Wait for the client, blocking the loop: the spinner is over, nothing is measured any more."""
        output, _ = self._process.communicate()
        samples: list[float] = json.loads(output)
        return {f"p{p}_ns": percentile(samples, p) * 1e9 for p in (50, 99)}


class EchoServer(asyncio.Protocol):
    """Echoes, for the rivals that live on an asyncio loop."""

    def __init__(self) -> None:
        self.started = asyncio.Event()  # the first ping has arrived
        self.finished = False  # the client has gone
        self._transport: asyncio.WriteTransport | None = None

    async def listen(self) -> int:
        server = await asyncio.get_running_loop().create_server(lambda: self, "127.0.0.1", 0)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)
        if data == PING:
            self.started.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.finished = True


class Spin:
    """Says how long to spin (until the client has gone, but not for ever), and counts the turns."""

    def __init__(self) -> None:
        self._start = perf_counter()
        self._turns = 0

    def goes_on(self, finished: bool) -> bool:
        self._turns += 1
        return not finished and perf_counter() < self._start + SPIN_SECONDS

    def result(self) -> Result:
        return per_item(perf_counter() - self._start, self._turns, "spin_ns")


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]))))
