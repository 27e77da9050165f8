"""The floor: bare protocols on uvloop.  The HTTP one parses each request and answers a constant, and that is all."""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from typing import cast

import uvloop
from httptools import HttpRequestParser

from benchmarks.servers import certificate
from benchmarks.servers.rivals import Servers
from benchmarks.servers.workloads import HELLO, dumped

HEAD = (
    b"HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n"
)


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        self._write(data)


class Constant(asyncio.Protocol):
    def __init__(self, body: bytes) -> None:
        self._answer = HEAD % len(body) + body
        self._parser = HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        pass

    def on_message_complete(self) -> None:
        self._write(self._answer)


async def listen(protocol: type[Echo] | partial[Constant], port: int, context: ssl.SSLContext | None) -> None:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port, ssl=context, backlog=1024)
    await server.serve_forever()


def serve(protocol: type[Echo] | partial[Constant], port: int) -> None:
    uvloop.run(listen(protocol, port, None))


SERVERS: Servers = {
    "echo": partial(serve, Echo),
    "echo_16": partial(serve, Echo),
    "echo_tls": lambda port: uvloop.run(listen(Echo, port, certificate.server_context())),
    "echo_idle": partial(serve, Echo),
    "echo_connect": partial(serve, Echo),
    "http_connect": partial(serve, partial(Constant, HELLO)),
    "http_requests": partial(serve, partial(Constant, HELLO)),
    "http_resets": partial(serve, partial(Constant, HELLO)),
    "http_hello": partial(serve, partial(Constant, HELLO)),
    "http_json": partial(serve, partial(Constant, dumped())),
    "http_idle": partial(serve, partial(Constant, HELLO)),
}
