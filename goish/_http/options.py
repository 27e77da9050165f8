"""The options of the servers, for type checkers and editors: what each means says ``Server``, what it is unless given,
``Limits`` and the constructors.

Not here: their values (limits.py, server.py, asgi_server.py). A test compares them.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection, Mapping
from typing import TypedDict

from .._net.server import TLS
from .lifespan import LifespanMode

__all__ = ["AsgiOptions", "ServerOptions", "check_names"]


class ServerOptions(TypedDict, total=False):
    """The options of ``http.serve``, for functions that pass them on: ``**options: Unpack[http.ServerOptions]``.

    Example::

        from typing import Unpack

        async def hello(w, r):
            await w.text("hello")

        def serve_hello(addr: str, **options: Unpack[goish.http.ServerOptions]):
            return goish.http.serve(hello, addr, **options)

        async with serve_hello("127.0.0.1:0", idle_timeout=5) as srv:
            print(srv.ready)  # -> True
    """

    read_header_timeout: float | None
    read_timeout: float | None
    write_timeout: float | None
    idle_timeout: float | None
    max_request_line: int
    max_header: int
    max_headers: int
    max_headers_size: int
    max_body: int
    max_requests: int
    max_active: int
    max_conns: int
    cancel_on_disconnect: bool
    access_log: bool | logging.Logger
    grace: float | None
    workers: int
    backlog: int
    ssl: TLS | None


class AsgiOptions(ServerOptions, total=False):
    """The options of ``http.serve_asgi``, for functions that pass them on.

    Example::

        options: goish.http.AsgiOptions = {"lifespan": "off", "ws": False}
        print(sorted(options))  # -> ['lifespan', 'ws']
    """

    factory: bool
    lifespan: LifespanMode
    root_path: str
    ws: bool
    ws_max_size: int
    ws_ping_interval: float | None
    ws_ping_timeout: float | None
    ws_per_message_deflate: bool


def check_names(what: str, given: Mapping[str, object], known: Collection[str]) -> None:
    """TypeError, as for the arguments of any function, for a name that is no option."""
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; the options are {', '.join(sorted(known))}"
            raise TypeError(f"{what} has no option {name!r}{hint}")
