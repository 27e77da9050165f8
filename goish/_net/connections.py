"""The connections of a server on one loop: which of them are idle, and how they end.

The base of every server of goish: each connection is a ``Member``, with a goroutine that runs ``handle(member)``. The
goroutine says what its connection is doing, by ``member.stage``:

    NEW         accepted, and nothing was asked of it yet; after NEW_IS_IDLE seconds it counts as idle
    ACTIVE      a request is in progress: a drain waits for its end
    IDLE        between two requests, or before the first: a drain dismisses it
    DISMISSED   it was idle, and its read fails: nothing that comes from now on is answered
    OVER        its handler is over, and its peer has a moment to close its end

A handler without requests sets ACTIVE first and leaves it so. A handler with requests looks at ``closing`` before it
becomes idle, and ends instead. When ``handle`` is over, its connection is closed, with a ``linger`` unless it was cut.

A request may cross the end of its idle connection. So one that was busy a moment ago is given a moment more: its client
is likely to ask again, and hears of the end by the answer. What has reached the system when the server takes its last
look is answered: the loop polls its sockets just before a dismissal. What comes later meets a closed half, is read and
dropped, so that no reset answers it, and is counted.

Invariants: a member is in the set from ``start`` until its goroutine ends; a failure of one harms no other. A request
    that is counted as unanswered has reached no handler.
Threads: those of one loop.
Not here: accepting, and when a server shuts down (site.py).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from dataclasses import dataclass
from math import inf
from typing import Any, Final, cast

from .._inspect.names import exc_info
from .._runtime.core import (
    Conn,
    Context,
    Event,
    Goroutine,
    Weighted,
    after,
    conn_unsent,
    current_context,
    go,
    select,
    with_cancel_cause,
)
from ..errors import Canceled, ConnClosed, DeadlineExceeded, ServerShutdown
from .report import Cut, Report

__all__ = ["ACTIVE", "DISMISSED", "IDLE", "NEW", "Connections", "Mark", "Member", "linger"]

NEW: Final = 0
ACTIVE: Final = 1
IDLE: Final = 2
OVER: Final = 3
DISMISSED: Final = 4

NEW_IS_IDLE: Final = 5.0  # seconds without a request, as in Go
LINGER: Final = 1.0  # seconds that a peer has to close its end, once all is written
ROUND_TRIP: Final = 0.25  # seconds in which a client that is busy asks again, and what it has sent arrives
BATCH: Final = 16  # idle connections that are dismissed after one look: the time in which a request can still be missed
BRIEF: Final = 0.1  # seconds that a drain gives to the ``finally`` blocks of handlers that it has cut

logger = logging.getLogger("goish")


class Member:
    """A connection in the set.

    A handler with requests sets ``asked``, the time of the last one, as it becomes IDLE, and ``behind`` as it ends:
    what came behind the last one that it has answered; None: the peer was in the middle of one, or nobody can tell.
    """

    __slots__ = ("asked", "behind", "conn", "connections", "goroutine", "left", "since", "stage")

    def __init__(self, connections: Connections, conn: Conn, since: float, left: Callable[[], object] | None) -> None:
        self.connections = connections
        self.conn = conn
        self.since = since
        self.left = left  # called when it is over
        self.stage = NEW
        self.asked = -inf
        self.behind: bytes | None = None
        self.goroutine: Goroutine[None] | None = None

    def __call__(self, _: object) -> None:
        """The done callback of its goroutine, and no object more while that waits."""
        self.connections.ended(self)


@dataclass(frozen=True, slots=True)
class Mark:
    """What had happened when a shutdown began: its report tells of the rest."""

    over: int
    unasked: int
    unanswered: int
    time: float


class Connections:
    """The set. ``handle`` runs for each connection, under ``ctx``, a child of ``parent``; its cancel is the cut."""

    def __init__(self, handle: Callable[[Member], Coroutine[Any, Any, object]], name: str, parent: Context) -> None:
        self.closing = False  # a drain has begun
        self.accepted = 0
        self.failed = 0
        self._unasked = 0  # that have ended while they were idle, by either side
        self._unanswered = 0
        self._handle = handle
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._members: set[Member] = set()
        self._empty = Event()
        self._empty.set()
        self.ctx, self._cancel = with_cancel_cause(parent)
        self._go = go.options(ctx=self.ctx, name="connection")
        # Each goroutine has a copy, which shares them until it sets one. A Context is entered by one at a time.
        self.variables = copy_context()
        self.variables.run(current_context.set, self.ctx)
        self._at_end = self.variables.copy()

    def __len__(self) -> int:
        return len(self._members)

    def start(self, conn: Conn, left: Callable[[], object] | None = None, room: Weighted | None = None) -> Member:
        """Have a goroutine handle the connection; ``left()`` is called when that is over.

        ``room``: it waits for a unit of that first, which it gives back itself.
        """
        member = Member(self, conn, self._loop.time(), left)
        self.accepted += 1
        self._members.add(member)
        self._empty.clear()
        member.goroutine = self.variables.run(self._go, self._run, member, room)
        member.goroutine.add_done_callback(member, context=self._at_end)
        return member

    async def _run(self, member: Member, room: Weighted | None) -> None:
        try:
            if room is not None:
                await self._wait_for(room, member)
            try:
                await self._handle(member)
            except Exception as error:
                self._note(member, error)
            await self._say_farewell(member)
        finally:
            member.conn.close()

    async def _wait_for(self, room: Weighted, member: Member) -> None:
        member.stage = ACTIVE  # the time that it waits is not its own
        await room.acquire()
        member.left = room.release
        member.stage = NEW
        member.since = self._loop.time()

    def _note(self, member: Member, error: Exception) -> None:
        """What its handler has raised."""
        name, peer = self._name, member.conn.remote_addr
        if isinstance(error, ConnClosed):
            pass  # by the cut, or by the handler itself
        elif isinstance(error, (ConnectionResetError, BrokenPipeError, asyncio.IncompleteReadError)):
            logger.info("%s: the peer %s has left: %s", name, peer, error)
        # With a cipher it is of another connection, of the handler's.
        elif isinstance(error, (ssl.SSLError, ConnectionAbortedError)) and not member.conn.get_extra_info("cipher"):
            logger.info("%s: no TLS with the peer %s: %s", name, peer, error)
        elif member.stage != DISMISSED or not isinstance(error, DeadlineExceeded):
            self.failed += 1
            logger.error("%s: the handler of a connection from %s failed", name, peer, exc_info=exc_info(error))

    async def _say_farewell(self, member: Member) -> None:
        stage, member.stage = member.stage, OVER
        if stage in (NEW, IDLE, DISMISSED):
            self._unasked += 1
            member.behind = b""
        late = await linger(member.conn, ROUND_TRIP if stage == DISMISSED else LINGER)
        if member.behind is not None and (late or is_request(member.behind)):
            self._unanswered += 1

    def ended(self, member: Member) -> None:
        """Also of a goroutine that was cancelled before it began."""
        member.conn.close()
        self._members.discard(member)
        if not self._members:
            self._empty.set()
        if member.left is not None:
            member.left()

    # ── the end ──

    def mark(self) -> Mark:
        return Mark(self.accepted - len(self._members), self._unasked, self._unanswered, self._loop.time())

    async def drain(self, limit: Context, begin: Mark, spared: float = 0.0) -> Report:
        """Dismiss the idle ones, after ``spared`` seconds, and wait for the others; cut them at the end of ``limit``.

        ``begin``: when the shutdown began, to whose report belongs what came since.
        """
        self.closing = True
        await self.wind_down(limit, spared=spared)
        cuts = self.cut(ServerShutdown())
        if self._members:
            await select(self._empty.wait(), after(BRIEF).recv())
        total, idle = self.accepted - begin.over, self._unasked - begin.unasked
        return Report(
            connections=total,
            drained=total - idle - len(cuts),
            idle=idle,
            cut=cuts,
            seconds=self._loop.time() - begin.time,
            error=cast("Canceled | None", limit.cause()) if cuts else None,
            unanswered=self._unanswered - begin.unanswered,
        )

    async def wind_down(self, limit: Context, patience: float = NEW_IS_IDLE, spared: float = 0.0) -> None:
        """Dismiss those of which nothing is asked, new ones after ``patience`` seconds, until all are over.

        In the first ``spared`` seconds none: a client that asks in that time hears of the end by the answer.
        """
        first = self._loop.time() + spared
        while self._members and limit.err() is None:
            now = self._loop.time()
            idle = [member for member in self._members if max(first, idle_until(member, patience)) <= now]
            await self._dismiss(idle, limit)
            due = min([now + patience, *(max(first, idle_until(member, patience)) for member in self._members)])
            await select(self._empty.wait(), limit.done().recv(), after(max(0.0, due - self._loop.time())).recv())

    async def _dismiss(self, members: list[Member], limit: Context) -> None:
        for at in range(0, len(members), BATCH):
            await polled()
            if limit.err() is not None:
                return
            for member in members[at : at + BATCH]:
                if member.stage in (NEW, IDLE):
                    member.stage = DISMISSED
                    member.conn.set_read_deadline(self._loop.time())

    def cut(self, cause: ServerShutdown) -> tuple[Cut, ...]:
        """Cancel the handlers, and reset their peers. A server that is cut takes no more connections."""
        now = self._loop.time()
        left = [member for member in self._members if member.stage != OVER]
        over = [member for member in self._members if member.stage == OVER]
        cuts = tuple(
            Cut(member.conn.remote_addr, now - member.since, _where(member.goroutine), conn_unsent(member.conn))
            for member in left
        )
        self.closing = True
        self._cancel(cause)
        for member in left:
            member.stage = OVER
            member.conn.abort()
        for member in over:
            member.conn.close()
        return cuts


async def linger(conn: Conn, seconds: float = LINGER) -> bool:
    """Close it so that the peer gets what was written; True if a request of the peer came meanwhile.

    A connection that is closed with bytes of its peer unread, or on their way, is reset, and the reset may overtake the
    answer. So this end is closed, and the other one read until its end comes, or the time is up.
    """
    late = False
    try:
        if not conn.closed and conn.get_extra_info("sslcontext") is None:
            conn.close_write()
            conn.set_read_deadline(asyncio.get_running_loop().time() + seconds)
            while data := await conn.read():
                late = late or is_request(data)
    except OSError:  # it is closed or lost, or the time is up
        pass
    finally:
        conn.close()
    return late


def idle_until(member: Member, patience: float) -> float:
    """When it is to be dismissed, if nothing is asked of it by then."""
    if member.stage == IDLE:
        return member.asked + ROUND_TRIP
    return member.since + patience if member.stage == NEW else inf


def is_request(data: bytes) -> bool:
    """Whether there is more than the empty lines that may stand between requests."""
    return bool(data.strip(b"\r\n"))


async def polled() -> None:
    """Waits until the loop has looked at its sockets: what had reached the system has been received then.

    Twice: the first turn may be the one that goes on, which has looked before.
    """
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def _where(g: Goroutine[None] | None) -> str:
    return "" if g is None else g.wait_reason or g.state
