"""A connection and its goroutine: requests are read, handled and answered, one after the other.

    NEW ──► a head is read ──► the handler ──► the rest of the response ──► IDLE ──► a head is read ...
                 │                  │                      └── Connection: close
                 └── refused        └── hijack(): the handler's until it returns

Invariants: one request at a time, so pipelined ones are answered in their order. A deadline is set while a head is
    read. `request` is the one whose handler runs, else None; only that one is cancelled, and may read.
    What a handler leaves in context variables does not reach the next request.
Threads: the loop of the connection.
Not here: what is read (parser.py) and written (writer.py); closing so that the client sees the last answer, and the end
    of a server (goish/_net/connections.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from contextvars import Context as Variables
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Never, Protocol

from .._inspect.names import exc_info
from .._runtime.core import Conn, Context, RecvChan, conn_watch, current, with_cancel_cause
from ..errors import DeadlineExceeded
from .errors import AbortHandler, BadRequest, BodyTooLarge, ClientDisconnected
from .fields import Headers
from .head import Fields
from .parser import END, NEED_DATA, RequestParser
from .request import Request, new_request
from .status import refusal_bytes, status_line
from .writer import ResponseWriter, new_writer

if TYPE_CHECKING:
    from .._net.connections import Member
    from .shared import Shared

__all__ = ["Connection", "Handler"]

NEW, ACTIVE, IDLE, DISMISSED = 0, 1, 2, 4  # the stages of a Member
MOST_DRAINED = 1 << 18  # bytes of a body that its handler has not read, for the sake of the connection
NO_TRAILERS = Headers()

logger = logging.getLogger("goish.http")


class Handler(Protocol):
    """What a server calls for each request: an async function of ``(w, r)``, or a ``ServeMux``. Go's ``http.Handler``.

    Example::

        async def hello(w, r):
            await w.text(f"hello {r.remote_addr[0]}")
    """

    def __call__(self, w: ResponseWriter, r: Request, /) -> Awaitable[object]: ...


class Connection:
    """Serves one connection: ``await run()``."""

    __slots__ = (
        *("conn", "hijacked", "kept", "persists", "request"),
        *("_began", "_body_open", "_cancel", "_continues", "_goroutine", "_left", "_member", "_parser"),
        *("_received", "_served", "_shared", "_timed", "_variables"),
    )

    def __init__(self, shared: Shared, member: Member) -> None:
        self._shared = shared
        self._member = member
        self.conn: Conn = member.conn
        self._parser = RequestParser(shared.limits)
        self.request: Request | None = None
        self.persists = True
        self.hijacked = False
        self.kept: Any = None  # what a bridge keeps of it from request to request
        self._served = 0
        self._left = False  # the client has
        # Of the context that the handler has asked for.
        self._cancel: Callable[[BaseException | None], object] | None = None
        self._body_open = False  # there is more of it
        self._continues = False  # the client waits for a 100 before it sends the body
        self._received = 0  # bytes of the body
        self._began: float | None = None  # when the head was there; None: no body was read yet
        self._timed = False  # a handler has set a deadline of its own for the response
        self._goroutine: Any = member.goroutine
        self._variables: Variables = member.connections.variables

    # ── the loop ──

    async def run(self) -> None:
        """Serve all requests, the path that each takes. Raises a cancel, unless that came as the client left.

        One coroutine for all of it: there may be many connections that are idle. Compiled, `self` has typed fields and
        local variables have none, so the loop goes by the former. `data` is kept while the request is handled: else
        malloc gives the end of the heap back with each piece of a long body, and the next one faults it in again.
        """
        conn, member, shared = self.conn, self._member, self._shared
        handler, time, idle = shared.handler, shared.time, shared.limits.idle_timeout
        connections = shared.site.connections
        conn_watch(conn, self._client_left)
        self._set_read_timeout(shared.limits.read_header_timeout)
        try:
            try:
                while True:
                    if not self._parser.buffer:
                        data = await conn.read()
                        if not data:
                            return
                        member.stage = ACTIVE
                        self._parser.feed(data)
                    if self._parser.next_event() is NEED_DATA and not await self._rest_of_head():
                        return
                    r = self._begin()
                    w = new_writer(self, self._shared.heads, r)
                    try:
                        await handler(w, r)
                        now = time()
                        out = self._finish(w, r, now)
                    except (Exception, asyncio.CancelledError) as error:
                        await self._failed(w, r, error)
                        return
                    finally:
                        if self._shared.counts_active:
                            self._shared.active -= 1
                    self.request = None
                    if self._cancel is not None:
                        self._cancel_context(None)
                    if out and (self._shared.watches or self._timed or not conn.try_write(out)):
                        await self.send(out)
                    self._served += 1
                    self._shared.requests += 1
                    if self._shared.logs:
                        self._shared.log_access(self, r, w.status)
                    if (not self.persists or connections.closing or self._body_open) and not await self._goes_on():
                        return
                    if handler is self._shared.handler and self._variables_changed():
                        handler = self._isolated(handler)
                    del w, r, out  # an idle connection keeps nothing of its last request
                    data = b""
                    if not self._parser.buffer or self._parser.is_blank():
                        conn.set_read_deadline(None if idle is None else now + idle)
                        member.stage = IDLE
                        member.asked = now
            except BadRequest as error:
                self.request = None
                await self._refuse(error)
        except ConnectionError:
            pass  # the client has left
        except OSError as error:
            if self.hijacked:  # it is the handler's
                raise
            if isinstance(error, DeadlineExceeded) and member.stage != DISMISSED:
                self._shared.count("idle_timeout")
        except asyncio.CancelledError:
            if not self._left or current().err() is not None:
                raise

    def _begin(self) -> Request:
        """Behind a head: what it asks for."""
        shared, fields = self._shared, self._parser.fields
        r = self.request = new_request(self, self._parser, fields)
        self.persists = fields.persistent
        if fields.has_body or shared.watches or self._timed:
            self._prepare(fields)
        if shared.counts_active:
            shared.enter()
        return r

    def _finish(self, w: ResponseWriter, r: Request, now: float) -> bytes | list[bytes]:
        """The handler has returned: what is to be sent yet."""
        fields = self._parser.fields
        if (self._shared.is_stopping() and not w.head_sent) or (self._body_open and not self._is_drainable()):
            self.persists = False
        is_plain = self.persists and fields.minor == b"1" and r.method != "HEAD"
        return w.finish(is_plain, now)

    async def _rest_of_head(self) -> bool:
        """Of one that comes in pieces; False: the client has left."""
        conn, parser, shared = self.conn, self._parser, self._shared
        if parser.is_blank() and not await self._begin_of_head():
            return False
        timeout = shared.limits.read_header_timeout
        if self._served:  # a first head has the time since the connection was accepted
            self._set_read_timeout(timeout)
        try:
            while parser.next_event() is NEED_DATA:
                data = await conn.read()
                if not data:
                    shared.count("incomplete")
                    return False
                parser.feed(data)
        except DeadlineExceeded:
            raise BadRequest(408, f"no complete head within {timeout} seconds", "read_header_timeout") from None
        return True

    async def _begin_of_head(self) -> bool:
        """An empty line is no request: behind it the connection is as idle as before."""
        member, parser = self._member, self._parser
        member.stage = IDLE if self._served else NEW
        while parser.is_blank():
            data = await self.conn.read()
            if not data:
                return False
            parser.feed(data)
        member.stage = ACTIVE
        return True

    def _prepare(self, fields: Fields) -> None:
        """What few requests need: those with a body, and those of a server with limits for the handler."""
        limits = self._shared.limits
        self._body_open = fields.has_body
        self._continues = fields.has_body and fields.expects
        self._received = 0
        self._began = None
        if limits.max_body and (fields.length or 0) > limits.max_body:
            raise BodyTooLarge(limits.max_body)
        if limits.max_requests and self._served + 1 >= limits.max_requests:
            self.persists = False
        if self._timed or limits.write_timeout is not None:
            self._timed = False
            self._set_write_timeout(limits.write_timeout)

    async def _goes_on(self) -> bool:
        """Behind a response: whether another request may follow on this connection."""
        shared = self._shared
        if self.persists and not shared.site.connections.closing:
            return await self._drained()
        if (shared.is_stopping() or shared.site.connections.closing) and not (self._body_open or self.hijacked):
            self._member.behind = self._parser.buffer
        return False

    def _is_drainable(self) -> bool:
        """Whether what its handler has not read of a body is worth reading; one that may never come is not."""
        left = self._parser.left
        return not self._continues and (left is None or left <= MOST_DRAINED)

    async def _drained(self) -> bool:
        """Reads what its handler has not read of a body, if that is not much."""
        try:
            while self._received <= MOST_DRAINED:
                if not await self._next_piece():
                    return True
        except BadRequest as error:  # the response is sent: no other one can follow
            self._shared.refused[error.limit] += 1
        return False

    def _set_read_timeout(self, seconds: float | None) -> None:
        self.conn.set_read_deadline(None if seconds is None else self._shared.time() + seconds)

    def _set_write_timeout(self, seconds: float | None) -> None:
        self.conn.set_write_deadline(None if seconds is None else self._shared.time() + seconds)

    # ── what a handler sets for itself ──

    def set_read_deadline(self, request: Request, when: float | None) -> None:
        """Of what is left of the body: the server's time does not count any more."""
        self._check_runs(request)
        self.conn.set_read_deadline(when)
        self._began = self._shared.time()

    def set_write_deadline(self, request: Request, when: float | None) -> None:
        """Of what is left of the response."""
        self._check_runs(request)
        self.conn.set_write_deadline(when)
        self._timed = True

    def _check_runs(self, request: Request) -> None:
        if self.request is not request:
            raise RuntimeError("a deadline of a request is set by its handler, which has returned")

    @property
    def closing(self) -> RecvChan[Never]:
        return self._shared.site.closing

    # ── what goes wrong ──

    async def _refuse(self, error: BadRequest) -> None:
        """Answer a request that no handler sees, or whose handler has met the error in its body."""
        shared = self._shared
        if error.status != 500:
            shared.refused[error.limit] += 1
        self._set_write_timeout(shared.limits.write_timeout)  # that of the request before may have passed
        await self.send(refusal_bytes(self.begin_head(error.status), error.status, error.reason))

    async def _failed(self, w: ResponseWriter, r: Request, error: BaseException) -> None:
        """The handler has raised, or has written what cannot be sent: its connection ends."""
        self.request = None
        if self._cancel is not None:
            self._cancel_context(error if isinstance(error, Exception) else None)
        if self.hijacked or (isinstance(error, asyncio.CancelledError) and self._goroutine.cancelling()):
            raise error
        if isinstance(error, AbortHandler):
            self.conn.abort()
        elif isinstance(error, ConnectionError) and (self._left or self.conn.closed):
            pass  # closed: by a cut
        elif isinstance(error, BadRequest):
            await self._refuse_late(w, error)
        else:
            self._panic(r, error)
            await self._refuse_late(w, BadRequest(500, "Internal Server Error"))

    async def _refuse_late(self, w: ResponseWriter, error: BadRequest) -> None:
        if not w.head_sent:
            await self._refuse(error)
            return
        if error.status != 500:
            self._shared.refused[error.limit] += 1
        self.conn.abort()  # so that the client does not take half a response for a whole one

    def _panic(self, r: Request, error: BaseException) -> None:
        self._shared.count("panics")
        g = self._goroutine
        logger.error(
            "panic serving %s: %s %s, in goroutine %s",
            self.conn.remote_addr,
            r.method,
            r.target,
            "?" if g is None else g.id,
            exc_info=exc_info(error),
        )

    def fell_short(self, r: Request, missing: int) -> None:
        """A handler has declared more than it has written: the connection ends, so that the client sees it too."""
        self.persists = False
        self._shared.count("short_responses")
        logger.error(
            "%s %s: the handler has written %d bytes less than its Content-Length", r.method, r.target, missing
        )

    # ── the client leaves ──

    def _client_left(self) -> None:
        """Called once, while nobody reads: as the handler runs, or before it does."""
        error = self._note_left()
        if self.request is not None and self._shared.cancels and not self.hijacked:
            self._goroutine.cancel(error)

    def _note_left(self) -> ClientDisconnected:
        error = ClientDisconnected()
        if self.request is not None and not self._left:
            self._shared.count("disconnects")
            if self._cancel is not None:
                self._cancel(error)
        self._left = True
        return error

    def context_for(self, request: Request) -> Context:
        """A context for the time of the handler."""
        ctx, cancel = with_cancel_cause(self._shared.site.connections.ctx)
        if self.request is not request:
            cancel()
        elif self._left:
            cancel(ClientDisconnected())
        else:
            self._cancel = cancel
        return ctx

    def _cancel_context(self, cause: BaseException | None) -> None:
        cancel, self._cancel = self._cancel, None
        if cancel is not None:
            cancel(cause)

    # ── the body ──

    async def read_piece(self, request: Request) -> bytes:
        """The next bytes of the body; b"" at its end."""
        if self.request is not request:
            raise RuntimeError("the body of a request is read by its handler, which has returned")
        if not self._body_open:
            return b""
        if self._continues:
            await self._tell_to_continue()
        return await self._next_piece()

    async def read_body(self, request: Request, limit: int) -> bytes:
        """All of the body that is left."""
        pieces: list[bytes] = []
        size = 0
        length = request.content_length
        if length is not None and length - self._received > limit:
            raise BodyTooLarge(limit)
        while piece := await self.read_piece(request):
            size += len(piece)
            if size > limit:
                raise BodyTooLarge(limit)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def body_is_complete(self) -> bool:
        """Whether all of its bytes have been read, so that the end comes without a wait."""
        return self._parser.left == 0

    async def _tell_to_continue(self) -> None:
        self._continues = False
        if not self._parser.buffer:  # or else it has not waited
            await self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _next_piece(self) -> bytes:
        parser, limits = self._parser, self._shared.limits
        if self._began is None:
            self._began = self._shared.time()
            self._set_read_timeout(limits.read_timeout)
        while (event := parser.next_event()) is NEED_DATA:
            try:
                data = await self.conn.read()
            except DeadlineExceeded:
                raise BadRequest(408, "no complete body in time", "read_timeout") from None
            except OSError as error:  # it was reset
                raise self._note_left() from error
            if not data:
                raise self._note_left()
            parser.feed(data)
        if event is END:
            self._body_open = False
            return b""
        assert isinstance(event, bytes)
        self._received += len(event)
        if limits.max_body and self._received > limits.max_body:
            raise BodyTooLarge(limits.max_body)
        return event

    def trailers_of(self, request: Request) -> Headers:
        """Those behind the body; none before its end."""
        found = self._parser.trailers
        return found if found is not None and self.request is request and not self._body_open else NO_TRAILERS

    # ── the response ──

    def begin_head(self, status: int) -> bytes:
        if self._shared.is_stopping():
            self.persists = False
        return self._shared.heads.begin(status, self._shared.time())

    async def send(self, data: bytes | list[bytes]) -> None:
        """Hand it to the transport; waits while the client does not read."""
        try:
            if not self.conn.try_write(data):
                await self.conn.write(data)
        except DeadlineExceeded:
            self._shared.count("write_timeout")
            self.conn.abort()
            raise self._note_left() from None
        except ConnectionError:
            raise
        except OSError as error:  # the network is gone
            raise self._note_left() from error

    def inform(self, status: int, fields: bytes) -> None:
        """Sends an interim response, unless the client does not read: it is no more than a hint."""
        with suppress(DeadlineExceeded):
            self.conn.try_write(b"%b%b\r\n" % (status_line(status), fields))

    def hijack(self) -> tuple[Conn, bytes]:
        """The connection is the handler's until it returns."""
        self.hijacked = True
        self.persists = False
        self._body_open = False
        self._shared.count("hijacked")
        self.conn.set_deadline(None)
        return self.conn, self._parser.take_buffered()

    # ── context variables ──

    def _variables_changed(self) -> bool:
        try:
            return copy_context() != self._variables
        except Exception:  # of a value that is compared
            return True

    def _isolated(self, handler: Handler) -> Handler:
        """A handler has set a variable of its goroutine, which is that of the next request, too. From here on each
        handler of this connection has its own variables.
        """
        variables = self._variables

        async def isolated(w: ResponseWriter, r: Request) -> None:
            await _In(variables.copy(), handler(w, r))

        return isolated


class _In:
    """Awaits in other context variables: each step of what it awaits has them."""

    def __init__(self, variables: Variables, awaitable: Awaitable[object]) -> None:
        self._variables = variables
        self._awaitable = awaitable

    def __await__(self) -> Generator[Any, Any, object]:
        run = self._variables.run
        steps = self._awaitable.__await__()
        step: Callable[[], Any] = lambda: next(steps)  # noqa: E731
        while True:
            try:
                waits_for = run(step)
            except StopIteration as end:
                return end.value
            try:
                value = yield waits_for
            except BaseException as error:
                step = _thrower(steps, error)
            else:
                step = _sender(steps, value)


def _sender(steps: Any, value: object) -> Callable[[], Any]:
    return lambda: steps.send(value)


def _thrower(steps: Any, error: BaseException) -> Callable[[], Any]:
    return lambda: steps.throw(error)
