"""uvicorn's door: ``uvicorn --http goish.http:Protocol``. uvicorn has the sockets, goish the connections.

uvicorn makes a Protocol for each connection that it accepts. A Door, of which each server of uvicorn has one, stands
for what else a server of goish is: limits, the set of connections, the app.

Invariants: ``server_state.connections`` has the Protocol of each open connection, ``server_state.tasks`` the goroutine
    of each app that runs: uvicorn's shutdown waits for both, and cancels the second.
Threads: the loop of uvicorn.
Not here: anything of uvicorn's that asks for an import of it: this file has none.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any
from weakref import WeakKeyDictionary

from .._net.connections import Member
from .._net.site import Control, Handle, Site
from .._runtime.core import conn_new, go
from .app_head import check_block
from .asgi import Bridge
from .connection import Connection
from .limits import Limits
from .request import Request
from .shared import Shared
from .websocket_limits import WebSocketLimits
from .writer import ResponseWriter

__all__ = ["Protocol"]


class Protocol(asyncio.Protocol):
    """A protocol class for uvicorn: ``uvicorn --http goish.http:Protocol main:app``, which makes the instances.

    uvicorn stays the server; requests are read, checked and answered by goish: with its limits and its strict checks, a
    goroutine for each request, and a cancel for an app whose client has left. WebSockets too: ``--ws`` other than
    ``none`` makes no difference. uvicorn's options go on to mean what they mean. Of one thread, that of uvicorn's loop.

    Example::

        import uvicorn

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})

        config = uvicorn.Config(app, http=goish.http.Protocol)
        config.load()
        print(config.http_protocol_class.__name__)  # -> Protocol
    """

    def __init__(
        self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        if not config.loaded:
            config.load()
        self._state = server_state
        self._door = door_of(config, server_state, app_state)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hands the transport over to a connection of goish."""
        conn, protocol = conn_new(asyncio.get_running_loop())
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        self._state.connections.add(self)
        self._door.site.connections.start(conn, self._over)

    def _over(self) -> None:
        self._state.connections.discard(self)

    def shutdown(self) -> None:
        """Called by uvicorn: an idle connection is closed, another one when its response is over."""
        self._door.shut()


class Door:
    """What the connections of one server of uvicorn have in common."""

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any]) -> None:
        self._config = config
        self._state = server_state
        self._control = Control(1)
        self.site = Site(self._handle_of, self._control, "uvicorn", None)
        self._log = logging.getLogger("uvicorn.access")
        self._logs = bool(config.access_log and self._log.hasHandlers())
        self._bridge = Bridge(
            config.loaded_app,
            app_state,
            self._control.closing.receiver,
            root_path=config.root_path,
            running=server_state.tasks,
            fields=check_block(config.encoded_headers),
            dated=config.date_header,
            sockets=None if config.ws_protocol_class is None else socket_limits(config),
        )

    def _handle_of(self, site: Site) -> Handle:
        limits = Limits(idle_timeout=self._config.timeout_keep_alive)
        self._shared = shared = Shared(self._handle, limits, site, cancels=True, access_log=None)

        def handle(member: Member) -> Coroutine[Any, Any, object]:
            return Connection(shared, member).run()

        return handle

    async def _handle(self, w: ResponseWriter, r: Request) -> None:
        state, most = self._state, self._config.limit_concurrency
        if most is not None and (len(state.connections) > most or len(state.tasks) >= most):
            logging.getLogger("uvicorn.error").warning("Exceeded concurrency limit.")
            w.headers["Connection"] = "close"
            await w.text("Service Unavailable", 503)
            return
        try:
            await self._bridge.handle(w, r)
        finally:
            state.total_requests += 1
            if self._logs:
                self._log_access(w, r)

    def _log_access(self, w: ResponseWriter, r: Request) -> None:
        remote = w._insides()[0].kept.remote  # pyright: ignore[reportPrivateUsage]
        client = "" if remote is None else f"{remote[0]}:{remote[1]}"
        self._log.info('%s - "%s %s HTTP/%s" %d', client, r.method, r.target, r.http_version, w.status)

    def shut(self) -> None:
        """Once: connections end with their response, WebSockets are closed, apps hear of it."""
        if not self._control.closing.closed:
            connections = self.site.connections
            connections.closing = True
            self._bridge.begin_shutdown()
            self._control.closing.close()
            self._bridge.go_away()
            go.options(name="wind down")(connections.wind_down, self._control.limit, 0.0)


_doors: WeakKeyDictionary[Any, Door] = WeakKeyDictionary()


def door_of(config: Any, server_state: Any, app_state: dict[str, Any]) -> Door:
    door = _doors.get(server_state)
    if door is None:
        door = _doors[server_state] = Door(config, server_state, app_state)
    return door


def socket_limits(config: Any) -> WebSocketLimits:
    return WebSocketLimits(
        config.ws_max_size, config.ws_ping_interval, config.ws_ping_timeout, config.ws_per_message_deflate
    )
