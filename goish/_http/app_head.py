"""The head of a response as an ASGI app gives it: checked, and as the bytes that go out.

Apps repeat themselves: a list of headers that was checked is known again. Most have few such lists.

Invariants: what goes out is a block of fields as head.py has it: a line break in a value never makes a second field.
Threads: a HeadCache is one loop's.
Not here: how the body is framed (asgi.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from .app import Message
from .scan import scan_fields

__all__ = ["AppHead", "HeadCache", "check_block"]

MOST_KNOWN = 512
LONGEST_KNOWN = 2048  # bytes

Pair = tuple[bytes, bytes]


class AppHead:
    """``block`` has all fields with their line ends, but none that says how the body is framed, other than a length."""

    __slots__ = ("block", "closes", "dated", "length", "status", "trailer_block", "trailers")

    def __init__(self, status: int, pairs: Iterable[Pair], extra: bytes, dated: bool) -> None:
        self.status = status
        self.length: int | None = None
        self.closes = False
        self.dated = dated  # the server's Date is wanted
        self.trailers = False
        self.trailer_block = b""
        kept = [pair for pair in pairs if not self._is_special(*pair)]
        self.block = check_block(kept) + extra

    def _is_special(self, name: bytes, value: bytes) -> bool:
        """Notes what the server has to know; True if the field is not sent on."""
        if len(name) not in LENGTHS:
            return False
        key = bytes(name).lower()
        if key == b"content-length":
            if not value.isdigit() or self.length not in (None, int(value)):
                raise ValueError(f"content-length is one number of bytes; got {value!r}")
            known, self.length = self.length, int(value)
            return known is not None
        if key == b"connection":
            self.closes = b"close" in [option.strip() for option in value.lower().split(b",")]
        elif key == b"date":
            self.dated = False
        return key == b"transfer-encoding"  # the server frames the body

    def add_trailers(self, pairs: Iterable[Pair]) -> None:
        self.trailer_block += check_block(pairs)


LENGTHS = frozenset(map(len, (b"content-length", b"connection", b"date", b"transfer-encoding")))


def check_block(pairs: Iterable[Pair]) -> bytes:
    """The fields with their line ends; ValueError or TypeError for one that cannot be sent."""
    pairs = list(pairs)
    try:
        block = b"".join([b"%b: %b\r\n" % (name, value) for name, value in pairs])
    except TypeError:
        raise TypeError(f"headers are pairs of bytes, got {pairs!r}") from None
    if not block or (scan_fields(b"\r\n" + block[:-2]) is not None and block.count(b"\n") == len(pairs)):
        return block
    for name, value in pairs:
        if scan_fields(b"\r\n%b: %b" % (name, value)) is None or b"\n" in name + value:
            raise ValueError(f"a header that cannot be sent: {name!r}: {value!r}")
    raise AssertionError(block)


class HeadCache:
    """The heads that an app gives. ``fields``: sent with each of them; ``dated``: whether the server's Date is."""

    __slots__ = ("_dated", "_fields", "_known")

    def __init__(self, fields: bytes, dated: bool) -> None:
        self._fields = fields
        self._dated = dated
        self._known: dict[tuple[int, tuple[Pair, ...]], AppHead] = {}

    def get(self, message: Message) -> AppHead:
        """Of ``http.response.start``: ValueError or TypeError if it cannot be sent."""
        status, pairs = message["status"], message.get("headers", ())
        if message.get("trailers"):
            head = self._make(status, pairs)
            head.trailers = True
            return head
        key = (status, tuple(pairs))
        try:
            found = self._known.get(key)
        except TypeError:  # lists instead of tuples
            return self._make(status, key[1])
        if found is None:
            found = self._make(status, key[1])
            if len(found.block) <= LONGEST_KNOWN:
                if len(self._known) >= MOST_KNOWN:
                    self._known.clear()
                self._known[key] = found
        return found

    def _make(self, status: int, pairs: Iterable[Pair]) -> AppHead:
        if isinstance(status, bool) or not isinstance(status, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"a status is a number such as 200, got {status!r} of type {type(status).__name__}")
        if not 200 <= status <= 999:
            raise ValueError(f"the status of a response is a number from 200 to 999, got {status}")
        return AppHead(int(status), pairs, self._fields, self._dated)
