"""Storms for an HTTP server in a process of its own: what it must bear, and what it costs.

    python -m tests.stress_servers [--storms NAME ...] [--scale 1.0] [--loop asyncio|uvloop]

    descriptors  200 clients, and 64 file descriptors: it hardly works meanwhile, and serves all once some are free
    slow         500 clients that never finish a head: each is refused by 408, and others are served as fast as without
    connects     10,000 connections of one request each, as fast as they can be made
    requests     200,000 requests on connections that stay: its memory does not grow
    resets       10,000 connections that are reset in the middle of a request: its memory does not grow
    shutdown     SIGTERM under load: each request is answered, or counted, and no client sees a reset

``--scale 5`` has five times as many of each. A storm prints its figures, and fails if one is out of bounds.
``tests/http/test_storms.py`` runs small ones.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from goish import chan, go, http, net, run, sleep, wait_all
from goish.context import background
from goish.signal import notify_context

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
BODY = b"hello"
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of a close that resets


# ── the server, in its process ──


async def hello(w: http.ResponseWriter, r: http.Request) -> None:
    await w.write(BODY)


async def serve(options: dict[str, Any]) -> None:
    """Until SIGTERM; says where it listens, and at its end what has happened, each as a line of JSON."""
    ctx, stop = notify_context(background(), signal.SIGTERM)
    srv = http.serve(hello, "127.0.0.1:0", **options).start()
    print(json.dumps(srv.addr), flush=True)
    await ctx.done().recv_ok()
    report = await srv.shutdown()
    stop()
    counts = {name: getattr(report, name) for name in ("connections", "drained", "idle", "unanswered")}
    statistics = srv.statistics()
    counts |= {"cut": len(report.cut), "requests": statistics.requests, "refused": statistics.refused}
    print(json.dumps(counts), flush=True)


# ── the server, as its clients see it ──


@dataclass
class Server:
    """The process."""

    process: subprocess.Popen[str]
    log: Path
    addr: tuple[str, int]
    counts: dict[str, Any] = field(default_factory=dict)

    def cpu(self) -> float:
        """Seconds that it has worked."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> int:
        """Bytes that are its own."""
        resident, shared = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1:3]
        return (int(resident) - int(shared)) * PAGE

    def lines(self) -> int:
        return len(self.log.read_text().splitlines())

    def stop(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        self.process.terminate()
        self.counts = json.loads(self.process.stdout.readline() or "{}")
        return self.counts


@asynccontextmanager
async def serving(loop: str, descriptors: int | None = None, **options: Any) -> AsyncGenerator[Server]:
    command = [sys.executable, "-m", "tests.stress_servers", "--serve", json.dumps(options), "--loop", loop]
    if descriptors is not None:
        command += ["--descriptors", str(descriptors)]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        with log.open("w") as errors, subprocess.Popen(command, stdout=-1, stderr=errors, text=True) as process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                if not line:
                    raise RuntimeError(f"the server has not started: {log.read_text()}")
                host, port = json.loads(line)
                yield Server(process, log, (host, port))
            finally:
                process.kill()


class Outcome:
    """What went wrong in a storm, its figures, and which of these are out of bounds."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.figures: dict[str, float] = {}
        self.excesses: list[str] = []

    def check(self, holds: object, what: str) -> None:
        if not holds:
            self.failures.append(what)

    def note(self, name: str, value: float, most: float = inf) -> None:
        self.figures[name] = round(value, 4)
        if value > most:
            self.excesses.append(f"{name}: {value:.4f} is more than {most:.4f}")


async def ask(conn: net.Conn) -> str:
    """One request: ``"answered"``, ``"closing"`` if that was the last answer, ``"unanswered"``, or ``"wrong"``."""
    try:
        await conn.write(REQUEST)
        head = await conn.read_until(b"\r\n\r\n")
        body = await conn.read_exactly(len(BODY))
    except asyncio.IncompleteReadError as error:
        return "wrong" if error.partial else "unanswered"
    except OSError:
        return "wrong"
    if body != BODY:
        return "wrong"
    return "closing" if b"Connection: close" in head else "answered"


async def each(n: int, at_once: int, work: Callable[[], Awaitable[object]]) -> None:
    """Do it so often."""
    left = iter(range(n))

    async def worker() -> None:
        for _ in left:
            await work()

    await wait_all(*[go(worker) for _ in range(at_once)])


# ── the storms ──


async def descriptors(outcome: Outcome, scale: float, loop: str) -> None:
    clients = max(100, int(200 * scale))
    async with serving(loop, descriptors=64) as server:
        held, leave, served = chan(clients), chan(), chan(clients)

        async def client() -> None:
            async with await net.dial(server.addr) as conn:
                answer = await ask(conn)
                await held.send(None)
                await leave.recv_ok()
            await served.send(answer)

        for _ in range(clients):
            go(client)
        for _ in range(32):
            await held.recv()
        await sleep(0.5)
        lines, cpu, began = server.lines(), server.cpu(), time.monotonic()
        await sleep(3)
        seconds = time.monotonic() - began
        outcome.note("share of a CPU", (server.cpu() - cpu) / seconds, 0.05)
        outcome.note("log lines a second", (server.lines() - lines) / seconds, 1.34)  # 4 may fall into 3 seconds
        leave.close()
        began = time.monotonic()
        answers = [await served.recv() for _ in range(clients)]
        outcome.note("seconds until all are served", time.monotonic() - began, 1)
        outcome.check(set(answers) == {"answered"}, f"answers: {set(answers)}")


async def slow(outcome: Outcome, scale: float, loop: str) -> None:
    clients = max(20, int(500 * scale))
    patience = 4.0
    async with serving(loop, read_header_timeout=patience) as server:
        without = await latencies(server, patience / 2)
        lame = [socket.create_connection(server.addr) for _ in range(clients)]
        dripping = go(drip, lame)
        with_them = await latencies(server, patience / 2)
        await sleep(patience)
        dripping.cancel()
        statuses = {answer_of(sock) for sock in lame}
        outcome.check(statuses == {b"HTTP/1.1 408"}, f"the slow ones were answered by {statuses}")
        server.stop()
        outcome.note("refused by 408", server.counts["refused"].get("read_header_timeout", 0))
    outcome.note("p99 without, in ms", without * 1e3)
    outcome.note("p99 with them, in ms", with_them * 1e3, 1.2 * without * 1e3 + 0.5)


async def drip(socks: list[socket.socket]) -> None:
    """Sends a byte on each, again and again: none of them ever ends a head."""
    for sock in socks:
        sock.setblocking(False)
    while True:
        for sock in socks:
            with suppress(OSError):  # it was refused by now
                sock.send(b"x")
            await sleep(0.001)


def answer_of(sock: socket.socket) -> bytes:
    with sock:
        try:
            return sock.recv(12)
        except OSError as error:
            return str(error).encode()


async def latencies(server: Server, seconds: float) -> float:
    """The 99th percentile of the answers to a few clients that take their time."""
    found: list[float] = []

    async def client() -> None:
        async with await net.dial(server.addr) as conn:
            ends = time.monotonic() + seconds
            while (began := time.monotonic()) < ends:
                await ask(conn)
                found.append(time.monotonic() - began)
                await sleep(0.005)

    await wait_all(*[go(client) for _ in range(8)])
    found.sort()
    return found[len(found) * 99 // 100]


async def connects(outcome: Outcome, scale: float, loop: str) -> None:
    n = int(10_000 * scale)
    answers: list[str] = []

    async with serving(loop, backlog=4096) as server:

        async def client() -> None:
            async with await net.dial(server.addr) as conn:
                answers.append(await ask(conn))

        began = time.monotonic()
        await each(n, 500, client)
        seconds = time.monotonic() - began
        outcome.note("connections a second", n / seconds)
        outcome.note("CPU of the server for one, in µs", server.cpu() / n * 1e6)
        outcome.check(answers.count("answered") == n, f"{n - answers.count('answered')} of {n} were not answered")
        outcome.check(server.lines() == 0, server.log.read_text())


async def requests(outcome: Outcome, scale: float, loop: str) -> None:
    n = int(200_000 * scale)
    pipelined, conns = 16, 32

    async def client(server: Server, rounds: int) -> None:
        size = 0
        async with await net.dial(server.addr) as conn:
            for _ in range(rounds):
                await conn.write(REQUEST * pipelined)
                if not size:
                    size = len(await conn.read_until(BODY)) * pipelined
                    await conn.read_exactly(size - size // pipelined)
                else:
                    await conn.read_exactly(size)

    async def load(server: Server, count: int) -> None:
        await wait_all(*[go(client, server, max(1, count // pipelined // conns)) for _ in range(conns)])

    async with serving(loop) as server:
        await load(server, n // 10)  # what is done once
        await compare(outcome, server, lambda: load(server, n))


async def resets(outcome: Outcome, scale: float, loop: str) -> None:
    n = int(10_000 * scale)

    async with serving(loop) as server:

        async def client() -> None:
            conn = await net.dial(server.addr)
            conn.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            await conn.write(REQUEST + REQUEST[:20])
            await conn.read()
            conn.abort()

        await each(n // 10, 100, client)
        await compare(outcome, server, lambda: each(n, 100, client))
        outcome.check(server.lines() == 0, server.log.read_text())


async def compare(outcome: Outcome, server: Server, load: Callable[[], Awaitable[object]]) -> None:
    before = server.memory()
    await load()
    await sleep(0.2)
    outcome.note("MiB", before / (1 << 20))
    outcome.note("growth", server.memory() / before - 1, 0.01)


async def shutdown(outcome: Outcome, scale: float, loop: str) -> None:
    clients = max(8, int(64 * scale))
    answers: list[str] = []

    async def client(server: Server) -> None:
        async with await net.dial(server.addr) as conn:
            while (answer := await ask(conn)) == "answered":
                answers.append(answer)
            answers.append(answer)

    async with serving(loop) as server:
        running = [go(client, server) for _ in range(clients)]
        await sleep(0.5)
        counts = await asyncio.to_thread(server.stop)
        await wait_all(*running)
    answered = answers.count("answered") + answers.count("closing")
    outcome.note("answered", answered)
    outcome.note("unanswered", answers.count("unanswered"))
    outcome.check(not answers.count("wrong"), f"{answers.count('wrong')} clients saw a reset, or half an answer")
    outcome.check(answered == counts["requests"], f"{answered} answers to {counts['requests']} requests")
    outcome.check(answers.count("unanswered") == counts["unanswered"], f"the report has {counts['unanswered']}")
    outcome.check(counts["cut"] == 0, f"{counts['cut']} were cut")


STORMS = {storm.__name__: storm for storm in (descriptors, slow, connects, requests, resets, shutdown)}


async def main(storms: list[str], scale: float, loop: str) -> int:
    failed = 0
    for name in storms:
        outcome = Outcome()
        await STORMS[name](outcome, scale, loop)
        print(f"{name:12}", ", ".join(f"{what}: {value}" for what, value in outcome.figures.items()), flush=True)
        for failure in outcome.failures + outcome.excesses:
            print(f"{'':12} FAILED: {failure}", flush=True)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--storms", nargs="+", choices=STORMS, default=list(STORMS))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--serve", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--descriptors", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.descriptors is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (given.descriptors, given.descriptors))
    if given.serve is not None:
        run(serve, given.serve, loop=given.loop)
    else:
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        sys.exit(run(main, given.storms, given.scale, given.loop, loop=given.loop))
