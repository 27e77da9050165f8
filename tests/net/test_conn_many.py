"""Many connections: memory stays flat over resets, and an idle one takes little."""

from __future__ import annotations

import gc
import socket
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from helpers import settle, until
from wires import bare, reset

import goish
from goish import WaitGroup
from goish.net import Conn, listen

Spawn = Callable[..., Any]


async def echo(conn: Conn) -> None:
    async with conn:
        try:
            async for data in conn:
                await conn.write(data)
        except ConnectionError:
            pass


@pytest.mark.slow
async def test_ten_thousand_resets_leave_memory_flat(spawn: Spawn) -> None:
    with listen("127.0.0.1:0") as listener:
        wg = WaitGroup()

        async def serve() -> None:
            async for conn in listener:
                wg.go(echo, conn)

        server = spawn(serve)

        async def storm(n: int) -> None:
            for i in range(n):
                with socket.create_connection(listener.addr) as client:
                    client.send(b"x")
                    await settle(1 + i % 4)
                    reset(client)
            await until(lambda: listener.statistics().ready == 0)
            await wg.wait()
            await settle(20)
            gc.collect()
            gc.collect()  # without the GIL what the first has freed is given back by the next

        await storm(500)
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            await storm(10_000)
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert after - before < 200_000, "20 bytes for each connection are noise"
    await server


async def test_an_idle_connection_with_its_goroutine_takes_under_two_kib() -> None:
    """Beside its transport."""
    n = 1000

    async def idle(conn: Conn) -> None:
        while await conn.read():
            pass

    tracemalloc.start()
    try:
        conns: list[Any] = [bare() for _ in range(n)]
        before, _ = tracemalloc.get_traced_memory()
        more = [bare() for _ in range(n)]
        wires, _ = tracemalloc.get_traced_memory()
        for conn, _ in more:
            goish.go(idle, conn)
        await settle()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - wires) / n < 2048, "the goroutine"
    assert (wires - before) / n < 2048, "the connection, with the transport of these tests"
    for conn, wire in (*conns, *more):
        wire.protocol.eof_received()
        conn.close()
    await settle()
