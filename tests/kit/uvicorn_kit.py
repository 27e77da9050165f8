"""uvicorn's server, with goish's connections, in the loop of a test. Threads: one loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

from asgi_kit import App

import goish

__all__ = ["Running", "serving"]


class Running:
    def __init__(self, server: Any, over: Any, port: int) -> None:
        self.server = server
        self.over = over
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    async def raw(self, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        return reader, writer


@contextlib.asynccontextmanager
async def serving(app: App, **options: Any) -> AsyncIterator[Running]:
    import uvicorn

    options = {"lifespan": "off", "log_config": None, **options}
    config = uvicorn.Config(app, http="goish.http:Protocol", **options)
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serve = goish.go(server.serve, sockets=[listening])
        while not server.started:
            assert not serve.done(), await serve
            await asyncio.sleep(0.001)
        try:
            yield Running(server, serve, listening.getsockname()[1])
        finally:
            server.should_exit = True
            await serve
