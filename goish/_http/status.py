"""The head of a response as bytes: status line, Date, fields.

Invariants: what goes out is checked where it is set (fields.py), so joining it is all that is done here.
Threads: a HeadMaker is one loop's.
Not here: which fields a response has (writer.py).
"""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

from .fields import Headers, entries_of

__all__ = ["HeadMaker", "field_bytes", "reason_of", "refusal_bytes"]

RENAMED = {413: "Content Too Large", 422: "Unprocessable Content"}  # by RFC 9110
REASONS = {status.value: status.phrase for status in HTTPStatus} | RENAMED


def reason_of(status: int) -> str:
    """The phrase of a status; that of its class if it has none."""
    return REASONS.get(status) or REASONS[status // 100 * 100]


def status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {reason_of(status)}\r\n".encode()


class HeadMaker:
    """The beginnings of heads: status line and Date, made once a second."""

    __slots__ = ("_begun", "_renew_at")

    def __init__(self) -> None:
        self._begun: dict[int, bytes] = {}
        self._renew_at = 0.0

    def begin(self, status: int, now: float) -> bytes:
        """Status line and Date. ``now``: the loop's time."""
        if now >= self._renew_at:
            wall = time.time()
            self._begun.clear()
            self._renew_at = now + 1.0 - wall % 1.0
        begun = self._begun.get(status)
        if begun is None:
            date = formatdate(time.time(), usegmt=True)
            begun = self._begun[status] = status_line(status) + f"Date: {date}\r\n".encode()
        return begun


def field_bytes(headers: Headers) -> bytes:
    """The fields, each with its line end."""
    lines = [f"{entry[0]}: {value}\r\n" for entry in entries_of(headers) for value in entry[1:]]
    return "".join(lines).encode("latin-1")


def refusal_bytes(begun: bytes, status: int, reason: str) -> bytes:
    """A whole response that refuses a request; the connection closes behind it."""
    body = reason.encode("latin-1", "replace") + b"\n"
    if status == 503:
        begun += b"Retry-After: 1\r\n"
    return (
        b"%bContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (begun, len(body), body)
    )
