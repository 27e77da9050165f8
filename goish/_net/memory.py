"""A network in memory: listeners and connections without sockets, on any loop, with faults by a seed.

Invariants: for the same seed, and the same calls in the same order, the same happens. What is on its way between two
hosts that are partitioned waits until they are healed, as packets that are sent again do.
Threads: those of one loop at a time.
Not here: what happens to bytes on their way (transport.py).
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import random
import weakref
from typing import Any, Final, Self, TypeAlias, cast

from .._checks import check_timeout, check_whole
from .._runtime.core import Acceptor, Conn, Event, Op, conn_new, sleep, try_select
from ..errors import DeadlineExceeded
from .addr import parse, written
from .transport import Faults, MemoryTransport, Way, transport_pair

__all__ = ["MemoryListener", "MemoryNetwork", "pipe"]

Address: TypeAlias = "str | tuple[str, int]"
Latency: TypeAlias = "float | tuple[float, float]"

FIRST_PORT: Final = 49152  # of those that nobody asked for


class MemoryListener:
    """What ``MemoryNetwork.listen`` gives: it accepts the connections that are dialled. As ``Listener``.

    Example::

        from goish import net

        network = net.MemoryNetwork()
        with network.listen("server:80") as listener:
            print(listener.addr)  # -> ('server', 80)
    """

    def __init__(self, network: MemoryNetwork, addr: tuple[str, int], backlog: int) -> None:
        self._network = network
        self._addr = addr
        self._backlog = backlog
        self._acceptor = Acceptor(written(addr), self._wanted)
        self._room = Event()

    @property
    def addr(self) -> tuple[str, int]:
        """Where it listens: ``(host, port)``."""
        return self._addr

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called. Any thread."""
        return self._acceptor.closed

    def accept(self) -> Op[Conn]:
        """The next connection; await it, or make it a case of ``select``. As ``Listener.accept``, but of this loop.

        Raises ConnClosed when the listener is closed. Cancelled, it has accepted none.

        Example::

            from goish import net

            network = net.MemoryNetwork()
            with network.listen("server:80") as listener:
                dialled = await network.dial("server:80")
                accepted = await listener.accept()
                print(accepted.remote_addr)  # -> ('client', 49152)
            accepted.close()
            dialled.close()
        """
        return self._acceptor.accept()

    def try_accept(self) -> Conn | None:
        """A connection that waits already, or None."""
        return try_select(self._acceptor.accept())[1]

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Op[Conn]:
        return self._acceptor.accept_next()

    def close(self) -> None:
        """Takes no more connections: accepts raise ConnClosed, and those in the queue are closed. Any thread."""
        if self._acceptor.close():
            self._network.listeners.pop(self._addr, None)
        self._room.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<MemoryListener {written(self._addr)}{' closed' if self.closed else ''}>"

    # ── what the network calls ──

    def _wanted(self) -> None:
        """A waiter waits for a connection."""
        self._room.set()

    async def take(self, transport: MemoryTransport) -> bool:
        """Put a connection into the queue, once there is room; False if it is closed by then."""
        while not self.closed and self._acceptor.room <= -self._backlog:
            self._room.clear()
            await self._room.wait()
        if self.closed:
            return False
        self._acceptor.offer(_start(transport))
        return True


class MemoryNetwork:
    """A network of its own, in memory: the listeners and connections of ``goish.net`` without sockets and ports.

    For tests. Whatever runs on a ``Listener`` and ``Conn`` runs on it unchanged, also in virtual time. Hosts are names,
    of any kind: those that listen, and ``"client"`` for those that dial. What happens is given by ``seed``:

    ``latency``: the seconds that anything takes one way; a pair ``(least, most)`` draws them. ``split``: reads get from
    1 to so many bytes at once, wherever the writes began and ended. ``reset``: the chance, from 0 to 1, that bytes that
    arrive are a reset instead. TypeError or ValueError for other arguments.

    Example::

        from goish import net

        async def echo(conn):
            async for data in conn:
                await conn.write(data)

        network = net.MemoryNetwork(seed=1, latency=0.01, split=3)
        async with net.serve(echo, network.listen("server:7")):
            async with await network.dial("server:7") as conn:
                await conn.write(b"hello")
                print(await conn.read_exactly(5))  # -> b'hello'
    """

    def __init__(
        self, *, seed: object = 0, latency: Latency = 0.0, split: int | None = None, reset: float = 0.0
    ) -> None:
        self._faults = Faults(_checked_latency(latency), _checked_split(split), _checked_chance(reset))
        self._seed = seed
        self.listeners: dict[tuple[str, int], MemoryListener] = {}
        self._ports = itertools.count(FIRST_PORT)
        self._dialled = itertools.count(1)
        # By number: a set would heal them in another order each time.
        self._ways: weakref.WeakValueDictionary[int, Way] = weakref.WeakValueDictionary()
        self._numbers = itertools.count()
        self._partitions: set[frozenset[str]] = set()
        self._healed = Event()

    def listen(self, addr: Address, *, backlog: int = 1024) -> MemoryListener:
        """Listens at ``addr``: ``"host:port"`` or ``(host, port)``, ``":port"`` for all hosts; port 0 is a free one.

        ``backlog``: how many connections may wait to be accepted; further ones wait for that. OSError if the address is
        taken, TypeError or ValueError if it is none. No loop needs to run.

        Example::

            from goish import net

            network = net.MemoryNetwork()
            print(network.listen("server:80"))  # -> <MemoryListener server:80>
        """
        check_whole("backlog", backlog)
        host, port = _parsed(addr)
        port = port or next(self._ports)
        if (host, port) in self.listeners:
            raise OSError(errno.EADDRINUSE, f"listen on {written((host, port))}: a listener has the address already")
        listener = self.listeners[host, port] = MemoryListener(self, (host, port), backlog)
        return listener

    async def dial(self, addr: Address, *, timeout: float | None = None, local_addr: str = "client") -> Conn:
        """Connects to a listener of this network.

        ``timeout``: seconds until DeadlineExceeded, a TimeoutError; None: no limit. ``local_addr``: the name of the
        host that dials. Raises ConnectionRefusedError where nothing listens, TypeError or ValueError for what is no
        address. Cancelled, it has connected nothing.

        Example::

            from goish import net

            network = net.MemoryNetwork()
            try:
                await network.dial("server:80")
            except ConnectionRefusedError as error:
                print(error.strerror)  # -> dial server:80: nothing listens there
        """
        check_timeout(timeout)
        theirs = _parsed(addr)
        if not isinstance(local_addr, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"local_addr is the name of a host, got {local_addr!r} of type {type(local_addr).__name__}")
        try:
            async with asyncio.timeout(timeout):
                return await self._dial(theirs, (local_addr, next(self._ports)))
        except TimeoutError:
            raise DeadlineExceeded(f"dial {written(theirs)}: not connected within {timeout} seconds") from None

    def partition(self, host: str, other: str | None = None) -> None:
        """Lets nothing through between two hosts, or between one and all others, until ``heal``.

        What is on its way, and what is sent meanwhile, arrives then; so do connections that are dialled.

        Example::

            from goish import net

            network = net.MemoryNetwork()
            network.listen("server:80")
            network.partition("client", "server")
            try:
                await network.dial("server:80", timeout=1)
            except TimeoutError:
                print("no answer")  # -> no answer
        """
        self._partitions.add(_between(host, other))
        for way in list(self._ways.values()):
            if self._is_cut(way.hosts):
                way.hold()

    def heal(self, host: str | None = None, other: str | None = None) -> None:
        """Ends a ``partition``: the one that was made with the same arguments, or all.

        Example::

            from goish import net

            network = net.MemoryNetwork()
            network.partition("server")
            network.heal()
        """
        if host is None:
            self._partitions.clear()
        else:
            self._partitions.discard(_between(host, other))
        for way in list(self._ways.values()):
            if not self._is_cut(way.hosts):
                way.release()
        healed, self._healed = self._healed, Event()
        healed.set()

    def reset(self, host: str, other: str | None = None) -> None:
        """Resets the connections between two hosts, or those of one: reads and writes raise ConnectionResetError.

        Example::

            from goish import net

            network = net.MemoryNetwork()
            with network.listen("server:80") as listener:
                conn = await network.dial("server:80")
                network.reset("server")
                try:
                    await conn.read()
                except ConnectionResetError:
                    print("reset")  # -> reset
                conn.close()
        """
        meant = _between(host, other)
        for way in list(self._ways.values()):
            if meant <= way.hosts:
                way.break_both()

    # ── within ──

    def _is_cut(self, hosts: frozenset[str]) -> bool:
        return any(cut <= hosts for cut in self._partitions)

    async def _dial(self, theirs: tuple[str, int], ours: tuple[str, int]) -> Conn:
        """A handshake: the listener has the connection when the first packet is there, the client when that is back."""
        number = next(self._dialled)
        rng = random.Random(f"{self._seed} handshake {number}")
        hosts = frozenset((ours[0], theirs[0]))
        await self._travel(hosts, rng)
        listener = self.listeners.get(theirs) or self.listeners.get(("", theirs[1]))
        near, far = transport_pair(asyncio.get_running_loop(), (ours, theirs), self._faults, f"{self._seed} {number}")
        for way in near.ways():
            way.hosts = hosts
            self._ways[next(self._numbers)] = way
        try:
            if listener is None or not await listener.take(far):
                await self._travel(hosts, rng)
                raise ConnectionRefusedError(errno.ECONNREFUSED, f"dial {written(theirs)}: nothing listens there")
            await self._travel(hosts, rng)
        except BaseException:
            near.abort()
            raise
        return _start(near)

    async def _travel(self, hosts: frozenset[str], rng: random.Random) -> None:
        if delay := self._faults.delay(rng):
            await sleep(delay)
        while self._is_cut(hosts):
            await self._healed.wait()


def pipe() -> tuple[Conn, Conn]:
    """Two connections, each the peer of the other, in memory. Go's ``net.Pipe``, but buffered as others are.

    They belong to the running loop, as dialled ones do; RuntimeError if there is none.

    Example::

        from goish import net

        ours, theirs = net.pipe()
        async with ours, theirs:
            await ours.write(b"ping")
            print(await theirs.read())  # -> b'ping'
    """
    ours, theirs = transport_pair(asyncio.get_running_loop())
    return _start(ours), _start(theirs)


def _start(transport: MemoryTransport) -> Conn:
    conn, protocol = conn_new(asyncio.get_running_loop())
    transport.start(protocol)
    return conn


def _between(host: str, other: str | None) -> frozenset[str]:
    for name in (host, other):
        if name is not None and not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"a host is a name, got {name!r} of type {type(name).__name__}")
    return frozenset((host,)) if other is None else frozenset((host, other))


# ── checks ──


def _parsed(addr: object) -> tuple[str, int]:
    place = parse(addr)
    if isinstance(place, str):
        raise ValueError(f'an address of a network in memory is "host:port" or (host, port); got {addr!r}')
    return place


def _checked_latency(latency: Any) -> tuple[float, float]:
    bounds: tuple[Any, ...] = cast("tuple[object, ...]", latency) if isinstance(latency, tuple) else (latency, latency)
    if len(bounds) != 2:
        raise TypeError(f"latency is a number of seconds, or a pair (least, most); got {latency!r}")
    least, most = bounds
    for bound in (least, most):
        if isinstance(bound, bool) or not isinstance(bound, (int, float)):
            raise TypeError(f"latency is a number of seconds, or a pair (least, most); got {latency!r}")
    if not 0 <= least <= most < float("inf"):
        raise ValueError(f"latency is 0 or more seconds, or a pair (least, most); got {latency!r}")
    return float(least), float(most)


def _checked_split(split: Any) -> int | None:
    if split is not None and (isinstance(split, bool) or not isinstance(split, int)):
        raise TypeError(f"split is a whole number of bytes, 1 or more, or None; got {split!r}")
    if split is not None and split < 1:
        raise ValueError(f"split is a whole number of bytes, 1 or more, or None; got {split}")
    return split


def _checked_chance(reset: Any) -> float:
    if isinstance(reset, bool) or not isinstance(reset, (int, float)):
        raise TypeError(f"reset is a chance, from 0 to 1; got {reset!r} of type {type(reset).__name__}")
    if not 0 <= reset <= 1:
        raise ValueError(f"reset is a chance, from 0 to 1; got {reset}")
    return float(reset)
