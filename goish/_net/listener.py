"""Listener: accepts connections, for goroutines and tasks of any loop.

One loop, that of the first accept, looks at the listening socket: while somebody waits for a connection, or up to
``_AHEAD`` connections that nobody has taken. So the backlog of the kernel, and not memory, holds the rest.

Owner of a socket: this listener for the moment in which it is accepted, then its Conn; of the listening socket the
listener, until ``close``. Where that is called on another thread, the loop closes the socket.
Threads: ``_home`` alone touches the socket and the fields. The others read ``_reading``. ``close`` is for any thread.
Not here: the waiters of a connection (goish/_runtime/net/acceptor.pyx).
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, cast, final

from goish._checks import check_flag, check_whole
from goish._net.addr import Address, Place, bind, parse, written
from goish._net.balance import HOLD, Balance
from goish._runtime.core import Acceptor, Conn, conn_accepted, try_select

if TYPE_CHECKING:
    from goish._runtime.core import Op

__all__ = ["Listener", "ListenerStatistics", "listen"]

_AHEAD: Final = 16
_BATCH: Final = 64  # connections in one turn of the loop
_FIRST_DELAY: Final = 0.05  # seconds: no file descriptor is free; others may close theirs
_LONGEST_DELAY: Final = 0.5
_OUT_OF_SOMETHING: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_logger: Final = logging.getLogger("goish")


class _Accepted(socket.socket):
    """A socket whose family and type are numbers: socket.socket makes members of an enum of them, at each look.

    That was a tenth of what a connection of one request costs. uvloop lets go of a descriptor only where the socket is
    of this class, so its base class will not do.
    """

    __slots__ = ()
    family = socket.SocketType.family  # type: ignore[assignment]
    type = socket.SocketType.type  # type: ignore[assignment]


@final
@dataclass(frozen=True, slots=True)
class ListenerStatistics:
    """What a listener has done.

    ``accepted``: connections. ``refused``: those that were lost before they were accepted. ``shortages``: how often no
    file descriptor was free. ``ready``: connections that nobody has taken yet.

    Example::

        from goish import net

        with net.listen("127.0.0.1:0") as listener:
            print(listener.statistics().ready)  # -> 0
    """

    accepted: int
    refused: int
    shortages: int
    ready: int


@final
class Listener:
    """Listens for connections: ``accept`` gives the next one. ``listen`` makes it. Go's ``net.Listener``.

    Goroutines and tasks of any loops may accept from one listener. A connection that it gives belongs to no loop until
    it is first read or written.

    Example::

        from goish import net

        async def greet(listener):
            async for conn in listener:
                async with conn:
                    await conn.write(b"hello")

        with net.listen("127.0.0.1:0") as listener:
            go(greet, listener)
            async with await net.dial(listener.addr) as conn:
                print(await conn.read())  # -> b'hello'
    """

    __slots__ = (
        "__weakref__",
        "_accepted",
        "_acceptor",
        "_addr",
        "_balance",
        "_delay",
        "_has_held",
        "_hold",
        "_home",
        "_kind",
        "_logged",
        "_pause",
        "_pid",
        "_reading",
        "_refused",
        "_shortages",
        "_sock",
        "_ssl",
        "_unlink",
    )

    def __init__(self, sock: socket.socket, context: ssl.SSLContext | None, unlink: os.stat_result | None) -> None:
        self._sock: Final = sock
        self._kind: Final = (int(sock.family), int(sock.type), sock.proto)
        self._ssl: Final = context
        self._unlink: Final = unlink
        self._addr: Final[Place] = _shown(sock.getsockname())
        self._acceptor: Final[Acceptor] = Acceptor(written(self._addr), self._wanted)
        self._home: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self._reading = False
        self._pause: asyncio.TimerHandle | None = None
        self._balance: Balance | None = None
        self._hold: asyncio.TimerHandle | None = None
        self._has_held = False
        self._delay = _FIRST_DELAY
        self._logged = -1.0
        self._accepted = self._refused = self._shortages = 0

    def accept(self) -> Op[Conn]:
        """The next connection: await it, or make it a case of ``select``. Any loop.

        Raises ConnClosed if the listener is closed, also meanwhile. Cancelled, it has taken none.

        Example::

            from goish import net

            with net.listen("127.0.0.1:0") as listener:
                client = await net.dial(listener.addr)
                server = await listener.accept()
                print(server.remote_addr == client.local_addr)  # -> True
                client.close()
                server.close()
        """
        return self._acceptor.accept()

    def try_accept(self) -> Conn | None:
        """A connection that waits already, or None; on the loop that looks at the socket also one of the system's."""
        index, conn, _ = try_select(self._acceptor.accept())
        if index == 0:
            return conn
        self._wanted()
        if self._home is not asyncio._get_running_loop() or self._pause is not None:
            return None
        while conn is None and self._accept_one():  # it may have been lost in the queue
            conn = try_select(self._acceptor.accept())[1]
        return conn

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Op[Conn]:
        return self._acceptor.accept_next()

    @property
    def addr(self) -> Place:
        """Where it listens: ``(host, port)``, or the path of a unix socket. Any thread."""
        return self._addr

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called. Any thread."""
        return self._acceptor.closed

    def fileno(self) -> int:
        """The file descriptor of the listening socket; -1 once it is closed."""
        return self._sock.fileno()

    def statistics(self) -> ListenerStatistics:
        """What it has done so far. Any thread.

        Example::

            from goish import net

            with net.listen("127.0.0.1:0") as listener:
                print(listener.statistics().accepted)  # -> 0
        """
        ready = max(-self._acceptor.room, 0)
        return ListenerStatistics(self._accepted, self._refused, self._shortages, ready)

    def close(self) -> None:
        """Stops listening; what waits in ``accept`` raises ConnClosed, and an iteration ends. Any thread.

        Connections that nobody has taken are closed; those that were given go on. A second call does nothing.

        Example::

            from goish import net

            listener = net.listen("127.0.0.1:0")
            listener.close()
            print(listener.closed)  # -> True
        """
        if not self._acceptor.close():
            return
        home = self._home_of_this_process()
        if home is not None and home.is_running() and asyncio._get_running_loop() is not home:
            with suppress(RuntimeError):  # it is being closed
                home.call_soon_threadsafe(self._close_here)
                return
        self._close_here()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Listener {written(self._addr)}{' closed' if self.closed else ''}>"

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError("a Listener cannot be copied or pickled: pass it itself")

    # ── the loop that looks at the socket ──

    def _home_of_this_process(self) -> asyncio.AbstractEventLoop | None:
        """A forked child has the loop of its parent, which is not its own."""
        home = self._home
        return None if home is None or home.is_closed() or self._pid != os.getpid() else home

    def _wanted(self) -> None:
        """Somebody waits for a connection, on whatever thread."""
        home = self._home_of_this_process()
        if self._reading and home is not None:
            return
        here = asyncio._get_running_loop()
        if home is None or not home.is_running():
            if here is None:
                raise RuntimeError("accept() needs an event loop on this thread: goish.run(main) has one")
            if home is not None:
                self._stop_reading()
            self._home, self._pid, self._reading, self._pause, self._hold = here, os.getpid(), False, None, None
            home = here
        if home is here:
            self._begin()
        else:
            home.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        if self._reading or self._pause is not None or self._hold is not None:
            return
        if self.closed or self._sock.fileno() < 0:
            return
        assert self._home is not None
        self._home.add_reader(self._sock.fileno(), self._readable)
        self._reading = True

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            home = self._home_of_this_process()
            if home is not None:
                home.remove_reader(self._sock.fileno())

    def _refuse(self) -> None:
        """The system refuses connections from now on; those in its queue can still be accepted.

        Of a unix socket that it has made itself: this is for good, and for all who have the socket, such as systemd.
        With TCP there is no such thing: what the queue holds is reset.
        """
        if self._unlink is not None and self._sock.fileno() >= 0:
            with suppress(OSError):  # a system that does not know it
                self._sock.shutdown(socket.SHUT_RD)

    def _close_here(self) -> None:
        self._stop_reading()
        for timer in (self._pause, self._hold):
            if timer is not None:
                timer.cancel()
        self._sock.close()
        if self._unlink is not None:
            _unlink(str(self._addr), self._unlink)

    def _share(self, balance: Balance) -> None:
        """The socket is shared with other processes, which ``balance`` knows."""
        self._balance = balance

    def _readable(self) -> None:
        most = _BATCH if self._balance is None else self._balance.turn(self._has_held)
        self._has_held = False
        if not most:
            self._hold_off()
        for _ in range(most):
            if self._acceptor.room <= -_AHEAD:
                self._stop_reading()
                if self._acceptor.room > -_AHEAD:  # taken on another thread, which has seen that it is read
                    self._begin()
                return
            if not self._accept_one():
                return

    def _hold_off(self) -> None:
        assert self._home is not None
        self._stop_reading()
        self._hold = self._home.call_later(HOLD, self._go_on)

    def _go_on(self) -> None:
        self._hold = None
        self._has_held = True
        self._begin()

    def _accept_one(self) -> bool:
        try:
            raw: Any = self._sock  # its type does not show what socket.socket.accept calls
            fd, address = raw._accept()
            sock = _Accepted(*self._kind, fileno=fd)
            sock.setblocking(False)
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionAbortedError:
            self._refused += 1
            return True
        except OSError as error:
            self._fail(error)
            return False
        self._delay = _FIRST_DELAY
        self._accepted += 1
        self._acceptor.offer(conn_accepted(sock, _shown(address), self._ssl))
        return True

    def _fail(self, error: OSError) -> None:
        """Accepting is tried again later: at once it would fail again, and keep the loop busy."""
        assert self._home is not None
        self._shortages += error.errno in _OUT_OF_SOMETHING
        self._refused += error.errno not in _OUT_OF_SOMETHING
        self._stop_reading()
        self._pause = self._home.call_later(self._delay, self._retry)
        self._delay = min(2 * self._delay, _LONGEST_DELAY)
        now = time.monotonic()
        if now >= self._logged + 1 or self._logged < 0:
            self._logged = now
            _logger.error("accepting at %s failed, and is tried again: %s", written(self._addr), error)

    def _retry(self) -> None:
        self._pause = None
        self._begin()


def is_tls(listener: object) -> bool:
    """Whether what is accepted there speaks TLS."""
    return isinstance(listener, Listener) and listener._ssl is not None  # pyright: ignore[reportPrivateUsage]


def refuse_more(listener: object) -> None:
    """Has the system refuse connections, where it can do so without losing those that wait to be accepted."""
    if isinstance(listener, Listener):
        listener._refuse()  # pyright: ignore[reportPrivateUsage]


def _shown(address: Any) -> Place:
    """``(host, port)`` of an address of IPv4 or IPv6, without the form that IPv4 has in an IPv6 socket."""
    if isinstance(address, tuple):
        host, port = cast("tuple[str, int]", address[:2])
        return host.removeprefix("::ffff:") if "." in host else host, port
    return "\0" + address[1:].decode() if isinstance(address, bytes) else str(address)


def _unlink(path: str, made: os.stat_result) -> None:
    """Removes the file of a unix socket, unless it is another's by now."""
    with suppress(OSError):
        if os.path.samestat(os.stat(path), made):
            os.unlink(path)


def listen(
    addr: Address, *, backlog: int = 1024, reuse_port: bool = False, ssl: ssl.SSLContext | None = None
) -> Listener:
    """Listens on an address, at once; also before a loop runs. Go's ``net.Listen``.

    ``addr``: ``"host:port"``, ``":port"`` (of all interfaces, IPv6 and IPv4), ``"[::1]:port"``, ``"unix:/path"``,
    ``(host, port)``, or a socket that is bound, which is the listener's from then on. Port 0: one that is free, which
    ``addr`` of the listener tells. A name is looked up at once; of its addresses the first is taken. The file of a unix
    socket is removed when the listener closes; one that was left behind, where nothing listens, is replaced.

    ``backlog``: how many connections wait in the system to be accepted. ``reuse_port``: several listeners, also of
    several processes, share the port, and the system divides the connections between them. ``ssl``: the SSLContext of a
    server, for TLS; its handshake begins with the first read or write.

    Raises OSError with the address in its text: it is taken, not allowed, not known. TypeError or ValueError for an
    address that is none. Any thread.

    Example::

        from goish import net

        with net.listen("127.0.0.1:0") as listener:
            print(listener.addr[0])  # -> 127.0.0.1
    """
    check_whole("backlog", backlog)
    check_flag("reuse_port", reuse_port)
    context = _checked_context(ssl)
    if isinstance(addr, socket.socket):
        return _listen_on(addr, backlog, context)
    place = parse(addr, ", or a socket that is bound")
    sock = bind(place, backlog, bool(reuse_port))
    made = os.stat(place) if isinstance(place, str) and not place.startswith("\0") else None
    return Listener(sock, context, made)


def _checked_context(context: object) -> ssl.SSLContext | None:
    if context is not None and not isinstance(context, ssl.SSLContext):
        raise TypeError(f"ssl is an ssl.SSLContext with a certificate, or None; got {context!r}")
    return context


def _listen_on(sock: socket.socket, backlog: int, context: ssl.SSLContext | None) -> Listener:
    if sock.type != socket.SOCK_STREAM:
        raise ValueError(f"a socket to listen on is a stream socket (SOCK_STREAM), bound; got {sock!r}")
    if isinstance(sock.getsockname(), tuple) and sock.getsockname()[1] == 0:
        raise ValueError(f"a socket to listen on is bound to its address: sock.bind(...) first; got {sock!r}")
    sock.listen(backlog)
    sock.setblocking(False)
    return Listener(sock, context, None)
