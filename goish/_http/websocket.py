"""A WebSocket as an ASGI app sees it, by the sans-I/O layer of the package websockets.

    CONNECTING ──websocket.accept──► OPEN ──a close from either side, or the connection is lost──► CLOSED
        ├── websocket.close: 403                                ──► CLOSED
        └── websocket.http.response.start ... body: the app's own answer

The app runs in a goroutine of its own. That of the connection reads, once it is open: so pings are answered, and a
client that leaves is heard of, while the app does other things. Messages go to the app through a channel; while that is
full nothing is read.

Invariants: what the protocol has to send is handed to the transport in the same step. ``_messages`` is closed when
    nothing more can come. The goroutine of the connection ends after the close.
Threads: those of one loop.
Not here: answers of HTTP (asgi.py); frames, the compression, the handshake (websockets).
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any, Final, cast

from websockets.datastructures import Headers
from websockets.exceptions import InvalidState
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.http11 import Response
from websockets.protocol import OPEN as PROTOCOL_OPEN
from websockets.server import ServerProtocol

from .._inspect.names import exc_info
from .._runtime.core import Chan, Conn, Goroutine, chan, select
from ..errors import ChanClosed, DeadlineExceeded
from .app import Message, Scope
from .app_head import check_block
from .asgi import Bridge, Client, Exchange, scope_of
from .connection import Connection
from .errors import BadRequest, ClientDisconnected
from .head import Fields
from .request import Request
from .websocket_limits import WebSocketLimits
from .writer import ResponseWriter

__all__ = ["WebSocket", "handle"]

VERSIONS = {"version": "3.0", "spec_version": "2.5"}
WAITING = 16  # messages that were read, and that the app has not taken
CLOSE_SECONDS: Final = 10.0  # for the client to answer a close
GOING_AWAY: Final = 1001
LOST: Final = 1006
INTERNAL_ERROR: Final = 1011
SERVICE_RESTART: Final = 1012

CONNECTING: Final = 0
OPEN: Final = 1
CLOSED: Final = 2  # by the app, or for good
ANSWERED: Final = 3  # by a response of HTTP

logger = logging.getLogger("goish.http")
protocol_logger = logging.getLogger("goish.http.websocket")

# Memory for a connection: 12 bits of window instead of 15, as others do.
DEFLATE = ServerPerMessageDeflateFactory(
    server_max_window_bits=12, client_max_window_bits=12, compress_settings={"memLevel": 5}
)


async def handle(
    bridge: Bridge, limits: WebSocketLimits, w: ResponseWriter, r: Request, connection: Connection, fields: Fields
) -> None:
    """The handler of a request that asks for a WebSocket; returns when that is over."""
    pairs = fields.lower_pairs()
    protocol = ServerProtocol(
        extensions=[DEFLATE] if limits.per_message_deflate else [], max_size=limits.max_size, logger=protocol_logger
    )
    headers = Headers([(name.decode(), value.decode("latin-1")) for name, value in pairs])
    protocol.receive_data(Handshake(r.target, headers, method=r.method).serialize())
    requests = protocol.events_received()
    if not requests:
        raise BadRequest(400, "a handshake that is too large for a WebSocket")
    answer = protocol.accept(cast(Handshake, requests[0]))
    if answer.status_code != 101:
        others = [value for name, value in pairs if name == b"sec-websocket-version" and value != b"13"]
        await refuse(w, answer, 426 if others else answer.status_code)
        return
    await WebSocket(bridge, limits, w, r, protocol, answer).run(connection, fields)


async def refuse(w: ResponseWriter, answer: Response, status: int) -> None:
    """A handshake that is none, or one of another version (RFC 6455 section 4.4)."""
    w.write_header(status)
    w.headers["Sec-WebSocket-Version"] = "13"
    for name, value in answer.headers.raw_items():
        if name.lower() not in ("date", "connection", "content-length"):
            w.headers.add(name, value)
    await w.write(bytes(answer.body or b""))


class WebSocket:
    """One WebSocket, from the request to the end."""

    __slots__ = (
        *("_answer", "_bridge", "_conn", "_denial", "_early", "_goes", "_limits", "_messages", "_opened", "_parts"),
        *("_protocol", "_r", "_stage", "_told", "_w", "error", "goroutine"),
    )

    def __init__(
        self,
        bridge: Bridge,
        limits: WebSocketLimits,
        w: ResponseWriter,
        r: Request,
        protocol: ServerProtocol,
        answer: Response,
    ) -> None:
        self._bridge = bridge
        self._limits = limits
        self._w = w
        self._r = r
        self._protocol = protocol
        self._answer = answer
        self._stage = CONNECTING
        self._goes = False  # the server shuts down
        self._early = b""  # what came with the request
        self._told = False  # websocket.connect was received
        self._conn: Conn | None = None
        self._denial: Exchange | None = None
        self._opened: Chan[None] = chan(1)  # one value: accepted, answered, or the app has ended
        self._messages: Chan[Message] = chan(WAITING)
        self._parts: list[bytes] = []  # of a message in several frames
        self.error: BaseException | None = None
        self.goroutine: Goroutine[None] | None = None

    # ── the goroutine of the connection ──

    async def run(self, connection: Connection, fields: Fields) -> None:
        bridge = self._bridge
        if connection.kept is None:
            connection.kept = Client(connection)
        client = connection.kept
        scope = scope_of(bridge, client, fields, self._r)
        del scope["method"]
        scope["type"] = "websocket"
        scope["scheme"] = "wss" if client.scheme == "https" else "ws"
        scope["subprotocols"] = subprotocols(scope["headers"])
        scope["extensions"] = {"websocket.http.response": {}, "http.shutdown": bridge.extensions["http.shutdown"]}
        self._denial = Exchange(bridge, client, connection, fields, self._w, self._r)
        self.goroutine = self._denial.goroutine = bridge.start(self._run_app, scope)
        try:
            await select(self._opened.recv(), client.over.recv())
            if self._conn is not None:
                await self._serve(self._conn)
        except asyncio.CancelledError:
            self.goroutine.cancel()
            raise
        finally:
            self._messages.close_once()
            bridge.sockets.discard(self)
        if self.error is not None and self._stage != OPEN and self._conn is None:
            raise self.error

    async def _serve(self, conn: Conn) -> None:
        """Reads until the close, or the loss, of the connection."""
        protocol = self._protocol
        try:
            while not protocol.eof_sent:
                data, self._early = self._early or await self._read(conn), b""
                if not data:
                    protocol.receive_eof()
                    break
                protocol.receive_data(data)
                messages = [message for frame in protocol.events_received() if (message := self._message_of(frame))]
                await self._flush()
                for message in messages:
                    await self._give(message)
        except (ConnectionError, DeadlineExceeded):
            pass
        except UnicodeDecodeError:
            protocol.fail(1007, "text that is not UTF-8")
            await self._flush()

    async def _give(self, message: Message) -> None:
        """To the app; one that was closed meanwhile takes no more."""
        if self._stage == OPEN:
            with suppress(ChanClosed):
                await self._messages.send(message)

    async def _read(self, conn: Conn) -> bytes:
        """The next bytes; a client that is silent is asked for a pong, and given up if it stays so."""
        limits, protocol = self._limits, self._protocol
        now = asyncio.get_running_loop().time
        if self._stage == OPEN:
            conn.set_read_deadline(None if limits.ping_interval is None else now() + limits.ping_interval)
            try:
                return await conn.read()
            except DeadlineExceeded:
                if self._stage != OPEN:
                    raise
            protocol.send_ping(b"goish")
            await self._flush()
            conn.set_read_deadline(None if limits.ping_timeout is None else now() + limits.ping_timeout)
            try:
                return await conn.read()
            except DeadlineExceeded:
                if self._stage == OPEN:
                    protocol.fail(INTERNAL_ERROR, "no answer to a ping")
                    await self._flush()
                raise
        return await conn.read()

    def _message_of(self, frame: Any) -> Message | None:
        """What the app gets of a frame, if that ends a message."""
        if not isinstance(frame, Frame):
            return None
        opcode = frame.opcode
        if opcode in (Opcode.TEXT, Opcode.BINARY) and frame.fin:
            return as_message(opcode is Opcode.TEXT, bytes(frame.data))
        if opcode in (Opcode.TEXT, Opcode.BINARY):
            self._parts = [b"text" if opcode is Opcode.TEXT else b"", bytes(frame.data)]
        elif opcode is Opcode.CONT:
            self._parts.append(bytes(frame.data))
            if frame.fin:
                kind, *parts = self._parts
                self._parts = []
                return as_message(bool(kind), b"".join(parts))
        return None

    async def _flush(self) -> None:
        """Sends what the protocol has for the client, and the end if that is due."""
        conn = self._conn
        assert conn is not None
        out = self._protocol.data_to_send()
        data = b"".join(out)
        if data and not conn.try_write(data):
            await conn.write(data)
        if out and not out[-1]:
            end_writing(conn)

    # ── the goroutine of the app ──

    async def _run_app(self, scope: Scope) -> None:
        error: BaseException | None = None
        try:
            await self._bridge.app(scope, self.receive, self.send)
        except (Exception, asyncio.CancelledError) as raised:
            error = raised
        self._bridge.running.discard(self.goroutine)
        if self._conn is None:
            self._unanswered(error)
        else:
            await self._finish(error)

    def _unanswered(self, error: BaseException | None) -> None:
        """The app has ended without a handshake."""
        if self._stage == CONNECTING:
            self.error = error or RuntimeError("the app has returned without websocket.accept or websocket.close")
            self._stage = CLOSED
            self._opened.try_send(None)
        elif self._denial is not None and self._stage == ANSWERED:
            self._denial.ended(error)
            self.error = self._denial.error

    async def _finish(self, error: BaseException | None) -> None:
        if isinstance(error, Exception) and not (self._stage == CLOSED and isinstance(error, OSError)):
            logger.error("%s: the app of a WebSocket has failed", self._r.target, exc_info=exc_info(error))
        await self._close(1000 if error is None else INTERNAL_ERROR, "")

    async def receive(self) -> Message:
        """websocket.connect, then the messages, then websocket.disconnect, as often as it is asked."""
        if not self._told:
            self._told = True
            return {"type": "websocket.connect"}
        message, ok = await self._messages.recv_ok()
        if ok:
            return message  # type: ignore[return-value]
        return self._disconnect()

    def _disconnect(self) -> Message:
        protocol = self._protocol
        close = protocol.close_rcvd or (protocol.close_sent if self._goes else None)
        code, reason = (LOST, "") if close is None else (int(close.code), close.reason)
        if self._stage == OPEN:
            self._stage = CLOSED
        return {"type": "websocket.disconnect", "code": code, "reason": reason}

    async def send(self, message: Message) -> None:
        """Waits while the client does not read. ClientDisconnected, an OSError, if it has left."""
        kind = message["type"]
        if kind == "websocket.send" and self._stage == OPEN:
            await self._send(message)
        elif kind == "websocket.accept" and self._stage == CONNECTING:
            await self._accept(message)
        elif kind == "websocket.close" and self._stage == OPEN:
            self._stage = CLOSED
            await self._close(message.get("code", 1000), message.get("reason") or "")
        elif kind == "websocket.close" and self._stage == CONNECTING:
            self._stage = ANSWERED
            assert self._denial is not None
            await self._denial.send({"type": "http.response.start", "status": 403, "headers": []})
            await self._denial.send({"type": "http.response.body", "body": b""})
        elif kind.startswith("websocket.http.response.") and self._stage in (CONNECTING, ANSWERED):
            self._stage = ANSWERED
            assert self._denial is not None
            await self._denial.send({**message, "type": kind.removeprefix("websocket.")})
        elif kind in ("websocket.send", "websocket.close") and self._conn is not None:
            if self._messages.closed:
                raise ClientDisconnected
            raise RuntimeError(f"the app has sent {kind!r}, but has closed its WebSocket before")
        else:
            raise RuntimeError(f"the app has sent {kind!r}, {EXPECTED[self._stage]}")

    async def _send(self, message: Message) -> None:
        protocol = self._protocol
        data, text = message.get("bytes"), message.get("text")
        if (data is None) == (text is None):
            raise TypeError("websocket.send has either bytes or text")
        try:
            if text is not None:
                protocol.send_text(text.encode())
            elif data is not None:
                protocol.send_binary(data)
        except InvalidState:
            raise ClientDisconnected from None
        await self._flush()

    async def _accept(self, message: Message) -> None:
        protocol, answer = self._protocol, self._answer
        subprotocol = message.get("subprotocol")
        if subprotocol is not None:
            protocol.subprotocol = subprotocol
            answer.headers["Sec-WebSocket-Protocol"] = subprotocol
        pairs = list(message.get("headers", ()))
        check_block(pairs)
        for name, value in pairs:
            answer.headers[name.decode("ascii")] = value.decode("latin-1")
        self._conn, self._early = self._w.hijack()
        self._stage = OPEN
        protocol.send_response(answer)
        self._bridge.sockets.add(self)
        await self._flush()
        self._opened.try_send(None)

    async def _close(self, code: int, reason: str) -> None:
        """Sends a close, unless one was sent; the goroutine of the connection waits for the answer."""
        conn, protocol = self._conn, self._protocol
        assert conn is not None
        self._stage = CLOSED
        if protocol.state is PROTOCOL_OPEN:
            protocol.send_close(code, reason)
            conn.set_read_deadline(asyncio.get_running_loop().time() + CLOSE_SECONDS)
            with suppress(ConnectionError):
                await self._flush()

    # ── the shutdown ──

    def go_away(self) -> None:
        """The server shuts down: the client is told by a close, and the app by websocket.disconnect."""
        conn, protocol = self._conn, self._protocol
        if conn is None or protocol.state is not PROTOCOL_OPEN:
            return
        self._stage = CLOSED
        self._goes = True
        protocol.send_close(SERVICE_RESTART, "")
        conn.set_read_deadline(asyncio.get_running_loop().time() + CLOSE_SECONDS)
        with suppress(ConnectionError):  # a close has cut it
            conn.try_write(b"".join(protocol.data_to_send()))
        self._messages.close_once()


EXPECTED = {
    CONNECTING: "but an app begins with 'websocket.accept', 'websocket.close' or 'websocket.http.response.start'",
    OPEN: "but its WebSocket is open: 'websocket.send' or 'websocket.close'",
    CLOSED: "but its WebSocket is closed",
    ANSWERED: "but it has refused the WebSocket",
}


def as_message(is_text: bool, data: bytes) -> Message:
    if is_text:
        return {"type": "websocket.receive", "text": data.decode()}
    return {"type": "websocket.receive", "bytes": data}


def subprotocols(pairs: list[tuple[bytes, bytes]]) -> list[str]:
    offered = [value.decode("latin-1") for name, value in pairs if name == b"sec-websocket-protocol"]
    return [name.strip() for value in offered for name in value.split(",")]


def end_writing(conn: Conn) -> None:
    try:
        conn.close_write()
    except RuntimeError:  # TLS: the close ends both ways
        conn.close()
