"""The end of a server: what is in progress is finished, what is idle is closed, and nothing else."""

from __future__ import annotations

import asyncio
import random
import socket
from typing import Any

import pytest
from certificates import Contexts
from conftest import Driver
from helpers import settle, until
from http_wires import Site, read_response, request, serving
from parties import PATIENCE

from goish import NIL, context, go, http, net, select, sleep, wait_all
from goish import time as gotime
from goish.errors import ConnClosed, DeadlineExceeded, ServerClosed, ServerShutdown
from goish.http import Request, ResponseWriter


async def hello(w: ResponseWriter, r: Request) -> None:
    await w.write(b"hello")


async def slow(w: ResponseWriter, r: Request) -> None:
    await sleep(0.5)
    await w.write(b"slow")


async def test_a_request_in_progress_is_finished_and_its_connection_closed(virtual: Driver) -> None:
    async with serving(slow) as site:
        idle, busy, new = await site.dial(), await site.dial(), await site.dial()
        await idle.write(request("GET", "/"))
        await read_response(idle)
        await busy.write(request("GET", "/"))
        await settle()
        ending = go(site.srv.shutdown)
        response = await read_response(busy)
        assert response.body == b"slow" and response["Connection"] == "close"
        assert await busy.read() == b"" and await idle.read() == b""
        busy.close()
        await new.write(request("GET", "/"))  # accepted, and asked within its 5 seconds
        assert (await read_response(new)).body == b"slow"
        new.close()
        report = await ending
        assert report.error is None and report.cut == () and report.idle == 1 and report.connections == 3
        with pytest.raises(ConnectionRefusedError):
            await site.dial()
        with pytest.raises(ServerClosed):
            site.srv.start()
        idle.close()


async def test_what_outlasts_the_deadline_is_cut_with_the_cause(virtual: Driver) -> None:
    causes: list[BaseException | None] = []

    async def never(w: ResponseWriter, r: Request) -> None:
        ctx = r.ctx
        try:
            await NIL.recv()
        finally:
            causes.append(ctx.cause())

    async with serving(never) as site, await site.dial() as conn:
        await conn.write(request("GET", "/"))
        await settle()
        ctx, _ = context.with_timeout(context.background(), 3)
        report = await site.srv.shutdown(ctx)
        assert isinstance(report.error, DeadlineExceeded) and len(report.cut) == 1
        assert isinstance(causes[0], ServerShutdown)
        with pytest.raises(ConnectionResetError):
            await conn.read()


async def test_a_long_lived_handler_hears_of_it_before_it_is_cut(virtual: Driver) -> None:
    async def events(w: ResponseWriter, r: Request) -> None:
        await w.write(b"first\n")
        await w.flush()
        index, _, _ = await select(NIL.recv(), net.closing().recv())
        await w.write(b"bye %d\n" % index)

    async with serving(events) as site, await site.dial() as conn:
        await conn.write(request("GET", "/"))
        await settle()
        ending = go(site.srv.shutdown)
        assert (await read_response(conn)).body == b"first\nbye 1\n"
        conn.close()
        assert (await ending).cut == ()


async def test_a_hijacked_connection_is_waited_for_and_cut_at_the_deadline(virtual: Driver) -> None:
    async def hold(w: ResponseWriter, r: Request) -> None:
        conn, _ = w.hijack()
        await conn.read()

    async with serving(hold) as site, await site.dial() as conn:
        await conn.write(request("GET", "/"))
        await settle()
        ctx, _ = context.with_timeout(context.background(), 1)
        assert len((await site.srv.shutdown(ctx)).cut) == 1


async def test_close_cuts_at_once(virtual: Driver) -> None:
    async with serving(slow) as site, await site.dial() as conn:
        await conn.write(request("GET", "/"))
        await settle()
        site.srv.close()
        with pytest.raises(ConnectionResetError):
            await conn.read()
        await site.srv.wait()


async def test_while_it_drains_responses_say_that_their_connections_close(virtual: Driver) -> None:
    async with serving(hello) as site, await site.dial() as conn:
        await conn.write(request("GET", "/"))
        assert "Connection" not in await read_response(conn)
        ending = go(site.srv.shutdown, None, drain_delay=5)
        await sleep(1)
        assert not site.srv.ready
        await conn.write(request("GET", "/"))
        assert (await read_response(conn))["Connection"] == "close"
        assert (await site.get())["Connection"] == "close"
        conn.close()
        report = await ending
        assert report.seconds >= 5 and report.cut == ()


async def test_a_request_that_has_arrived_on_an_idle_connection_is_answered(virtual: Driver) -> None:
    """Bytes that are there when the idle connections are closed."""
    async with serving(hello) as site:
        conns = [await site.dial() for _ in range(10)]
        for conn in conns:
            await conn.write(request("GET", "/"))
            await read_response(conn)
        for conn in conns:
            conn.try_write(request("GET", "/"))
        await settle(1)  # they arrive in the turn in which the shutdown begins, or just before
        ending = go(site.srv.shutdown)
        for conn in conns:
            assert (await read_response(conn)).body == b"hello"
            conn.close()
        await ending


async def keep_open(srv: http.Server, n: int) -> list[socket.socket]:
    """Connections that have had a response, of a client that is no part of the loop."""
    conns = [socket.create_connection(srv.addr) for _ in range(n)]
    for conn in conns:
        conn.settimeout(PATIENCE)  # what is written may take a moment to come
        conn.sendall(request("GET", "/"))
    await until(lambda: srv.statistics().requests == n)
    for conn in conns:
        assert conn.recv(1000).endswith(b"hello")
    return conns


async def test_a_request_that_the_system_has_and_the_server_has_not_read_is_answered(run: Driver) -> None:
    srv = http.serve(hello, "127.0.0.1:0").start()
    conns = await keep_open(srv, 50)
    for conn in conns:
        conn.sendall(request("GET", "/"))
    report = await srv.shutdown()  # the loop has not turned since they came
    for conn in conns:
        answer = conn.recv(1000)
        assert b"Connection: close" in answer and answer.endswith(b"hello")
        assert conn.recv(1000) == b""
        conn.close()
    assert (report.drained, report.idle, report.unanswered, report.cut) == (50, 0, 0, ())


async def test_the_same_over_tls(run: Driver, contexts: Contexts) -> None:
    srv = http.serve(hello, "127.0.0.1:0", ssl=contexts[0]).start()
    async with await net.dial(srv.addr, ssl=contexts[1], server_hostname="goish.test") as conn:
        await conn.write(request("GET", "/"))
        await read_response(conn)
        conn.try_write(request("GET", "/"))
        report = await srv.shutdown()
        response = await read_response(conn)
        assert response.body == b"hello" and response["Connection"] == "close"
    assert report.drained == 1


async def test_a_request_that_crosses_the_end_is_counted_and_no_reset_answers_it(virtual: Driver) -> None:
    async with serving(hello, net.MemoryNetwork(latency=0.1)) as site, await site.dial() as conn:
        await conn.write(request("GET", "/"))
        await read_response(conn)
        await sleep(1)
        ending = go(site.srv.shutdown)
        await sleep(0.05)
        await conn.write(request("GET", "/"))
        assert await conn.read() == b""
        conn.close()
        report = await ending
        assert (report.drained, report.idle, report.unanswered) == (0, 1, 1)
        assert site.srv.statistics().requests == 1


@pytest.mark.parametrize("latency", [0.0, 0.05])
async def test_a_client_that_was_busy_a_moment_ago_hears_of_the_end_by_its_next_answer(
    virtual: Driver, latency: float
) -> None:
    async with serving(hello, net.MemoryNetwork(latency=latency)) as site, await site.dial() as conn:
        await conn.write(request("GET", "/"))
        await read_response(conn)
        ending = go(site.srv.shutdown)
        await sleep(0.1)
        await conn.write(request("GET", "/"))
        response = await read_response(conn)
        assert response.body == b"hello" and response["Connection"] == "close"
        conn.close()
        report = await ending
        assert (report.drained, report.idle, report.unanswered) == (1, 0, 0)


async def test_a_worker_that_is_replaced_spares_idle_connections_for_a_while(virtual: Driver) -> None:
    async with serving(hello) as site:
        asks, silent = await site.dial(), await site.dial()
        for conn in asks, silent:
            await conn.write(request("GET", "/"))
            await read_response(conn)
        await sleep(5)
        site.srv._control.spared = 1.0
        begun = gotime.now()
        ending = go(site.srv.shutdown)
        await sleep(0.9)
        await asks.write(request("GET", "/"))
        response = await read_response(asks)
        assert response.body == b"hello" and response["Connection"] == "close"
        assert await silent.read() == b"" and gotime.now() == pytest.approx(begun + 1.0, abs=0.01)
        asks.close()
        silent.close()
        assert (await ending).unanswered == 0


async def test_what_a_client_has_pipelined_behind_the_last_response_is_counted(virtual: Driver) -> None:
    async with serving(slow) as site, await site.dial() as conn:
        await conn.write(request("GET", "/") * 3)
        await settle()
        ending = go(site.srv.shutdown)
        assert (await read_response(conn))["Connection"] == "close"
        assert await conn.read() == b""
        conn.close()
        report = await ending
        assert (report.drained, report.idle, report.unanswered) == (1, 0, 1)
        assert site.srv.statistics().requests == 1


async def test_an_empty_line_behind_a_body_is_no_request(virtual: Driver) -> None:
    async def read(w: ResponseWriter, r: Request) -> None:
        await w.write(await r.read())

    async with serving(read) as site:
        together, apart, split = await site.dial(), await site.dial(), await site.dial()
        await together.write(request("POST", "/", b"body") + b"\r\n")
        for conn in (apart, split):
            await conn.write(request("POST", "/", b"body"))
        for conn in (together, apart, split):
            assert (await read_response(conn)).body == b"body"
        await apart.write(b"\r\n")
        await split.write(b"\r")
        await sleep(20)  # longer than a head may take
        report = await site.srv.shutdown()
        assert (report.idle, report.unanswered) == (3, 0)
        for conn in (together, apart, split):
            assert await conn.read() == b""
            conn.close()


@pytest.mark.parametrize("first", ["client", "server"])
async def test_what_counts_as_idle_does_not_depend_on_which_side_closes_first(virtual: Driver, first: str) -> None:
    async def events(w: ResponseWriter, r: Request) -> None:
        await w.write(b"first\n")
        await w.flush()
        await r.closing.recv_ok()

    async with serving(events) as site:
        streaming, unasked = await site.dial(), await site.dial()
        await streaming.write(request("GET", "/"))
        await streaming.read_until(b"first\n")
        ending = go(site.srv.shutdown)
        if first == "client":
            await settle()
            unasked.close()
        async for _ in streaming:
            pass
        streaming.close()
        report = await ending
        unasked.close()
        assert (report.connections, report.drained, report.idle) == (2, 1, 1)


class Asking:
    """A client that asks on one connection until that ends, and what came of its requests."""

    def __init__(self) -> None:
        self.answered = self.unanswered = 0
        self.wrong: list[object] = []

    async def run(self, conn: net.Conn) -> None:
        async with conn:
            while not await self.is_told_to_close(conn):
                pass

    async def is_told_to_close(self, conn: net.Conn) -> bool:
        try:
            await conn.write(request("GET", "/"))
            response = await read_response(conn)
        except asyncio.IncompleteReadError as error:
            self.unanswered += 1
            if error.partial:
                self.wrong.append(error)
            return True
        except OSError as error:
            self.wrong.append(error)
            return True
        self.answered += 1
        return "Connection" in response


@pytest.mark.parametrize("kind", ["handler", "app"])
@pytest.mark.parametrize("where", ["memory", "sockets"])
async def test_under_load_each_request_is_answered_or_counted_and_no_client_sees_a_reset(
    run: Driver, where: str, kind: str, rng: random.Random
) -> None:
    handled = 0

    async def work() -> bytes:
        nonlocal handled
        handled += 1
        await sleep(rng.choice((0, 0.001)))
        return b"x" * 5000

    async def handler(w: ResponseWriter, r: Request) -> None:
        await w.write(await work())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = await work()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    network = net.MemoryNetwork(latency=(0.0, 0.002), split=3000, seed=rng.random())
    addr = network.listen("server:80") if where == "memory" else "127.0.0.1:0"
    async with http.serve(handler, addr) if kind == "handler" else http.serve_asgi(app, addr, lifespan="off") as srv:
        clients = [Asking() for _ in range(40)]
        running = [
            go(client.run, await (network.dial(srv.addr) if where == "memory" else net.dial(srv.addr)))
            for client in clients
        ]
        await until(lambda: srv.statistics().requests > 500)
        report = await srv.shutdown()
        await wait_all(*running)
    assert [client.wrong for client in clients if client.wrong] == []
    assert sum(client.answered for client in clients) == handled
    assert sum(client.unanswered for client in clients) == report.unanswered
    assert report.cut == () and report.error is None and report.connections == 40


class Answers:
    def __init__(self) -> None:
        self.whole = self.refused = 0
        self.cut: list[object] = []


async def keep_asking(site: Site, answers: Answers, stop: asyncio.Event) -> None:
    """A client as load balancers are: it opens a new connection where the old one is closed."""
    while not stop.is_set():
        try:
            conn = await site.dial()
        except ConnectionRefusedError:
            answers.refused += 1
            return
        async with conn:
            kept = True
            while kept and not stop.is_set():
                try:
                    await conn.write(request("GET", "/"))
                    response = await read_response(conn)
                except (ConnectionError, asyncio.IncompleteReadError) as error:
                    answers.cut.append(error)
                    return
                assert response.body == b"x" * 5000
                answers.whole += 1
                kept = "Connection" not in response


async def test_no_response_is_cut_under_load(virtual: Driver) -> None:
    async def work(w: ResponseWriter, r: Request) -> None:
        await sleep(0.01)
        await w.write(b"x" * 5000)

    answers, stop = Answers(), asyncio.Event()
    async with serving(work, net.MemoryNetwork(latency=(0.0001, 0.002), split=1500)) as site:
        clients = [go(keep_asking, site, answers, stop) for _ in range(50)]
        while answers.whole < 1000:
            await sleep(0.01)
        report = await site.srv.shutdown(drain_delay=1)
        stop.set()
        await wait_all(*clients)
    assert answers.cut == [] and answers.whole >= 1000 and answers.refused == 50
    assert report.cut == () and report.error is None


async def test_leaving_the_block_gives_the_time_of_grace(virtual: Driver) -> None:
    async with serving(slow, grace=5) as site:
        conn = await site.dial()
        await conn.write(request("GET", "/"))
        await settle()
        answer = go(read_response, conn)
    assert (await answer).body == b"slow"
    conn.close()


async def test_several_servers_in_one_program(virtual: Driver) -> None:
    network = net.MemoryNetwork()
    async with http.serve(hello, network.listen("a:80")) as a, http.serve(slow, network.listen("b:80")) as b:
        for srv, body in ((a, b"hello"), (b, b"slow")):
            async with await network.dial(srv.addr) as conn:
                await conn.write(request("GET", "/"))
                assert (await read_response(conn)).body == body
        await a.shutdown()
        async with await network.dial(b.addr) as conn:
            await conn.write(request("GET", "/"))
            assert (await read_response(conn)).body == b"slow"
        await until(lambda: b.statistics().connections == 0)


async def test_a_conn_that_the_handler_has_kept_is_closed(virtual: Driver) -> None:
    kept: list[net.Conn] = []

    async def keep(w: ResponseWriter, r: Request) -> None:
        kept.append(w.hijack()[0])

    async with serving(keep) as site, await site.dial() as conn:
        await conn.write(request("GET", "/"))
        assert await conn.read() == b""
        with pytest.raises(ConnClosed):
            await kept[0].read()
