"""ServeMux: which handler a request goes to. Go's, since 1.22.

The patterns stand in a tree: host, method, then a level for each segment of the path. On each level the literal is
tried first, then the wildcard for one segment, then the wildcard for the rest: as no two patterns conflict, the first
that fits is the most specific one.

Invariants: no two patterns of the tree conflict. A path without wildcards is in `_literals`, too, where it is found at
once.
Threads: any may register and match at the same time, as a node gets its pattern last.
Not here: what a pattern is, and which one wins (pattern.py).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar, overload
from urllib.parse import unquote

from .connection import Handler
from .pattern import (
    EQUIVALENT,
    OVERLAPS,
    THE_END,
    Pattern,
    clean_path,
    compare,
    describe_conflict,
    parse_pattern,
)
from .replies import method_not_allowed, not_found, redirection
from .request import Request, raw_path_of
from .writer import ResponseWriter

__all__ = ["ServeMux"]

H = TypeVar("H", bound=Callable[..., Awaitable[object]])

is_plain = re.compile(r"[A-Za-z0-9/\-._~]*").fullmatch  # a path that a client sends in one way only


class _Node:
    """A segment of the path, or what stands before its first one."""

    __slots__ = ("handler", "literals", "pattern", "rest", "wild")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.wild: _Node | None = None
        self.rest: _Node | None = None
        self.handler: Any = None
        self.pattern: Pattern | None = None

    def grow(self, pattern: Pattern) -> _Node:
        """The node of the pattern's last segment."""
        node = self
        for segment in pattern.segments:
            if segment.multi:
                node.rest = node.rest or _Node()
                node = node.rest
            elif segment.wild:
                node.wild = node.wild or _Node()
                node = node.wild
            else:
                node = node.literals.setdefault(segment.text, _Node())
        return node

    def find(self, parts: list[str], at: int, values: list[str]) -> _Node | None:
        """The most specific one for the segments from ``at`` on; ``values`` become those of the wildcards."""
        if at == len(parts):
            return self if self.pattern is not None else None
        part = unquote(parts[at]) if "%" in parts[at] else parts[at]
        is_end = not part and at == len(parts) - 1
        child = self.literals.get(THE_END if is_end else part)
        if child is not None and (found := child.find(parts, at + 1, values)) is not None:
            return found
        if self.wild is not None and part:
            values.append(part)
            if (found := self.wild.find(parts, at + 1, values)) is not None:
                return found
            values.pop()
        if self.rest is not None:
            values.append(unquote("/".join(parts[at:])))
            return self.rest
        return None


class ServeMux:
    """Sends each request to the handler of the most specific pattern that matches it. Go's ``http.ServeMux``.

    A pattern is ``[METHOD ][HOST]/[PATH]``. In the path ``{id}`` stands for one segment, ``{path...}`` at the end for
    all that is left, a trailing slash likewise, and ``{$}`` for the end: ``r.path_value("id")`` is what matched.
    ``GET`` matches HEAD too; a pattern without a method matches all, and one without a host all hosts.

    A path that matches with another method only is answered by 405 with ``Allow``, and any other by 404. One that is
    not clean (``//``, ``/../``) is redirected to its clean form, and ``/tree`` to ``/tree/`` if only that matches.

    Example::

        mux = goish.http.ServeMux()

        @mux.handle("GET /items/{id}")
        async def item(w, r):
            await w.text("item " + r.path_value("id"))

        async with goish.http.serve(mux, "127.0.0.1:0") as srv:
            reader, writer = await asyncio.open_connection(*srv.addr)
            writer.write(b"PUT /items/7 HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
            print((await reader.read()).split(b"\\r\\n")[0].decode())  # -> HTTP/1.1 405 Method Not Allowed
            writer.close()
    """

    def __init__(self) -> None:
        self._mu = threading.Lock()
        self._registered: list[tuple[Pattern, Any]] = []
        self._hosts: dict[str, dict[str, _Node]] = {"": {}}
        self._literals: dict[tuple[str, str], tuple[Any, str]] | None = {}  # None: there are patterns with a host

    @overload
    def handle(self, pattern: str, handler: Handler) -> Handler: ...
    @overload
    def handle(self, pattern: str) -> Callable[[H], H]: ...
    def handle(self, pattern: str, handler: Handler | None = None) -> Any:
        """Have ``handler`` called for the requests that match; without a handler it is a decorator.

        ValueError for what is no pattern, and for one that conflicts with another one: both match some request, and
        neither is more specific. TypeError for a handler that cannot be called. Any thread.

        Example::

            async def hello(w, r):
                await w.text("hello")

            mux = goish.http.ServeMux()
            mux.handle("/items/{id}", hello)
            try:
                mux.handle("/{kind}/new", hello)
            except ValueError as error:
                print("conflicts" in str(error))  # -> True
        """
        parsed = parse_pattern(pattern)
        if handler is None:
            return partial(self._handle, parsed)
        return self._handle(parsed, handler)

    def _handle(self, pattern: Pattern, handler: Any) -> Any:
        if not callable(handler):
            raise TypeError(
                f"a handler is an async function of (w, r), got {handler!r} of type {type(handler).__name__}"
            )
        with self._mu:
            for other, _ in self._registered:
                if other.host == pattern.host and compare(pattern, other) in (EQUIVALENT, OVERLAPS):
                    why = describe_conflict(pattern, other)
                    raise ValueError(f"the pattern {pattern.text!r} conflicts with {other.text!r}: {why}")
            node = self._hosts.setdefault(pattern.host, {}).setdefault(pattern.method, _Node()).grow(pattern)
            node.handler = handler
            node.pattern = pattern
            self._registered.append((pattern, handler))
            self._remember(pattern, handler)
        return handler

    def _remember(self, pattern: Pattern, handler: Any) -> None:
        if pattern.host:
            self._literals = None
        elif self._literals is not None and not any(segment.wild for segment in pattern.segments):
            path = "/" + "/".join("" if segment.text == THE_END else segment.text for segment in pattern.segments)
            if is_plain(path):
                self._literals[pattern.method, path] = handler, pattern.text

    def __call__(self, w: ResponseWriter, r: Request) -> Awaitable[object]:
        """Serve a request: a ServeMux is a handler."""
        return self.handler(r)[0](w, r)

    def handler(self, r: Request) -> tuple[Handler, str]:
        """The handler of a request, and its pattern: "" if that is an answer of the mux itself. Sets the path values.

        Example::

            async def show(w, r):
                await w.text(r.pattern)

            mux = goish.http.ServeMux()
            mux.handle("/items/{id}", show)
        """
        path = raw_path_of(r)
        if self._literals is not None:
            found = self._literals.get((r.method, path))
            if found is None and r.method == "HEAD":
                found = self._literals.get(("GET", path))
            if found is None:
                found = self._literals.get(("", path))
            if found is not None:
                r.pattern = found[1]
                return found
        return self._search(r, path)

    def _search(self, r: Request, path: str) -> tuple[Handler, str]:
        if path == "*":
            return nothing, ""
        host = host_name(r.host)
        cleaned = clean_path(path)
        values: list[str] = []
        node = self._match(host, r.method, cleaned, values)
        if not cleaned.endswith("/") and not is_exact(node, cleaned):
            with_slash = self._match(host, r.method, f"{cleaned}/", [])
            if is_exact(with_slash, f"{cleaned}/"):
                return redirection(f"{cleaned}/", r), ""
        if cleaned != path:
            return redirection(cleaned, r), ""
        if node is None or node.pattern is None:
            allowed = self._allowed(host, cleaned)
            return (method_not_allowed(allowed) if allowed else not_found), ""
        r.pattern = node.pattern.text
        names = [segment.text for segment in node.pattern.segments if segment.wild]
        for name, value in zip(names, values, strict=True):
            if name:
                r.set_path_value(name, value)
        return node.handler, node.pattern.text

    def _match(self, host: str, method: str, path: str, values: list[str]) -> _Node | None:
        parts = path.split("/")[1:]
        for methods in self._methods_of(host):
            for each in (method, "GET", "") if method == "HEAD" else (method, ""):
                root = methods.get(each)
                if root is not None and (found := root.find(parts, 0, values)) is not None:
                    return found
        return None

    def _methods_of(self, host: str) -> list[dict[str, _Node]]:
        """Those with the host, then those without one."""
        found = self._hosts.get(host) if host else None
        return [self._hosts[""]] if found is None else [found, self._hosts[""]]

    def _allowed(self, host: str, path: str) -> list[str]:
        """The methods for which there is a pattern."""
        paths = [path] if path.endswith("/") else [path, f"{path}/"]
        allowed = {
            method
            for methods in self._methods_of(host)
            for method, root in list(methods.items())
            for each in paths
            if root.find(each.split("/")[1:], 0, []) is not None
        }
        return sorted(allowed | {"HEAD"} if "GET" in allowed else allowed)

    def __repr__(self) -> str:
        return f"<ServeMux with {len(self._registered)} patterns>"

    def __reduce__(self) -> tuple[Any, ...]:
        """For a process that serves too: handlers are what can be imported there."""
        return mux_of, ([(pattern.text, handler) for pattern, handler in self._registered],)


def mux_of(registered: list[tuple[str, Any]]) -> ServeMux:
    """One with these patterns."""
    mux = ServeMux()
    for pattern, handler in registered:
        mux.handle(pattern, handler)
    return mux


async def nothing(w: ResponseWriter, r: Request) -> None:
    """To ``OPTIONS *``, which asks whether the server is there."""


def is_exact(node: _Node | None, path: str) -> bool:
    """Whether the path is the pattern's own, and not one below it."""
    if node is None or node.pattern is None:
        return False
    if not node.pattern.is_open:
        return True
    return path.endswith("/") and len(node.pattern.segments) == path.count("/")


def host_name(host: str) -> str:
    """Without its port."""
    if host.endswith("]") or ":" not in host:
        return host.lower()
    return host.rpartition(":")[0].lower()
