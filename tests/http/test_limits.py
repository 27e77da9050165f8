"""Limits and timeouts: each has a status, a counter, and harms nobody else."""

from __future__ import annotations

import asyncio

import pytest
from conftest import Driver
from helpers import until
from http_wires import read_response, request, serving

from goish import chan, http, sleep
from goish.http import Request, ResponseWriter


async def hello(w: ResponseWriter, r: Request) -> None:
    await w.write(b"hello")


async def echo(w: ResponseWriter, r: Request) -> None:
    await w.write(await r.read())


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_head_that_comes_too_slowly_is_answered_by_408(virtual: Driver) -> None:
    async with serving(hello, read_header_timeout=10) as site, await site.dial() as conn, await site.dial() as quick:
        for first in (True, False):
            began = now()
            for byte in request("GET", "/")[:-1]:
                if conn.try_write(bytes([byte])):
                    await sleep(0.1 if first else 0.5)
                await quick.write(request("GET", "/"))
                assert (await read_response(quick)).status == 200
                if not first and now() - began > 10:
                    break
            if first:
                await conn.write(b"\n")
                assert (await read_response(conn)).status == 200
        assert (await read_response(conn)).status == 408
        assert site.counted("read_header_timeout") == 1
        assert await conn.read() == b""


async def test_a_new_connection_that_says_nothing_is_closed_without_an_answer(virtual: Driver) -> None:
    async with serving(hello, read_header_timeout=10) as site, await site.dial() as conn:
        began = now()
        assert await conn.read() == b""
        assert now() - began == pytest.approx(10, abs=0.1)
        assert site.counted("idle_timeout") == 1


async def test_an_idle_connection_is_closed(virtual: Driver) -> None:
    async with serving(hello, idle_timeout=20) as site, await site.dial() as conn:
        for pause in (0, 19, 19):
            await sleep(pause)
            await conn.write(request("GET", "/"))
            assert (await read_response(conn)).status == 200
        began = now()
        assert await conn.read() == b""
        assert now() - began == pytest.approx(20, abs=0.1)


async def test_a_handler_may_take_longer_than_the_idle_timeout(virtual: Driver) -> None:
    async def slow(w: ResponseWriter, r: Request) -> None:
        await sleep(1000)
        await w.write(await r.read())

    async with serving(slow, idle_timeout=1, read_header_timeout=1) as site:
        assert (await site.ask(request("POST", "/", b"abc"))).body == b"abc"


async def test_no_timeouts(virtual: Driver) -> None:
    async with serving(hello, idle_timeout=None, read_header_timeout=None) as site, await site.dial() as conn:
        await sleep(10_000)
        await conn.write(b"GET / HT")
        await sleep(10_000)
        await conn.write(b"TP/1.1\r\nHost: a\r\n\r\n")
        assert (await read_response(conn)).status == 200
        await sleep(10_000)
        await conn.write(request("GET", "/"))
        assert (await read_response(conn)).status == 200


async def test_a_body_that_comes_too_slowly_is_answered_by_408(virtual: Driver) -> None:
    async with serving(echo, read_timeout=5) as site, await site.dial() as conn:
        await conn.write(request("POST", "/", Content_Length="10") + b"abc")
        began = now()
        assert (await read_response(conn)).status == 408
        assert now() - began == pytest.approx(5, abs=0.1) and site.counted("read_timeout") == 1


async def test_a_client_that_does_not_take_its_answer_is_cut(virtual: Driver) -> None:
    ended: list[BaseException] = []

    async def flood(w: ResponseWriter, r: Request) -> None:
        try:
            while True:
                await w.write(b"x" * 100_000)
        except BaseException as error:
            ended.append(error)
            raise

    async with serving(flood, write_timeout=5) as site, await site.dial() as conn:
        await conn.write(request("GET", "/"))
        await sleep(6)
        assert isinstance(ended[0], http.ClientDisconnected)
        await until(lambda: site.srv.statistics().connections == 0)
        assert site.counted("write_timeout") == 1 and site.counted("panics") == 0


async def test_a_handler_sets_the_deadline_of_its_writes_and_the_next_request_has_the_servers(virtual: Driver) -> None:
    failed = chan(1)

    async def stream(w: ResponseWriter, r: Request) -> None:
        if r.path == "/own":
            w.set_write_deadline(now() + 3)
        try:
            while True:
                await w.write(bytes(100_000))
        except ConnectionError as error:
            await failed.send(error)
            raise

    for path, seconds in (("/own", 3), ("/", 30)):
        async with serving(stream, write_timeout=30) as site, await site.dial() as conn:
            began = now()
            await conn.write(request("GET", path))
            assert isinstance(await failed.recv(), http.ClientDisconnected)
            assert now() - began == pytest.approx(seconds) and site.counted("write_timeout") == 1


@pytest.mark.parametrize("write_timeout", [None, 1])
async def test_a_deadline_of_one_response_does_not_reach_the_next(virtual: Driver, write_timeout: float | None) -> None:
    async def answer(w: ResponseWriter, r: Request) -> None:
        if r.path == "/first":
            w.set_write_deadline(now() + 1)
        await w.write(b"hello")

    async with serving(answer, write_timeout=write_timeout) as site, await site.dial() as conn:
        for path, status in (("/first", 200), ("/second", 200), ("no path", 400)):
            await conn.write(request("GET", path))
            assert (await read_response(conn)).status == status
            await sleep(5)


async def test_a_handler_sets_the_deadline_of_its_reads(virtual: Driver) -> None:
    async def read(w: ResponseWriter, r: Request) -> None:
        r.set_read_deadline(now() + 3)
        await w.write(await r.read())

    async with serving(read, read_timeout=30) as site, await site.dial() as conn:
        began = now()
        await conn.write(request("POST", "/", b"body")[:-1])
        assert (await read_response(conn)).status == 408
        assert now() - began == pytest.approx(3)


async def test_deadlines_are_for_the_handler_that_runs(virtual: Driver) -> None:
    kept: list[tuple[ResponseWriter, Request]] = []

    async def keep(w: ResponseWriter, r: Request) -> None:
        kept.append((w, r))
        with pytest.raises(TypeError, match="a deadline is a time in seconds"):
            w.set_write_deadline("soon")  # type: ignore[arg-type]

    async with serving(keep) as site:
        await site.get()
    ((w, r),) = kept
    for late in (lambda: w.set_write_deadline(None), lambda: r.set_read_deadline(None)):
        with pytest.raises(RuntimeError, match="its handler, which has returned"):
            late()


async def test_requests_on_a_connection_are_limited(virtual: Driver) -> None:
    async with serving(hello, max_requests=3) as site:
        answer = await site.exchange(request("GET", "/") * 5)
        assert answer.count(b"HTTP/1.1 200") == 3 and answer.count(b"Connection: close") == 1


async def test_handlers_at_once_are_limited(virtual: Driver) -> None:
    go_on = chan()

    async def wait(w: ResponseWriter, r: Request) -> None:
        await go_on.recv()
        await w.write(b"done")

    async with serving(wait, max_active=2) as site:
        conns = [await site.dial() for _ in range(3)]
        for conn in conns:
            await conn.write(request("GET", "/"))
        refused = await read_response(conns[2])
        assert refused.status == 503 and refused["Retry-After"] == "1" and site.counted("active") == 1
        for conn in conns[:2]:
            await go_on.send(None)
            assert (await read_response(conn)).body == b"done"
        await conns[0].write(request("GET", "/"))
        await go_on.send(None)
        assert (await read_response(conns[0])).body == b"done"
        for conn in conns:
            conn.close()


async def test_connections_at_once_are_limited(virtual: Driver) -> None:
    async with serving(hello, max_conns=1) as site, await site.dial() as first, await site.dial() as second:
        await first.write(request("GET", "/"))
        await second.write(request("GET", "/"))
        assert (await read_response(first)).status == 200
        await sleep(5)
        assert site.srv.statistics().requests == 1
        first.close()
        assert (await read_response(second)).status == 200


async def test_the_answer_to_what_is_refused_arrives_though_more_is_on_its_way(virtual: Driver) -> None:
    """A close with unread bytes would be a reset, which may overtake it."""
    async with serving(echo, max_body=10) as site, await site.dial() as conn:
        await conn.write(request("POST", "/", Content_Length="1000000"))
        for _ in range(10):
            await conn.write(b"x" * 100_000)
        assert (await read_response(conn)).status == 413
        assert await conn.read() == b""
