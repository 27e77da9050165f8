"""A response, as its handler writes it.

    BUFFERED ──► COUNTED | CHUNKED | UNTIL_CLOSE | BODILESS ──► OVER
       │                                                          ▲
       └── the handler returns: one write has head and body ──────┘        hijack(): HIJACKED, from BUFFERED only

A small response is held back until its handler returns: it goes out at once, with a Content-Length. A flush, or more
than HELD_BACK bytes, sends the head; from then on each write goes out.

Invariants: the head is sent once. With a Content-Length exactly so many bytes follow, or the connection closes.
Threads: the loop of its connection.
Not here: what becomes of the connection behind the response (connection.py).
"""

# pyright: reportPrivateUsage=false
# Functions of this file make and look into the objects of this file.

from __future__ import annotations

import json
from collections.abc import Awaitable, Generator
from typing import TYPE_CHECKING, Any, Final

from .._runtime.core import Conn
from .fields import Headers, has_any, new_headers, seal
from .status import HeadMaker

if TYPE_CHECKING:
    from .connection import Connection
    from .head import Fields
    from .request import Request

__all__ = ["ResponseWriter", "new_writer"]

HELD_BACK = 16384
HEAD_CHANGING: Final = frozenset(("connection", "content-length", "date", "transfer-encoding"))  # else all is added
WITHOUT_BODY: Final = frozenset((204, 304))

BUFFERED: Final = 0
COUNTED: Final = 1
CHUNKED: Final = 2
UNTIL_CLOSE: Final = 3
BODILESS: Final = 4
GIVEN: Final = 5
HIJACKED: Final = 6
OVER: Final = 7


class Done:
    """Awaited, it is done at once."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        return self  # type: ignore[return-value]

    def __next__(self) -> None:
        raise StopIteration

    def __iter__(self) -> Done:
        return self


DONE: Final = Done()


class ResponseWriter:
    """Writes the response to a request. The server makes it; a handler is ``async def h(w, r)``.

    ``w.headers`` and ``w.write_header(status)`` first, then ``await w.write(data)``. Without any of it the response is
    an empty 200. A small one is sent when the handler returns, with its Content-Length; a larger one goes out as it is
    written, chunked unless ``w.headers["Content-Length"]`` is set. ``await w.flush()`` sends what is there.

    Example::

        async def numbers(w, r):
            w.headers["Content-Type"] = "text/plain"
            for n in range(3):
                await w.write(b"%d\\n" % n)
                await w.flush()

        async with goish.http.serve(numbers, "127.0.0.1:0") as srv:
            reader, writer = await asyncio.open_connection(*srv.addr)
            writer.write(b"GET / HTTP/1.0\\r\\nHost: a\\r\\n\\r\\n")
            print((await reader.read()).split()[-3:])  # -> [b'0', b'1', b'2']
            writer.close()
    """

    __slots__ = ("_connection", "_given", "_headers", "_heads", "_held", "_left", "_mode", "_request", "_status")

    _connection: Connection
    _heads: HeadMaker
    _request: Request
    _headers: Headers | None
    _status: int  # 0: none was set
    _mode: int
    _held: bytes  # of the body, in mode BUFFERED
    _left: int  # bytes of the body, in mode COUNTED

    # ── the head ──

    @property
    def headers(self) -> Headers:
        """The fields of the head; they can be set until the head is sent."""
        if self._headers is None:
            self._headers = new_headers()
        return self._headers

    @property
    def status(self) -> int:
        """The status that the response has, or will have as things are: 200 if none was set."""
        return self._status or 200

    @property
    def head_sent(self) -> bool:
        """Whether status and headers are on their way to the client, so that neither can be changed."""
        return self._mode != BUFFERED

    def write_header(self, status: int) -> None:
        """Set the status; it is set once. One of 100 to 199 is sent at once, with the headers, before the real one.

        ValueError for no status, RuntimeError for a second one or when the head is sent. Go's ``WriteHeader``.

        Example::

            async def missing(w, r):
                w.write_header(404)
                await w.text("no such item")
        """
        if isinstance(status, bool) or not isinstance(status, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"a status is a number such as 404, got {status!r} of type {type(status).__name__}")
        if not 100 <= status <= 999:
            raise ValueError(f"a status is a number from 100 to 999, got {status}")
        if self._mode != BUFFERED or self._status:
            raise RuntimeError(f"write_header({status}): the status {self.status} was set before")
        if status < 200:
            self._inform(status)
        else:
            self._status = status

    def _inform(self, status: int) -> None:
        if status == 101:
            raise ValueError("101 is the answer of a handler that takes the connection over: w.hijack()")
        if self._request.http_version == "1.1":  # an older client takes it for the response
            fields = b"" if self._headers is None else self._heads.fields(self._headers)
            self._connection.inform(status, fields)

    # ── the body ──

    def write(self, data: bytes | bytearray | memoryview) -> Awaitable[None]:
        """Write bytes of the body; await it. Waits while the client does not read.

        ValueError beyond the Content-Length that was set, or if the status has no body (204, 304): nothing is written
        then. RuntimeError if the response is over. ConnClosed, or another ConnectionError, if the client has left. A
        cancel loses the whole piece or nothing.

        Example::

            async def hello(w, r):
                await w.write(b"hello")
        """
        if type(data) is not bytes:
            data = checked_data(data)
        if self._mode != BUFFERED:
            return self._write_through(data)
        if self._status or (self._headers is not None and has_any(self._headers, HEAD_CHANGING)):
            self._check_room(len(self._held) + len(data))
        if len(self._held) + len(data) > HELD_BACK:
            return self._connection.send(self._begin(data))
        self._held = self._held + data if self._held else data
        return DONE

    async def flush(self) -> None:
        """Send what was written so far, the head first. Waits while the client does not read; raises as ``write``.

        Example::

            async def ticks(w, r):
                await w.write(b"tick\\n")
                await w.flush()
        """
        if self._mode == BUFFERED:
            await self._connection.send(self._begin(b""))
        elif self._mode >= HIJACKED:
            raise over(self._mode)

    def set_write_deadline(self, when: float | None) -> None:
        """Sets when writes to a client that does not read fail, instead of the ``write_timeout`` of the server.

        They raise ClientDisconnected then, and the connection is cut: half a response is of no use to anybody.

        ``when``: a time of ``goish.time.now()``; None: never. For this response only. RuntimeError if it is over;
        TypeError or ValueError for what is no time. Go's ``ResponseController.SetWriteDeadline``.

        Example::

            async def events(w, r):
                for n in range(3):
                    w.set_write_deadline(goish.time.now() + 5)  # each of them
                    await w.write(b"%d\\n" % n)
                    await w.flush()
        """
        self._connection.set_write_deadline(self._request, when)

    def _check_room(self, size: int) -> None:
        """Of a body that is held back, ``size`` bytes with what is to be written."""
        if self._status in WITHOUT_BODY and size:
            raise ValueError(f"a response with status {self._status} has no body")
        declared = declared_length(self._headers)
        if declared is not None and size > declared:
            raise ValueError(f"a write of {size - len(self._held)} bytes goes beyond the Content-Length of {declared}")

    async def _write_through(self, data: bytes) -> None:
        """The head is sent."""
        if self._mode == COUNTED:
            if len(data) > self._left:
                raise ValueError(f"a write of {len(data)} bytes goes beyond the Content-Length: {self._left} are left")
            self._left -= len(data)
        elif self._mode >= HIJACKED:
            raise over(self._mode)
        elif self._mode == BODILESS:
            if self._status in WITHOUT_BODY and data:
                raise ValueError(f"a response with status {self._status} has no body")
            return  # to a HEAD
        if data:
            await self._connection.send(framed(data) if self._mode == CHUNKED else data)

    # ── what goes out ──

    def _begin(self, data: bytes) -> bytes | list[bytes]:
        """The head, what was held back, and ``data``: from now on each write goes out."""
        body = self._held + data if self._held else data
        self._held = b""
        self._given: bytes | list[bytes] = b""  # of GIVEN
        head = self._head(self._choose_mode())
        if self._mode == COUNTED:
            self._left -= len(body)
        if not body or self._mode == BODILESS:
            return head
        if self._mode == CHUNKED:
            return [head, *framed(body)]
        return [head, body]

    def _choose_mode(self) -> bytes:
        """How the client knows where the body ends: the field that says so."""
        declared = declared_length(self._headers)
        if self._request.method == "HEAD" or self._status in WITHOUT_BODY:
            self._mode = BODILESS
        elif declared is not None:
            self._mode = COUNTED
            self._left = declared
        elif self._request.http_version == "1.1":
            self._mode = CHUNKED
            return b"Transfer-Encoding: chunked\r\n"
        else:
            self._mode = UNTIL_CLOSE
            self._connection.persists = False
        return b""

    def _head(self, framing: bytes) -> bytes:
        connection, headers = self._connection, self._headers
        begun = connection.begin_head(self._status or 200)
        fields = b""
        if headers is not None:
            if "Transfer-Encoding" in headers:
                raise ValueError(
                    "Transfer-Encoding is the server's to set: without a Content-Length the body is chunked"
                )
            if "Connection" in headers:
                connection.persists = connection.persists and "close" not in headers["Connection"].lower()
            if self._status == 204:  # RFC 9110 section 8.6
                headers.pop("Content-Length", None)
            if "Date" in headers:
                begun = begun[: begun.index(b"\r\n") + 2]
            seal(headers)
            fields = self._heads.fields(headers)
        if not connection.persists:
            if headers is None or "Connection" not in headers:
                framing += b"Connection: close\r\n"
        elif self._request.http_version == "1.0":
            framing += b"Connection: keep-alive\r\n"
        return b"%b%b%b\r\n" % (begun, fields, framing)

    def finish(self, is_plain: bool, now: float) -> bytes | list[bytes]:
        """What is to be sent yet, as the handler has returned; b"": nothing.

        ``is_plain``: neither the request nor the connection asks for anything special. ``now``: the loop's time.
        """
        if self._mode != BUFFERED:
            return self._finish_begun()
        headers = self._headers
        if not is_plain or (self._status and self._status in WITHOUT_BODY):
            return self._finish_whole()
        if headers is None:
            fields = b""
        elif has_any(headers, HEAD_CHANGING):
            return self._finish_whole()
        else:
            fields = self._heads.fields(headers)
        self._mode = OVER
        heads = self._heads
        begun = heads.begin(self._status or 200, now)
        return b"".join((begun, fields, heads.length_and_end(len(self._held)), self._held))

    def _insides(self) -> tuple[Connection, Fields]:
        """For a bridge: the connection, and the fields of the request."""
        return self._connection, self._request._fields

    def give(self, status: int, data: bytes | list[bytes]) -> None:
        """For a bridge, which makes head and body itself: ``data`` is what is to be sent when the handler returns."""
        self._status = status
        self._mode = GIVEN
        self._given = data

    def _finish_begun(self) -> bytes | list[bytes]:
        mode, self._mode = self._mode, OVER
        if mode == GIVEN:
            return self._given
        if mode == CHUNKED:
            return b"0\r\n\r\n"
        if mode == COUNTED and self._left:
            self._connection.fell_short(self._request, self._left)
        return b""

    def _finish_whole(self) -> bytes:
        body = self._held
        declared = declared_length(self._headers)
        is_head = self._request.method == "HEAD"
        framing = b""
        if declared is not None:
            missing = declared - len(body)
            if missing and not is_head and self._status not in WITHOUT_BODY:
                self._connection.fell_short(self._request, missing)
        elif self._status not in WITHOUT_BODY and (body or not is_head):
            framing = b"Content-Length: %d\r\n" % len(body)
        head = self._head(framing)
        self._mode = OVER
        return head if is_head else head + body

    def hijack(self) -> tuple[Conn, bytes]:
        """Take the connection over: it, and the bytes that the client has sent behind the request.

        From here on the handler speaks its own protocol, and answers the request itself. The connection is closed when
        the handler returns. A shutdown waits for it, and says so by ``srv.closing``. RuntimeError if the head is sent.
        Go's ``Hijacker``.

        Example::

            async def shout(w, r):
                conn, data = w.hijack()
                await conn.write(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: shout\\r\\n\\r\\n")
                async for line in conn:
                    await conn.write(line.upper())
        """
        if self._mode != BUFFERED:
            raise RuntimeError("hijack() after the head of the response was sent")
        self._mode = HIJACKED
        return self._connection.hijack()

    async def text(self, text: str, status: int = 0) -> None:
        """Write text as UTF-8, with its Content-Type unless one is set. ``status``: as ``write_header``; 0 sets none.

        Otherwise as ``write``.

        Example::

            async def teapot(w, r):
                await w.text("short and stout", 418)
        """
        await self._whole(text.encode(), "text/plain; charset=utf-8", status)

    async def json(self, value: Any, status: int = 0) -> None:
        """Write a value as JSON, with its Content-Type unless one is set. ``status``: as ``write_header``; 0 sets none.

        TypeError or ValueError for a value that JSON has not. Otherwise as ``write``.

        Example::

            async def item(w, r):
                await w.json({"id": 1, "name": "ann"})
        """
        data = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        await self._whole(data, "application/json", status)

    async def _whole(self, data: bytes, content_type: str, status: int) -> None:
        if status:
            self.write_header(status)
        if self._mode == BUFFERED and "Content-Type" not in self.headers:
            self.headers["Content-Type"] = content_type
        await self.write(data)


def new_writer(connection: Connection, heads: HeadMaker, request: Request) -> ResponseWriter:
    w = ResponseWriter.__new__(ResponseWriter)
    w._connection = connection
    w._heads = heads
    w._request = request
    w._headers = None
    w._status = 0
    w._mode = BUFFERED
    w._held = b""
    return w


def framed(data: bytes) -> list[bytes]:
    """As one chunk."""
    return [b"%x\r\n" % len(data), data, b"\r\n"]


def declared_length(headers: Headers | None) -> int | None:
    """The Content-Length that the handler has set, or None."""
    declared = [] if headers is None else headers.get_all("Content-Length")
    if not declared:
        return None
    if len(declared) > 1:
        raise ValueError(f"Content-Length is set once, got {declared!r}")
    if not declared[0].isascii() or not declared[0].isdigit():
        raise ValueError(f"Content-Length is a number of bytes, got {declared[0]!r}")
    return int(declared[0])


def over(mode: int) -> RuntimeError:
    if mode == HIJACKED:
        return RuntimeError("the connection was taken over by hijack(): write to that")
    return RuntimeError("the response is over: its handler has returned")


def checked_data(data: object) -> bytes:
    if isinstance(data, str):
        raise TypeError("write() takes bytes, got a str: w.text(text), or text.encode()")
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"write() takes bytes, got {data!r} of type {type(data).__name__}")
    return bytes(data)  # pyright: ignore[reportUnknownArgumentType]
