"""The server: requests in, responses out, on connections that stay."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
from pathlib import Path
from typing import Any

import pytest
from certificates import Contexts
from conftest import Driver
from helpers import settle, until
from http_requests import CHECKS
from http_wires import read_response, request, serving

import goish
from goish import chan, context, http, net, sleep
from goish.http import Request, ResponseWriter


async def hello(w: ResponseWriter, r: Request) -> None:
    await w.write(b"hello")


async def echo(w: ResponseWriter, r: Request) -> None:
    await w.write(await r.read())


# ── one request after the other ──


async def test_an_idle_connection_holds_nothing_of_its_last_request(virtual: Driver) -> None:
    body = bytearray(b"a body of its own")

    async def give(w: ResponseWriter, r: Request) -> None:
        await w.write(bytes(body))

    def alive() -> list[object]:
        return [thing for thing in gc.get_objects() if type(thing) in (Request, ResponseWriter)]

    earlier = alive()  # of other tests
    async with serving(give) as site, await site.dial() as conn:
        await conn.write(request("GET", "/"))
        assert (await read_response(conn)).body == body
        await settle()
        assert site.srv.statistics().connections == 1
        assert [thing for thing in alive() if not any(thing is other for other in earlier)] == []


async def test_a_connection_is_kept_and_answers_in_order(virtual: Driver) -> None:
    async def path(w: ResponseWriter, r: Request) -> None:
        await sleep(0.01 if r.path == "/0" else 0)
        await w.write(r.path.encode())

    async with serving(path) as site, await site.dial() as conn:
        await conn.write(b"".join(request("GET", f"/{i}") for i in range(20)))
        assert [(await read_response(conn)).body for _ in range(20)] == [b"/%d" % i for i in range(20)]
        await conn.write(request("GET", "/later"))
        assert (await read_response(conn)).body == b"/later"
        assert site.srv.statistics().requests == 21 and site.srv.statistics().connections == 1


@pytest.mark.parametrize(
    ("line", "fields", "kept"),
    [
        ("HTTP/1.1", "", True),
        ("HTTP/1.1", "Connection: close\r\n", False),
        ("HTTP/1.1", "Connection: foo, Close\r\n", False),
        ("HTTP/1.0", "", False),
        ("HTTP/1.0", "Connection: Keep-Alive\r\n", True),
        ("HTTP/1.0", "Connection: keep-alive, close\r\n", False),
    ],
)
async def test_who_asks_for_it_keeps_its_connection(virtual: Driver, line: str, fields: str, kept: bool) -> None:
    async with serving(hello) as site, await site.dial() as conn:
        await conn.write(f"GET / {line}\r\nHost: a\r\n{fields}\r\n".encode())
        response = await read_response(conn)
        assert response.body == b"hello"
        assert response.fields.count(("connection", "close")) == (0 if kept else 1)
        if kept:
            await conn.write(request("GET", "/"))
            assert (await read_response(conn)).body == b"hello"
        else:
            assert await conn.read() == b""


@pytest.mark.parametrize("seed", range(5))
async def test_requests_in_pieces(virtual: Driver, seed: int) -> None:
    async with (
        serving(echo, net.MemoryNetwork(seed=seed, split=7, latency=(0, 0.1))) as site,
        await site.dial() as conn,
    ):
        bodies = [b"x" * n for n in (0, 1, 100, 1000, 0, 50)]
        for body in bodies:
            await conn.write(request("POST", "/", body))
        assert [(await read_response(conn)).body for _ in bodies] == bodies


async def test_the_request_is_what_was_sent(virtual: Driver) -> None:
    seen: dict[str, Any] = {}

    async def look(w: ResponseWriter, r: Request) -> None:
        seen.update(
            method=r.method, target=r.target, path=r.path, raw_path=r.raw_path, query=r.query.fields(), host=r.host,
            version=r.http_version, length=r.content_length, scheme=r.scheme, remote=r.remote_addr[0],
            accept=r.headers["ACCEPT"], cookies=r.headers.get_all("Cookie"), body=await r.read(), again=await r.read(),
            string=r.query_string, pattern=r.pattern, local=r.local_addr,
        )  # fmt: skip

    async with serving(look) as site:
        await site.ask(
            b"PUT /a%20b/c?x=1&y=%26&x= HTTP/1.1\r\nhost: h:80\r\nAccept: */*\r\nCookie: a\r\ncookie:  b \r\n"
            b"Content-Length: 3\r\n\r\nabc"
        )
    assert seen == {
        "method": "PUT", "target": "/a%20b/c?x=1&y=%26&x=", "path": "/a b/c", "raw_path": "/a%20b/c",
        "query": [("x", "1"), ("y", "&"), ("x", "")], "host": "h:80", "version": "1.1", "length": 3, "scheme": "http",
        "remote": "client", "accept": "*/*", "cookies": ["a", "b"], "body": b"abc", "again": b"",
        "string": "x=1&y=%26&x=", "pattern": "", "local": ("server", 80),
    }  # fmt: skip


async def test_the_authority_of_the_target_goes_before_host(virtual: Driver) -> None:
    async def host(w: ResponseWriter, r: Request) -> None:
        await w.text(f"{r.host} {r.path}")

    async with serving(host) as site, await site.dial() as conn:
        for line, expected in (("http://b:8/c?d", b"b:8 /c"), ("http://b", b"b /"), ("/c", b"a /c")):
            await conn.write(request("GET", line))
            assert (await read_response(conn)).body == expected


async def test_a_handler_may_change_its_headers_and_the_next_request_does_not_see_it(virtual: Driver) -> None:
    async def change(w: ResponseWriter, r: Request) -> None:
        await w.text(r.headers.get("X-Seen", "fresh"))
        r.headers["X-Seen"] = "stale"

    async with serving(change) as site, await site.dial() as conn:
        for _ in range(3):
            await conn.write(request("GET", "/"))
            assert (await read_response(conn)).body == b"fresh"


async def test_context_variables_do_not_reach_the_next_request(virtual: Driver) -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")

    async def who(w: ResponseWriter, r: Request) -> None:
        before = user.get()
        user.set(r.path)
        await sleep(0.001)
        await w.text(f"{before} {user.get()}")

    async with serving(who) as site, await site.dial() as conn:
        for i in range(4):
            await conn.write(request("GET", f"/{i}"))
            assert (await read_response(conn)).body == f"nobody /{i}".encode()


# ── refusals ──


async def test_what_is_malformed_reaches_no_handler_and_ends_the_connection() -> None:
    called: list[str] = []

    async def note(w: ResponseWriter, r: Request) -> None:
        body = await r.read()  # a malformed body is met here
        called.append(r.target + body.decode("latin-1"))

    async with serving(note) as site:
        refused = [check for check in CHECKS if check.status]
        for n, check in enumerate(refused, 1):
            answer = await site.exchange(check.data + request("GET", "/smuggled"))
            assert answer.startswith(b"HTTP/1.1 %d " % check.status), (check, answer)
            assert answer.count(b"HTTP/1.1") == 1 and b"\r\nConnection: close\r\n" in answer, check
            assert called == [], check
            assert sum(site.srv.statistics().refused.values()) == n, check


# ── bodies ──


async def test_a_body_is_read_piece_by_piece(virtual: Driver) -> None:
    async def count(w: ResponseWriter, r: Request) -> None:
        pieces = [len(piece) async for piece in r]
        assert await r.read_some() == b""
        await w.text(str(sum(pieces)))

    async with serving(count) as site, await site.dial() as conn:
        await conn.write(request("POST", "/", Transfer_Encoding="chunked"))
        for _ in range(100):
            await conn.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
        await conn.write(b"0\r\n\r\n")
        assert (await read_response(conn)).body == b"102400"


async def test_trailers_are_there_behind_the_body(virtual: Driver) -> None:
    async def sums(w: ResponseWriter, r: Request) -> None:
        before = r.trailers.fields()
        await r.read()
        await w.text(f"{before} {r.trailers.fields()}")

    async with serving(sums) as site:
        response = await site.ask(
            request("POST", "/", Transfer_Encoding="chunked") + b"1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n"
        )
        assert response.body == b"[] [('X-Sum', '1')]"


async def test_trailers_are_those_of_their_own_request(virtual: Driver) -> None:
    async def sums(w: ResponseWriter, r: Request) -> None:
        await r.read()
        await w.text(str(r.trailers.fields()))

    async with serving(sums) as site, await site.dial() as conn:
        await conn.write(request("POST", "/", Transfer_Encoding="chunked") + b"1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n")
        assert (await read_response(conn)).body == b"[('X-Sum', '1')]"
        for method, body in (("GET", b""), ("POST", b"x")):
            await conn.write(request(method, "/", body))
            assert (await read_response(conn)).body == b"[]"


@pytest.mark.parametrize("body", [b"", b'{"name":', b"\xff", b"[" * 100_000], ids=["none", "half", "bytes", "deep"])
async def test_a_body_that_is_no_json_is_the_clients_mistake(
    virtual: Driver, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def take(w: ResponseWriter, r: Request) -> None:
        await w.json(await r.json())

    async with serving(take) as site:
        answer = await site.ask(request("POST", "/", body))
        assert answer.status == 400 and answer.body.startswith(b"a body that is no JSON: ")
        assert site.srv.statistics().events == {} and not caplog.records


async def test_a_handler_refuses_a_request_by_an_exception(virtual: Driver) -> None:
    async def refuse(w: ResponseWriter, r: Request) -> None:
        raise http.BadRequest(422, "no name")

    async with serving(refuse) as site:
        answer = await site.ask(request("POST", "/", b"{}"))
        assert (answer.status, answer.body) == (422, b"no name\n")


async def test_a_limit_for_the_body(virtual: Driver) -> None:
    async def read(w: ResponseWriter, r: Request) -> None:
        await w.write(await r.read(limit=10))

    chunked = request("POST", "/", Transfer_Encoding="chunked")
    async with serving(read) as site:
        assert (await site.ask(request("POST", "/", b"x" * 10))).body == b"x" * 10
        assert (await site.ask(request("POST", "/", b"x" * 11))).status == 413
        assert (await site.ask(chunked + b"6\r\nabcdef\r\n5\r\nabcde\r\n0\r\n\r\n")).status == 413
        assert site.counted("body") == 2
    async with serving(echo, max_body=10) as site:
        assert (await site.ask(request("POST", "/", b"x" * 10))).body == b"x" * 10
        assert (await site.ask(request("POST", "/", b"x" * 11))).status == 413
        assert (await site.ask(chunked + b"b\r\n" + b"x" * 11 + b"\r\n0\r\n\r\n")).status == 413


async def test_a_body_that_nobody_reads_does_not_become_a_request(virtual: Driver) -> None:
    async with serving(hello) as site, await site.dial() as conn:
        await conn.write(request("POST", "/", b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n") + request("GET", "/"))
        assert [(await read_response(conn)).body for _ in range(2)] == [b"hello"] * 2
        await conn.write(request("POST", "/", Content_Length="1000000"))
        response = await read_response(conn)
        assert response.body == b"hello" and response["Connection"] == "close"
        assert await conn.read() == b"", "more than is read for the sake of the connection"


async def test_a_chunked_body_that_nobody_reads_is_read_up_to_a_limit(virtual: Driver) -> None:
    head = request("POST", "/", Transfer_Encoding="chunked")
    async with serving(hello) as site, await site.dial() as conn:
        for _ in range(2):
            await conn.write(head + b"64\r\n" + b"x" * 100 + b"\r\n0\r\n\r\n")
            assert (await read_response(conn)).body == b"hello"
        await conn.write(head + b"f4240\r\n" + b"x" * 1_000_000 + b"\r\n0\r\n\r\n")
        assert (await read_response(conn)).body == b"hello"
        assert await conn.read() == b""


async def test_expect_is_answered_when_the_body_is_read(virtual: Driver) -> None:
    async def maybe(w: ResponseWriter, r: Request) -> None:
        if r.path == "/read":
            await w.write(await r.read())

    async with serving(maybe) as site:
        async with await site.dial() as conn:
            await conn.write(request("POST", "/read", Expect="100-continue", Content_Length="3"))
            assert (await read_response(conn)).status == 100
            await conn.write(b"abc")
            assert (await read_response(conn)).body == b"abc"
        async with await site.dial() as conn:  # the body comes all the same
            await conn.write(request("POST", "/read", b"abc", Expect="100-continue"))
            assert (await read_response(conn)).body == b"abc"
        async with await site.dial() as conn:  # nobody knows whether a body comes
            await conn.write(request("POST", "/", Expect="100-continue", Content_Length="3"))
            assert (await read_response(conn)).status == 200
            assert await conn.read() == b""


async def test_reading_after_the_handler_has_returned(virtual: Driver) -> None:
    kept: list[Request] = []

    async def keep(w: ResponseWriter, r: Request) -> None:
        kept.append(r)

    async with serving(keep) as site, await site.dial() as conn:
        await conn.write(request("POST", "/", b"abc"))
        await read_response(conn)
        with pytest.raises(RuntimeError, match="has returned"):
            await kept[0].read()


# ── responses ──


async def test_a_small_response_has_its_length_and_a_large_one_is_chunked(virtual: Driver) -> None:
    async def sized(w: ResponseWriter, r: Request) -> None:
        for _ in range(int(r.path[1:])):
            await w.write(b"x" * 1000)

    async with serving(sized) as site:
        small, large = await site.get("/10"), await site.get("/1000")
        assert small["Content-Length"] == "10000" and len(small.body) == 10_000
        assert large["Transfer-Encoding"] == "chunked" and len(large.body) == 1_000_000
        old = await site.ask(b"GET /1000 HTTP/1.0\r\n\r\n")
        assert len(old.body) == 1_000_000 and old["Connection"] == "close" and "Transfer-Encoding" not in old


async def test_a_flush_sends_what_is_there(virtual: Driver) -> None:
    more = chan()

    async def ticks(w: ResponseWriter, r: Request) -> None:
        w.headers["X-First"] = "1"
        await w.flush()
        async for piece in more:
            await w.write(piece)

    async with serving(ticks) as site, await site.dial() as conn:
        await conn.write(request("GET", "/"))
        assert b"X-First: 1\r\n" in await conn.read_until(b"\r\n\r\n")
        for piece in (b"a", b"bc"):
            await more.send(piece)
            assert await conn.read_until(b"\r\n") + await conn.read_exactly(len(piece) + 2) == (
                b"%d\r\n%b\r\n" % (len(piece), piece)
            )
        more.close()
        assert await conn.read_exactly(5) == b"0\r\n\r\n"


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_a_body(virtual: Driver, status: int) -> None:
    async def answer(w: ResponseWriter, r: Request) -> None:
        w.write_header(status)
        with pytest.raises(ValueError, match="no body"):
            await w.write(b"x")

    async with serving(answer) as site, await site.dial() as conn:
        await conn.write(request("GET", "/") * 2)
        for _ in range(2):
            response = await read_response(conn)
            assert response.status == status and "Content-Length" not in response


async def test_head_has_the_head_of_get_and_no_body(virtual: Driver) -> None:
    async def sized(w: ResponseWriter, r: Request) -> None:
        await w.write(b"x" * int(r.path[1:]))

    async with serving(sized) as site, await site.dial() as conn:
        for size, field in (("5", "5"), ("100000", None)):
            await conn.write(request("HEAD", f"/{size}"))
            response = await read_response(conn, "HEAD")
            assert dict(response.fields).get("content-length") == field
        await conn.write(request("GET", "/3"))
        assert (await read_response(conn)).body == b"xxx"


async def test_no_content_length_goes_out_with_204(virtual: Driver) -> None:
    async def answer(w: ResponseWriter, r: Request) -> None:
        w.headers["Content-Length"] = "0"
        w.write_header(204)

    async with serving(answer) as site:
        assert "Content-Length" not in await site.get("/")


async def test_two_declared_lengths_are_an_error_of_the_handler(
    virtual: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    async def declare(w: ResponseWriter, r: Request) -> None:
        w.headers["Content-Length"] = "3"
        w.headers.add("Content-Length", "30")
        if r.path == "/write":
            with pytest.raises(ValueError, match="Content-Length is set once, got"):
                await w.write(b"abc")

    async with serving(declare) as site:
        for path in ("/write", "/"):
            assert (await site.get(path)).status == 500
    assert caplog.text.count("ValueError: Content-Length is set once") == 2


async def test_json_that_is_nested_too_deep_is_no_json(virtual: Driver) -> None:
    async def read(w: ResponseWriter, r: Request) -> None:
        with pytest.raises(ValueError, match="nested too deep"):
            await r.json()

    async with serving(read) as site:
        assert (await site.ask(request("POST", "/", b"[" * 200_000))).status == 200


async def test_a_declared_length_is_kept(virtual: Driver, caplog: pytest.LogCaptureFixture) -> None:
    async def declare(w: ResponseWriter, r: Request) -> None:
        w.headers["Content-Length"] = "5"
        if r.path == "/flushed":
            await w.flush()
        await w.write(b"abc")
        with pytest.raises(ValueError, match="goes beyond the Content-Length"):
            await w.write(b"def")
        if r.path != "/short":
            await w.write(b"de")

    async with serving(declare) as site:
        assert (await site.get("/")).body == b"abcde"
        assert (await site.get("/flushed")).body == b"abcde"
        answer = await site.exchange(request("GET", "/short"))
        assert answer.endswith(b"abc") and site.counted("short_responses") == 1
        assert "2 bytes less" in caplog.text


async def test_informational_responses(virtual: Driver) -> None:
    async def hints(w: ResponseWriter, r: Request) -> None:
        w.headers["Link"] = "</a.css>; rel=preload"
        w.write_header(103)
        await w.text("done")

    async with serving(hints) as site, await site.dial() as conn:
        await conn.write(request("GET", "/"))
        early = await read_response(conn)
        assert early.status == 103 and "Link" in early
        assert (await read_response(conn)).body == b"done"
        await conn.write(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        assert (await read_response(conn)).status == 200


async def test_misuse_of_the_writer(virtual: Driver) -> None:
    async def misuse(w: ResponseWriter, r: Request) -> None:
        for bad, error in (
            (99, ValueError),
            (1000, ValueError),
            ("200", TypeError),
            (True, TypeError),
            (101, ValueError),
        ):
            with pytest.raises(error):
                w.write_header(bad)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"w\.text"):
            await w.write("text")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="got 5 of type int"):
            await w.write(5)  # type: ignore[arg-type]
        for name, value in (("X-A", "a\r\nb"), ("X\r\nA", "b"), ("X A", "b"), ("X-A", "\u20ac"), ("X-A", "a\x00")):
            with pytest.raises(ValueError, match="header"):
                w.headers[name] = value
        w.write_header(201)
        with pytest.raises(RuntimeError, match="201 was set before"):
            w.write_header(200)
        await w.write(bytearray(b"a"))
        await w.write(memoryview(b"b"))
        await w.flush()
        with pytest.raises(RuntimeError, match="too late"):
            w.headers["Late"] = "1"
        with pytest.raises(RuntimeError, match="after the head"):
            w.hijack()
        kept.append(w)

    kept: list[ResponseWriter] = []
    async with serving(misuse) as site:
        response = await site.get()
        assert (response.status, response.body) == (201, b"ab")
        with pytest.raises(RuntimeError, match="the response is over"):
            await kept[0].write(b"late")


async def test_the_fields_of_a_response(virtual: Driver) -> None:
    async def fields(w: ResponseWriter, r: Request) -> None:
        w.headers.add("Set-Cookie", "a=1")
        w.headers.add("set-cookie", "b=2")
        w.headers["X-Umlaut"] = "\u00e9"
        if r.path == "/date":
            w.headers["Date"] = "today"
        if r.path == "/close":
            w.headers["Connection"] = "close"
        await w.json({"a": [1, None]})

    async with serving(fields) as site:
        plain, dated = await site.get("/"), await site.get("/date")
        assert [value for name, value in plain.fields if name == "set-cookie"] == ["a=1", "b=2"]
        assert plain["X-Umlaut"] == "\u00e9" and plain["Date"].endswith("GMT") and plain.body == b'{"a":[1,null]}'
        assert plain["Content-Type"] == "application/json"
        assert [value for name, value in dated.fields if name == "date"] == ["today"]
        assert (await site.exchange(request("GET", "/close"))).count(b"Connection: close") == 1


# ── handlers that fail ──


async def test_a_handler_that_fails_is_answered_by_500_and_logged(
    virtual: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(w: ResponseWriter, r: Request) -> None:
        await w.write(b"half")
        if r.path == "/flushed":
            await w.flush()
        if r.path == "/cancelled":
            raise asyncio.CancelledError
        raise LookupError("of the handler")

    async with serving(fail) as site, await site.dial() as other:
        answer = await site.exchange(request("GET", "/x") * 2)
        assert answer.startswith(b"HTTP/1.1 500 ") and answer.count(b"HTTP/1.1") == 1 and b"half" not in answer
        [record] = caplog.records
        assert "GET /x, in goroutine" in record.getMessage() and record.exc_info is not None
        with pytest.raises(ConnectionResetError):
            await site.exchange(request("GET", "/flushed"))
        assert (await site.exchange(request("GET", "/cancelled"))).startswith(b"HTTP/1.1 500 ")
        await other.write(request("GET", "/other"))
        assert (await read_response(other)).status == 500
        assert site.counted("panics") == 4


async def test_abort_handler_cuts_and_says_nothing(virtual: Driver, caplog: pytest.LogCaptureFixture) -> None:
    async def abort(w: ResponseWriter, r: Request) -> None:
        raise http.AbortHandler

    async with serving(abort) as site:
        with pytest.raises(ConnectionResetError):
            await site.exchange(request("GET", "/"))
        assert not caplog.records and site.counted("panics") == 0


# ── clients that leave ──


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_the_context_of_a_request_is_cancelled_when_its_client_leaves(virtual: Driver, how: str) -> None:
    causes: list[BaseException | None] = []

    async def wait(w: ResponseWriter, r: Request) -> None:
        await r.ctx.done().recv_ok()
        causes.append(r.ctx.cause())

    async with serving(wait, cancel_on_disconnect=False) as site:
        conn = await site.dial()
        await conn.write(request("GET", "/"))
        await until(lambda: site.srv.statistics().connections)
        await settle()
        getattr(conn, how)()
        await until(lambda: causes)
        assert isinstance(causes[0], http.ClientDisconnected) and site.counted("disconnects") == 1


async def test_a_handler_whose_client_has_left_is_cancelled(virtual: Driver) -> None:
    ended: list[object] = []

    async def wait(w: ResponseWriter, r: Request) -> None:
        try:
            await goish.NIL.recv()
        except asyncio.CancelledError as error:
            ended.append(error.args[0])
            raise

    async with serving(wait) as site:
        conn = await site.dial()
        await conn.write(request("GET", "/"))
        await settle()
        conn.close()
        await until(lambda: ended)
        assert isinstance(ended[0], http.ClientDisconnected)
        await until(lambda: site.srv.statistics().connections == 0)


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_a_client_that_leaves_in_the_middle_of_its_body(
    virtual: Driver, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    met: list[BaseException] = []

    async def read(w: ResponseWriter, r: Request) -> None:
        try:
            await r.read()
        except BaseException as error:
            met.append(error)
            raise

    async with serving(read) as site:
        conn = await site.dial()
        await conn.write(request("POST", "/", Content_Length="10") + b"abc")
        await settle()
        getattr(conn, how)()
        await until(lambda: met)
        assert isinstance(met[0], http.ClientDisconnected)
        await until(lambda: site.srv.statistics().connections == 0)
        assert not caplog.records and site.counted("disconnects") == 1


async def test_a_malformed_body_behind_the_head_of_the_response_cuts(
    virtual: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    async def stream(w: ResponseWriter, r: Request) -> None:
        await w.flush()
        async for piece in r:
            await w.write(piece)

    async with serving(stream) as site, await site.dial() as conn:
        await conn.write(request("POST", "/", Transfer_Encoding="chunked") + b"3\r\nabc\r\nx\r\n")
        with pytest.raises(ConnectionResetError):
            await conn.read_until(b"never")
        assert not caplog.records and site.counted("malformed") == 1


async def test_a_handler_that_fails_after_hijack_writes_nothing(
    virtual: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(w: ResponseWriter, r: Request) -> None:
        conn, _ = w.hijack()
        await conn.read_exactly(3)

    async with serving(fail) as site, await site.dial() as conn:
        await conn.write(request("GET", "/"))
        await settle()
        conn.close_write()
        assert await conn.read() == b""
        assert [record.levelname for record in caplog.records] in ([], ["INFO"])


async def test_the_context_ends_with_the_handler(virtual: Driver) -> None:
    contexts: list[context.Context] = []

    async def keep(w: ResponseWriter, r: Request) -> None:
        contexts.append(r.ctx)
        assert r.ctx is contexts[-1] and r.ctx.err() is None

    async with serving(keep) as site, await site.dial() as conn:
        await conn.write(request("GET", "/") * 2)
        for _ in range(2):
            await read_response(conn)
        assert [type(ctx.err()) for ctx in contexts] == [goish.errors.Canceled] * 2 and contexts[0] is not contexts[1]


async def test_a_client_that_does_not_read_holds_its_handler_back_and_no_other(virtual: Driver) -> None:
    written = 0

    async def flood(w: ResponseWriter, r: Request) -> None:
        nonlocal written
        while True:
            await w.write(b"x" * 10_000)
            written += 10_000

    async with serving(flood) as site, await site.dial() as slow:
        await slow.write(request("GET", "/"))
        await settle(50)
        assert written < 2_000_000


# ── taking the connection over ──


async def test_hijack_gives_the_connection_and_the_bytes_behind_the_request(virtual: Driver) -> None:
    async def shout(w: ResponseWriter, r: Request) -> None:
        conn, data = w.hijack()
        with pytest.raises(RuntimeError, match="taken over"):
            await w.write(b"x")
        await conn.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + data.upper())
        async for data in conn:
            await conn.write(data.upper())

    async with serving(shout, idle_timeout=1) as site, await site.dial() as conn:
        await conn.write(request("GET", "/", Connection="upgrade", Upgrade="shout") + b"abc")
        assert (await conn.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert await conn.read_exactly(3) == b"ABC"
        await sleep(100)
        await conn.write(b"def")
        assert await conn.read_exactly(3) == b"DEF"
        assert site.counted("hijacked") == 1
        conn.close_write()
        assert await conn.read() == b""


# ── the log ──


async def test_the_url_of_a_server(virtual: Driver, tmp_path: Path, contexts: Contexts) -> None:
    memory = net.MemoryNetwork()
    for addr, url in (
        ("127.0.0.1:0", "http://127.0.0.1:{}"),
        (memory.listen("[::1]:80"), "http://[::1]:{}"),
        (":0", "http://localhost:{}"),
        (memory.listen("server:80"), "http://server:{}"),
        (net.listen("127.0.0.1:0", ssl=contexts[0]), "https://127.0.0.1:{}"),
    ):
        srv = http.serve(hello, addr)
        assert srv.url == url.format(srv.addr[1])
        srv.close()
    srv = http.serve(hello, f"unix:{tmp_path}/socket")
    with pytest.raises(ValueError, match="a unix socket has no URL"):
        _ = srv.url
    srv.close()


async def test_the_access_log(virtual: Driver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "goish.http.access")
    async with serving(hello, access_log=True) as site:
        await site.get("/a?b")
        await until(lambda: caplog.records)
    assert '"GET /a?b HTTP/1.1" 200' in caplog.records[0].getMessage()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"idle_timeout": -1}, ValueError, "idle_timeout is a number of seconds"),
        ({"max_headers": 0}, ValueError, "max_headers is 1 or more"),
        ({"max_body": 1.5}, TypeError, "max_body is a whole number"),
        ({"access_log": "yes"}, TypeError, "access_log is True, False or a logging.Logger"),
        ({"cancel_on_disconnect": 1}, TypeError, "cancel_on_disconnect is True, False"),
        ({"grace": "x"}, TypeError, "grace"),
    ],
)
def test_bad_options_are_refused_at_the_call(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        http.Server(hello, "127.0.0.1:0", **options)


def test_what_is_no_handler_is_refused() -> None:
    with pytest.raises(TypeError, match="a handler is an async function"):
        http.serve(5, "127.0.0.1:0")  # type: ignore[arg-type]
