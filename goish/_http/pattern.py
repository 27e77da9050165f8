"""Patterns of a ServeMux, as Go has them: ``[METHOD ][HOST]/[PATH]``.

    /items/{id}      {id} is one segment that is not empty
    /files/{path...} {path...} is the rest, which may be empty; at the end only
    /files/          the same without a name
    /files/{$}       the end: /files/ and nothing below it

Of two patterns that match the same request the more specific one wins: the one whose requests the other one matches
too. If neither is, they conflict, and the second one is refused.

Invariants: a Pattern does not change. Its path is clean: no empty, ``.`` or ``..`` segment.
Threads: any.
Not here: finding the pattern of a request (mux.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest
from typing import Final
from urllib.parse import unquote

__all__ = ["Pattern", "Relation", "Segment", "clean_path", "compare", "describe_conflict", "parse_pattern"]

is_method = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch

THE_END: Final = "/"  # the text of {$}, which no segment of a path has


class Relation(Enum):
    """How the requests that one pattern matches relate to those of another."""

    EQUIVALENT = "the same"
    MORE_GENERAL = "all of the other's, and more"
    MORE_SPECIFIC = "a part of the other's"
    DISJOINT = "none of the other's"
    OVERLAPS = "some of the other's, and more"


EQUIVALENT, MORE_GENERAL, MORE_SPECIFIC, DISJOINT, OVERLAPS = Relation
INVERSE = {MORE_GENERAL: MORE_SPECIFIC, MORE_SPECIFIC: MORE_GENERAL}


@dataclass(frozen=True, slots=True)
class Segment:
    """A literal, or a wildcard: ``text`` is its name then, "" of a trailing slash."""

    text: str
    wild: bool = False
    multi: bool = False


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern, parsed."""

    text: str
    method: str
    host: str
    segments: tuple[Segment, ...]

    @property
    def is_open(self) -> bool:
        """Whether it ends in a wildcard for the rest."""
        return self.segments[-1].multi

    def __str__(self) -> str:
        return self.text


def parse_pattern(text: str) -> Pattern:
    """ValueError, with the place, for what is none."""
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f'a pattern is a str such as "GET /items/{{id}}", got {text!r} of type {type(text).__name__}')
    method, space, rest = text.partition(" ")
    method, rest = (method, rest.lstrip(" \t")) if space else ("", text)
    if space and not is_method(method):
        raise ValueError(f'a pattern is "[METHOD ][HOST]/[PATH]": {method!r} in {text!r} is no method')
    host, slash, path = rest.partition("/")
    if not slash:
        raise ValueError(f'a pattern is "[METHOD ][HOST]/[PATH]": {text!r} has no /')
    if "{" in host:
        raise ValueError(f"the host in {text!r} has a {{: a wildcard stands in the path")
    if f"/{path}" != clean_path(f"/{path}"):
        raise ValueError(f"the path in {text!r} is not clean, so it would never match: write {clean_path('/' + path)}")
    return Pattern(text, method, host.lower(), tuple(_segments(text, path)))


def _segments(text: str, path: str) -> list[Segment]:
    found: list[Segment] = []
    names: set[str] = set()
    parts = path.split("/")
    for i, part in enumerate(parts):
        is_last = i == len(parts) - 1
        if not part:
            found.append(Segment("", wild=True, multi=True))  # a trailing slash: nothing else is empty in a clean path
        elif "{" not in part and "}" not in part:
            found.append(Segment(unquote(part)))
        else:
            found.append(_wildcard(text, part, is_last, names))
    return found


def _wildcard(text: str, part: str, is_last: bool, names: set[str]) -> Segment:
    if not (part.startswith("{") and part.endswith("}")) or "{" in part[1:] or "}" in part[:-1]:
        raise ValueError(f"a wildcard is a whole segment, as {{id}} in /items/{{id}}; {text!r} has {part!r}")
    name = part[1:-1]
    if name == "$":
        if not is_last:
            raise ValueError(f"{{$}} stands at the end only; {text!r} goes on behind it")
        return Segment(THE_END)
    multi = name.endswith("...")
    name = name.removesuffix("...")
    if multi and not is_last:
        raise ValueError(f"{{{name}...}} stands at the end only; {text!r} goes on behind it")
    if not name.isidentifier():
        raise ValueError(f"the name of a wildcard is an identifier; {text!r} has {part!r}")
    if name in names:
        raise ValueError(f"two wildcards of {text!r} have the name {name!r}")
    names.add(name)
    return Segment(name, wild=True, multi=multi)


def clean_path(path: str) -> str:
    """The path without empty, ``.`` and ``..`` segments; a slash at its end stays."""
    if not path.startswith("/"):
        path = f"/{path}"
    if "//" not in path and "/." not in path:
        return path
    kept: list[str] = []
    parts = path.split("/")[1:]
    for part in parts:
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    cleaned = "/" + "/".join(kept)
    return f"{cleaned}/" if kept and parts[-1] in ("", ".", "..") else cleaned


# ── which is more specific ──


def compare(a: Pattern, b: Pattern) -> Relation:
    """How the requests of two patterns relate, whatever their hosts."""
    methods = compare_methods(a.method, b.method)
    return DISJOINT if methods is DISJOINT else combine(methods, compare_paths(a.segments, b.segments))


def compare_methods(a: str, b: str) -> Relation:
    if a == b:
        return EQUIVALENT
    if not a or (a, b) == ("GET", "HEAD"):  # GET matches HEAD, too
        return MORE_GENERAL
    if not b or (a, b) == ("HEAD", "GET"):
        return MORE_SPECIFIC
    return DISJOINT


def compare_paths(a: tuple[Segment, ...], b: tuple[Segment, ...]) -> Relation:
    if len(a) != len(b) and not a[-1].multi and not b[-1].multi:
        return DISJOINT
    relation = EQUIVALENT
    for one, other in zip(a, b, strict=False):
        relation = combine(relation, compare_segments(one, other))
        if relation is DISJOINT:
            return DISJOINT
    if len(a) == len(b):
        return relation
    if len(a) < len(b):
        return combine(relation, MORE_GENERAL) if a[-1].multi else DISJOINT
    return combine(relation, MORE_SPECIFIC) if b[-1].multi else DISJOINT


def compare_segments(a: Segment, b: Segment) -> Relation:
    if a.multi or b.multi:
        return EQUIVALENT if a.multi and b.multi else MORE_GENERAL if a.multi else MORE_SPECIFIC
    if a.wild and b.wild:
        return EQUIVALENT
    if a.wild:
        return DISJOINT if b.text == THE_END else MORE_GENERAL  # a wildcard is never empty
    if b.wild:
        return DISJOINT if a.text == THE_END else MORE_SPECIFIC
    return EQUIVALENT if a.text == b.text else DISJOINT


def combine(a: Relation, b: Relation) -> Relation:
    """Of a part and another part, that of both together."""
    if a is DISJOINT or b is DISJOINT:
        return DISJOINT
    if a is EQUIVALENT:
        return b
    if b is EQUIVALENT or a is b:
        return a
    return OVERLAPS


def describe_conflict(a: Pattern, b: Pattern) -> str:
    """Why neither wins over the other."""
    methods, paths = compare_methods(a.method, b.method), compare_paths(a.segments, b.segments)
    if methods is EQUIVALENT and paths is EQUIVALENT:
        return f"{a} matches the same requests as {b}"
    if paths is not OVERLAPS:
        few, many = (a, b) if methods is MORE_SPECIFIC else (b, a)
        return f"{few} matches fewer methods than {many}, but has a more general path"
    return (
        f"both match some paths, such as {example(a, b)!r}, but neither is more specific: {a} alone matches "
        f"{example(a)!r}, and {b} alone {example(b)!r}"
    )


def example(a: Pattern, b: Pattern | None = None) -> str:
    """A path that both match; with one, a path of its own."""
    nothing = Segment("")
    parts: list[str] = []
    for one, other in zip_longest(a.segments, () if b is None else b.segments, fillvalue=nothing):
        literal = next((each.text for each in (one, other) if not each.wild and each.text), None)
        wild = next((each.text for each in (one, other) if each.wild and each.text), "")
        parts.append("" if literal == THE_END else literal or wild)
    return "/" + "/".join(parts)
