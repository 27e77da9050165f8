"""A server on a network in memory, and clients that speak raw HTTP to it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from goish import http, net


@dataclass
class Response:
    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str:
        return dict(self.fields)[name.lower()]

    def __contains__(self, name: str) -> bool:
        return name.lower() in dict(self.fields)


class Site:
    """The server, and the way to it."""

    def __init__(self, srv: http.Server, network: net.MemoryNetwork) -> None:
        self.srv = srv
        self.network = network

    async def dial(self) -> net.Conn:
        return await self.network.dial(self.srv.addr)

    async def exchange(self, data: bytes) -> bytes:
        """All that is answered until the server closes."""
        async with await self.dial() as conn:
            await conn.write(data)
            return b"".join([piece async for piece in conn])

    async def ask(self, data: bytes, method: str = "GET") -> Response:
        """The response to one request."""
        async with await self.dial() as conn:
            await conn.write(data)
            return await read_response(conn, method)

    async def get(self, path: str = "/", **fields: str) -> Response:
        return await self.ask(request("GET", path, **fields))

    def counted(self, name: str) -> int:
        statistics = self.srv.statistics()
        return statistics.refused.get(name, 0) + statistics.events.get(name, 0)


def request(method: str, path: str, body: bytes | None = None, **fields: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: a", *(f"{k.replace('_', '-')}: {v}" for k, v in fields.items())]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")


@asynccontextmanager
async def serving(
    handler: http.Handler, network: net.MemoryNetwork | None = None, **options: Any
) -> AsyncGenerator[Site]:
    network = network or net.MemoryNetwork()
    async with http.serve(handler, network.listen("server:80"), **options) as srv:
        yield Site(srv, network)


async def read_response(conn: net.Conn, method: str = "GET") -> Response:
    """One response, final or interim."""
    head = (await conn.read_until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in head[1:-2])]
    response = Response(int(head[0].split(" ")[1]), fields, b"")
    if method == "HEAD" or response.status < 200 or response.status in (204, 304):
        return response
    if "Transfer-Encoding" in response:
        while size := int(await conn.read_until(b"\r\n"), 16):
            response.body += await conn.read_exactly(size)
            await conn.read_exactly(2)
        await conn.read_exactly(2)
    elif "Content-Length" in response:
        response.body = await conn.read_exactly(int(response["Content-Length"]))
    else:
        response.body = b"".join([piece async for piece in conn])
    return response
