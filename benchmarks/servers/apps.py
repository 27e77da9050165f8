"""The ASGI apps: the same for every server that runs such."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from benchmarks.servers.workloads import BLOB, CHUNK, CHUNKS, HELLO, dumped

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

TEXT = (b"content-type", b"text/plain")
JSON = (b"content-type", b"application/json")


async def answer(send: Send, body: bytes, kind: tuple[bytes, bytes] = TEXT) -> None:
    headers = [kind, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def up(receive: Receive, send: Send) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await answer(send, b"%d" % size)


async def stream(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
    for _ in range(CHUNKS):
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def echo(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": message["bytes"]})


async def raw(scope: Message, receive: Receive, send: Send) -> None:
    path = scope["path"]
    if path == "/":
        await answer(send, HELLO)
    elif path == "/json":
        await answer(send, dumped(), JSON)
    elif path == "/down":
        await answer(send, BLOB)
    elif path == "/up":
        await up(receive, send)
    elif path == "/stream":
        await stream(send)
    elif path == "/ws":
        await echo(receive, send)


def starlette() -> Any:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse("Hello, world!")

    return Starlette(routes=[Route("/", hello)])


def app_of(workload: str) -> Any:
    return starlette() if workload == "http_starlette" else raw
