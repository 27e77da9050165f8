"""A server whose handler is an ASGI app.

    start ──► lifespan: startup ──► accepts ──► shutdown: as other servers ──► background tasks end ──► lifespan:
    shutdown

Threads: as with the other servers.
Not here: one request (asgi.py), the command line (command.py), uvicorn's door (uvicorn.py).
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, Self, Unpack

from .._checks import check_choice, check_flag, check_text
from .._net.report import Report
from .._net.site import Site
from .._runtime.core import go, select, sleep
from .._threads.handles import ended
from ..errors import ServerClosed
from .app import App, load_app
from .asgi import Bridge
from .connection import Handler
from .lifespan import Lifespan
from .options import AsgiOptions, check_names
from .server import Server
from .websocket_limits import WebSocketLimits

__all__ = ["AsgiServer", "serve_asgi"]

BRIEF = 0.1  # seconds for the ``finally`` blocks of tasks that are cut

logger = logging.getLogger("goish.http")


class AsgiServer(Server):
    """An HTTP/1.1 and WebSocket server whose handler is an ASGI app. ``serve_asgi`` makes it too.

    Entered, it has the app start, and accepts connections then; left, it shuts down as other servers do, waits for the
    background tasks of the app, and has the app stop. An app that fails to start raises at ``async with``.

    ``app``: the app, or ``"module:name"``; with ``factory=True`` what makes it. ``lifespan="auto"`` takes an app that
    knows none; else ``"on"``, ``"off"``. ``root_path=""``: the path under which a proxy has the app.

    ``cancel_on_disconnect=True``: the app is cancelled when its client has left before the response is over, unless it
    waits in ``receive()``: it gets ``http.disconnect`` then. False: it is only told.

    For WebSockets: ``ws=True``, False to take none; ``ws_max_size=1048576`` bytes of a message (1009);
    ``ws_ping_interval=20`` seconds without a byte from the client until it is asked for one, and ``ws_ping_timeout=20``
    until it is given up, None for never; ``ws_per_message_deflate=True``, whether messages may be compressed.

    ``workers``: processes, on every Python, as an app belongs to one loop. Each imports the app, which is given as
    ``"module:name"`` then, and has a lifespan of its own.

    All else is as for ``Server``: timeouts, limits, ``access_log``, ``grace``, ``ssl``, ``backlog``. Raises what
    ``Server`` raises, and what the import of the app does; TypeError for what is no ASGI app.

    Example::

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hello"})

        async with goish.http.AsgiServer(app, "127.0.0.1:0", lifespan="off") as srv:
            reader, writer = await asyncio.open_connection(*srv.addr)
            writer.write(b"GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
            print((await reader.read()).rpartition(b"\\n")[2].decode())  # -> hello
            writer.close()
    """

    _what = "asgi"
    _importable = 'the app by its name: give it as "module:name"'
    _belongs_to_one_loop = True

    def __init__(self, app: App | str, addr: Any, **options: Unpack[AsgiOptions]) -> None:
        check_names(type(self).__name__, options, AsgiOptions.__annotations__)
        factory, mode = options.get("factory", False), options.get("lifespan", "auto")
        check_flag("factory", factory)
        check_choice("lifespan", mode, ("auto", "on", "off"))
        self._app = load_app(app, factory)
        self._root_path = check_text("root_path", options.get("root_path", "")).rstrip("/")
        self._sockets = WebSocketLimits.of(options) if options.get("ws", True) else None
        self._lifespan = Lifespan(self._app, mode)
        self._bridges: list[Bridge] = []
        self._cancels = options.get("cancel_on_disconnect", True)
        self._make_server(self._refuse, addr, partial(AsgiServer, app, **options), options)
        self._makes.handler_for = self._bridge_for

    @staticmethod
    async def _refuse(w: Any, r: Any) -> None:
        """No handler: each loop has its Bridge."""

    def _bridge_for(self, site: Site) -> Handler:
        bridge = Bridge(
            self._app,
            self._lifespan.state,
            self.closing,
            root_path=self._root_path,
            cancels=self._cancels,
            sockets=self._sockets,
        )
        self._bridges.append(bridge)
        go.options(name="asgi closing")(self._tell, bridge)
        return bridge.handle

    async def _tell(self, bridge: Bridge) -> None:
        """Of the shutdown: the apps by ``ready``, the WebSockets by their close, 1012."""
        await self._control.stopping.wait()
        bridge.begin_shutdown()
        await self.closing.recv_ok()
        bridge.go_away()

    async def _run_site(self) -> Report:
        try:
            await self._start_app()
            report = await super()._run_site()
            await self._end_tasks()
            await self._lifespan.shutdown()
        finally:
            self._lifespan.cut()
        return report

    async def _start_app(self) -> None:
        """A close meanwhile makes it ServerClosed."""
        starting = go.options(name="lifespan startup")(self._lifespan.startup)
        try:
            index, _, _ = await select(ended(starting), self._control.limit.done().recv_ok())
            if index == 1:
                starting.cancel()
                raise ServerClosed
            await starting
        except BaseException:
            self.close()
            raise

    async def _end_tasks(self) -> None:
        """Of responses that are over: they have as long as connections have."""
        limit = self._control.limit
        for bridge in self._bridges:
            while bridge.running and limit.err() is None:
                await select(ended(next(iter(bridge.running))), limit.done().recv_ok())
            for g in bridge.running:
                logger.warning("a task of the app was cut, as its time was over: %r", g)
                g.cancel("the server shuts down")
            if bridge.running:
                await sleep(BRIEF)

    async def __aenter__(self) -> Self:
        await self.wait_started()
        return self


def serve_asgi(app: App | str, addr: Any, **options: Unpack[AsgiOptions]) -> AsgiServer:
    """``AsgiServer(app, addr, ...)``, to be entered: ``async with http.serve_asgi("main:app", ":8000") as srv:``.

    Takes the options of ``AsgiServer``, and raises what it raises. ``python -m goish.http main:app`` does it from a
    shell.

    Example::

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})

        async with goish.http.serve_asgi(app, "127.0.0.1:0", lifespan="off") as srv:
            print(srv.ready)  # -> True
    """
    return AsgiServer(app, addr, **options)
