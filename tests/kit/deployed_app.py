"""An app to be deployed, as ``main:app``. Each answer tells which process gave it; each request is written down."""

from __future__ import annotations

import asyncio
import os
from typing import Any

HANDLED = os.open(os.environ["HANDLED"], os.O_WRONLY | os.O_APPEND)  # a line for each request that has come here


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": (await receive())["type"] + ".complete"})
    elif scope["type"] == "websocket":
        await echo(receive, send)
    elif scope["path"] == "/ready":
        ready = scope["extensions"]["http.shutdown"]["ready"]
        await answer(send, 200 if ready else 503, b"")
    elif scope["path"] == "/stream":
        await stream(scope, receive, send)
    else:
        await handle(scope, receive, send)


async def handle(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """/quick/n or /slow/n: each in its own way tells who has answered."""
    _, pace, number = scope["path"].split("/")
    os.write(HANDLED, f"{number}\n".encode())
    more = True
    while more:
        more = (await receive())["more_body"]
    body = b"%d %b" % (os.getpid(), number.encode())
    if pace == "quick":
        await answer(send, 200, body)
        return
    await send({"type": "http.response.start", "status": 200})
    for piece in (body[:1], body[1:]):  # in chunks, with time for a signal between them
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(0.02)
    await send({"type": "http.response.body"})


async def stream(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """A piece now, and the other one only when the client says so, by a request for /stream?go."""
    if scope["query_string"] == b"go":
        GO.set()
        await answer(send, 200, b"")
        return
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    await GO.wait()
    await send({"type": "http.response.body", "body": b"two"})


GO = asyncio.Event()


async def echo(receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] != "websocket.disconnect":
        if "text" in message:
            await send({"type": "websocket.send", "text": message["text"].upper()})


async def answer(send: Any, status: int, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
