"""asyncio's streams on uvloop: a task for each connection."""

from __future__ import annotations

import asyncio
import ssl

import uvloop

from benchmarks.servers import certificate
from benchmarks.servers.rivals import Servers


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def listen(port: int, context: ssl.SSLContext | None) -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", port, ssl=context, backlog=1024)
    await server.serve_forever()


def serve(port: int) -> None:
    uvloop.run(listen(port, None))


def serve_tls(port: int) -> None:
    uvloop.run(listen(port, certificate.server_context()))


SERVERS: Servers = {"echo": serve, "echo_16": serve, "echo_tls": serve_tls, "echo_idle": serve}
