"""uvicorn's door: ``uvicorn --http goish.http:Protocol``. uvicorn's server, on loopback, with httpx and websockets."""

from __future__ import annotations

import asyncio

import pytest
from asgi_kit import Receive, Scope, Send, read_body, respond
from uvicorn_kit import serving

import goish
from goish import chan
from goish.sync import Event

pytest.importorskip("uvicorn")
httpx = pytest.importorskip("httpx")
pytest.importorskip("httptools")


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, b"hello " + await read_body(receive), 200, (b"content-type", b"text/plain"))


async def test_requests_are_answered_as_uvicorn_says(run):
    async with serving(hello, headers=[("x-a", "1")]) as running, httpx.AsyncClient() as client:
        for _ in range(3):
            answer = await client.post(running.url, content=b"you")
            assert (answer.status_code, answer.text) == (200, "hello you")
            assert (answer.headers["server"], answer.headers["x-a"]) == ("uvicorn", "1")
            assert "date" in answer.headers
        assert running.server.server_state.total_requests == 3
        assert len(running.server.server_state.connections) == 1
    assert not running.server.server_state.connections
    assert not running.server.server_state.tasks


async def test_headers_of_uvicorn_may_be_left_out(run):
    async with serving(hello, server_header=False, date_header=False) as running, httpx.AsyncClient() as client:
        answer = await client.get(running.url)
        assert "server" not in answer.headers
        assert "date" not in answer.headers


async def test_root_path_and_proxy_headers(run):
    scopes = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await respond(send)

    async with serving(app, root_path="/api") as running, httpx.AsyncClient() as client:
        await client.get(f"{running.url}/a", headers={"x-forwarded-for": "10.0.0.1", "x-forwarded-proto": "https"})
    (scope,) = scopes
    assert (scope["root_path"], scope["path"]) == ("/api", "/api/a")
    assert (scope["scheme"], scope["client"][0]) == ("https", "10.0.0.1")


SMUGGLED = {
    "both lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded field": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("data", SMUGGLED.values(), ids=SMUGGLED)
async def test_what_two_parsers_read_differently_is_refused(run, data):
    async with serving(hello) as running:
        reader, writer = await running.raw(data)
        status = (await reader.readline()).split()[1]
        assert status in (b"400", b"505")
        writer.close()


async def test_app_whose_client_has_left_is_cancelled(run):
    began, ends = Event(), chan(1)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        began.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            await ends.send("cancelled")
            raise

    async with serving(app) as running:
        _, writer = await running.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await began.wait()
        writer.close()
        assert await ends.recv() == "cancelled"


async def test_shutdown_waits_for_what_is_in_progress(run):
    began, go_on = Event(), Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        began.set()
        await go_on.wait()
        await respond(send, b"done")

    async with serving(app) as running:
        idle, idle_writer = await running.raw(b"")
        reader, writer = await running.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await began.wait()
        running.server.should_exit = True
        assert await idle.read() == b"", "the idle one is closed"
        go_on.set()
        answer = await reader.read()
        assert answer.endswith(b"done")
        assert b"connection: close" in answer.lower()
        writer.close()
        idle_writer.close()


async def test_app_that_does_not_end_is_cancelled_by_uvicorn(run, caplog):
    began, ends = Event(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        began.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    async with serving(app, timeout_graceful_shutdown=0) as running:
        reader, writer = await running.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await began.wait()
        running.server.should_exit = True
        await reader.read()
        writer.close()
    assert ends == ["cancelled"]


async def test_limit_of_concurrency_is_a_503(run):
    began, go_on = Event(), Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        began.set()
        await go_on.wait()
        await respond(send)

    async with serving(app, limit_concurrency=1) as running, httpx.AsyncClient() as client:
        first = goish.go(client.get, running.url)
        await began.wait()
        assert (await client.get(running.url)).status_code == 503
        go_on.set()
        assert (await first).status_code == 200


async def test_access_log_is_that_of_uvicorn(run, caplog):
    caplog.set_level("INFO", "uvicorn.access")
    async with serving(hello) as running, httpx.AsyncClient() as client:
        await client.get(f"{running.url}/a?b=1")
    assert '"GET /a?b=1 HTTP/1.1" 200' in caplog.text


async def test_limit_of_requests_ends_the_server(run):
    async with serving(hello, limit_max_requests=2) as running, httpx.AsyncClient() as client:
        for _ in range(2):
            await client.get(running.url)
        await running.over


async def test_websockets(run):
    websockets = pytest.importorskip("websockets")
    ends = chan(1)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})
        await ends.send(message["code"])

    async with serving(app) as running:
        ws = await websockets.connect(f"ws://127.0.0.1:{running.port}")
        await ws.send("hello")
        assert await ws.recv() == "hello"
        running.server.should_exit = True
        assert await ends.recv() == 1012
        await ws.close()
