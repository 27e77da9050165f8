"""Requests read off a stream of bytes, without any I/O: feed what has come, and ask for the next event.

The connection knows no more of the parser than three calls: ``feed(data)``, ``next_event()``, and ``head_bytes()``
(status.py) for the way back. So another parser can take its place.

A head is judged twice: by the checks of head.py, and by llhttp. Clients repeat themselves: a block of fields that is,
byte for byte, that of the request before on this connection has passed both, and is not judged again.

Invariants: an event depends on the bytes alone, not on how they were split. After a BadRequest nothing more is read.
    What is buffered is never more than a head may have, and one read.
Threads: that of the connection.
Not here: what a head may say (head.py), the chunked coding (chunks.py).
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Final

from .chunks import ChunkDecoder
from .errors import BadRequest
from .fields import Headers
from .head import METHODS, Fields, known_method, parse_fields, parse_target, request_line_error
from .limits import Limits
from .scan import end_of_known, end_of_target, end_of_token
from .tables import SLASH, SPACE, ZERO

if TYPE_CHECKING:
    import httptools
else:
    try:
        import httptools
    except ImportError:  # an extra: check_available() says so
        httptools = None

__all__ = ["END", "HEAD", "NEED_DATA", "Event", "RequestParser", "check_available"]


class Event(Enum):
    """What next_event() gives beside the bytes of a body."""

    HEAD = "a head: method, target, fields are set"
    END = "the body has ended; trailers are set"
    NEED_DATA = "feed more"


HEAD: Final = Event.HEAD
END: Final = Event.END
NEED_DATA: Final = Event.NEED_DATA

bare_line_end = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)").search
is_request_line = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [!\"$-~]+ HTTP/1\.[01]\r\n").match
MINORS = (b"0", b"1")
BLANK = (b"", b"\r", b"\r\n")
begins_badly = re.compile(rb"[^!#$%&'*+\-.^_`|~0-9A-Za-z\r]").match


class Judge:
    """llhttp, asked for its opinion only: the one thing to be told is that it is at the beginning of a head again."""

    def __init__(self) -> None:
        self.is_free = True

    def on_message_complete(self) -> None:
        self.is_free = True


def new_judge() -> tuple[Judge, httptools.HttpRequestParser]:
    judge = Judge()
    parser = httptools.HttpRequestParser(judge)
    # Another head may follow one that says "Connection: close": it is of another connection.
    parser.set_dangerous_leniencies(lenient_keep_alive=True)
    return judge, parser


# One for each thread that has ever asked; whose heads it has seen does not matter.
free_judges: list[tuple[Judge, httptools.HttpRequestParser]] = []


class RequestParser:
    """The requests of one connection, in their order. What is set by HEAD is so until the next one.

    ``buffer`` is what has come and is in no event yet. ``method``, ``target`` as it came, ``path`` (with the query),
    ``authority`` of a target that has one, ``fields``; ``trailers`` after END.
    """

    __slots__ = (
        *("authority", "buffer", "fields", "method", "path", "target", "trailers"),
        *("_body", "_chunks", "_left", "_limits", "_longest_line", "_searched"),
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._longest_line = limits.max_request_line
        self.buffer = b""
        self._searched = 0  # how much of the buffer is known to hold no end of a head
        self._body = False  # an END is due
        self._left = 0
        self._chunks: ChunkDecoder | None = None
        self.method = self.target = self.path = self.authority = ""
        self.fields = Fields(b"", b"")  # no head has these
        self.trailers: Headers | None = None

    def feed(self, data: bytes) -> None:
        """Takes what has come; ask for events until one is NEED_DATA."""
        self.buffer = self.buffer + data if self.buffer else data

    def is_blank(self) -> bool:
        """Whether nothing of the next head has come: no more than the empty line that may stand before it."""
        return self.buffer in BLANK and not self._body

    def take_buffered(self) -> bytes:
        """Hands that over, for good."""
        data, self.buffer = self.buffer, b""
        self._searched = 0
        return data

    @property
    def left(self) -> int | None:
        """How many bytes of the body are to come; None: nobody knows."""
        return None if self._chunks is not None else self._left

    def next_event(self) -> Event | bytes:
        """The next event, or the next bytes of the body; BadRequest."""
        if self._body:
            return self._next_of_body()
        buffer = self.buffer
        fields = self.fields
        end = end_of_known(buffer, fields.block)
        repeats = end >= 0
        if not repeats:
            end = buffer.find(b"\r\n\r\n", self._searched)
            if end < 0:
                return self._incomplete(buffer)
        space = end_of_token(buffer, 0)
        at = end_of_target(buffer, space + 1)
        if not space or at == space + 1 or buffer[space] != SPACE or not is_version(buffer, at):
            return self._odd_request_line(buffer, end)
        line_end = at + 9  # behind " HTTP/1.1"
        if line_end + 2 > self._longest_line:
            raise too_long(self._limits, buffer)
        if space == 3 and buffer.startswith(b"GET"):
            self.method = "GET"
        else:
            raw_method = buffer[:space]
            self.method = METHODS.get(raw_method) or known_method(raw_method)
        minor = MINORS[buffer[line_end - 1] - ZERO]
        if not repeats or fields.minor != minor:
            self.fields = fields = parse_fields(buffer[line_end:end], minor, self._limits)
            ask_llhttp(buffer[: end + 4])
        self.target = self.path = target = buffer[space + 1 : at].decode("ascii")
        if buffer[space + 1] != SLASH:
            self.authority, self.path = parse_target(self.method, target)
        elif self.authority:
            self.authority = ""
        self.buffer = b"" if end + 4 == len(buffer) else buffer[end + 4 :]
        self._searched = 0
        if self.trailers is not None:
            self.trailers = None
        if fields.has_body:
            self._expect_body(fields)
        return HEAD

    def _expect_body(self, fields: Fields) -> None:
        self._body = True
        self._left = fields.length or 0
        self._chunks = ChunkDecoder(self._limits) if fields.chunked else None

    def _next_of_body(self) -> Event | bytes:
        data = self._decoded() if self._chunks is not None else self._counted()
        if data:
            return data
        if self._left or (self._chunks is not None and not self._chunks.done):
            return NEED_DATA
        if self._chunks is not None:
            self.trailers, self._chunks = self._chunks.trailers, None
        self._body = False
        return END

    def _counted(self) -> bytes:
        buffer = self.buffer
        if len(buffer) <= self._left:
            data, self.buffer = buffer, b""
        else:
            data, self.buffer = buffer[: self._left], buffer[self._left :]
        self._left -= len(data)
        return data

    def _decoded(self) -> bytes:
        assert self._chunks is not None
        data, self.buffer = self._chunks.decode(self.buffer)
        return data

    # ── a head that is not there as a whole, or begins oddly ──

    def _incomplete(self, buffer: bytes) -> Event:
        """Refuses early what can never become a head; it would cost the client its patience otherwise."""
        if not buffer:
            return NEED_DATA
        if begins_badly(buffer):
            raise BadRequest(400, "malformed request line")
        if bare_line_end(buffer, max(0, self._searched - 1)):
            raise BadRequest(400, "a line that does not end in CR LF")
        line_end = buffer.find(b"\r\n", 2)  # one empty line may come before
        limits = self._limits
        if (len(buffer) if line_end < 0 else line_end) > limits.max_request_line:
            raise too_long(limits, buffer)
        begin = 2 if buffer.startswith(b"\r\n") else 0
        if self._searched < line_end - 1 and not is_request_line(buffer, begin):  # its end is new
            raise request_line_error(buffer[begin : line_end + 2])
        if len(buffer) - line_end > limits.max_headers_size + 4:
            raise BadRequest(431, f"more than {limits.max_headers_size} bytes of headers", "headers_size")
        self._searched = max(0, len(buffer) - 3)
        return NEED_DATA

    def _odd_request_line(self, buffer: bytes, end: int) -> Event | bytes:
        if buffer.startswith(b"\r\n") and not buffer.startswith(b"\r\n\r\n"):  # RFC 9112 section 2.2: one is ignored
            self.buffer = buffer = buffer[2:]
            self._searched = 0
            if not buffer.startswith(b"\r\n"):
                return self.next_event()
        line = buffer[: buffer.find(b"\r\n") + 2]
        if len(line) > self._longest_line:
            raise too_long(self._limits, buffer)
        raise request_line_error(line)


def ask_llhttp(head: bytes) -> None:
    """A second opinion, of a parser that the world uses. It is given before another connection can ask for one."""
    try:
        asked = free_judges.pop()
    except IndexError:
        asked = new_judge()
    judge, parser = asked
    judge.is_free = False
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        return  # a handler may upgrade, and otherwise it is a request as any other
    except httptools.HttpParserError as error:
        raise BadRequest(400, f"llhttp: {error}") from None
    if judge.is_free:
        free_judges.append(asked)


def is_version(buffer: bytes, at: int) -> bool:
    """Whether a space, HTTP/1.0 or HTTP/1.1, and a line end stand there; more bytes than that are there."""
    return buffer.startswith(b" HTTP/1.1\r\n", at) or buffer.startswith(b" HTTP/1.0\r\n", at)


def check_available() -> None:
    """ImportError, with what to do, if llhttp is not there."""
    if httptools is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise ImportError('goish.http needs httptools, its parser: pip install "goish[http]"')


def too_long(limits: Limits, buffer: bytes) -> BadRequest:
    if b" " not in buffer[: limits.max_request_line]:  # no target has begun that 414 could be about
        return BadRequest(400, "malformed request line", "request_line")
    return BadRequest(414, f"a request line of more than {limits.max_request_line} bytes", "request_line")
