"""WebSockets of ASGI, with the client of the package websockets on loopback, or its sans-I/O layer in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgi_kit import App, Peer, Receive, Scope, Send, served

import goish
from goish import chan, http
from goish.sync import Event

websockets = pytest.importorskip("websockets")
pytest.importorskip("httptools")

from websockets.client import ClientProtocol  # noqa: E402
from websockets.exceptions import ConnectionClosed, InvalidStatus  # noqa: E402
from websockets.frames import Frame, Opcode  # noqa: E402
from websockets.uri import parse_uri  # noqa: E402


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    assert (await receive()) == {"type": "websocket.connect"}
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


@asynccontextmanager
async def serving(app: App, **options: Any) -> AsyncIterator[tuple[http.AsgiServer, str]]:
    async with http.serve_asgi(app, "127.0.0.1:0", lifespan="off", **options) as srv:
        yield srv, f"ws://127.0.0.1:{srv.addr[1]}"


class Client:
    """A client in memory: it sends and reads no more than it is told to."""

    def __init__(self, peer: Peer, **options: Any) -> None:
        self.peer = peer
        self.protocol = ClientProtocol(parse_uri("ws://server/"), **options)
        self.protocol.send_request(self.protocol.connect())

    async def flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                await self.peer.say(data)

    async def event(self) -> Any:
        """The next one, or None at the end."""
        await self.flush()
        while not (events := self.protocol.events_received()):
            data = await self.peer.conn.read()
            if not data:
                return None
            self.protocol.receive_data(data)
        (event,) = events
        return event


@asynccontextmanager
async def client_of(app: App, **options: Any) -> AsyncIterator[tuple[Any, Client]]:
    async with served(app, **options) as server, server.peer() as peer:
        client = Client(peer)
        response = await client.event()
        assert response.status_code == 101
        yield server, client


# ── messages ──


async def test_messages_come_back_over_tls(run, contexts):
    async with http.serve_asgi(echo, "127.0.0.1:0", lifespan="off", ssl=contexts[0]) as srv:
        url = f"wss://127.0.0.1:{srv.addr[1]}/"
        async with websockets.connect(url, ssl=contexts[1], server_hostname="goish.test", proxy=None) as client:
            for message in ("text", b"bytes", "long " * 100_000):
                await client.send(message)
                assert await client.recv() == message
    async with http.serve_asgi(echo, "127.0.0.1:0", lifespan="off", ssl=contexts[0]) as srv:
        url = f"wss://127.0.0.1:{srv.addr[1]}/"
        async with websockets.connect(url, ssl=contexts[1], server_hostname="goish.test", proxy=None) as client:
            ending = goish.go(srv.shutdown)
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert client.close_code == 1012
        assert (await ending).cut == ()


@pytest.mark.parametrize("deflate", [False, True])
async def test_messages_come_back(run, deflate):
    async with serving(echo, ws_per_message_deflate=deflate) as (_, url), websockets.connect(url) as ws:
        assert bool(ws.protocol.extensions) == deflate
        for message in ("text", b"bytes", "", b"", "ä" * 1000, bytes(100_000)):
            await ws.send(message)
            assert await ws.recv() == message


async def test_fragments_are_put_together(run):
    async with serving(echo) as (_, url), websockets.connect(url) as ws:
        await ws.send(["a", "b", "c"])
        assert await ws.recv() == "abc"
        await ws.send([b"a", b"b"])
        assert await ws.recv() == b"ab"


@pytest.mark.parametrize("split", [1, 3])
async def test_frames_may_come_in_pieces(run, split):
    async with client_of(echo, split=split) as (_, client):
        client.protocol.send_text(b"hello")
        assert (await client.event()).data == b"hello"


async def test_ping_is_answered_while_the_app_does_not_read(run):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await chan().recv()

    async with serving(app) as (srv, url):
        async with websockets.connect(url) as ws:
            await (await ws.ping())
            srv.close()


async def test_app_that_does_not_read_makes_its_client_wait(run):
    go_on, count = Event(), 1000

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await go_on.wait()
        sizes = [len((await receive())["bytes"]) for _ in range(count)]
        await send({"type": "websocket.send", "text": str(sum(sizes))})
        await receive()

    async with client_of(app) as (_, client):
        for _ in range(count):
            client.protocol.send_binary(bytes(1 << 14))
            for data in client.protocol.data_to_send():
                if not client.peer.conn.try_write(data):
                    go_on.set()
                    await client.peer.say(data)
        assert go_on.is_set(), "all of it was taken in, and nobody had read it"
        assert (await client.event()).data == str(count << 14).encode()


# ── the handshake ──


async def test_scope_of_a_websocket(run):
    scopes = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "b", "headers": [(b"x-a", b"1")]})

    async with serving(app) as (_, url), websockets.connect(url + "/p?q", subprotocols=["a", "b"]) as ws:
        assert ws.subprotocol == "b"
        assert ws.response.headers["x-a"] == "1"
    (scope,) = scopes
    assert (scope["type"], scope["scheme"], scope["path"], scope["query_string"]) == ("websocket", "ws", "/p", b"q")
    assert scope["subprotocols"] == ["a", "b"]
    assert "websocket.http.response" in scope["extensions"]
    assert "method" not in scope


async def test_close_before_the_accept_is_403(run):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close"})

    async with serving(app) as (_, url):
        with pytest.raises(InvalidStatus) as raised:
            await websockets.connect(url)
    assert raised.value.response.status_code == 403


async def test_denial_has_the_response_of_the_app(run):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-a", b"1")]})
        await send({"type": "websocket.http.response.body", "body": b"not ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"you"})

    async with serving(app) as (_, url):
        with pytest.raises(InvalidStatus) as raised:
            await websockets.connect(url)
    response = raised.value.response
    assert (response.status_code, response.headers["x-a"], bytes(response.body)) == (401, "1", b"not you")


@pytest.mark.parametrize("error", [None, ValueError("of the app")])
async def test_app_that_ends_without_an_answer_is_a_500(run, caplog, error):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if error:
            raise error

    async with serving(app) as (_, url):
        with pytest.raises(InvalidStatus) as raised:
            await websockets.connect(url)
    assert raised.value.response.status_code == 500
    assert "of the app" in caplog.text if error else "without websocket.accept" in caplog.text


async def test_handshake_that_is_none_never_reaches_the_app(run):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    upgrade = ("Connection: Upgrade", "Upgrade: websocket")
    async with served(app) as server:
        async with server.peer() as peer:
            assert (await peer.get("/", *upgrade)).status == 400
        async with server.peer() as peer:
            fields = ("Sec-WebSocket-Version: 7", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
            answer = await peer.get("/", *upgrade, *fields)
            assert (answer.status, answer.headers["sec-websocket-version"]) == (426, "13")


async def test_server_that_takes_no_websocket_gives_the_request_to_the_app(run):
    types = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        types.append(scope["type"])
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    async with serving(app, ws=False) as (_, url):
        with pytest.raises(InvalidStatus):
            await websockets.connect(url)
    assert types == ["http"]


async def test_package_too_old_for_websockets_is_named_once_and_the_app_gets_the_request(run, caplog, monkeypatch):
    types = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        types.append(scope["type"])
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    monkeypatch.setattr("websockets.version.version", "16.1.1")
    async with serving(app) as (_, url):
        for _ in range(2):
            with pytest.raises(InvalidStatus):
                await websockets.connect(url)
    assert types == ["http", "http"]
    (record,) = caplog.records
    assert record.getMessage() == (
        "no WebSockets: goish.http needs websockets 17 or later, and 16.1.1 is installed: pip install 'goish[http]'"
    )


# ── the close ──


async def closed(ws: Any) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as raised:
        await ws.recv()
    assert raised.value.rcvd is not None
    return raised.value.rcvd.code, raised.value.rcvd.reason


async def test_app_hears_how_its_client_has_closed(run):
    ends = chan(1)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        first, again = await receive(), await receive()
        assert first == again
        try:
            await send({"type": "websocket.send", "text": "late"})
        except OSError as error:
            await ends.send((first, type(error)))

    async with serving(app) as (_, url):
        async with websockets.connect(url) as ws:
            await ws.close(4001, "enough")
        message, error = await ends.recv()
    assert message == {"type": "websocket.disconnect", "code": 4001, "reason": "enough"}
    assert error is http.ClientDisconnected


async def test_app_hears_that_the_connection_is_lost(run):
    ends = chan(1)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await ends.send(await receive())

    async with served(app) as server:
        async with server.peer() as peer:
            await Client(peer).event()
        assert (await ends.recv())["code"] == 1006


async def test_close_of_the_app_has_its_code(run):
    codes = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4000, "reason": "so"})
        codes.append((await receive())["code"])
        with pytest.raises((RuntimeError, OSError)):
            await send({"type": "websocket.send", "text": "late"})

    async with serving(app) as (_, url), websockets.connect(url) as ws:
        assert await closed(ws) == (4000, "so")
    assert codes == [4000]


async def test_app_that_returns_closes(run):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})

    async with serving(app) as (_, url), websockets.connect(url) as ws:
        assert await closed(ws) == (1000, "")


async def test_app_that_fails_closes_with_1011(run, caplog):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        raise ValueError("of the app")

    async with serving(app) as (_, url), websockets.connect(url) as ws:
        assert (await closed(ws))[0] == 1011
    assert "of the app" in caplog.text


async def test_message_that_is_too_large_closes_with_1009(run):
    async with serving(echo, ws_max_size=100) as (_, url), websockets.connect(url) as ws:
        await ws.send(bytes(101))
        assert (await closed(ws))[0] == 1009


async def test_text_that_is_no_utf_8_closes_with_1007(run):
    async with client_of(echo) as (_, client):
        client.protocol.send_frame(Frame(Opcode.TEXT, b"\xff"))
        while (event := await client.event()) is not None and event.opcode is not Opcode.CLOSE:
            pass
        assert client.protocol.close_rcvd.code == 1007


async def test_shutdown_closes_with_1012_and_the_app_hears_of_it(run):
    ends = chan(1)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await ends.send(await receive())

    async with serving(app) as (srv, url), websockets.connect(url) as ws:
        report = await srv.shutdown()
        assert report.cut == ()
        assert await closed(ws) == (1012, "")
    assert (await ends.recv())["code"] == 1012


async def test_silent_client_is_asked_and_given_up(virtual):
    ends = chan(1)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        began = asyncio.get_running_loop().time()
        message = await receive()
        await ends.send((message["code"], round(asyncio.get_running_loop().time() - began)))

    async with served(app, ws_ping_interval=20, ws_ping_timeout=5) as server, server.peer() as peer:
        client = Client(peer)
        await client.event()
        for _ in range(2):  # it answers twice, and then no more
            frame = await client.event()
            assert frame.opcode is Opcode.PING
        assert (await client.event()).opcode is Opcode.PING
        assert await ends.recv() == (1006, 65)


# ── the app speaks out of turn ──


@pytest.mark.parametrize(
    ("accepts", "message"),
    [
        (False, {"type": "websocket.send", "text": "early"}),
        (True, {"type": "websocket.accept"}),
        (True, {"type": "websocket.http.response.start", "status": 200}),
        (True, {"type": "websocket.send"}),
        (True, {"type": "websocket.send", "text": "a", "bytes": b"b"}),
        (False, {"type": "websocket.accept", "headers": [(b"a", b"b\r\nc: d")]}),
        (False, {"type": "http.response.start", "status": 200}),
    ],
)
async def test_message_out_of_turn_is_an_error_in_the_app(run, accepts, message):
    errors = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if accepts:
            await send({"type": "websocket.accept"})
        try:
            await send(message)
        except (RuntimeError, TypeError, ValueError) as error:
            errors.append(error)
        await send({"type": "websocket.close"})

    async with serving(app) as (_, url):
        try:
            async with websockets.connect(url) as ws:
                await closed(ws)
        except InvalidStatus:
            assert not accepts
    assert len(errors) == 1
    await goish.gosched()
