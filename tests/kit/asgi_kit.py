"""ASGI apps served on a network in memory, and a client that speaks HTTP/1.1 with them byte by byte."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from goish import http, net
from goish.net import Conn

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Peer:
    """A connection to the server, as a client has it."""

    def __init__(self, conn: Conn) -> None:
        self.conn = conn

    async def say(self, text: str | bytes) -> None:
        await self.conn.write(text.encode("latin-1") if isinstance(text, str) else text)

    async def ask(self, target: str = "/", *fields: str, body: bytes = b"", method: str = "GET") -> None:
        lines = [f"{method} {target} HTTP/1.1", "Host: server", *fields]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        await self.say("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    async def head(self) -> Answer:
        text = (await self.conn.read_until(b"\r\n\r\n")).decode("latin-1")
        status, *fields = text.rstrip().split("\r\n")
        pairs = [field.partition(": ") for field in fields]
        return Answer(int(status.split()[1]), {name.lower(): value for name, _, value in pairs}, b"")

    async def answer(self, bodiless: bool = False) -> Answer:
        found = await self.head()
        if bodiless or found.status in (204, 304):
            return found
        if "content-length" in found.headers:
            found.body = await self.conn.read_exactly(int(found.headers["content-length"]))
        elif found.headers.get("transfer-encoding") == "chunked":
            while piece := await self.chunk():
                found.body += piece
        else:
            found.body = await self.rest()
        return found

    async def chunk(self) -> bytes:
        size = int(await self.conn.read_until(b"\r\n"), 16)
        data = await self.conn.read_exactly(size) if size else b""
        assert await self.conn.read_exactly(2) == b"\r\n"
        return data

    async def rest(self) -> bytes:
        data = b""
        async for piece in self.conn:
            data += piece
        return data

    async def get(self, target: str = "/", *fields: str, body: bytes = b"", method: str = "GET") -> Answer:
        await self.ask(target, *fields, body=body, method=method)
        return await self.answer(bodiless=method == "HEAD")


class Served:
    """A server, and connections to it."""

    def __init__(self, srv: http.AsgiServer, network: net.MemoryNetwork) -> None:
        self.srv = srv
        self.network = network

    @asynccontextmanager
    async def peer(self) -> AsyncIterator[Peer]:
        async with await self.network.dial("server:80") as conn:
            yield Peer(conn)


@asynccontextmanager
async def served(app: App, *, split: int | None = None, **options: Any) -> AsyncIterator[Served]:
    network = net.MemoryNetwork(split=split)
    options = {"lifespan": "off", **options}
    async with http.serve_asgi(app, network.listen("server:80"), **options) as srv:
        yield Served(srv, network)


async def read_body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        body += message["body"]
        more = message["more_body"]
    return body


async def respond(send: Send, body: bytes = b"", status: int = 200, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})
