"""Clients that ask without a pause, until they are told to stop. Each keeps a connection for some requests.

They do what a client of HTTP may do, and no more. Where a kept connection ends before a byte of the answer, the request
is sent again on a new one (RFC 9112, 9.3.1); a POST too, as no handler has seen it, which the check at the end proves.
All else is a failure, and ends the block: a status other than 200, half an answer, a new connection without an answer,
a connection refused.

Threads: one loop.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

__all__ = ["Connect", "Failed", "Line", "Load"]

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect: TypeAlias = Callable[[], Awaitable[Streams]]

MOST = 20  # requests on a connection, so that processes that have begun later get some
GETS = [b"GET /quick/%d HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /slow/%d HTTP/1.1\r\nHost: a\r\n\r\n"]
POST = b"POST /quick/%d HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde"


class Failed(Exception):
    """A request has failed."""


class Unread(Exception):
    """The connection has ended, and no byte of an answer has come."""


class Line:
    """A connection of a client."""

    def __init__(self, streams: Streams) -> None:
        self.reader, self.writer = streams
        self.used = 0
        self.persists = True

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        try:
            self.writer.write(request)
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            if getattr(error, "partial", b""):
                raise Failed(f"half a head: {error}") from error
            self.persists = False
            raise Unread from error
        self.used += 1
        fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:-2])
        self.persists = fields.get(b"connection") != b"close" and self.used < MOST
        try:
            return int(head.split()[1]), await self._body(fields)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise Failed(f"half an answer: {error}") from error

    async def _body(self, fields: dict[bytes, bytes]) -> bytes:
        if b"content-length" in fields:
            return await self.reader.readexactly(int(fields[b"content-length"]))
        assert fields[b"transfer-encoding"] == b"chunked"
        body = b""
        while piece := await self.chunk():
            body += piece
        return body

    async def chunk(self) -> bytes:
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


class Load:
    """``async with Load(connect, handled) as load:`` the clients ask until the end of the block.

    ``connect`` gives a new connection. ``handled``: the file in which deployed_app.py writes down what it is asked.
    ``ends_when_refused``: set before the server is stopped for good; a client that gets no connection then stops.
    """

    def __init__(self, connect: Connect, handled: Path, *, clients: int = 6) -> None:
        self._connect = connect
        self._handled = handled
        self._clients = range(clients)
        self._numbers = itertools.count(1)
        self._answer = asyncio.Event()
        self._group = asyncio.TaskGroup()
        self._stopping = False
        self._lines: dict[int, Line] = {}
        self._kinds = [*GETS, POST]
        self.ends_when_refused = False
        self.answered: Counter[int] = Counter()  # numbers of requests
        self.pids: Counter[int] = Counter()  # of the processes that have answered
        self.by_client: Counter[int] = Counter()
        self.sent_again: list[int] = []

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        for client in self._clients:
            self._group.create_task(self._run(client))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Each client stops after its answer."""
        self._stopping = True
        await self._group.__aexit__(kind, error, traceback)
        if error is None:
            self._check()

    async def until(self, holds: Callable[[], object]) -> None:
        """Looks after each answer."""
        while not holds():
            self._answer.clear()
            await self._answer.wait()

    async def go_on(self, answers: int = 3) -> None:
        """Until each client has had so many more."""
        before = self.by_client.copy()
        await self.until(lambda: all(self.by_client[each] >= before[each] + answers for each in self._clients))

    async def ask_by_get_only(self) -> None:
        """Until the last POST was answered."""
        self._kinds = GETS
        await self.go_on()

    async def until_answered_by_others(self, than: set[int], count: int) -> set[int]:
        """Until so many other processes have answered: these."""
        await self.until(lambda: len(self.pids.keys() - than) >= count)
        return self.pids.keys() - than

    async def _run(self, client: int) -> None:
        try:
            while not self._stopping:
                pid = await self._ask(client, next(self._numbers))
                self.pids[pid] += 1
                self.by_client[client] += 1
                self._answer.set()
        except ConnectionRefusedError:
            if not self.ends_when_refused:
                raise
        finally:
            await self._hang_up(client)

    async def _ask(self, client: int, number: int) -> int:
        """The process that has answered."""
        request = self._kinds[number % len(self._kinds)] % number
        while True:
            line = await self._line(client)
            was_kept = line.used > 0
            try:
                status, body = await line.ask(request)
                break
            except Unread as error:
                if was_kept:
                    self.sent_again.append(number)
                elif self.ends_when_refused:  # it was in the queue of a socket that was closed
                    raise ConnectionRefusedError from error
                else:
                    raise Failed(f"no answer to request {number}, the first on its connection") from error
        pid, _, named = body.partition(b" ")
        if status != 200 or int(named) != number:
            raise Failed(f"request {number}: {status} {body!r}")
        self.answered[number] += 1
        return int(pid)

    async def _line(self, client: int) -> Line:
        line = self._lines.get(client)
        if line is None or not line.persists:
            await self._hang_up(client)
            try:
                line = self._lines[client] = Line(await self._connect())
            except ConnectionResetError as error:  # made just as the listener was closed
                raise ConnectionRefusedError from error
        return line

    async def _hang_up(self, client: int) -> None:
        line = self._lines.pop(client, None)
        if line is not None:
            await line.close()

    def _check(self) -> None:
        """What was handled was answered, once; what was sent again had not been handled."""
        handled = Counter(map(int, self._handled.read_text().split()))
        assert handled == self.answered, (handled - self.answered, self.answered - handled)
