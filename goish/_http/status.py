"""The head of a response as bytes: status line, Date, fields.

Invariants: what goes out is checked where it is set (fields.py), so joining it is all that is done here.
Threads: a HeadMaker is one loop's.
Not here: which fields a response has (writer.py).
"""

# pyright: reportPrivateUsage=false
# Functions of this file look into headers.

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

from .fields import Headers

__all__ = ["HeadMaker", "reason_of", "refusal_bytes"]

MOST_LINES = 1000
LONGEST_LINE = 200
MOST_LENGTHS = 4096

RENAMED = {413: "Content Too Large", 422: "Unprocessable Content"}  # by RFC 9110
REASONS = {status.value: status.phrase for status in HTTPStatus} | RENAMED


def reason_of(status: int) -> str:
    """The phrase of a status; that of its class if it has none."""
    return REASONS.get(status) or REASONS[status // 100 * 100]


def status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {reason_of(status)}\r\n".encode()


class HeadMaker:
    """Makes heads of parts that it keeps, since those of most responses are those of others."""

    __slots__ = ("_begun", "_lengths", "_lines", "_remembered", "_renew_at")

    def __init__(self) -> None:
        self._begun: dict[int, bytes] = {}
        self._renew_at = 0.0
        self._lines: dict[str, dict[str, bytes]] = {}  # by name and value
        self._remembered = 0  # lines
        self._lengths: dict[int, bytes] = {}

    def begin(self, status: int, now: float) -> bytes:
        """Status line and Date, which are made once a second. ``now``: the loop's time."""
        if now >= self._renew_at:
            wall = time.time()
            self._begun.clear()
            self._renew_at = now + 1.0 - wall % 1.0
        begun = self._begun.get(status)
        if begun is None:
            date = formatdate(time.time(), usegmt=True)
            begun = self._begun[status] = status_line(status) + f"Date: {date}\r\n".encode()
        return begun

    def fields(self, headers: Headers) -> bytes:
        """The fields, each with its line end."""
        made = b""
        for entry in headers._by_name.values():
            for i in range(1, len(entry)):
                line = self._line(entry[0], entry[i])
                made = made + line if made else line
        return made

    def _line(self, name: str, value: str) -> bytes:
        lines = self._lines.get(name)
        line = None if lines is None else lines.get(value)
        return self._make_line(name, value) if line is None else line

    def _make_line(self, name: str, value: str) -> bytes:
        line = f"{name}: {value}\r\n".encode("latin-1")
        if len(line) < LONGEST_LINE:
            if self._remembered == MOST_LINES:  # as where each response has a value of its own
                self._lines.clear()
                self._remembered = 0
            self._remembered += 1
            self._lines.setdefault(name, {})[value] = line
        return line

    def length_and_end(self, size: int) -> bytes:
        """The last field of a head, and its end."""
        made = self._lengths.get(size)
        if made is None:
            made = b"Content-Length: %d\r\n\r\n" % size
            if size < MOST_LENGTHS:
                self._lengths[size] = made
        return made


def refusal_bytes(begun: bytes, status: int, reason: str) -> bytes:
    """A whole response that refuses a request; the connection closes behind it."""
    body = reason.encode("latin-1", "replace") + b"\n"
    if status == 503:
        begun += b"Retry-After: 1\r\n"
    return (
        b"%bContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (begun, len(body), body)
    )
