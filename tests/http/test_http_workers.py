"""HTTP servers and ASGI apps in worker processes: one server to the program that has it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import asgi_apps
import http_handlers
import pytest
from conftest import Driver

from goish import go, http, net, sleep
from goish._net import processes as worker_processes
from goish._net import server
from goish._net.connections import ROUND_TRIP

pytest.importorskip("httptools")


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "threads_are_parallel", lambda: False)


async def ask(srv: http.Server, target: str) -> bytes:
    async with await net.dial(srv.addr) as conn:
        await conn.write(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        return b"".join([data async for data in conn]).rpartition(b"\r\n\r\n")[2]


async def until_equal(get: Callable[[], object], expected: object) -> None:
    while get() != expected:
        await sleep(0.01)


async def test_statistics_are_of_all_workers_and_of_those_that_were_replaced(run: Driver, processes: None) -> None:
    async with http.serve(http_handlers.mux, "127.0.0.1:0", workers=2, max_headers=3) as srv:
        for _ in range(10):
            await ask(srv, "/process/1")
        async with await net.dial(srv.addr) as conn:
            await conn.write(b"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n")
            assert (await conn.read()).startswith(b"HTTP/1.1 431 ")
        await srv.replace_workers()
        await ask(srv, "/process/1")
        await until_equal(lambda: (srv.statistics().requests, srv.statistics().connections), (11, 0))
        assert srv.statistics().refused == {"headers": 1}
    assert srv.statistics().requests == 11


async def post(conn: net.Conn) -> tuple[bytes, bool]:
    """The process that has answered, and whether that was the last answer; b"" where there is none."""
    try:
        await conn.write(b"POST /process/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        head = (await conn.read_until(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return await conn.read_exactly(length), b"connection: close" in head
    except (OSError, asyncio.IncompleteReadError):
        return b"", True


async def test_clients_that_keep_their_connections_hear_of_a_replacement_by_an_answer_and_never_by_a_reset(
    run: Driver, processes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_processes, "SPARED", 3600.0)  # the clients below may be slow
    async with http.serve(http_handlers.mux, "127.0.0.1:0", workers=2, grace=None) as srv:
        kept = {await net.dial(srv.addr): b"" for _ in range(6)}
        for conn in kept:
            kept[conn], _ = await post(conn)
        before = set(kept.values())
        replacing = go(srv.replace_workers)
        answers: list[bytes] = []
        while not replacing.done():
            await sleep(2 * ROUND_TRIP)  # longer than a server that ends takes a client for a busy one
            for conn in list(kept):
                answer, is_last = await post(conn)
                answers.append(answer)
                assert answer in {b"", kept[conn]}
                if is_last:
                    del kept[conn]
                    conn.close()
        await replacing
        assert len(before) > 0 and all(answers) and before == set(answers)
        assert not kept


async def test_an_app_is_served_by_processes_each_with_its_lifespan(run: Driver) -> None:
    async with http.serve_asgi("asgi_apps:tells_process", "127.0.0.1:0", workers=2) as srv:
        found: set[bytes] = set()
        while len(found) < 2:
            found.add(await ask(srv, "/"))
        replacing = go(srv.replace_workers)
        while not replacing.done():
            assert await ask(srv, "/")
        await replacing
        assert b"%d" % os.getpid() not in found and await ask(srv, "/") not in found


async def test_an_app_that_does_not_start_in_its_process_raises_here(
    run: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOISH_TEST_APP", "no database")
    with pytest.raises(http.LifespanFailed, match="no database"):
        async with http.serve_asgi("asgi_apps:tells_process", "127.0.0.1:0", workers=2):
            pass


def test_an_app_that_no_process_could_import_is_refused() -> None:
    async def local(scope: Any, receive: Any, send: Any) -> None: ...

    with pytest.raises(TypeError, match='which import the app by its name: give it as "module:name"'):
        http.serve_asgi(local, "127.0.0.1:0", workers=2)
    http.serve_asgi(asgi_apps.tells_process, "127.0.0.1:0", workers=2).close()
