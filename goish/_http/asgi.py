"""ASGI: an app is run for each request, in a goroutine of its own.

    goroutine of the connection   reads a head ──► waits until the response is over ──► writes it, reads the next head
    goroutine of the request             └──► app(scope, receive, send) ──► may go on: background tasks

Invariants: ``Client.over`` gets one value for each request, when the goroutine of the connection may go on. An app
    whose client has left is cancelled, unless it listens: that gets ``http.disconnect``. When its response is over an
    app is no more concerned by its client, and nothing that it sends goes out.
Threads: the loop of the connection.
Not here: the head that an app gives (app_head.py), WebSockets (websocket.py), the app's start and end (lifespan.py),
    the server (asgi_server.py, uvicorn.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import unquote

from .._inspect.names import exc_info
from .._runtime.core import Chan, Goroutine, RecvChan, chan, current, go
from .app import App, Message, Scope
from .app_head import AppHead, HeadCache, check_block
from .connection import Connection
from .errors import ClientDisconnected
from .head import Fields
from .request import Request
from .websocket_limits import WebSocketLimits
from .writer import WITHOUT_BODY, ResponseWriter, framed

if TYPE_CHECKING:
    from .websocket import WebSocket

__all__ = ["Bridge", "Client", "Exchange", "addresses", "scope_of"]

Place: TypeAlias = tuple[Any, ...]  # host and port, or path and None

VERSIONS = {"version": "3.0", "spec_version": "2.5"}
COPIED = 65536  # bytes of a body that go out in one piece with the head
PIECE = 65536  # bytes of a file that are read at once
WEBSOCKETS: Final = 17  # its oldest version whose handshake can be given the method

# How far the response is.
UNBEGUN: Final = 0
HELD: Final = 1  # the app has given the head
STREAMED: Final = 2  # the head is sent
TRAILED: Final = 3  # the body, too; the trailers are to come
OVER: Final = 4
GONE: Final = 5  # the client, before it was over

logger = logging.getLogger("goish.http")


class Client:
    """What the requests of one connection have in common."""

    __slots__ = ("local", "over", "remote", "scheme")

    def __init__(self, connection: Connection) -> None:
        conn = connection.conn
        self.over: Chan[None] = chan(1)
        self.remote, self.local = addresses(conn.remote_addr, conn.local_addr)
        self.scheme = "http" if conn.get_extra_info("sslcontext") is None else "https"


def addresses(remote: Place | str | None, local: Place | str | None) -> tuple[Place | None, Place | None]:
    """Of client and server, as a scope has them: ``(host, port)``; of a unix socket None and ``(path, None)``."""
    client = remote[:2] if isinstance(remote, tuple) else None
    server = local[:2] if isinstance(local, tuple) else (local, None) if local else None
    return client, server


class Bridge:
    """An app on one loop, as the handler of its connections: ``handle``.

    ``closing``: the server's channel. The app has it in the extension ``http.shutdown``, beside ``ready``, as the
    server has it. ``running``: the goroutines of requests, of which some may go on when their response is over.
    """

    def __init__(
        self,
        app: App,
        state: dict[str, Any],
        closing: RecvChan[Any],
        *,
        root_path: str = "",
        cancels: bool = True,
        running: set[Any] | None = None,
        fields: bytes = b"",
        dated: bool = True,
        sockets: WebSocketLimits | None = None,
    ) -> None:
        self.app = app
        self.state = state
        self.root_path = root_path
        self.raw_root = root_path.encode()
        self.cancels = cancels
        self.running: set[Any] = set() if running is None else running
        self.heads = HeadCache(fields, dated)
        self.closing = closing
        self.extensions: dict[str, dict[str, Any]] = {
            "http.shutdown": {"closing": closing, "ready": True},
            "http.response.early_hint": {},
            "http.response.pathsend": {},
            "http.response.trailers": {},
        }
        self._take_socket = None if sockets is None else socket_handler(self, sockets)
        self.sockets: set[WebSocket] = set()
        self._go = go.options(name="request")

    async def handle(self, w: ResponseWriter, r: Request) -> None:
        """The handler: returns when the response is over, raises what the app has raised before."""
        connection, fields = w._insides()  # pyright: ignore[reportPrivateUsage]
        if fields.upgrade and self._take_socket is not None and fields.upgrade.lower() == "websocket":
            await self._take_socket(w, r, connection, fields)
            return
        client = connection.kept
        if client is None:
            client = connection.kept = Client(connection)
        x = Exchange(self, client, connection, fields, w, r)
        x.goroutine = self.start(x.run, scope_of(self, client, fields, r))
        try:
            await client.over.recv()
        except asyncio.CancelledError:
            x.client_left(ClientDisconnected() if current().err() is None else current().err())
            raise
        if x.error is not None:
            raise x.error

    def start(self, run: Callable[[Scope], Coroutine[Any, Any, None]], scope: Scope) -> Goroutine[None]:
        g = self._go(run, scope)
        self.running.add(g)
        return g

    def begin_shutdown(self) -> None:
        """All goes on, but readiness probes are to fail."""
        self.extensions["http.shutdown"]["ready"] = False

    def go_away(self) -> None:
        """The server shuts down: WebSockets are closed, as nothing else would end them."""
        for socket in list(self.sockets):
            socket.go_away()


def socket_handler(bridge: Bridge, limits: WebSocketLimits) -> Any:
    """The handler of WebSockets; None without the package for them."""
    try:
        from websockets.version import version
    except ImportError:
        return None
    if int(version.partition(".")[0]) < WEBSOCKETS:
        logger.warning(
            "no WebSockets: goish.http needs websockets %d or later, and %s is installed: pip install 'goish[http]'",
            WEBSOCKETS,
            version,
        )
        return None
    from .websocket import handle

    return partial(handle, bridge, limits)


def scope_of(bridge: Bridge, client: Client, fields: Fields, r: Request) -> Scope:
    target, headers = r.target, fields.lower_pairs()
    if target[0] == "/":
        raw_path, _, query = target.partition("?")
    else:
        raw_path, query = r.raw_path, r.query_string
        if r.host:  # that of a target that is a URL, whatever Host says: RFC 9112 section 3.2.2
            headers = [(b"host", r.host.encode()), *(pair for pair in headers if pair[0] != b"host")]
    path = unquote(raw_path) if "%" in raw_path else raw_path
    return {
        "type": "http",
        "asgi": VERSIONS,
        "http_version": "1.1" if fields.minor == b"1" else "1.0",
        "method": r.method,
        "scheme": client.scheme,
        "path": bridge.root_path + path,
        "raw_path": bridge.raw_root + raw_path.encode(),
        "query_string": query.encode(),
        "root_path": bridge.root_path,
        "headers": headers,
        "client": client.remote,
        "server": client.local,
        "state": bridge.state.copy(),
        "extensions": bridge.extensions.copy(),
    }


class Exchange:
    """One request and its response, as the app sees them: ``receive`` and ``send``."""

    __slots__ = (
        *("_awaited", "_bridge", "_client", "_connection", "_cuts", "_fields", "_head", "_left", "_listens", "_r"),
        *("_read", "_stage", "_w", "error", "goroutine"),
    )

    def __init__(
        self, bridge: Bridge, client: Client, connection: Connection, fields: Fields, w: ResponseWriter, r: Request
    ) -> None:
        self._bridge = bridge
        self._client = client
        self._connection = connection
        self._fields = fields
        self._w = w
        self._r = r
        self._stage = UNBEGUN
        self._head: AppHead | None = None
        self._left: int | None = None  # bytes of a counted body
        self._cuts = False  # the body is cut into chunks
        self._listens = False  # for the client to leave, or was told
        self._read = False  # the body, to its end
        self._awaited = True  # by the goroutine of the connection
        self.error: BaseException | None = None
        self.goroutine: Goroutine[None] | None = None

    async def run(self, scope: Scope) -> None:
        try:
            await self._bridge.app(scope, self.receive, self.send)
        except (Exception, asyncio.CancelledError) as error:
            self.ended(error)
        else:
            self.ended(None)

    def ended(self, error: BaseException | None) -> None:
        """The app has ended: the goroutine of the connection hears of it, if it still waits."""
        self._bridge.running.discard(self.goroutine)
        if self._stage == OVER or self._stage == GONE:
            if isinstance(error, Exception) and not (self._stage == GONE and isinstance(error, OSError)):
                r = self._r
                logger.error(
                    "%s %s: the app has failed, and its client is gone", r.method, r.target, exc_info=exc_info(error)
                )
            self.error = None if self._stage == OVER else ClientDisconnected()
        elif error is not None:
            self.error = error
        elif self._stage == UNBEGUN:
            self.error = RuntimeError("the app has returned without a response")
        else:
            self.error = RuntimeError("the app has returned before its response was complete")
        if self._stage < OVER:
            self._stage = GONE  # for what it has left behind: tasks that go on to receive and send
        if self._awaited:
            self._awaited = False
            self._client.over.try_send(None)

    def client_left(self, cause: BaseException | None) -> None:
        """The goroutine of the connection ends: because the client has left, or is cut."""
        self._awaited = False
        if self._stage == OVER or self.goroutine is None:
            return
        self._stage = GONE
        if not self._listens or not isinstance(cause, ClientDisconnected):
            self.goroutine.cancel(cause)

    # ── receive ──

    async def receive(self) -> Message:
        """The next piece of the body; behind its end it waits until the client has left, or the response is over."""
        if self._stage >= OVER:
            return {"type": "http.disconnect"}
        if self._read:
            self._listens = True
            await self._r.ctx.done().recv_ok()
            if self._stage != OVER:
                self._stage = GONE
            return {"type": "http.disconnect"}
        if not self._fields.has_body:
            self._read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        connection = self._connection
        try:
            piece = await connection.read_piece(self._r)
            # What is known to be the last piece is said to be, so that no app needs a second call.
            if piece and connection.body_is_complete():
                await connection.read_piece(self._r)
                self._read = True
        except ClientDisconnected:
            self._listens = True
            return {"type": "http.disconnect"}
        if not piece:
            self._read = True
        return {"type": "http.request", "body": piece, "more_body": not self._read}

    # ── send ──

    async def send(self, message: Message) -> None:
        """Takes head and body; waits while the client does not read. ClientDisconnected, an OSError, if it has left."""
        kind, stage = message["type"], self._stage
        if kind == "http.response.body":
            if stage == HELD:
                if message.get("more_body", False):
                    await self._begin(message.get("body", b""))
                else:
                    self._respond(message.get("body", b""))
                return
            if stage == STREAMED:
                await self._go_on(message.get("body", b""), message.get("more_body", False))
                return
        elif kind == "http.response.start" and stage == UNBEGUN:
            self._head = self._bridge.heads.get(message)
            self._stage = HELD
            return
        await self._send_other(message)

    def _respond(self, body: bytes) -> None:
        """The whole response is here: the goroutine of the connection writes it."""
        head, r = self._head, self._r
        assert head is not None
        if head.trailers:
            raise RuntimeError("a response with trailers has a body of several messages: more_body=True")
        if type(body) is not bytes:
            body = bytes(body)
        framing = b""
        if r.method == "HEAD":
            body = b""
        elif head.status in WITHOUT_BODY:
            if body:
                raise RuntimeError(f"a response with status {head.status} has no body")
        elif head.length is None:
            framing = b"content-length: %d\r\n" % len(body)
        elif head.length != len(body):
            raise length_error(head.length, len(body))
        start = self._head_bytes(head, framing)
        self._w.give(head.status, start + body if len(body) <= COPIED else [start, body])
        self._over()

    def _over(self) -> None:
        self._stage = OVER
        if self._awaited:
            self._awaited = False
            self._client.over.try_send(None)

    def _head_bytes(self, head: AppHead, framing: bytes) -> bytes:
        connection = self._connection
        begun = connection.begin_head(head.status)
        if not head.dated:
            begun = begun[: begun.index(b"\r\n") + 2]
        if head.closes or self._bridge.closing.closed:
            connection.persists = False
        if not connection.persists and not head.closes:
            framing += b"connection: close\r\n"
        elif self._fields.minor == b"0" and connection.persists:
            framing += b"connection: keep-alive\r\n"
        return b"%b%b%b\r\n" % (begun, head.block, framing)

    async def _begin(self, body: bytes) -> None:
        """Sends the head, and the body's first piece."""
        head, r = self._head, self._r
        assert head is not None
        framing = b""
        if r.method == "HEAD" or head.status in WITHOUT_BODY:
            if body and r.method != "HEAD":
                raise RuntimeError(f"a response with status {head.status} has no body")
        elif head.length is not None:
            self._left = head.length
        elif self._fields.minor == b"1":
            self._cuts = True
            framing = b"transfer-encoding: chunked\r\n"
        else:
            self._connection.persists = False
        start = self._head_bytes(head, framing)
        self._w.give(head.status, b"")
        self._stage = STREAMED
        await self._connection.send([start, *self._framed(body, True)])

    async def _go_on(self, body: bytes, more: bool) -> None:
        assert self._head is not None
        out = self._framed(body, more)
        if out:
            await self._connection.send(out)
        if more:
            return
        if self._left:
            raise length_error(self._declared(), self._declared() - self._left)
        if self._head.trailers and self._cuts:
            self._stage = TRAILED
        else:
            self._over()

    def _declared(self) -> int:
        return 0 if self._head is None else self._head.length or 0

    def _framed(self, body: bytes, more: bool) -> list[bytes]:
        """A piece of the body as it goes out, and the end behind the last one."""
        if type(body) is not bytes:
            body = bytes(body)
        if self._cuts:
            assert self._head is not None
            out = framed(body) if body else []
            if not more and not self._head.trailers:
                out.append(b"0\r\n\r\n")
            return out
        if self._left is not None:
            if len(body) > self._left:
                declared = self._declared()
                raise length_error(declared, declared - self._left + len(body))
            self._left -= len(body)
        elif self._r.method == "HEAD":
            return []
        return [body] if body else []

    async def _send_file(self, path: str) -> None:
        """The body is a file, which is read on a thread, piece by piece. OSError if it cannot be read."""
        size = 0 if self._r.method == "HEAD" else PIECE
        with await asyncio.to_thread(open, path, "rb") as file:
            more = True
            while more:
                piece = await asyncio.to_thread(file.read, size)
                more = len(piece) == PIECE
                await self.send({"type": "http.response.body", "body": piece, "more_body": more})

    async def _send_other(self, message: Message) -> None:
        """What few apps send, and what is wrong."""
        kind, stage = message["type"], self._stage
        if stage == GONE:
            raise ClientDisconnected
        if kind == "http.response.early_hint" and stage < STREAMED:
            links = [(b"link", link) for link in message.get("links", ())]
            if self._fields.minor == b"1":
                self._connection.inform(103, check_block(links))
        elif kind == "http.response.pathsend" and stage == HELD:
            await self._send_file(message["path"])
        elif kind == "http.response.trailers" and stage == TRAILED:
            assert self._head is not None
            self._head.add_trailers(message.get("headers", ()))
            if not message.get("more_trailers", False):
                await self._connection.send(b"0\r\n%b\r\n" % self._head.trailer_block)
                self._over()
        else:
            raise RuntimeError(f"the app has sent {kind!r}, {EXPECTED[stage]}")


EXPECTED = {
    UNBEGUN: "but a response begins with 'http.response.start'",
    HELD: "but behind 'http.response.start' comes 'http.response.body'",
    STREAMED: "but its response goes on with 'http.response.body'",
    TRAILED: "but its response ends with 'http.response.trailers'",
    OVER: "but its response is over",
}


def length_error(declared: int, size: int) -> RuntimeError:
    return RuntimeError(f"a body of {size} bytes, and a content-length of {declared}")
