"""From Python 3.15 on the callbacks of asyncio's server run in the Context in which it was made, and so do goroutines.

Each connection has a copy of its own.

Each test runs with asyncio.Task too, which is the control (citizens.py). On asyncio's loop alone: uvloop has its own
servers.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
import sys
from collections.abc import Generator
from typing import Any

import pytest
from citizens import CONTROL, FACTORY, GO, Citizen
from helpers import patience

import goish
from goish import Goroutine, chan

var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="none")
pytestmark = pytest.mark.skipif(sys.version_info < (3, 15), reason="new in Python 3.15")


@pytest.fixture(params=[CONTROL, GO, FACTORY])
def drive(request: pytest.FixtureRequest) -> Citizen:
    return Citizen("asyncio", request.param, patience(request.node) / 3)


@pytest.fixture
def listening() -> Generator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)
        yield sock


async def asked(sock: socket.socket, what: str) -> str:
    reader, writer = await asyncio.open_connection(*sock.getsockname())
    writer.write(what.encode() + b"\n")
    answer = (await reader.readline()).decode().strip()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_connections_have_the_variables_of_the_server_and_share_no_changes(
    drive: Citizen, listening: socket.socket
) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(asyncio.current_task(), Goroutine) is (drive.kind == FACTORY)
        before = var.get()
        var.set((await reader.readline()).decode().strip())
        await goish.gosched()
        writer.write(f"{before} {var.get()}\n".encode())
        writer.close()
        await writer.wait_closed()

    var.set("of the server")
    server = await asyncio.start_server(handler, sock=listening)
    var.set("later")
    async with server:
        assert await asked(listening, "one") == "of the server one"
        assert await asked(listening, "two") == "of the server two"
    assert var.get() == "later"


async def test_protocol_and_the_goroutines_that_it_starts_have_the_variables_of_the_server(
    drive: Citizen, listening: socket.socket
) -> None:
    """Its callbacks run in the Context in which the connection's own task runs, and that may be a goroutine."""
    lines = chan(8)

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            var.set(f"{var.get()}, made")

        def data_received(self, data: bytes) -> None:
            var.set(f"{var.get()}, received")
            self.task = drive.spawn(self.answer)

        async def answer(self) -> None:
            await lines.send(var.get())
            self.transport.write(b"answer\n")
            self.transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            lines.try_send(f"{var.get()}, lost")

    var.set("of the server")
    server = await asyncio.get_running_loop().create_server(Protocol, sock=listening)
    var.set("later")
    async with server:
        for _ in range(2):
            assert await asked(listening, "hello") == "answer"
            assert await lines.recv() == "of the server, made, received"
            assert await lines.recv() == "of the server, made, received, lost"
    assert var.get() == "later"
