"""aiohttp's server on uvloop."""

from __future__ import annotations

import uvloop
from aiohttp import web

from benchmarks.servers.rivals import Servers
from benchmarks.servers.workloads import ASGI, BLOB, CHUNK, CHUNKS, HELLO, PATHS, dumped


async def hello(request: web.Request) -> web.Response:
    return web.Response(body=HELLO, content_type="text/plain")


async def as_json(request: web.Request) -> web.Response:
    return web.Response(body=dumped(), content_type="application/json")


async def up(request: web.Request) -> web.Response:
    size = 0
    async for data in request.content.iter_any():
        size += len(data)
    return web.Response(text=str(size))


async def down(request: web.Request) -> web.Response:
    return web.Response(body=BLOB)


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(CHUNKS):
        await response.write(CHUNK)
    await response.write_eof()
    return response


async def echo(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)
    async for message in ws:
        await ws.send_bytes(message.data)
    return ws


def serve(port: int) -> None:
    app = web.Application(client_max_size=2 * len(BLOB))
    app.router.add_get("/", hello)
    app.router.add_get(PATHS["http_json"], as_json)
    app.router.add_post(PATHS["http_up"], up)
    app.router.add_get(PATHS["http_down"], down)
    app.router.add_get(PATHS["http_stream"], stream)
    app.router.add_get(PATHS["ws_echo"], echo)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None, loop=uvloop.new_event_loop())


SERVERS: Servers = {workload: serve for workload in ASGI if workload != "http_starlette"}
