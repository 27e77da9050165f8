"""Servers on several loops: threads without the GIL, processes with it. Both kinds are tested on every Python."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import handlers
import pytest
from conftest import Driver
from helpers import is_alive, until

from goish import context, go, net, sleep
from goish._net import server
from goish.errors import DeadlineExceeded, ServerClosed, ServerShutdown

MESSAGE = b"hello\n"


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "threads_are_parallel", lambda: True)


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "threads_are_parallel", lambda: False)


@pytest.fixture(params=["threads", "processes"])
def kind(request: pytest.FixtureRequest) -> str:
    request.getfixturevalue(request.param)
    return str(request.param)


async def ask(srv: net.Server, message: bytes = MESSAGE) -> bytes:
    async with await net.dial(f"unix:{srv.addr}" if isinstance(srv.addr, str) else srv.addr) as conn:
        await conn.write(message)
        return b"".join([data async for data in conn])


async def workers_of(srv: net.Server, number: int) -> set[bytes]:
    """What is told by so many of them."""
    found: set[bytes] = set()
    while len(found) < number:
        found.add(await ask(srv))
    return found


# ── both ──


async def test_workers_share_the_connections(run: Driver, kind: str) -> None:
    handler = handlers.tell_thread if kind == "threads" else handlers.tell_process
    here = threading.get_ident() if kind == "threads" else os.getpid()
    async with net.serve(handler, "127.0.0.1:0", workers=2) as srv:
        assert b"%d" % here not in await workers_of(srv, 2)


async def test_no_response_of_any_worker_is_cut_by_a_shutdown(run: Driver, kind: str) -> None:
    srv = net.serve(handlers.shout, "127.0.0.1:0", workers=2)
    await srv.wait_started()  # not by a connection, of whose end a worker may hear later
    conns = [await net.dial(srv.addr) for _ in range(100)]
    down = go(srv.shutdown)
    await until(lambda: not srv.ready)
    for conn in conns:
        await conn.write(MESSAGE)
    assert [b"".join([data async for data in conn]) for conn in conns] == [b"HELLO\n"] * 100
    for conn in conns:
        conn.close()
    report = await down
    assert report.connections == report.drained == 100 and report.error is None
    with pytest.raises(ConnectionRefusedError):
        await net.dial(srv.addr)


async def test_what_waits_in_the_queue_is_served_by_some_worker(run: Driver, kind: str) -> None:
    srv = net.serve(handlers.shout, "127.0.0.1:0", workers=2).start()
    assert await ask(srv) == b"HELLO\n"
    clients = [socket.create_connection(srv.addr) for _ in range(50)]
    for client in clients:
        client.sendall(MESSAGE)
    down = go(srv.shutdown)
    for client in clients:
        client.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(client, 100) == b"HELLO\n"
        client.close()
    assert (await down).cut == ()


async def test_all_workers_hear_of_the_shutdown_before_the_cut(run: Driver, kind: str) -> None:
    srv = net.serve(handlers.until_closing, "127.0.0.1:0", workers=2).start()
    conns = [await net.dial(srv.addr) for _ in range(8)]
    for conn in conns:
        await conn.read()
    report = await srv.shutdown()
    assert report.drained == 8
    for conn in conns:
        assert await conn.read() == b" bye"
        conn.close()


async def test_handlers_that_never_end_are_cut_on_all_workers(run: Driver, kind: str) -> None:
    srv = net.serve(handlers.never, "127.0.0.1:0", workers=2).start()
    conns = [await net.dial(srv.addr) for _ in range(4)]
    for conn in conns:
        assert await conn.read() == b"here"
    ctx, cancel = context.with_timeout(context.background(), 0.05)
    report = await srv.shutdown(ctx)
    cancel()
    assert isinstance(report.error, DeadlineExceeded) and report.drained == 0
    assert sorted(cut.remote_addr for cut in report.cut) == sorted(conn.local_addr for conn in conns)
    assert {cut.where for cut in report.cut} == {"conn read"}
    for conn in conns:
        conn.close()


async def test_close_ends_all_workers(run: Driver, kind: str) -> None:
    srv = net.serve(handlers.never, "127.0.0.1:0", workers=2).start()
    conn = await net.dial(srv.addr)
    assert await conn.read() == b"here"
    srv.close()
    report = await srv.wait()
    assert len(report.cut) == 1 and isinstance(report.error, ServerShutdown)
    conn.close()


async def test_a_network_in_memory_is_of_one_loop(run: Driver, kind: str) -> None:
    with pytest.raises(ValueError, match="a network in memory is of one loop: workers=1"):
        net.serve(handlers.shout, net.MemoryNetwork().listen("server:1"), workers=2)


# ── threads ──


async def test_threads_share_what_they_like_and_the_limit_of_connections(run: Driver, threads: None) -> None:
    most, open_now, lock = 0, 0, threading.Lock()

    async def count(conn: net.Conn) -> None:
        nonlocal most, open_now
        with lock:
            open_now += 1
            most = max(most, open_now)
        await handlers.shout(conn)
        with lock:
            open_now -= 1

    async with net.serve(count, "127.0.0.1:0", workers=2, max_conns=3) as srv:
        asked = [go(ask, srv) for _ in range(30)]
        assert [await one for one in asked] == [b"HELLO\n"] * 30
    assert 1 <= most <= 3


async def test_a_thread_that_cannot_start_fails_the_server(run: Driver, threads: None) -> None:
    srv = net.serve(handlers.shout, "127.0.0.1:0", workers=2)

    def fail(site: Any) -> Any:
        raise LookupError("of the site")

    srv._make_handle = fail
    with pytest.raises(LookupError, match="of the site"):
        await srv.wait()
    srv.close()


# ── processes ──


async def test_a_worker_that_crashes_is_replaced(
    run: Driver, processes: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with net.serve(handlers.crash, "127.0.0.1:0", workers=2) as srv:
        for _ in range(3):
            with suppress(ConnectionResetError):  # or an end, as the system has it
                assert await ask(srv) == b""
        await until_logged(caplog, 3)
    for text in caplog.messages:
        assert re.search(r"worker \d \(process \d+\) ended with exit code 3; another", text)


async def until_logged(caplog: pytest.LogCaptureFixture, number: int) -> None:
    while len(caplog.messages) < number:
        await sleep(0.01)


async def test_connections_wait_while_the_only_other_worker_is_replaced(
    run: Driver, processes: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with net.serve(handlers.tell_process, "127.0.0.1:0", workers=2) as srv:
        for pid in await workers_of(srv, 2):
            os.kill(int(pid), signal.SIGKILL)
        assert len(await workers_of(srv, 2)) == 2
        await until_logged(caplog, 2)
    assert "exit code -9" in caplog.text


async def test_a_handler_that_no_process_could_import_is_refused(run: Driver, processes: None) -> None:
    async def local(conn: net.Conn) -> None: ...

    with pytest.raises(TypeError, match="import the handler by its name: a function of a module"):
        net.serve(local, "127.0.0.1:0", workers=2)


async def test_a_worker_that_cannot_start_fails_the_server(run: Driver, processes: None) -> None:
    handler: Any = handlers.FailsToLoad()
    handler.__class__.__call__ = handlers.shout
    srv = net.serve(handler, "127.0.0.1:0", workers=2)
    with pytest.raises(LookupError, match="of the import") as raised:
        await srv.wait_started()
    assert "in worker process" in raised.value.__notes__[0] and "fail_to_load" in raised.value.__notes__[0]


async def test_a_worker_that_ends_before_it_is_ready_fails_the_server(
    run: Driver, processes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOISH_TEST_WORKERS", "exit")
    with pytest.raises(RuntimeError, match="ended with exit code 7 before it was ready"):
        async with net.serve(handlers.Depends(), "127.0.0.1:0", workers=2):
            pass


async def test_a_failure_to_start_after_a_crash_is_tried_again(
    run: Driver, processes: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with net.serve(handlers.Depends(), "127.0.0.1:0", workers=2) as srv:
        monkeypatch.setenv("GOISH_TEST_WORKERS", "fail")
        os.kill(int(await ask(srv)), signal.SIGKILL)
        await until_logged(caplog, 3)
        monkeypatch.delenv("GOISH_TEST_WORKERS")
        assert len(await workers_of(srv, 2)) == 2
    assert "exit code -9" in caplog.messages[0]
    assert "exit code 1;" in caplog.messages[1] and "of the start" in caplog.text


async def test_all_workers_are_replaced_without_losing_a_connection(run: Driver, processes: None) -> None:
    async with net.serve(handlers.tell_process, "127.0.0.1:0", workers=2) as srv:
        before = await workers_of(srv, 2)
        replacing = go(srv.replace_workers)
        while not replacing.done():
            assert await ask(srv)
        assert not before & await workers_of(srv, 2)


async def test_a_connection_in_progress_outlives_the_replacement_of_its_worker(run: Driver, processes: None) -> None:
    async with net.serve(handlers.until_closing, "127.0.0.1:0", workers=2) as srv:
        async with await net.dial(srv.addr) as conn:
            await conn.read()
            await srv.replace_workers()
            assert await conn.read() == b" bye"


async def test_a_connection_that_does_not_end_is_cut_after_the_grace(
    run: Driver, processes: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with net.serve(handlers.never, "127.0.0.1:0", workers=2, grace=0.05) as srv:
        async with await net.dial(srv.addr) as conn:
            assert await conn.read() == b"here"
            await srv.replace_workers()
            with suppress(ConnectionResetError):  # or an end, as the system has it
                assert await conn.read() == b""
    assert "was cut after" in caplog.text and "in conn read" in caplog.text


async def test_if_the_new_worker_does_not_start_the_old_one_stays(
    run: Driver, processes: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with net.serve(handlers.Depends(), "127.0.0.1:0", workers=2) as srv:
        before = await workers_of(srv, 2)
        monkeypatch.setenv("GOISH_TEST_WORKERS", "fail")
        with pytest.raises(LookupError, match="of the start"):
            await srv.replace_workers()
        assert await workers_of(srv, 2) == before
    assert "the old one stays" in caplog.text


async def test_a_worker_that_is_sent_sigterm_is_replaced_before_it_drains(run: Driver, processes: None) -> None:
    async with net.serve(handlers.tell_process, "127.0.0.1:0", workers=2) as srv:
        before = await workers_of(srv, 2)
        os.kill(int(min(before)), signal.SIGTERM)
        os.kill(int(max(before)), signal.SIGINT)  # of the terminal: for the parent
        while is_alive(int(min(before))):  # it accepts until it hears that the other one does
            assert await ask(srv)
        found = await workers_of(srv, 2)
        assert max(before) in found and min(before) not in found


async def test_a_new_worker_is_looked_after_while_the_old_one_drains(
    run: Driver, processes: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with net.serve(handlers.stay_or_tell, "127.0.0.1:0", workers=2, grace=None) as srv:
        conns: list[net.Conn] = []
        before: set[bytes] = set()
        while len(before) < 2:  # both stay, with a client
            conns.append(await net.dial(srv.addr))
            before.add(await ask_on(conns[-1], b"stay\n"))
        replacing = go(srv.replace_workers)
        while (new := await ask(srv)) in before:
            pass
        os.kill(int(new), signal.SIGKILL)
        await until_logged(caplog, 1)
        assert not replacing.done()
        for conn in conns:
            conn.close()
        await replacing
        assert not before & await workers_of(srv, 2)
    assert "another takes its place" in caplog.text


async def ask_on(conn: net.Conn, message: bytes) -> bytes:
    await conn.write(message)
    return await conn.read()


async def test_only_worker_processes_that_are_there_are_replaced(run: Driver, processes: None) -> None:
    one = net.serve(handlers.shout, "127.0.0.1:0")
    with pytest.raises(RuntimeError, match="is for worker processes: this server runs in this process"):
        await one.replace_workers()
    one.close()
    srv = net.serve(handlers.shout, "127.0.0.1:0", workers=2)
    with pytest.raises(RuntimeError, match="before the server is started"):
        await srv.replace_workers()
    srv.close()
    with pytest.raises(ServerClosed):
        await srv.replace_workers()


async def test_a_shutdown_ends_a_replacement(run: Driver, processes: None) -> None:
    srv = net.serve(handlers.never, "127.0.0.1:0", workers=2, grace=None)
    await srv.wait_started()
    conns = [await net.dial(srv.addr) for _ in range(8)]
    for conn in conns:
        await conn.read()
    replacing = go(srv.replace_workers)
    await sleep(0)
    ctx, cancel = context.with_timeout(context.background(), 0.05)
    report = await srv.shutdown(ctx)
    cancel()
    with pytest.raises(ServerClosed):
        await replacing
    assert report.connections == len(report.cut) == 8
    for conn in conns:
        conn.close()


async def test_the_connections_of_all_workers_are_counted(run: Driver, kind: str) -> None:
    async with net.serve(handlers.never, "127.0.0.1:0", workers=2, grace=0) as srv:
        conns = [await net.dial(srv.addr) for _ in range(8)]
        await until_equal(lambda: srv.connections, 8)
        for conn in conns[:5]:
            conn.close()
        await until_equal(lambda: srv.connections, 3)
        for conn in conns[5:]:
            conn.close()


async def until_equal(get: Callable[[], object], expected: object) -> None:
    while get() != expected:
        await sleep(0.01)


async def test_a_crash_during_the_shutdown_is_in_its_report(
    run: Driver, processes: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with net.serve(handlers.until_closing, "127.0.0.1:0", workers=2) as srv:
        conn = await net.dial(srv.addr)
        pid = int(await conn.read())
        down = go(srv.shutdown, drain_delay=60)
        await until(lambda: not srv.ready)
        os.kill(pid, signal.SIGKILL)
        await until_logged(caplog, 1)
        await srv.shutdown()
        (cut,) = (await down).cut
        conn.close()
    assert cut.remote_addr is None and re.fullmatch(r"worker \d \(process \d+\) ended with exit code -9", cut.where)
    assert "during the shutdown; its connections are lost" in caplog.text


PARENT = """
import contextlib, sys
sys.path[:0] = {path!r}
import handlers
from goish import net, run
from goish._net import server

server.threads_are_parallel = lambda: False

async def main():
    async with net.serve(handlers.{handler}, "127.0.0.1:0", workers=2) as srv:
        found = set()
        async with contextlib.AsyncExitStack() as stack:  # once a client has left, its worker may serve nobody
            while len(found) < 2:
                conn = await stack.enter_async_context(await net.dial(srv.addr))
                found.add(int(await conn.read()))
        print(*found, flush=True)
        sys.stdin.read()

if __name__ == "__main__":
    run(main, deadlock="off")
"""


@pytest.mark.parametrize("handler", ["tell_process", pytest.param("tell_and_block", marks=pytest.mark.slow)])
def test_workers_end_when_their_parent_dies(tmp_path: Path, handler: str) -> None:
    program = tmp_path / "parent.py"
    program.write_text(PARENT.format(path=[str(Path(handlers.__file__).parent)], handler=handler))
    with subprocess.Popen(
        [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.kill()
    while [pid for pid in pids if is_alive(pid)]:
        time.sleep(0.01)


# ── TLS ──


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Of a client that trusts what ``handlers.tls`` makes in the processes."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    authority.issue_cert("goish.test").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    monkeypatch.setenv("GOISH_TEST_CERTIFICATE", str(tmp_path / "both.pem"))
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return client


async def test_workers_take_a_function_that_makes_the_context_of_tls(
    run: Driver, kind: str, certificate: ssl.SSLContext
) -> None:
    async with net.serve(handlers.shout, "127.0.0.1:0", workers=2, ssl=handlers.tls) as srv:
        for _ in range(4):
            async with await net.dial(srv.addr, ssl=certificate, server_hostname="goish.test") as conn:
                await conn.write(MESSAGE)
                assert await conn.read_until() == b"HELLO\n"


async def test_a_context_of_tls_is_refused_by_processes(
    run: Driver, processes: None, certificate: ssl.SSLContext
) -> None:
    with pytest.raises(ValueError, match="a function of a module that makes it, such as ssl=make_context"):
        net.serve(handlers.shout, "127.0.0.1:0", workers=2, ssl=handlers.tls())
    with net.listen("127.0.0.1:0", ssl=handlers.tls()) as listener:
        with pytest.raises(ValueError, match="cannot be given to worker processes"):
            net.serve(handlers.shout, listener, workers=2)


async def test_what_makes_no_context_is_refused(run: Driver) -> None:
    with pytest.raises(TypeError, match=r"or a function that makes one; .* made 5"):
        net.serve(handlers.shout, "127.0.0.1:0", ssl=lambda: 5)  # type: ignore[arg-type, return-value]


async def test_no_process_is_left_behind(run: Driver, processes: None) -> None:
    async with net.serve(handlers.tell_process, "127.0.0.1:0", workers=2) as srv:
        pids = {int(pid) for pid in await workers_of(srv, 2)}
    assert not [pid for pid in pids if is_alive(pid)]
