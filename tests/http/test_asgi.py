"""ASGI: what an app is told of a request, and what becomes of its response. In memory."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from typing import Any

import pytest
from asgi_kit import Receive, Scope, Send, read_body, respond, served

import goish
from goish import chan, context, current_goroutine, go, http, sleep
from goish.sync import Event

pytest.importorskip("httptools")


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, b"hello", 200, (b"content-type", b"text/plain"))


# ── the scope ──


async def scope_of(target: str, *fields: str, **options: Any) -> Scope:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await respond(send)

    async with served(app, **options) as server, server.peer() as peer:
        await peer.get(target, *fields)
    return seen[0]


async def test_scope_tells_the_request(run):
    scope = await scope_of("/a%20b/%C3%A4?x=1&y=%20", "X-Two: 1", "x-two: 2")
    assert scope["type"] == "http"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert (scope["method"], scope["http_version"], scope["scheme"]) == ("GET", "1.1", "http")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a b/ä", b"/a%20b/%C3%A4", b"x=1&y=%20")
    assert scope["headers"] == [(b"host", b"server"), (b"x-two", b"1"), (b"x-two", b"2")]
    assert scope["server"] == ("server", 80)
    assert scope["client"][0] == "client"
    assert scope["root_path"] == ""


async def test_scope_of_an_absolute_target_has_its_path_and_its_host(run):
    scope = await scope_of("http://other:8/a?b", "X: 1")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a", b"/a", b"b")
    assert scope["headers"] == [(b"host", b"other:8"), (b"x", b"1")]


async def test_root_path_is_before_the_path(run):
    scope = await scope_of("/a", root_path="/api/")
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/api", "/api/a", b"/api/a")


async def test_what_one_request_changes_in_its_scope_no_other_sees(run):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen = len(scope["headers"]), "x" in scope["state"], "x" in scope["extensions"]
        scope["headers"].append((b"x", b"y"))
        scope["state"]["x"] = scope["extensions"]["x"] = 1
        await respond(send, repr(seen).encode())

    async with served(app) as server, server.peer() as peer:
        assert (await peer.get()).body == (await peer.get()).body == b"(1, False, False)"


async def test_each_request_is_a_goroutine_with_variables_of_its_own(run):
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    tasks = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found = variable.get()
        variable.set("set")
        tasks.append(asyncio.current_task())
        assert current_goroutine() is asyncio.current_task()
        await respond(send, found.encode())

    async with served(app) as server, server.peer() as peer:
        assert [(await peer.get()).body for _ in range(2)] == [b"unset", b"unset"]
    assert len(set(tasks)) == 2


# ── the body ──


@pytest.mark.parametrize("split", [None, 1, 7])
@pytest.mark.parametrize("chunked", [False, True])
async def test_body_comes_as_a_whole(run, split, chunked):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, await read_body(receive))

    async with served(app, split=split) as server, server.peer() as peer:
        for _ in range(2):
            if chunked:
                await peer.ask("/", "Transfer-Encoding: chunked", method="POST")
                await peer.say("3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n")
                assert (await peer.answer()).body == b"abcdefg"
            else:
                assert (await peer.get(body=b"abcdefg", method="POST")).body == b"abcdefg"


async def test_last_piece_of_a_body_says_so(run):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, repr(await receive()).encode())

    async with served(app) as server, server.peer() as peer:
        answer = await peer.get(body=b"abc", method="POST")
        assert answer.body == b"{'type': 'http.request', 'body': b'abc', 'more_body': False}"


async def test_client_waits_for_100_until_the_app_reads(run):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, await read_body(receive))

    async with served(app) as server, server.peer() as peer:
        await peer.ask("/", "Expect: 100-continue", "Content-Length: 3", method="POST")
        assert (await peer.head()).status == 100
        await peer.say("abc")
        assert (await peer.answer()).body == b"abc"


async def test_body_that_is_too_large_is_413(run):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, await read_body(receive))

    async with served(app, max_body=2) as server, server.peer() as peer:
        assert (await peer.get(body=b"abc", method="POST")).status == 413


async def test_app_that_does_not_read_makes_its_client_wait(run):
    read, sent = Event(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read.wait()
        await respond(send, b"%d" % len(await read_body(receive)))

    async with served(app) as server, server.peer() as peer:
        size = 10 << 20
        await peer.ask("/", f"Content-Length: {size}", method="POST")
        for _ in range(size >> 16):
            if not peer.conn.try_write(bytes(1 << 16)):
                read.set()
                await peer.conn.write(bytes(1 << 16))
            sent.append(1)
        assert read.is_set(), "all of it was taken in, and nobody had read it"
        assert (await peer.answer()).body == b"%d" % size


# ── the response ──


async def test_head_is_sent_as_the_app_gives_it(run):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, b"abc", 201, (b"X-A", b"1"), (b"x-b", "ä".encode("latin-1")))

    async with served(app) as server, server.peer() as peer:
        answer = await peer.get()
        assert (answer.status, answer.body) == (201, b"abc")
        assert (answer.headers["x-a"], answer.headers["x-b"], answer.headers["content-length"]) == ("1", "ä", "3")
        assert "date" in answer.headers


async def test_date_of_the_app_is_the_only_one(run):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, b"", 200, (b"date", b"today"))

    async with served(app) as server, server.peer() as peer:
        await peer.ask()
        assert (await peer.conn.read_until(b"\r\n\r\n")).lower().count(b"date:") == 1


async def test_streamed_body_arrives_piece_by_piece(run):
    step = chan()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        for piece in (b"one", b"two", b""):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await step.recv()
        await send({"type": "http.response.body"})

    async with served(app) as server, server.peer() as peer:
        await peer.ask()
        assert (await peer.head()).headers["transfer-encoding"] == "chunked"
        for piece in (b"one", b"two"):
            assert await peer.chunk() == piece
            await step.send(None)
        await step.send(None)
        assert await peer.chunk() == b""


async def test_streamed_body_with_a_length_is_not_cut_into_chunks(run):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        await send({"type": "http.response.body", "body": bytearray(b"def")})

    async with served(app) as server, server.peer() as peer:
        for _ in range(2):
            assert (await peer.get()).body == b"abcdef"


async def test_streamed_body_for_http_1_0_ends_with_the_connection(run):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        await send({"type": "http.response.body", "body": b"def"})

    async with served(app) as server, server.peer() as peer:
        await peer.say("GET / HTTP/1.0\r\n\r\n")
        assert (await peer.answer()).body == b"abcdef"


@pytest.mark.parametrize("streamed", [False, True])
async def test_head_request_has_the_head_only(run, streamed):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
        if streamed:
            await send({"type": "http.response.body", "body": b"ab", "more_body": True})
        await send({"type": "http.response.body", "body": b"c" if streamed else b"abc"})

    async with served(app) as server, server.peer() as peer:
        for _ in range(2):
            assert (await peer.get(method="HEAD")).headers["content-length"] == "3"


async def test_slow_reader_makes_the_app_wait(run):
    sent = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        for _ in range(1000):
            await send({"type": "http.response.body", "body": bytes(1 << 16), "more_body": True})
            sent.append(1)
        await send({"type": "http.response.body"})

    async with served(app) as server, server.peer() as peer:
        await peer.ask()
        await peer.head()
        for _ in range(100):
            await goish.gosched()
        assert len(sent) < 100
        size = 0
        while piece := await peer.chunk():
            size += len(piece)
        assert size == 1000 << 16


@pytest.mark.parametrize("size", [0, 10, 65536, 200_000])
@pytest.mark.parametrize("declared", [True, False])
async def test_file_is_sent_by_its_path(run, tmp_path, size, declared):
    path = tmp_path / "file"
    path.write_bytes(data := bytes(i % 251 for i in range(size)))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert "http.response.pathsend" in scope["extensions"]
        headers = [(b"content-length", b"%d" % size)] if declared else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.pathsend", "path": str(path)})

    async with served(app) as server, server.peer() as peer:
        for method, body in (("GET", data), ("HEAD", b""), ("GET", data)):
            answer = await peer.get(method=method)
            assert (answer.status, answer.body) == (200, body)


async def test_file_that_is_not_there_is_a_500(run, tmp_path, caplog):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.pathsend", "path": str(tmp_path / "none")})

    async with served(app) as server, server.peer() as peer:
        assert (await peer.get()).status == 500
    assert "FileNotFoundError" in caplog.text


async def test_what_a_failed_app_has_left_behind_is_told_of_a_disconnect(run, caplog):
    left: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        left.extend((asyncio.create_task(receive()), send))
        raise LookupError

    async with served(app) as server, server.peer() as peer:
        assert (await peer.get(body=b"body", method="POST")).status == 500
        receiving, send = left
        assert (await receiving)["type"] == "http.disconnect"
        with pytest.raises(http.ClientDisconnected):
            await send({"type": "http.response.start", "status": 200})
    assert "LookupError" in caplog.text


async def test_trailers_and_early_hints(run):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
        await send({"type": "http.response.start", "status": 200, "trailers": True})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        await send({"type": "http.response.body"})
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]})

    async with served(app) as server, server.peer() as peer:
        for _ in range(2):
            await peer.ask()
            hint = await peer.head()
            assert (hint.status, hint.headers["link"]) == (103, "</a.css>; rel=preload")
            assert (await peer.head()).status == 200
            assert await peer.chunk() == b"abc"
            assert await peer.conn.read_until(b"\r\n\r\n") == b"0\r\nx-sum: 1\r\n\r\n"


async def test_pipelined_requests_are_answered_in_their_order(run):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await goish.gosched()
        await respond(send, scope["raw_path"])

    async with served(app) as server, server.peer() as peer:
        await peer.say("".join(f"GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n" for n in range(20)))
        assert [(await peer.answer()).body for n in range(20)] == [b"/%d" % n for n in range(20)]


# ── what is wrong with a response ──

BAD = {
    "a body first": [{"type": "http.response.body"}],
    "an unknown type": [{"type": "http.response.begin"}],
    "a line break in a value": [{"type": "http.response.start", "status": 200, "headers": [(b"a", b"b\r\nc: d")]}],
    "a line break in a name": [{"type": "http.response.start", "status": 200, "headers": [(b"a\r\nb", b"c")]}],
    "a str in the headers": [{"type": "http.response.start", "status": 200, "headers": [("a", "b")]}],
    "no status": [{"type": "http.response.start", "status": 20}],
    "a length that is none": [{"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"x")]}],
    "too much": [
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]},
        {"type": "http.response.body", "body": b"abc"},
    ],
    "too little": [
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]},
        {"type": "http.response.body", "body": b"abc"},
    ],
    "a body for 204": [{"type": "http.response.start", "status": 204}, {"type": "http.response.body", "body": b"a"}],
    "a head and no body": [{"type": "http.response.start", "status": 200}],
    "nothing": [],
}


@pytest.mark.parametrize("messages", BAD.values(), ids=BAD)
async def test_bad_response_is_a_500_and_logged(run, caplog, messages):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    async with served(app) as server:
        async with server.peer() as peer:
            assert (await peer.get()).status == 500
        async with server.peer() as peer:
            assert (await peer.get()).status == 500, "the server has ended"
    assert "panic serving" in caplog.text


async def test_app_that_fails_is_a_500(run, caplog):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("of the app")

    async with served(app) as server, server.peer() as peer:
        assert (await peer.get()).status == 500
    assert "of the app" in caplog.text


async def test_app_that_fails_within_its_response_cuts_the_connection(run, caplog):
    seen = Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        await seen.wait()
        raise ValueError("of the app")

    async with served(app) as server, server.peer() as peer:
        await peer.ask()
        await peer.head()
        assert await peer.chunk() == b"abc"
        seen.set()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await peer.chunk()


async def test_message_after_the_response_is_an_error(run):
    errors = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send)
        try:
            await send({"type": "http.response.body"})
        except RuntimeError as error:
            errors.append(str(error))

    async with served(app) as server, server.peer() as peer:
        await peer.get()
    assert errors == ["the app has sent 'http.response.body', but its response is over"]


# ── background tasks ──


async def test_background_task_does_not_hold_up_the_next_request(run):
    go_on, done = Event(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, scope["raw_path"])
        if scope["path"] == "/first":
            await go_on.wait()
            done.append(1)

    async with served(app) as server, server.peer() as peer:
        assert (await peer.get("/first")).body == b"/first"
        assert (await peer.get("/second")).body == b"/second"
        assert not done
        go_on.set()
    assert done == [1], "the shutdown has not waited for it"


async def test_client_that_leaves_after_its_response_does_not_cancel_the_background_task(run):
    go_on, done = Event(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send)
        await go_on.wait()
        done.append((await receive())["type"])

    async with served(app) as server:
        async with server.peer() as peer:
            await peer.get()
        go_on.set()
    assert done == ["http.disconnect"]


async def test_background_task_that_fails_is_logged(run, caplog):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send)
        raise ValueError("behind the response")

    async with served(app) as server, server.peer() as peer:
        assert (await peer.get()).status == 200
        assert (await peer.get()).status == 200
    assert "behind the response" in caplog.text


# ── the client leaves ──


async def test_app_whose_client_has_left_is_cancelled(run):
    began, ends = Event(), chan(1)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        began.set()
        try:
            await chan().recv()
        except asyncio.CancelledError:
            await ends.send("cancelled")
            raise

    async with served(app) as server:
        async with server.peer() as peer:
            await peer.ask()
            await began.wait()
        assert await ends.recv() == "cancelled"


async def test_app_that_listens_is_told_and_not_cancelled(run):
    began, ends = Event(), chan(1)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "http.request"
        began.set()
        message = await receive()
        try:
            await respond(send)
        except OSError as error:
            await ends.send((message["type"], type(error)))

    async with served(app) as server:
        async with server.peer() as peer:
            await peer.ask()
            await began.wait()
        assert await ends.recv() == ("http.disconnect", http.ClientDisconnected)


async def test_app_is_not_cancelled_if_the_server_says_so(run):
    began, go_on, ends = Event(), Event(), chan(1)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        began.set()
        await go_on.wait()
        await receive()
        await ends.send((await receive())["type"])

    async with served(app, cancel_on_disconnect=False) as server:
        async with server.peer() as peer:
            await peer.ask()
            await began.wait()
        go_on.set()
        assert await ends.recv() == "http.disconnect"


async def test_client_that_leaves_within_its_body(run):
    began, ends = Event(), chan(1)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        began.set()
        await ends.send([(await receive())["type"], (await receive())["type"]])

    async with served(app) as server:
        async with server.peer() as peer:
            await peer.ask("/", "Content-Length: 5", method="POST")
            await peer.say("ab")
            await began.wait()
            for _ in range(10):
                await goish.gosched()
        assert await ends.recv() == ["http.request", "http.disconnect"]


# ── the shutdown ──


async def test_app_hears_of_the_shutdown_by_the_extension(run):
    began = Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"tick", "more_body": True})
        began.set()
        await scope["extensions"]["http.shutdown"]["closing"].recv_ok()
        await send({"type": "http.response.body", "body": b"bye"})

    async with served(app) as server, server.peer() as peer:
        await peer.ask()
        await began.wait()
        report = await server.srv.shutdown()
        assert report.cut == ()
        await peer.head()
        assert [await peer.chunk() for _ in range(3)] == [b"tick", b"bye", b""]


async def test_app_is_ready_until_a_shutdown_begins(virtual):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found = scope["extensions"]["http.shutdown"]
        await respond(send, b"%d %d" % (found["ready"], found["closing"].closed))

    async with served(app) as server, server.peer() as peer:
        assert (await peer.get()).body == b"1 0"
        ending = go(server.srv.shutdown, drain_delay=5)
        await sleep(1)
        assert (await peer.get()).body == b"0 0"  # it goes on, and closes nothing yet
        await ending


async def test_app_that_does_not_end_is_cut_at_the_limit(run, caplog):
    began, ends = Event(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        began.set()
        try:
            await chan().recv()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    async with served(app) as server, server.peer() as peer:
        await peer.ask()
        await began.wait()
        ctx, cancel = context.with_cancel(context.background())
        cancel()
        report = await server.srv.shutdown(ctx)
        assert len(report.cut) == 1
    assert ends == ["cancelled"]


async def test_background_task_that_does_not_end_is_cut_at_the_limit(run, caplog):
    ends = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send)
        try:
            await chan().recv()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    async with served(app) as server, server.peer() as peer:
        await peer.get()
        ctx, cancel = context.with_timeout(context.background(), 0.01)
        await server.srv.shutdown(ctx)
        cancel()
    assert ends == ["cancelled"]
    assert "a task of the app was cut" in caplog.text


async def test_access_log_has_a_line_for_each_request(run, caplog):
    caplog.set_level(logging.INFO, "goish.http.access")
    async with served(hello, access_log=True) as server, server.peer() as peer:
        await peer.get("/a?b")
    assert '"GET /a?b HTTP/1.1" 200' in caplog.text


# ── apps that are none ──


def test_app_is_found_by_its_name():
    with pytest.raises(ValueError, match='an app is "module:name"'):
        http.serve_asgi("main", "127.0.0.1:0")
    with pytest.raises(ModuleNotFoundError, match="no module 'no_such_module'"):
        http.serve_asgi("no_such_module:app", "127.0.0.1:0")
    with pytest.raises(AttributeError, match="the module 'json' has no 'app'"):
        http.serve_asgi("json:app", "127.0.0.1:0")
    with pytest.raises(TypeError, match="an ASGI app is called with"):
        http.serve_asgi("json:__name__", "127.0.0.1:0")
    with pytest.raises(TypeError, match="ASGI 2"):
        http.serve_asgi(lambda scope: None, "127.0.0.1:0")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("lifespan", "yes"),
        ("ws_max_size", 0),
        ("ws_ping_interval", -1),
        ("root_path", 3),
        ("factory", 3),
        ("grace", "x"),
    ],
)
def test_options_that_are_none(option, value):
    with pytest.raises((TypeError, ValueError), match=option):
        http.serve_asgi(hello, "127.0.0.1:0", **{option: value})
