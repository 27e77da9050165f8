"""slowhttptest, on real sockets: clients that are slow on purpose are cut and counted, others are served meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from commands import begin
from conftest import Driver
from sites import SITES

from goish import go

pytestmark = pytest.mark.parametrize("kind", SITES)

SLOW = 20


@asynccontextmanager
async def attacked(kind: str, path: str, *options: str, **timeouts: float) -> AsyncIterator[tuple[Any, Any]]:
    """A server under attack, until the end of the block; one that others use all the time."""
    async with SITES[kind]("127.0.0.1:0", **timeouts) as srv:
        url = f"http://127.0.0.1:{srv.addr[1]}"
        served = 0

        async def others() -> None:
            nonlocal served
            async with httpx.AsyncClient() as client:
                while True:
                    assert (await client.get(f"{url}/hello/ann")).text == "hello ann"
                    served += 1
                    await asyncio.sleep(0.01)

        command = ("-c", str(SLOW), "-r", "200", "-l", "600", "-p", "600", *options, "-u", url + path)
        attack = await begin("slowhttptest", *command)
        asking = go(others)
        reading = asyncio.create_task(attack.communicate())
        try:
            yield srv, attack
            before = served
            while served < before + 10:
                assert not asking.done()
                await asyncio.sleep(0.001)
        finally:
            if attack.returncode is None:
                attack.terminate()
            await reading
            asking.cancel()


async def test_clients_with_slow_heads_get_408(run: Driver, kind: str) -> None:
    async with attacked(kind, "/hello/ann", "-H", "-i", "1", read_header_timeout=1) as (srv, attack):
        assert await attack.wait() == 0, "it ends when all its connections are closed"
        assert srv.statistics().refused == {"read_header_timeout": SLOW}
        assert "panics" not in srv.statistics().events


async def test_clients_with_slow_bodies_get_408(run: Driver, kind: str) -> None:
    async with attacked(kind, "/echo", "-B", "-i", "1", "-s", "8192", read_timeout=1) as (srv, attack):
        assert await attack.wait() == 0
        assert srv.statistics().refused == {"read_timeout": SLOW}
        assert "panics" not in srv.statistics().events


async def test_clients_that_read_slowly_are_cut(run: Driver, kind: str) -> None:
    read_slowly = ("-X", "-w", "256", "-y", "512", "-n", "1", "-z", "16")
    async with attacked(kind, "/flood", *read_slowly, write_timeout=1) as (srv, _):
        while srv.statistics().events.get("write_timeout", 0) < SLOW:
            await asyncio.sleep(0.001)
        assert srv.statistics().refused == {}
        assert "panics" not in srv.statistics().events
