"""The chunked coding, decoded strictly: RFC 9112 section 7.1.

Invariants: a line ends in CR LF and in nothing else; an extension is `;name`, `;name=token` or `;name="text"`, without
    spaces. What a lenient decoder skips over is where two of them disagree.
Threads: that of the connection.
Not here: bodies with a Content-Length (parser.py).
"""

from __future__ import annotations

import re

from .errors import BadRequest
from .fields import Headers, headers_of
from .head import all_fields, check_sizes, malformation
from .limits import Limits
from .scan import scan_fields

__all__ = ["ChunkDecoder"]

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
EXTENSION = rb";" + TOKEN + rb"++(?:=(?:" + TOKEN + rb'++|"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*+"))?+'
is_size_line = re.compile(rb"([0-9A-Fa-f]{1,15})((?:" + EXTENSION + rb")*+)").fullmatch

LONGEST_LINE = 4096
MOST_OVERHEAD = 16384  # bytes of extensions in a body, beyond as many as it has data

# What a trailer may not say: how the message is framed, and to whom it goes (RFC 9110 section 6.5.1).
FORBIDDEN = frozenset((b"content-length", b"transfer-encoding", b"host", b"trailer", b"connection", b"expect"))


class ChunkDecoder:
    """Takes what has come of a body, and gives its data; ``trailers`` and ``done`` at the end."""

    __slots__ = ("_ends", "_excess", "_left", "_limits", "_scanned", "done", "trailers")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._left = 0  # of this chunk
        self._ends = False  # the line end behind its data has not come yet
        self._excess = 0
        self._scanned = False  # the last chunk has come, and its trailers have not
        self.done = False
        self.trailers: Headers | None = None

    def decode(self, buffer: bytes) -> tuple[bytes, bytes]:
        """The data in there, and the bytes that are left over; BadRequest."""
        parts: list[bytes] = []
        at, end = 0, len(buffer)
        while not self.done:
            if self._left:
                part = buffer[at : at + self._left]
                if not part:
                    break
                parts.append(part)
                at += len(part)
                self._left -= len(part)
                self._ends = not self._left
            elif self._ends:
                if end - at < 2:
                    if buffer[at:] not in (b"", b"\r"):
                        raise BadRequest(400, "a chunk is longer than it says")
                    break
                if buffer[at : at + 2] != b"\r\n":
                    raise BadRequest(400, "a chunk is longer than it says")
                at += 2
                self._ends = False
            elif self._scanned:
                if (moved := self._take_trailers(buffer, at)) == at:
                    break
                at = moved
            elif (moved := self._take_size(buffer, at)) == at:
                break
            else:
                at = moved
        return (parts[0] if len(parts) == 1 else b"".join(parts)), buffer[at:]

    def _take_size(self, buffer: bytes, at: int) -> int:
        """Where the line that begins a chunk ends; ``at`` if it has not come as a whole."""
        end = buffer.find(b"\r\n", at, at + LONGEST_LINE)
        if end < 0:
            if len(buffer) - at >= LONGEST_LINE:
                raise BadRequest(400, f"the line of a chunk has more than {LONGEST_LINE} bytes")
            if b"\n" in buffer[at:]:
                raise BadRequest(400, "the line of a chunk does not end in CR LF")
            return at
        line = is_size_line(buffer[at:end])
        if line is None:
            raise BadRequest(400, "malformed line of a chunk")
        self._left = int(line[1], 16)
        self._scanned = not self._left
        # A body of bytes that each have a long extension is an attack: it costs far more than its size says.
        self._excess = max(0, self._excess + end - at - 16 - self._left)
        if self._excess > MOST_OVERHEAD:
            raise BadRequest(400, "chunks with more extensions than data")
        return end + 2

    def _take_trailers(self, buffer: bytes, at: int) -> int:
        if buffer.startswith(b"\r\n", at):
            self.done = True
            return at + 2
        end = buffer.find(b"\r\n\r\n", at)
        if end < 0:
            if len(buffer) - at > self._limits.max_headers_size:
                raise BadRequest(431, f"more than {self._limits.max_headers_size} bytes of trailers", "headers_size")
            lines = buffer.count(b"\r\n", at)
            if buffer.count(b"\n", at) > lines or buffer.count(b"\r", at, len(buffer) - 1) > lines:
                raise BadRequest(400, "trailers: a line that does not end in CR LF")
            return at
        block = b"\r\n" + buffer[at:end]
        check_sizes(block, self._limits)
        if scan_fields(block) is None:
            raise BadRequest(400, f"trailers: {malformation(block)}")
        pairs = all_fields(block)
        if not FORBIDDEN.isdisjoint(name.lower() for name, _ in pairs):
            raise BadRequest(400, "a trailer that belongs into the head")
        self.trailers = headers_of(pairs)
        self.done = True
        return end + 4
