"""A request, as its handler sees it. Most handlers look at little of it, so most of it is made when it is asked for.

Invariants: what the parser gave does not change. After the handler has returned the body cannot be read any more.
Threads: the loop of its connection.
Not here: reading the body (connection.py), matching the path (mux.py).
"""

# pyright: reportPrivateUsage=false
# Functions of this file make and look into the objects of this file.

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Never
from urllib.parse import unquote

from .._runtime.core import Context, RecvChan
from .errors import NoJson
from .fields import Headers
from .head import Fields
from .parser import RequestParser
from .query import Query

if TYPE_CHECKING:
    from .connection import Connection

__all__ = ["Request", "new_request"]

MEBIBYTE = 1 << 20
NO_VALUES: dict[str, str] = {}


class Request:
    """A request: ``method`` and ``target`` as they came, and what a handler asks for.

    ``pattern`` is that of the ``ServeMux`` by which it came here, or "". The server makes it; a handler is
    ``async def h(w, r)``. Its body is read by ``await r.read()``, or piece by piece with ``async for piece in r``.
    ``r.ctx`` is cancelled when the client leaves.

    Example::

        async def hello(w, r):
            await w.text(f"{r.method} {r.path} {r.query.get('name')}")

        async with goish.http.serve(hello, "127.0.0.1:0") as srv:
            reader, writer = await asyncio.open_connection(*srv.addr)
            writer.write(b"GET /hi?name=ann HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
            print((await reader.read()).rpartition(b"\\n")[2].decode())  # -> GET /hi ann
            writer.close()
    """

    __slots__ = (
        *("_authority", "_connection", "_ctx", "_fields", "_headers", "_path", "_query", "_raw_path", "_values"),
        *("method", "pattern", "target"),
    )

    _connection: Connection
    _authority: str
    _fields: Fields
    _raw_path: str
    method: str
    target: str
    pattern: str
    # Made when they are asked for.
    _ctx: Context | None
    _headers: Headers | None
    _path: str | None
    _query: Query | None
    _values: dict[str, str] | None

    # ── the head ──

    @property
    def path(self) -> str:
        """The path, without the query, and with its ``%`` sequences decoded."""
        if self._path is None:
            path = raw_path_of(self)
            self._path = unquote(path) if "%" in path else path
        return self._path

    @property
    def raw_path(self) -> str:
        """The path as it came, without the query."""
        return raw_path_of(self)

    @property
    def query_string(self) -> str:
        """What stands behind the ``?``, as it came; "" if there is none."""
        return self._raw_path.partition("?")[2]

    @property
    def query(self) -> Query:
        """The query's names and values."""
        if self._query is None:
            self._query = Query(self.query_string)
        return self._query

    @property
    def headers(self) -> Headers:
        """The fields of the head. They are this request's own: a handler that wraps another may change them."""
        if self._headers is None:
            self._headers = self._fields.headers()
        return self._headers

    @property
    def host(self) -> str:
        """The host, with the port if it came with one: of the target if that is a URL, otherwise of the Host field."""
        return self._authority or self._fields.host

    @property
    def http_version(self) -> str:
        """``"1.1"`` or ``"1.0"``."""
        return "1.1" if self._fields.minor == b"1" else "1.0"

    @property
    def content_length(self) -> int | None:
        """How many bytes the body has; None if it is chunked, and 0 without a body."""
        return None if self._fields.chunked else self._fields.length or 0

    @property
    def remote_addr(self) -> Any:
        """The address of the client: ``(host, port)`` of a TCP connection."""
        return self._connection.conn.remote_addr

    @property
    def local_addr(self) -> Any:
        """The address that the client has connected to."""
        return self._connection.conn.local_addr

    @property
    def scheme(self) -> str:
        """``"https"`` on a connection with TLS, otherwise ``"http"``."""
        return "http" if self._connection.conn.get_extra_info("ssl_object") is None else "https"

    def path_value(self, name: str) -> str:
        """What the wildcard ``{name}`` of the pattern has matched; "" if it has none of that name. Go's ``PathValue``.

        Example::

            async def item(w, r):
                await w.text("item " + r.path_value("id"))

            mux = goish.http.ServeMux()
            mux.handle("GET /items/{id}", item)
            async with goish.http.serve(mux, "127.0.0.1:0") as srv:
                reader, writer = await asyncio.open_connection(*srv.addr)
                writer.write(b"GET /items/42 HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
                print((await reader.read()).rpartition(b"\\n")[2].decode())  # -> item 42
                writer.close()
        """
        return "" if self._values is None else self._values.get(name, "")

    def set_path_value(self, name: str, value: str) -> None:
        """Has ``path_value(name)`` give ``value``. For routers. Go's ``SetPathValue``."""
        if self._values is None:
            self._values = {}
        self._values[name] = value

    # ── the context ──

    @property
    def ctx(self) -> Context:
        """The context of the request, which ends with it.

        It is cancelled when the client has left, with the cause ClientDisconnected; at the deadline of a shutdown, with
        the cause ServerShutdown; and when the handler has returned.
        """
        if self._ctx is None:
            self._ctx = self._connection.context_for(self)
        return self._ctx

    @property
    def closing(self) -> RecvChan[Never]:
        """A channel that is closed when a shutdown wants the handlers to end: a case for their ``select``.

        For a handler that lives long, such as a stream of events. It is the server's, also in a worker process.
        """
        return self._connection.closing

    # ── the body ──

    def set_read_deadline(self, when: float | None) -> None:
        """Sets when reads of the body fail, with BadRequest (408), instead of the ``read_timeout`` of the server.

        ``when``: a time of ``goish.time.now()``; None: never. For this request only. RuntimeError if its handler has
        returned; TypeError or ValueError for what is no time. Go's ``ResponseController.SetReadDeadline``.

        Example::

            async def upload(w, r):
                n = 0
                r.set_read_deadline(goish.time.now() + 30)
                while piece := await r.read_some():
                    n += len(piece)
                    r.set_read_deadline(goish.time.now() + 30)  # as long as something comes
                await w.text(str(n))
        """
        self._connection.set_read_deadline(self, when)

    async def read(self, limit: int = MEBIBYTE) -> bytes:
        """The whole body, or what is left of it, if that is no more than ``limit`` bytes.

        BodyTooLarge if it is more: a handler that lets it pass answers with 413. ClientDisconnected if the client
        leaves before the end of the body. A cancel loses what was read of it.

        Example::

            async def echo(w, r):
                await w.write(await r.read(limit=100))
        """
        return await self._connection.read_body(self, limit)

    async def json(self, limit: int = MEBIBYTE) -> Any:
        """The body, which is JSON, as Python's objects.

        BadRequest if it is not, a ValueError too: a handler that lets it pass answers with 400. Otherwise as ``read``.

        Example::

            async def names(w, r):
                await w.json(sorted(await r.json()))
        """
        body = await self._connection.read_body(self, limit)
        try:
            return json.loads(body)
        except RecursionError:
            raise NoJson("it is nested too deep") from None
        except ValueError as error:
            raise NoJson(str(error)) from error

    async def read_some(self) -> bytes:
        """The next bytes of the body, as many as are there; b"" at its end. ClientDisconnected as with ``read``.

        Example::

            async def count(w, r):
                n = 0
                while piece := await r.read_some():
                    n += len(piece)
                await w.text(str(n))
        """
        return await self._connection.read_piece(self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self._connection.read_piece(self):
            yield piece

    @property
    def trailers(self) -> Headers:
        """The fields behind a chunked body, once it has been read to its end; none before that."""
        return self._connection.trailers_of(self)

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.target}>"


def raw_path_of(r: Request) -> str:
    return r._raw_path.partition("?")[0] if "?" in r._raw_path else r._raw_path


def new_request(connection: Connection, parser: RequestParser, fields: Fields) -> Request:
    """The request that the parser has read."""
    r = Request.__new__(Request)
    r._connection = connection
    r.method = parser.method
    r.target = parser.target
    r._raw_path = parser.path
    r._authority = parser.authority
    r._fields = fields
    r.pattern = ""
    r._ctx = r._headers = r._path = r._query = r._values = None
    return r
