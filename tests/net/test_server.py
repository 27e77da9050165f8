"""Servers: a goroutine for each connection, limits, and an end in which nothing is cut before its time."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Driver
from helpers import LOOPS, settle, until
from virtual_clock import START

import goish
from goish import chan, context, go, net, select, sleep
from goish._net.connections import ACTIVE, IDLE, NEW, Member
from goish._net.server import ServerBase
from goish._net.site import Handle, Site
from goish.errors import Canceled, DeadlineExceeded, ServerClosed, ServerShutdown

MESSAGE = b"hello\n"


async def echo(conn: net.Conn) -> None:
    async for data in conn:
        await conn.write(data)


async def answer_once(conn: net.Conn) -> None:
    await conn.write((await conn.read_until()).upper())


async def never(conn: net.Conn) -> None:
    await goish.NIL.recv()


class Network:
    """Where a server listens and clients dial: sockets, or memory."""

    def __init__(self, kind: str, path: Path, rng: random.Random) -> None:
        self.kind = kind
        self.path = path
        self.memory = net.MemoryNetwork(seed=rng.random(), split=3)

    def address(self) -> Any:
        if self.kind == "memory":
            return self.memory.listen("server:0")
        return "127.0.0.1:0" if self.kind == "tcp" else f"unix:{self.path}/socket"

    async def dial(self, srv: net.Server) -> net.Conn:
        if self.kind == "memory":
            return await self.memory.dial(srv.addr)
        return await net.dial(f"unix:{srv.addr}" if self.kind == "unix" else srv.addr)

    async def ask(self, srv: net.Server, message: bytes = MESSAGE) -> bytes:
        """What is answered up to the end."""
        async with await self.dial(srv) as conn:
            await conn.write(message)
            conn.close_write()
            return b"".join([data async for data in conn])


@pytest.fixture(params=["tcp", "unix", "memory"])
def network(request: pytest.FixtureRequest, tmp_path: Path, rng: random.Random) -> Network:
    return Network(request.param, tmp_path, rng)


@pytest.fixture(autouse=True)
def no_descriptor_left() -> Iterator[None]:
    """A loop has some, and closes them at its end; the first one of uvloop makes some that stay."""
    for new_loop in LOOPS.values():
        new_loop().close()
    before = descriptors()
    yield
    assert descriptors() <= before


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


# ── serving ──


async def test_each_connection_is_handled_by_a_goroutine_of_its_own(run: Driver, network: Network) -> None:
    async with net.serve(echo, network.address()) as srv:
        conns = [await network.dial(srv) for _ in range(20)]
        for i, conn in enumerate(conns):
            await conn.write(b"%d\n" % i)
        for i, conn in reversed(list(enumerate(conns))):
            assert await conn.read_until() == b"%d\n" % i
        assert srv.connections == 20 and srv.ready
        for conn in conns:
            conn.close()
        await until(lambda: srv.connections == 0)


async def test_a_connection_is_closed_when_its_handler_is_over_and_what_it_wrote_arrives(
    run: Driver, network: Network
) -> None:
    async with net.serve(answer_once, network.address()) as srv:
        assert await network.ask(srv) == b"HELLO\n"


async def test_a_handler_that_fails_is_logged_once_and_harms_nothing_else(
    run: Driver, network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(conn: net.Conn) -> None:
        await conn.write(b"first")
        if await conn.read_until() == b"fail\n":
            raise LookupError("of this handler")
        await conn.write(b" second")

    async with net.serve(fail, network.address()) as srv:
        other = await network.dial(srv)
        assert await network.ask(srv, b"fail\n") == b"first"
        await other.write(b"go on\n")
        assert b"".join([data async for data in other]) == b"first second"
        other.close()
    assert [(record.name, record.levelname) for record in caplog.records] == [("goish", "ERROR")]
    assert "the handler of a connection" in caplog.text and "LookupError: of this handler" in caplog.text


async def test_a_peer_that_is_lost_is_no_failure(
    run: Driver, rng: random.Random, caplog: pytest.LogCaptureFixture
) -> None:
    network = net.MemoryNetwork()
    async with net.serve(echo, network.listen("server:1")) as srv:
        conn = await network.dial("server:1")
        await conn.write(MESSAGE)
        await conn.read()
        network.reset("server")
        await until(lambda: srv.connections == 0)
        conn.close()
    assert not caplog.records


async def test_a_handler_that_is_no_coroutine_function_is_a_failure_of_its_connection(
    run: Driver, network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    handler: Any = lambda conn: None
    async with net.serve(handler, network.address()) as srv:
        async with await network.dial(srv) as conn:
            assert await conn.read() == b""
    assert "TypeError" in caplog.text


async def test_further_connections_wait_while_as_many_are_open_as_may_be(run: Driver, network: Network) -> None:
    most, served = 0, 0

    async def count(conn: net.Conn) -> None:
        nonlocal most, served
        most = max(most, srv.connections)
        await answer_once(conn)
        served += 1

    async with net.serve(count, network.address(), max_conns=3) as srv:
        conns = [await network.dial(srv) for _ in range(10)]
        for conn in conns:
            await conn.write(MESSAGE)
        for conn in conns:
            assert await conn.read_exactly(6) == b"HELLO\n"
            conn.close()
    assert most == 3 and served == 10


async def test_several_servers_run_in_one_program_and_end_apart(run: Driver) -> None:
    first, second = net.serve(echo, "127.0.0.1:0").start(), net.serve(answer_once, "127.0.0.1:0").start()
    network = Network("tcp", Path(), random.Random())
    assert await network.ask(first) == MESSAGE
    await first.shutdown()
    assert await network.ask(second) == b"HELLO\n"
    await second.shutdown()


async def test_no_signal_handler_is_installed(run: Driver) -> None:
    before = [signal.getsignal(sig) for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    async with net.serve(echo, "127.0.0.1:0"):
        await settle()
        assert [signal.getsignal(sig) for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


async def test_values_of_the_context_in_which_it_was_started_are_those_of_its_handlers(run: Driver) -> None:
    async def tell(conn: net.Conn) -> None:
        await conn.write(str(context.current().value("name")).encode())

    network = net.MemoryNetwork()
    async with context.scope(context.with_value(context.background(), "name", "ann")):
        srv = net.serve(tell, network.listen("server:1")).start()
    conn = await network.dial("server:1")
    assert await conn.read_exactly(3) == b"ann"
    conn.close()
    await srv.shutdown()


# ── shutdown ──


async def test_no_response_is_cut_by_a_shutdown_under_load(run: Driver, network: Network) -> None:
    """Of 1,000 clients some have asked, some wait for an answer, and some wait to be accepted."""
    clients, size = (1000, 50) if network.kind == "memory" else (300, 10_000)
    asked = 0

    async def slow(conn: net.Conn) -> None:
        nonlocal asked
        data = await conn.read_until()
        asked += 1
        await sleep(0.01)
        await conn.write([data.upper(), bytes(size)])

    async def client() -> int:
        try:
            return len(await network.ask(srv))
        except ConnectionRefusedError:
            return -1

    srv = net.serve(slow, network.address()).start()
    answers = [go(client) for _ in range(clients)]
    await until(lambda: asked >= clients // 3)
    report = await srv.shutdown()
    lengths = [await answer for answer in answers]
    served = lengths.count(6 + size)
    assert served + lengths.count(-1) == clients
    assert served >= clients // 3
    assert report.cut == () and report.error is None and report.connections == report.drained
    assert srv.connections == 0 and not srv.ready
    with pytest.raises((ConnectionError, FileNotFoundError)):
        await network.dial(srv)
    again = net.serve(echo, srv._listener.addr if network.kind == "tcp" else network.address()).start()
    await again.shutdown()


async def test_what_waits_in_the_queue_at_a_shutdown_is_served(run: Driver) -> None:
    srv = net.serve(answer_once, "127.0.0.1:0").start()
    clients = [socket.create_connection(srv.addr) for _ in range(50)]
    for client in clients:
        client.sendall(MESSAGE)
    report = await srv.shutdown()  # the loop has not turned since they came
    assert [client.recv(100) for client in clients] == [b"HELLO\n"] * 50
    assert report.connections == report.drained == 50
    for client in clients:
        client.close()


async def test_what_waits_in_the_queue_at_a_shutdown_is_served_also_if_there_is_no_room(run: Driver) -> None:
    srv = net.serve(answer_once, "127.0.0.1:0", max_conns=2).start()
    clients = [socket.create_connection(srv.addr) for _ in range(20)]
    await until(lambda: srv.connections == 2)
    down = go(srv.shutdown)
    await until(lambda: srv.closing.closed)
    for client in clients:
        client.sendall(MESSAGE)
        client.shutdown(socket.SHUT_WR)
    report = await down
    assert [client.recv(100) for client in clients] == [b"HELLO\n"] * 20
    assert report.connections == report.drained == 20
    for client in clients:
        client.close()


async def test_a_cut_says_how_many_bytes_the_peer_has_not_taken(virtual: Driver) -> None:
    async def pour(conn: net.Conn) -> None:
        while conn.try_write(bytes(10_000)):
            pass
        await conn.write(b"never")

    network = net.MemoryNetwork()
    srv = net.serve(pour, network.listen("server:1")).start()
    conn = await network.dial("server:1")
    network.partition("server")
    await sleep(1)
    ctx, cancel = context.with_timeout(context.background(), 1)
    (cut,) = (await srv.shutdown(ctx)).cut
    assert cut.where == "conn write" and cut.unsent > 65536
    cancel()
    conn.close()


async def test_a_handler_that_never_ends_is_cut_at_the_deadline_and_reported(virtual: Driver) -> None:
    causes: list[Any] = []

    async def stay(conn: net.Conn) -> None:
        try:
            await chan().recv()
        finally:
            causes.append(context.current().cause())

    loop = asyncio.get_running_loop()
    network = net.MemoryNetwork()
    srv = net.serve(stay, network.listen("server:1")).start()
    conn = await network.dial("server:1")
    await sleep(2)
    ctx, cancel = context.with_timeout(context.background(), 5)
    report = await srv.shutdown(ctx)
    assert loop.time() == START + 7
    assert report == net.Report(1, 0, 0, (net.Cut(conn.local_addr, 7.0, "chan receive", 0),), 5.0, report.error)
    assert isinstance(report.error, DeadlineExceeded)
    assert [type(cause) for cause in causes] == [ServerShutdown]
    with pytest.raises(ConnectionResetError):
        await conn.read()
    conn.close()
    cancel()


async def test_a_handler_that_ignores_its_cancel_is_not_waited_for(virtual: Driver) -> None:
    leave = chan()

    async def ignore(conn: net.Conn) -> None:
        while True:
            try:
                await leave.recv_ok()
                return
            except asyncio.CancelledError:
                pass

    network = net.MemoryNetwork()
    srv = net.serve(ignore, network.listen("server:1")).start()
    conn = await network.dial("server:1")
    ctx, cancel = context.with_timeout(context.background(), 5)
    report = await srv.shutdown(ctx)
    assert len(report.cut) == 1 and report.seconds == pytest.approx(5.1)
    leave.close()
    cancel()
    conn.close()
    await settle()


async def test_handlers_hear_of_a_shutdown_before_anything_is_cut(virtual: Driver) -> None:
    async def chat(conn: net.Conn) -> None:
        while True:
            index, data, _ = await select(conn.read(), srv.closing.recv())
            if index == 1:
                await conn.write(b"bye")
                return
            await conn.write(data)

    network = net.MemoryNetwork(latency=0.1)
    srv = net.serve(chat, network.listen("server:1")).start()
    conn = await network.dial("server:1")
    await conn.write(b"hi")
    assert await conn.read() == b"hi"
    assert not srv.closing.closed
    report = await srv.shutdown()
    assert report.drained == 1 and srv.closing.closed
    assert await conn.read() == b"bye" and await conn.read() == b""
    conn.close()


async def test_for_the_drain_delay_it_is_not_ready_and_goes_on_accepting(virtual: Driver) -> None:
    loop = asyncio.get_running_loop()
    network = net.MemoryNetwork()
    srv = net.serve(answer_once, network.listen("server:1")).start()
    assert srv.ready
    down = go(srv.shutdown, drain_delay=3)
    await sleep(1)
    assert not srv.ready and not srv.closing.closed
    async with await network.dial("server:1") as conn:
        await conn.write(MESSAGE)
        assert await conn.read_exactly(6) == b"HELLO\n"
    report = await down
    assert loop.time() == START + 3 and report.seconds == 3 and report.connections == report.drained == 1
    with pytest.raises(ConnectionRefusedError):
        await network.dial("server:1")


async def test_the_end_of_the_context_ends_the_drain_delay_too(virtual: Driver) -> None:
    network = net.MemoryNetwork()
    srv = net.serve(never, network.listen("server:1")).start()
    conn = await network.dial("server:1")
    ctx, cancel = context.with_cancel(context.background())
    down = go(srv.shutdown, ctx, drain_delay=60)
    await sleep(1)
    cancel()
    report = await down
    assert report.seconds == 1 and isinstance(report.error, Canceled) and len(report.cut) == 1
    conn.close()


async def test_a_second_shutdown_may_end_the_first_and_both_give_the_same_report(virtual: Driver) -> None:
    network = net.MemoryNetwork()
    srv = net.serve(never, network.listen("server:1")).start()
    conn = await network.dial("server:1")
    first = go(srv.shutdown)
    await sleep(1)
    ctx, cancel = context.with_timeout(context.background(), 2)
    report = await srv.shutdown(ctx)
    assert report.seconds == 3 and len(report.cut) == 1
    assert await first is report and await srv.wait() is report and await srv.shutdown() is report
    conn.close()
    cancel()


async def test_a_shutdown_goes_on_when_its_caller_is_cancelled(virtual: Driver) -> None:
    network = net.MemoryNetwork()
    srv = net.serve(answer_once, network.listen("server:1")).start()
    conn = await network.dial("server:1")
    caller = go(srv.shutdown, drain_delay=2)
    await sleep(1)
    caller.cancel()
    await sleep(2)
    assert srv.closing.closed
    await conn.write(MESSAGE)
    assert await conn.read_exactly(6) == b"HELLO\n"
    assert (await srv.wait()).drained == 1
    conn.close()


async def test_a_server_that_is_shut_down_is_not_started_again(run: Driver, network: Network) -> None:
    srv = net.serve(echo, network.address())
    assert srv.start() is srv.start()
    await srv.shutdown()
    with pytest.raises(ServerClosed, match="shut down: make another"):
        srv.start()
    with pytest.raises(ServerClosed):
        await srv.__aenter__()
    new = net.serve(echo, network.address())
    assert await new.shutdown() == net.Report(0, 0, 0, (), 0.0, None)
    with pytest.raises(ServerClosed):
        await new.wait()


# ── close, and the block ──


@pytest.mark.parametrize("where", ["here", "on another thread"])
async def test_close_cuts_at_once(run: Driver, network: Network, where: str) -> None:
    srv = net.serve(never, network.address()).start()
    conn = await network.dial(srv)
    await until(lambda: srv.connections == 1)
    if where == "here":
        srv.close()
    else:
        thread = threading.Thread(target=srv.close)
        thread.start()
        thread.join()
    srv.close()
    report = await srv.wait()
    assert len(report.cut) == 1 and isinstance(report.error, ServerShutdown)
    with pytest.raises((ConnectionError, FileNotFoundError)):
        await network.dial(srv)
    conn.close()


async def test_the_end_of_the_block_lets_handlers_end_and_cuts_them_after_the_grace(virtual: Driver) -> None:
    network = net.MemoryNetwork()
    async with net.serve(answer_once, network.listen("server:1"), grace=5) as srv:
        asking, waiting = await network.dial("server:1"), await network.dial("server:1")
        go(write_later, asking, 4)
    report = await srv.wait()
    assert (report.drained, len(report.cut), report.seconds) == (1, 1, 5)
    assert await asking.read() == b"HELLO\n"
    asking.close()
    waiting.close()


async def write_later(conn: net.Conn, seconds: float) -> None:
    await sleep(seconds)
    await conn.write(MESSAGE)


async def test_a_block_that_is_left_by_an_exception_cuts(virtual: Driver) -> None:
    network = net.MemoryNetwork()
    srv = net.serve(never, network.listen("server:1"))
    conns: list[net.Conn] = []

    async def serve() -> None:
        async with srv:
            conns.append(await network.dial("server:1"))
            await settle()
            raise LookupError

    with pytest.raises(LookupError):
        await serve()
    report = await srv.wait()
    assert len(report.cut) == 1 and report.seconds == 0
    conns[0].close()


async def test_a_cancel_at_the_end_of_the_block_cuts(virtual: Driver) -> None:
    network = net.MemoryNetwork()
    srv = net.serve(never, network.listen("server:1"), grace=None)
    conns: list[net.Conn] = []

    async def serve() -> None:
        async with srv:
            conns.append(await network.dial("server:1"))

    serving = go(serve)
    await sleep(1)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    report = await srv.wait()
    assert len(report.cut) == 1 and report.seconds == 1
    conns[0].close()


async def test_when_its_listener_is_closed_by_another_the_connections_go_on(virtual: Driver) -> None:
    network = net.MemoryNetwork()
    listener = network.listen("server:1")
    async with net.serve(echo, listener) as srv:
        conn = await network.dial("server:1")
        await settle()
        listener.close()
        await sleep(1)
        await conn.write(MESSAGE)
        assert await conn.read() == MESSAGE
        conn.close()
    assert (await srv.wait()).drained == 1


async def test_a_program_that_ends_takes_its_servers_with_it(run: Driver) -> None:
    network = net.MemoryNetwork()
    causes: list[Any] = []

    async def stay(conn: net.Conn) -> None:
        try:
            await chan().recv()
        except asyncio.CancelledError:
            causes.append("cancelled")
            raise

    async def program() -> None:
        net.serve(stay, network.listen("server:1")).start()
        conn = await network.dial("server:1")
        await settle()
        conn.close()

    thread = threading.Thread(target=goish.run, args=(program,))
    thread.start()
    while thread.is_alive():
        await sleep(0.001)
    assert causes == ["cancelled"]


# ── the end of a connection ──


async def test_an_answer_arrives_also_if_the_request_was_not_read(run: Driver, network: Network) -> None:
    async def refuse(conn: net.Conn) -> None:
        await conn.write(b"no")

    async with net.serve(refuse, network.address()) as srv:
        async with await network.dial(srv) as conn:
            await conn.write(bytes(200_000))
            await settle()
            assert b"".join([data async for data in conn]) == b"no"


async def test_a_peer_that_does_not_close_its_end_has_a_second_for_it(virtual: Driver) -> None:
    loop = asyncio.get_running_loop()
    network = net.MemoryNetwork()
    async with net.serve(answer_once, network.listen("server:1")) as srv:
        conn = await network.dial("server:1")
        await conn.write(MESSAGE)
        assert await conn.read() == b"HELLO\n" and await conn.read() == b""
        while srv.connections:
            await sleep(0.1)
        assert loop.time() - START == pytest.approx(1, abs=0.2)
        await conn.write(MESSAGE)
        with pytest.raises(ConnectionResetError):
            await sleep_until_lost(conn)
        conn.close()


async def sleep_until_lost(conn: net.Conn) -> None:
    while True:
        await conn.write(b"x")
        await sleep(0.1)


# ── what other servers build on ──


class Asking(ServerBase):
    """A server of requests: each line is one, and its answer takes as many seconds as it says."""

    def __init__(self, addr: Any) -> None:
        super().__init__(self._handle_of, addr, workers=1, max_conns=None, grace=None, backlog=10, ssl=None)

    def _handle_of(self, site: Site) -> Handle:
        async def handle(member: Member) -> None:
            assert member.stage == NEW
            while True:
                seconds = float(await member.conn.read_until())
                member.stage = ACTIVE
                await sleep(seconds)
                await member.conn.write(b"done\n")
                if site.connections.closing:
                    return
                member.stage = IDLE

        return handle


async def test_idle_connections_close_at_once_active_ones_when_they_have_answered_and_new_ones_after_five_seconds(
    virtual: Driver,
) -> None:
    loop = asyncio.get_running_loop()
    network = net.MemoryNetwork()
    srv = Asking(network.listen("server:1")).start()
    idle, active, new = [await network.dial("server:1") for _ in range(3)]
    ends: dict[str, float] = {}

    async def follow(name: str, conn: net.Conn) -> None:
        async for _ in conn:
            pass
        ends[name] = loop.time() - START
        conn.close()

    await idle.write(b"1\n")
    await active.write(b"3\n")
    await idle.read_until()
    followers = [go(follow, name, conn) for name, conn in (("idle", idle), ("active", active), ("new", new))]
    report = await srv.shutdown()
    for follower in followers:
        await follower
    assert ends == {"idle": 1, "active": 3, "new": 5}
    assert report == net.Report(3, 1, 2, (), 4.0, None)


# ── bad input ──


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"workers": 0}, ValueError, "workers is 1 or more"),
        ({"workers": 1.5}, TypeError, "workers is a whole number"),
        ({"max_conns": 0}, ValueError, "max_conns is 1 or more"),
        ({"max_conns": "many"}, TypeError, "max_conns is a whole number"),
        ({"grace": -1}, ValueError, "grace is a number of seconds, zero or more"),
        ({"grace": "long"}, TypeError, "grace is a number of seconds"),
        ({"backlog": 0}, ValueError, "backlog is 1 or more"),
        ({"ssl": True}, TypeError, "ssl is an ssl.SSLContext"),
        ({"handler": 5}, TypeError, "an async function of a connection; got 5"),
        ({"addr": "nowhere"}, ValueError, "without a port"),
        ({"addr": 80}, TypeError, "an address is"),
    ],
    ids=str,
)
def test_options_that_are_none_are_refused_by_name(options: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        net.serve(**{"handler": echo, "addr": "127.0.0.1:0"} | options)


async def test_shutdown_checks_its_arguments(run: Driver) -> None:
    async with net.serve(echo, "127.0.0.1:0") as srv:
        bad: Any = srv.shutdown
        with pytest.raises(TypeError, match=r"takes a goish\.context\.Context, got 5"):
            await bad(5)
        with pytest.raises(ValueError, match="drain_delay is a number of seconds, zero or more"):
            await bad(drain_delay=-1)
        assert srv.ready


def test_a_server_starts_on_a_loop_only() -> None:
    srv = net.serve(echo, "127.0.0.1:0")
    with pytest.raises(RuntimeError, match="event loop"):
        srv.start()
    srv.close()


def test_an_address_that_is_taken_is_told_at_the_call() -> None:
    with net.listen("127.0.0.1:0") as listener:
        with pytest.raises(OSError, match=f"listen on 127.0.0.1:{listener.addr[1]}"):
            net.serve(echo, listener.addr)
