"""A server on one loop: connections come from a source, and end when the shutdown does.

The order of a shutdown, which every site sees by its ``Control``:

    stopping     it has begun: readiness is off, and for the drain delay all goes on
    last_call    what waits in the queue of the listener is accepted, and the listener closed
    closing      the handlers are told
    limit        a context; when it is cancelled, what is left is cut

Threads: a Control is any thread's, a Site belongs to its loop.
Not here: what a connection is, and how it ends (connections.py); several loops (crew.py, processes.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, Never, Protocol, TypeAlias, cast

from .._runtime.core import (
    Chan,
    Conn,
    Event,
    Latch,
    Op,
    RecvChan,
    Weighted,
    after,
    background,
    current,
    go,
    select,
    sleep,
    with_cancel_cause,
    with_value,
    without_cancel,
)
from .._threads.handles import ended
from ..errors import ConnClosed, ServerShutdown
from .balance import HOLD, Balance, Slot
from .connections import Connections, Member
from .listener import refuse_more
from .report import Report

__all__ = ["Control", "Handle", "MakeHandle", "Site", "Source", "closing"]

Handle: TypeAlias = Callable[[Member], Coroutine[Any, Any, object]]
MakeHandle: TypeAlias = "Callable[[Site], Handle]"
Give: TypeAlias = Callable[[Conn], object]


_SITE: Final = object()  # the key of a handler's context for its site


class Control:
    """How far the shutdown of a server is; ``sites``: how many parts it has."""

    def __init__(self, sites: int) -> None:
        self.accepting = Latch(sites)
        self.stopping = Event()
        self.last_call = Event()
        self.closing: Chan[Never] = Chan()
        self.spared = 0.0  # seconds from the last call on in which no idle connection is dismissed
        self.limit, self.cut = with_cancel_cause(background())

    async def stop(self, drain_delay: float) -> None:
        """Begin the shutdown, and make the last call after the delay. A cancel ends the delay."""
        self.stopping.set()
        try:
            if drain_delay:
                await select(after(drain_delay).recv(), self.last_call.wait(), self.limit.done().recv())
        finally:
            self.last_call.set()

    def stop_at_once(self, error: BaseException) -> None:
        """Begin the shutdown, and cut what is there. Any thread."""
        self.stopping.set()
        self.last_call.set()
        self.cut(error)


# ── accepting ──


class Source(Protocol):
    """A listener."""

    def accept(self) -> Op[Conn]: ...
    def try_accept(self) -> Conn | None: ...
    def close(self) -> None: ...


async def accept_each(source: Source, room: Weighted | None, give: Give, balance: Balance | None = None) -> None:
    """Give each connection that comes, until this is cancelled, or the source closed by another owner of it.

    ``room``: a unit of it is taken for each of them, before it is accepted. ``balance``: with those of the other sites.
    A cancel loses no connection: what was accepted is given first.
    """
    turns = 0
    while True:
        if balance is not None:
            turns = turns - 1 if turns > 1 else await next_turns(balance)
        if room is not None:
            await room.acquire()
        try:
            conn = await source.accept()
        except BaseException as error:
            if room is not None:
                room.release()
            if isinstance(error, ConnClosed):
                return
            raise
        give(conn)


async def next_turns(balance: Balance) -> int:
    """How many connections to accept. Another site has a moment before, if it has fewer."""
    if turns := balance.turn(has_held=False):
        return turns
    await sleep(HOLD)
    return balance.turn(has_held=True)


def accept_waiting(source: Source, give: Give) -> None:
    """Give the connections that wait in the queue already."""
    with suppress(ConnClosed):
        while (conn := source.try_accept()) is not None:
            give(conn)


# ── one loop ──


class Site:
    """The part of a server that is on the running loop. ``make_handle(site)`` is called there, once."""

    def __init__(
        self, make_handle: MakeHandle, control: Control, name: str, room: Weighted | None, slot: Slot | None = None
    ) -> None:
        self._control = control
        self._room = room
        self._balance = None if slot is None else Balance(slot, lambda: len(self.connections))
        self.is_stopping = control.stopping.is_set  # ``not ready``, for a handler that asks often
        self.count_more: Callable[[], Counter[str]] = Counter  # what ``make_handle`` counts beside the connections
        # Values of where the server was started go along, its cancel does not: the server cuts.
        parent = with_value(without_cancel(current()), _SITE, self)
        self.connections = Connections(make_handle(self), name, parent)

    @property
    def ready(self) -> bool:
        """False from the beginning of the shutdown on."""
        return not self._control.stopping.is_set()

    @property
    def closing(self) -> RecvChan[Never]:
        """Closed when the shutdown tells the handlers."""
        return self._control.closing.receiver

    def counts(self) -> Counter[str]:
        """What has happened so far, and how many ``connections`` are open. Any thread."""
        counts = self.count_more()
        counts["connections"] = len(self.connections)
        return counts

    async def run(self, source: Source) -> Report:
        """Serve the connections of ``source``, which other sites may share, until the shutdown, and drain them."""
        control, connections = self._control, self.connections
        accepting = go.options(name="accept")(accept_each, source, self._room, self._give, self._balance)
        try:
            await select(control.stopping.wait(), ended(accepting))
            if accepting.done():
                await accepting  # it raises, or the listener was closed
                await control.stopping.wait()
            begin = connections.mark()
            await control.last_call.wait()
            accepting.cancel()
            await ended(accepting)
            accept_waiting(source, self._give_late)
            control.accepting.count_down()
            await control.accepting.wait()  # each site takes from the queue what it can
            refuse_more(source)
            accept_waiting(source, self._give_late)  # at the last moment: what a queue of TCP still holds is reset
            source.close()
            control.closing.close_once()
            return await connections.drain(control.limit, begin, control.spared)
        finally:
            accepting.cancel()
            source.close()
            connections.cut(ServerShutdown())

    def _give(self, conn: Conn) -> None:
        self.connections.start(conn, None if self._room is None else self._room.release)

    def _give_late(self, conn: Conn) -> None:
        """Nobody accepts it later: it waits for its room here."""
        self.connections.start(conn, room=self._room)


def closing() -> RecvChan[Never]:
    """For a handler: the ``closing`` channel of its server, which is closed when a shutdown wants it to end.

    Also in a worker process, which has no ``Server``. RuntimeError in what is not a handler, nor started by one.

    Example::

        from goish import net

        async def chat(conn):
            index, data, ok = await select(conn.read(), net.closing().recv())
            await conn.write(b"bye" if index == 1 else data)

        network = net.MemoryNetwork()
        async with net.serve(chat, network.listen("server:1")):
            conn = await network.dial("server:1")
            await sleep(0)
        print(await conn.read())  # -> b'bye'
        conn.close()
    """
    site = current().value(_SITE)
    if site is None:
        raise RuntimeError("closing() is for the handlers of a server, and what they call; srv.closing is for others")
    return cast("Site", site).closing
