"""Answers that many handlers give: an error, a redirect, a file.

Threads: those of the request.
"""

from __future__ import annotations

import asyncio
import mimetypes
import os
import stat
from collections.abc import Sequence
from email.utils import formatdate, parsedate_to_datetime
from errno import ENAMETOOLONG
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

from .errors import AbortHandler
from .request import Request
from .status import reason_of
from .writer import ResponseWriter

if TYPE_CHECKING:
    from .connection import Handler

__all__ = ["error", "method_not_allowed", "not_found", "redirect", "redirection", "serve_file"]

PIECE = 1 << 17


async def error(w: ResponseWriter, text: str, status: int) -> None:
    """Answer with an error: a status, and a line of text. Go's ``http.Error``.

    What the handler had set for the body that it wanted to send (length, encoding, caching) is taken back. RuntimeError
    if the head is sent.

    Example::

        async def item(w, r):
            await goish.http.error(w, "the id is a number", 400)
    """
    if w.head_sent:
        raise RuntimeError("error() comes too late: the head of the response is sent")
    for name in ("Content-Length", "Content-Encoding", "ETag", "Last-Modified", "Cache-Control"):
        w.headers.pop(name, None)
    w.headers["Content-Type"] = "text/plain; charset=utf-8"
    w.headers["X-Content-Type-Options"] = "nosniff"
    w.write_header(status)
    await w.write(f"{text}\n".encode())


async def not_found(w: ResponseWriter, r: Request) -> None:
    """Answer with 404. Go's ``http.NotFound``; it is a handler, too.

    Example::

        mux = goish.http.ServeMux()
        mux.handle("/private/", goish.http.not_found)
    """
    await error(w, "404 page not found", 404)


def method_not_allowed(allowed: Sequence[str]) -> Handler:
    async def refuse(w: ResponseWriter, r: Request) -> None:
        w.headers["Allow"] = ", ".join(allowed)
        await error(w, "405 method not allowed", 405)

    return refuse


async def redirect(w: ResponseWriter, r: Request, url: str, status: int = 303) -> None:
    """Answer with a redirect to ``url``, a URL or a path. Go's ``http.Redirect``.

    ``status``: 303 has the client GET it; 307 and 308 repeat the method, 301 and 308 are for good. ValueError for a
    status that is no redirect.

    Example::

        async def old(w, r):
            await goish.http.redirect(w, r, "/new", 308)
    """
    if status not in (301, 302, 303, 307, 308):
        raise ValueError(f"the status of a redirect is 301, 302, 303, 307 or 308; got {status}")
    w.headers["Location"] = quote(url, safe="%/:=&?~#+!$,;'@()*[]")
    w.write_header(status)
    if r.method in ("GET", "HEAD") and "Content-Type" not in w.headers:
        await w.text(f"{reason_of(status)}\n")


def redirection(path: str, r: Request) -> Handler:
    """To another path, with the same query and the same method."""
    url = f"{path}?{r.query_string}" if r.query_string else path

    async def redirecting(w: ResponseWriter, r: Request) -> None:
        await redirect(w, r, url, 307)

    return redirecting


async def serve_file(w: ResponseWriter, r: Request, path: str | os.PathLike[str]) -> None:
    """Answer with a file: its type by its name, its size and time; 304 if the client has it, 404 if it is none.

    The file is read on a thread, piece by piece. ``path`` is the program's: one that a client may choose has to be
    checked before, for it may lead anywhere. A cancel ends it. OSError if it cannot be read.

    Example::

        async def logo(w, r):
            await goish.http.serve_file(w, r, "static/logo.svg")
    """
    opened = await asyncio.to_thread(_open, path)
    if opened is None:
        await not_found(w, r)
        return
    file, size, changed = opened
    try:
        w.headers["Last-Modified"] = formatdate(changed, usegmt=True)
        if _is_known(r, changed):
            w.write_header(304)
            return
        if "Content-Type" not in w.headers:
            w.headers["Content-Type"] = mimetypes.guess_type(os.fspath(path))[0] or "application/octet-stream"
        w.headers["Content-Length"] = str(size)
        while size and r.method != "HEAD":
            piece = await asyncio.to_thread(file.read, min(size, PIECE))
            if not piece:
                raise AbortHandler  # it has become shorter: the client has to see that this is not all
            await w.write(piece)
            size -= len(piece)
    finally:
        file.close()


def _open(path: str | os.PathLike[str]) -> tuple[IO[bytes], int, float] | None:
    try:
        file = open(path, "rb")  # noqa: SIM115
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except ValueError:  # a NUL in the path, as of /%00
        return None
    except OSError as error:
        if error.errno == ENAMETOOLONG:
            return None
        raise
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        file.close()
        return None
    return file, status.st_size, status.st_mtime


def _is_known(r: Request, changed: float) -> bool:
    since = r.headers.get("If-Modified-Since")
    if since is None or r.method not in ("GET", "HEAD"):
        return False
    try:
        return int(changed) <= parsedate_to_datetime(since).timestamp()
    except (ValueError, OverflowError):  # no date, or a number in it that no date has
        return False
