"""Sockets: programs of asyncio that know nothing of goish, run as they are by all who can run such programs.

Packages that only one of them needs are imported in it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from socket import create_server, socket
from time import perf_counter, process_time
from typing import TypeAlias

from benchmarks.measure import AsyncWorkload, Result, per_item, since
from benchmarks.workloads import TCP_CHUNK

HttpServer: TypeAlias = Callable[[socket], AbstractAsyncContextManager[None]]


async def tcp_streams(n: int) -> Result:
    """A client sends chunks to a server that sends them back; both use streams, and both are on this loop."""
    chunk = bytes(TCP_CHUNK)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(TCP_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def send(writer: asyncio.StreamWriter) -> None:
        for _ in range(n):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    start = perf_counter()
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    sender = asyncio.create_task(send(writer))
    received = 0
    while data := await reader.read(TCP_CHUNK):
        received += len(data)
    await sender
    result = since(start, n)
    assert received == n * TCP_CHUNK
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
    return result


async def load(port: int, n: int) -> Result:
    """What the clients of `benchmarks.servers.load`, which is a process of its own, make of ``n`` requests."""
    command = [sys.executable, "-m", "benchmarks.servers.load", "http_hello", str(port), str(n)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    output, _ = await asyncio.to_thread(process.communicate)
    result: Result = json.loads(output)
    return result


async def http(serve: HttpServer, n: int) -> Result:
    with create_server(("127.0.0.1", 0), backlog=1024) as listening:
        port: int = listening.getsockname()[1]
        async with serve(listening):
            await load(port, n // 10)  # what is done once, and what the interpreter learns
            start = process_time()
            result = await load(port, n)
            return result | per_item(process_time() - start, n, "cpu_ns")


@asynccontextmanager
async def starlette(listening: socket) -> AsyncIterator[None]:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse("Hello, world!")

    app = Starlette(routes=[Route("/", hello)])
    config = uvicorn.Config(app, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    yield
    server.should_exit = True
    await serving


@asynccontextmanager
async def aiohttp(listening: socket) -> AsyncIterator[None]:
    from aiohttp import web

    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="Hello, world!")

    app = web.Application()
    app.add_routes([web.get("/", hello)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    yield
    await runner.cleanup()


STREAMS: dict[str, AsyncWorkload] = {"tcp_streams": tcp_streams}
HTTP: dict[str, AsyncWorkload] = {
    "http_starlette": partial(http, starlette),
    "http_aiohttp": partial(http, aiohttp),
}
