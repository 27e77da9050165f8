"""One small site twice: a ServeMux, and an ASGI app that answers in the same way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgi_kit import Receive, Scope, Send, respond

from goish import http
from goish.http import Request, ResponseWriter, ServeMux

__all__ = ["SITES", "make_mux"]


def make_mux() -> ServeMux:
    mux = ServeMux()

    @mux.handle("GET /hello/{name}")
    async def hello(w: ResponseWriter, r: Request) -> None:
        await w.text(f"hello {r.path_value('name')}")

    @mux.handle("POST /echo")
    async def echo(w: ResponseWriter, r: Request) -> None:
        w.headers["Content-Type"] = r.headers.get("Content-Type", "application/octet-stream")
        async for piece in r:
            await w.write(piece)

    @mux.handle("GET /stream")
    async def stream(w: ResponseWriter, r: Request) -> None:
        for i in range(5):
            await w.write(b"%d\n" % i)
            await w.flush()

    @mux.handle("/method")
    async def method(w: ResponseWriter, r: Request) -> None:
        await w.text(f"{r.method} {r.headers.get('Content-Type', '-')}")

    @mux.handle("/flood")
    async def flood(w: ResponseWriter, r: Request) -> None:
        while True:
            await w.write(bytes(100_000))

    @mux.handle("/fail")
    async def fail(w: ResponseWriter, r: Request) -> None:
        raise LookupError

    return mux


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    path, method = scope["path"], scope["method"]
    if path.startswith("/hello/"):
        await respond(send, f"hello {path.removeprefix('/hello/')}".encode())
    elif path == "/echo" and method == "POST":
        await send({"type": "http.response.start", "status": 200})
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await send({**message, "type": "http.response.body"})
    elif path == "/stream":
        await send({"type": "http.response.start", "status": 200})
        for i in range(5):
            await send({"type": "http.response.body", "body": b"%d\n" % i, "more_body": i < 4})
    elif path == "/method":
        kind = dict(scope["headers"]).get(b"content-type", b"-")
        await respond(send, method.encode() + b" " + kind)
    elif path == "/flood":
        await send({"type": "http.response.start", "status": 200})
        while True:
            await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
    elif path == "/fail":
        raise LookupError
    else:
        await respond(send, b"", 405 if path == "/echo" else 404)


# How each is served: addr and options in, a server out.
SITES: dict[str, Callable[..., Any]] = {
    "native": lambda addr, **options: http.serve(make_mux(), addr, **options),
    "asgi": lambda addr, **options: http.serve_asgi(app, addr, lifespan="off", **options),
}
