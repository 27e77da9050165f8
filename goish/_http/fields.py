"""Headers: the fields of a message as a mapping that knows no case and may hold a name several times.

Invariants: what is in there can be sent. Names are tokens, values are Latin-1 without control characters but the tab;
    both are checked when they are set, so no CR or LF of a caller reaches the wire.
Threads: that of the request.
Not here: reading fields off the wire, and what they mean (head.py).
"""

# pyright: reportPrivateUsage=false
# Functions of this file make and look into the objects of this file.

from __future__ import annotations

import re
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, MutableMapping, ValuesView
from typing import Any, TypeVar, overload

__all__ = ["Headers"]

T = TypeVar("T")

is_token = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
is_value = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch

# Whether a Headers may change its fields: they are its own, another one has them too, or they are on their way.
OWN, SHARED, SENT = 0, 1, 2

MOST_NAMES = 1000
_lower: dict[str, str] = {}  # names that were checked before
_checked: set[str] = set()  # values likewise, which most servers have few of


def lower_name(name: str) -> str:
    """The name as a key; ValueError if it is none."""
    found = _lower.get(name)
    if found is not None:
        return found
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"the name of a header is a str, got {name!r} of type {type(name).__name__}")
    if not is_token(name):
        raise ValueError(f"the name of a header is made of letters, digits and !#$%&'*+-.^_`|~; got {name!r}")
    if len(_lower) < MOST_NAMES:
        _lower[name] = name.lower()
    return name.lower()


def check_value(name: str, value: str) -> str:
    """The value without spaces around it; ValueError if it cannot be sent."""
    if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"the value of the header {name} is a str, got {value!r} of type {type(value).__name__}")
    if not is_value(value):
        raise ValueError(
            f"the value of the header {name} has a control character, such as a line break, or one beyond Latin-1: "
            f"{value!r}; encode it, for instance by urllib.parse.quote()"
        )
    value = value.strip(" \t")
    if len(_checked) < MOST_NAMES and len(value) < 100:
        _checked.add(value)
    return value


class Headers:
    """The fields of a request or a response: a mapping of names, whose case does not count, to values.

    ``h[name]`` is the first value; ``get_all`` gives all, ``add`` adds one, and a store replaces all. Iteration gives
    each name once, as it was written first; ``fields()`` gives each field. A name or value that cannot be sent is a
    ValueError at once: so a line break in a value never ends a header.

    Example::

        h = goish.http.Headers({"Content-Type": "text/plain"})
        h.add("Set-Cookie", "a=1")
        h.add("Set-Cookie", "b=2")
        print(h["content-type"], h.get_all("set-cookie"))  # -> text/plain ['a=1', 'b=2']
    """

    __slots__ = ("_by_name", "_state")

    def __init__(self, fields: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        self._by_name: dict[str, list[str]] = {}  # lower-case name: the name as written, and the values
        self._state = OWN
        if fields:
            for name, value in pairs_of(fields):
                self.add(name, value)

    def __getitem__(self, name: str) -> str:
        return self._by_name[name.lower()][1]

    def __setitem__(self, name: str, value: str) -> None:
        if self._state:
            self._prepare(name)
        self._by_name[_lower.get(name) or lower_name(name)] = [
            name,
            value if value in _checked else check_value(name, value),
        ]

    def __delitem__(self, name: str) -> None:
        if self._state:
            self._prepare(name)
        del self._by_name[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._by_name

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, /, default: str | T) -> str | T: ...
    def get(self, name: str, /, default: Any = None) -> Any:
        """The first value of a name, or ``default``.

        Example::

            print(goish.http.Headers({"Accept": "*/*"}).get("accept", ""))  # -> */*
        """
        entry = self._by_name.get(name.lower())
        return default if entry is None else entry[1]

    def __iter__(self) -> Iterator[str]:
        return (entry[0] for entry in self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def add(self, name: str, value: str) -> None:
        """Add a field, beside those of this name that are there.

        TypeError or ValueError for what cannot be sent, as with a store.

        Example::

            h = goish.http.Headers()
            h.add("Vary", "Accept")
            h.add("Vary", "Origin")
            print(h.get_all("Vary"))  # -> ['Accept', 'Origin']
        """
        if self._state:
            self._prepare(name)
        value = check_value(name, value)
        entry = self._by_name.get(lower_name(name))
        if entry is None:
            self._by_name[lower_name(name)] = [name, value]
        else:
            entry.append(value)

    def get_all(self, name: str) -> list[str]:
        """All values of a name, in their order; an empty list if there is none.

        Example::

            print(goish.http.Headers().get_all("cookie"))  # -> []
        """
        entry = self._by_name.get(name.lower())
        return [] if entry is None else entry[1:]

    def fields(self) -> list[tuple[str, str]]:
        """Each field as ``(name, value)``: those of one name stand together.

        Example::

            h = goish.http.Headers([("A", "1"), ("B", "2"), ("a", "3")])
            print(h.fields())  # -> [('A', '1'), ('A', '3'), ('B', '2')]
        """
        return [(entry[0], value) for entry in self._by_name.values() for value in entry[1:]]

    def _prepare(self, name: str) -> None:
        """For a change."""
        if self._state == SENT:
            raise RuntimeError(f"the header {name} comes too late: the head of the response is sent")
        self._by_name = {key: entry.copy() for key, entry in self._by_name.items()}
        self._state = OWN

    def copy(self) -> Headers:
        """A copy that may be changed.

        Example::

            h = goish.http.Headers({"A": "1"})
            print(h.copy() == h)  # -> True
        """
        copied = Headers()
        copied._by_name = {name: entry.copy() for name, entry in self._by_name.items()}
        return copied

    def keys(self) -> KeysView[str]:
        """The names, each once, as it was written first."""
        return KeysView(self)

    def values(self) -> ValuesView[str]:
        """The first value of each name."""
        return ValuesView(self)

    def items(self) -> ItemsView[str, str]:
        """Each name, with its first value; ``fields`` gives all of them."""
        return ItemsView(self)

    def pop(self, name: str, /, *default: Any) -> Any:
        """Remove a name; gives its first value, or ``default`` if it is not there. KeyError without a default."""
        if name not in self and default:
            return default[0]
        value = self[name]
        del self[name]
        return value

    def setdefault(self, name: str, value: str) -> str:
        """The first value of a name, which is set to ``value`` if it is not there."""
        if name not in self:
            self[name] = value
        return self[name]

    def update(self, fields: Mapping[str, str] | Iterable[tuple[str, str]]) -> None:
        """Store each of the fields, in the place of those of its name."""
        for name, value in pairs_of(fields):
            self[name] = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return values_by_name(self) == values_by_name(other)

    def __hash__(self) -> int:
        raise TypeError("a Headers can change, so it has no hash")

    def __repr__(self) -> str:
        return f"Headers({self.fields()!r})"


def pairs_of(fields: Any) -> Iterable[tuple[str, str]]:
    """Of a mapping, or of pairs."""
    items: Any = getattr(fields, "items", None)
    return fields if items is None else items()  # type: ignore[no-any-return]


MutableMapping.register(Headers)  # pyright: ignore


def new_headers() -> Headers:
    """An empty one."""
    made = Headers.__new__(Headers)
    made._by_name = {}
    made._state = OWN
    return made


def seal(headers: Headers) -> None:
    """The head is sent: from now on a change is a RuntimeError."""
    headers._state = SENT


def view_of(headers: Headers) -> Headers:
    """The same fields, copied when they are changed; those of ``headers`` must not change any more."""
    shown = Headers.__new__(Headers)
    shown._by_name = headers._by_name
    shown._state = SHARED
    return shown


def has_any(headers: Headers, names: frozenset[str]) -> bool:
    """Whether one of these names, in lower case, is there."""
    for name in headers._by_name:  # noqa: SIM110
        if name in names:  # compiled, a loop of C
            return True
    return False


def values_by_name(headers: Headers) -> dict[str, list[str]]:
    return {entry[0].lower(): entry[1:] for entry in headers._by_name.values()}


def headers_of(pairs: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Those of a head that was checked already."""
    made = new_headers()
    by_name = made._by_name
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1").rstrip(" \t")
        entry = by_name.get(key := name.lower())
        if entry is None:
            by_name[key] = [name, value]
        else:
            entry.append(value)
    return made
