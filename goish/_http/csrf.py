"""CrossOriginProtection: requests that another site has a browser send are refused. Go's, since 1.25.

Threads: any; its origins and patterns are added before it serves.
Not here: who may see the answer (CORS); this is about what a request does.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from urllib.parse import urlsplit

from .connection import Handler
from .mux import ServeMux
from .replies import error
from .request import Request
from .writer import ResponseWriter

__all__ = ["CrossOriginProtection"]

SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


class CrossOriginProtection:
    """Refuses, by 403, requests that change something and that a browser sends for another site. No tokens, no cookies.

    GET, HEAD and OPTIONS pass: they must not change anything. Of the others those pass that a browser says are of the
    same origin (``Sec-Fetch-Site``), or typed by the user; those of an old browser if ``Origin`` is the ``Host``; and
    those without either field, which no browser sends.

    ``trusted_origins``: origins that may send them all the same, as ``"https://example.com"``. ``bypass``: patterns of
    ``ServeMux`` that are not protected. ValueError for what is none. Go's ``http.CrossOriginProtection``.

    Example::

        async def transfer(w, r):
            await w.text("done")

        guarded = goish.http.CrossOriginProtection().handler(transfer)
        async with goish.http.serve(guarded, "127.0.0.1:0") as srv:
            reader, writer = await asyncio.open_connection(*srv.addr)
            writer.write(b"POST / HTTP/1.0\\r\\nHost: a\\r\\nSec-Fetch-Site: cross-site\\r\\n\\r\\n")
            print((await reader.read()).split(b"\\r\\n")[0].decode())  # -> HTTP/1.1 403 Forbidden
            writer.close()
    """

    def __init__(
        self, *, trusted_origins: Iterable[str] = (), bypass: Iterable[str] = (), deny: Handler | None = None
    ) -> None:
        if isinstance(trusted_origins, str) or isinstance(bypass, str):
            raise TypeError("trusted_origins and bypass are lists of str")
        if deny is not None and not callable(deny):  # pyright: ignore[reportUnnecessaryComparison]
            raise TypeError(f"deny is a handler, an async function of (w, r); got {deny!r}")
        self._trusted = frozenset(checked_origin(origin) for origin in trusted_origins)
        self._bypass = ServeMux()
        for pattern in bypass:
            self._bypass.handle(pattern, passes)
        self._deny = deny or forbid

    def allows(self, r: Request) -> bool:
        """Whether the request passes. Go's ``Check``.

        Example::

            protection = goish.http.CrossOriginProtection()

            async def transfer(w, r):
                if not protection.allows(r):
                    raise goish.http.AbortHandler
        """
        if r.method in SAFE:
            return True
        headers = r.headers
        site, origin = headers.get("Sec-Fetch-Site", ""), headers.get("Origin", "")
        if site in ("same-origin", "none"):
            return True
        if not site and (not origin or host_of(origin) == r.host):
            return True
        return origin in self._trusted or self._bypass.handler(r)[0] is passes

    def handler(self, handler: Handler) -> Handler:
        """A handler that calls ``handler`` for what passes, and ``deny`` for the rest: by default that answers 403.

        Example::

            mux = goish.http.ServeMux()
            guarded = goish.http.CrossOriginProtection(trusted_origins=["https://example.com"]).handler(mux)
        """
        return partial(self._guard, handler)

    async def _guard(self, handler: Handler, w: ResponseWriter, r: Request) -> None:
        await (handler if self.allows(r) else self._deny)(w, r)


async def forbid(w: ResponseWriter, r: Request) -> None:
    await error(w, "cross-origin request", 403)


async def passes(w: ResponseWriter, r: Request) -> None:
    """Stands for a pattern that is not protected; nothing calls it."""


def host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def checked_origin(origin: str) -> str:
    parts = urlsplit(origin)
    if not parts.scheme or not parts.netloc or f"{parts.scheme}://{parts.netloc}" != origin:
        raise ValueError(f'an origin is "scheme://host" or "scheme://host:port", got {origin!r}')
    return origin
