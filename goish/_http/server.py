"""The HTTP server: a handler, limits, and the connections of ``goish.net``.

Threads: as with the servers of goish.net: ``close`` and the state are any thread's, the rest is the starting loop's.
Not here: one connection (connection.py); listening, draining, the report (goish/_net).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Unpack, cast

from .._checks import check_flag
from .._net.connections import Member
from .._net.listener import is_tls
from .._net.server import ServerBase
from .._net.site import Handle, Site
from .connection import Connection, Handler
from .limits import Limits
from .options import ServerOptions, check_names
from .parser import check_available
from .shared import Shared

__all__ = ["Server", "Statistics", "serve"]

access_logger = logging.getLogger("goish.http.access")


@dataclass(frozen=True, slots=True)
class Statistics:
    """The counters of a server, of all its connections.

    ``connections``: open at this moment. ``requests``: answered by a handler. ``refused``: how often each limit or
    check has refused a request, by its name: ``"malformed"``, ``"request_line"``, ``"header"``, ``"headers"``,
    ``"headers_size"``, ``"body"``, ``"read_header_timeout"``, ``"read_timeout"``, ``"active"``. ``events``: other ends,
    by name: ``"panics"``, ``"disconnects"``, ``"incomplete"``, ``"idle_timeout"``, ``"write_timeout"``, ``"hijacked"``,
    ``"short_responses"``.

    Example::

        async def hello(w, r):
            await w.text("hello")

        srv = goish.http.Server(hello, "127.0.0.1:0")
        print(srv.statistics().requests)  # -> 0
        srv.close()
    """

    connections: int
    requests: int
    refused: dict[str, int]
    events: dict[str, int]


class MakesHandle:
    """What a server does on each of its loops: it is called there once."""

    def __init__(self, handler: Handler, limits: Limits, cancels: bool, log: logging.Logger | None) -> None:
        self.handler_for: Callable[[Site], Handler] = lambda _: handler
        self._limits = limits
        self._cancels = cancels
        self._log = log

    def __call__(self, site: Site) -> Handle:
        shared = Shared(self.handler_for(site), self._limits, site, cancels=self._cancels, access_log=self._log)
        site.count_more = shared.counts

        def handle(member: Member) -> Coroutine[Any, Any, object]:
            return Connection(shared, member).run()

        return handle


class Server(ServerBase):
    """An HTTP/1.1 server. ``serve`` makes it too.

    ``async with`` starts it, and shuts it down at the end of the block: requests in progress then have ``grace``
    seconds. Or ``start()``, then ``shutdown``, ``close``, ``wait``, as with the servers of ``goish.net``.

    ``handler``: ``async def h(w, r)``, or a ``ServeMux``. ``addr``: as ``goish.net.listen`` takes it, or a listener.

    Seconds, None for no limit: ``read_header_timeout=10`` for the head of a request, from its first byte, or from the
    accept (408); ``read_timeout=None`` for its body, from when that is read (408); ``write_timeout=None`` for the
    response, from the end of the head; ``idle_timeout=75`` between two requests.

    Numbers: ``max_request_line=8192`` bytes (414); ``max_header=8192`` bytes of one header, ``max_headers=100`` of
    them, ``max_headers_size=65536`` bytes of all (431). Of these 0 is no limit: ``max_body=0`` bytes (413; the handler
    decides); ``max_requests=0`` on a connection, ``max_active=0`` at once on each worker (503), ``max_conns=0``
    connections at once, where further ones wait.

    ``cancel_on_disconnect=True``: whether a handler whose client has left is cancelled; ``r.ctx`` is in any case.
    ``access_log=False``: True for the logger ``goish.http.access``, or a logger. ``grace=10``, ``workers=1``,
    ``backlog=1024``, ``ssl=None``: as for ``goish.net.serve``.

    OSError if it cannot listen; TypeError or ValueError for other arguments; ImportError without httptools.

    Example::

        async def hello(w, r):
            await w.text("hello")

        async with goish.http.Server(hello, "127.0.0.1:0") as srv:
            reader, writer = await asyncio.open_connection(*srv.addr)
            writer.write(b"GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
            print((await reader.read()).split(b"\\r\\n")[0].decode())  # -> HTTP/1.1 200 OK
            writer.close()
    """

    _what = "http"

    def __init__(self, handler: Handler, addr: Any, **options: Unpack[ServerOptions]) -> None:
        if not callable(handler):
            raise TypeError(f"a handler is an async function of (w, r), or a ServeMux; got {handler!r}")
        check_names(type(self).__name__, options, ServerOptions.__annotations__)
        self._make_server(handler, addr, partial(Server, handler, **options), options)

    def _make_server(
        self, handler: Handler, addr: Any, make_worker: Callable[..., Server], options: ServerOptions
    ) -> None:
        check_available()
        limits = Limits.of(options)
        cancels = options.get("cancel_on_disconnect", True)
        check_flag("cancel_on_disconnect", cancels)
        self._makes = MakesHandle(handler, limits, cancels, checked_log(options.get("access_log", False)))
        super().__init__(
            self._makes,
            addr,
            workers=options.get("workers", 1),
            max_conns=limits.max_conns or None,
            grace=options.get("grace", 10.0),
            backlog=options.get("backlog", 1024),
            ssl=options.get("ssl"),
            make_worker=make_worker,
        )

    @property
    def url(self) -> str:
        """Where a client on this machine finds it, such as ``"http://127.0.0.1:8000"``. ValueError of a unix socket.

        Any thread.

        Example::

            async def hello(w, r):
                await w.text("hello")

            async with goish.http.serve(hello, "127.0.0.1:0") as srv:
                print(srv.url == f"http://127.0.0.1:{srv.addr[1]}")  # -> True
        """
        addr = self.addr
        if not isinstance(addr, tuple):
            raise ValueError(f"a unix socket has no URL; its path is addr: {addr!r}")
        host, port = cast("tuple[str, int]", addr)
        if host in ("", "0.0.0.0", "::"):
            host = "localhost"
        return f"{'https' if is_tls(self._listener) else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

    def statistics(self) -> Statistics:
        """Counts what has happened so far. Any thread; out of date at once.

        Of worker processes it is the sum of what they have told last, each at most half a second ago; those that have
        been replaced are included.

        Example::

            async def hello(w, r):
                await w.text("hello")

            async with goish.http.serve(hello, "127.0.0.1:0") as srv:
                print(srv.statistics().connections)  # -> 0
        """
        counts = self._counts()
        return Statistics(
            connections=counts["connections"],
            requests=counts["requests"],
            refused=below("refused", counts),
            events=below("events", counts),
        )


def below(kind: str, counts: Counter[str]) -> dict[str, int]:
    return {name.removeprefix(f"{kind} "): n for name, n in counts.items() if name.startswith(f"{kind} ")}


def checked_log(given: bool | logging.Logger) -> logging.Logger | None:
    if isinstance(given, logging.Logger):
        return given
    if not isinstance(given, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"access_log is True, False or a logging.Logger; got {given!r} of type {type(given).__name__}")
    return access_logger if given else None


def serve(handler: Handler, addr: Any, **options: Unpack[ServerOptions]) -> Server:
    """``Server(handler, addr, ...)``, to be entered: ``async with http.serve(handler, addr) as srv:``.

    Takes the options of ``Server``, and raises what it raises. Go's ``ListenAndServe``.

    Example::

        async def hello(w, r):
            await w.text("hello")

        async with goish.http.serve(hello, "127.0.0.1:0", idle_timeout=5) as srv:
            print(srv.ready)  # -> True
    """
    return Server(handler, addr, **options)
