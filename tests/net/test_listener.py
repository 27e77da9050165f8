"""Listening: who gets a connection, closing, unread connections for other loops, shortages of file descriptors."""

from __future__ import annotations

import asyncio
import copy
import errno
import logging
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from helpers import ENDS, outcome, settle, until

from goish import WaitGroup, chan, go_thread, select
from goish._net import listener as listener_module
from goish._net.listener import refuse_more
from goish.errors import ConnClosed
from goish.net import Conn, Listener, dial, listen

Spawn = Callable[..., Any]
HOME = "127.0.0.1:0"


async def accept(listener: Listener) -> Conn:
    return await listener.accept()


async def echo(conn: Conn) -> None:
    async with conn:
        async for data in conn:
            await conn.write(data)


async def serve(listener: Listener) -> str:
    wg = WaitGroup()
    async for conn in listener:
        wg.go(echo, conn)
    await wg.wait()
    return "over"


# ── who gets a connection ──


async def test_a_goroutine_for_each_connection(spawn: Spawn) -> None:
    with listen(HOME) as listener:
        server = spawn(serve, listener)
        conns = [await dial(listener.addr) for _ in range(5)]
        for i, conn in enumerate(conns):
            await conn.write(b"%d" % i)
        assert [await conn.read() for conn in conns] == [b"%d" % i for i in range(5)]
        assert conns[0].remote_addr == listener.addr
        for conn in conns:
            conn.close()
        assert listener.statistics().accepted == 5
    assert await server == "over"


async def test_acceptors_are_served_in_the_order_in_which_they_came(spawn: Spawn) -> None:
    with listen(HOME) as listener:
        acceptors = []
        for _ in range(3):
            acceptors.append(spawn(accept, listener))
            await settle()
        clients = [await dial(listener.addr) for _ in range(3)]
        accepted = [await acceptor for acceptor in acceptors]
        assert [conn.remote_addr for conn in accepted] == [client.local_addr for client in clients]
        for conn in (*clients, *accepted):
            conn.close()


async def test_accept_is_a_case_of_select(spawn: Spawn) -> None:
    stop = chan(1)
    with listen(HOME) as listener:

        async def first() -> Any:
            return await select(stop.recv(), listener.accept())

        waiter = spawn(first)
        client = await dial(listener.addr)
        index, conn, ok = await waiter
        assert (index, ok) == (1, True)
        stop.try_send("stop")
        assert await first() == (0, "stop", True)
        conn.close()
        client.close()
        waiter = spawn(first)
        await settle()
    assert await outcome(waiter) is ConnClosed


async def test_a_cancelled_accept_has_taken_no_connection(spawn: Spawn) -> None:
    with listen(HOME) as listener:
        acceptor = spawn(accept, listener)
        await settle()
        acceptor.cancel()
        assert await outcome(acceptor) is asyncio.CancelledError
        client = await dial(listener.addr)
        conn = await listener.accept()
        assert conn.remote_addr == client.local_addr
        conn.close()
        client.close()


async def test_a_connection_whose_acceptor_never_looks_goes_to_the_next() -> None:
    with listen(HOME) as listener:
        op = listener.accept()
        op.add_done_callback(lambda _: None)
        client = await dial(listener.addr)
        await until(lambda: listener.statistics().accepted == 1)
        op.close()  # type: ignore[attr-defined]
        conn = await listener.accept()
        assert conn.remote_addr == client.local_addr
        conn.close()
        client.close()


async def test_a_listener_accepts_ahead_only_a_little() -> None:
    """The rest waits in the backlog of the kernel, for whichever process accepts."""
    with listen(HOME) as listener:
        clients = []
        for _ in range(listener_module._AHEAD + 20):
            client = socket.socket()
            client.setblocking(False)
            clients.append(client)
            with pytest.raises(BlockingIOError):
                client.connect(listener.addr)
        (await listener.accept()).close()
        await settle(50)
        statistics = listener.statistics()
        assert 0 < statistics.ready <= listener_module._AHEAD
        assert statistics.accepted <= listener_module._AHEAD + 1
        for _ in range(len(clients) - 1):
            (await listener.accept()).close()
        for client in clients:
            client.close()


async def test_goroutines_of_several_loops_accept_from_one_listener() -> None:
    with listen(HOME) as listener:

        async def elsewhere() -> bytes:
            async with await listener.accept() as conn:
                return await conn.read()

        handles = [go_thread(elsewhere) for _ in range(3)]
        clients = [await dial(listener.addr) for _ in range(3)]
        for client in clients:
            await client.write(b"hello")
        assert [await handle for handle in handles] == [b"hello"] * 3
        for client in clients:
            client.close()


async def test_an_unread_connection_goes_through_a_channel_to_another_loop(spawn: Spawn) -> None:
    conns = chan(1)

    async def worker() -> list[object]:
        conn = await conns.recv()
        async with conn:
            loop = asyncio.get_running_loop()
            request = await conn.read_exactly(7)
            await conn.write(b"answer")
            return [request, conn.get_extra_info("socket") is not None, loop is not home]

    home = asyncio.get_running_loop()
    with listen(HOME) as listener:
        handle = go_thread(worker)
        client = await dial(listener.addr)
        await client.write(b"request")
        conn = await listener.accept()
        assert "not bound to a loop" in repr(conn)
        assert conn.remote_addr == client.local_addr and conn.local_addr == listener.addr
        await conns.send(conn)
        assert await client.read_exactly(6) == b"answer"
        assert await handle == [b"request", True, True]
        with pytest.raises(RuntimeError, match=r"belongs to another event loop|is closed"):
            await conn.read()
        client.close()


async def test_what_is_written_first_arrives_also_if_it_is_closed_at_once(spawn: Spawn) -> None:
    with listen(HOME) as listener:
        client = await dial(listener.addr)
        conn = await listener.accept()
        await conn.write(b"go away")
        conn.close()
        assert b"".join([chunk async for chunk in client]) == b"go away"
        client.close()


async def test_an_unbound_connection_may_be_closed_from_any_thread() -> None:
    with listen(HOME) as listener:
        client = await dial(listener.addr)
        conn = await listener.accept()
        await asyncio.to_thread(conn.close)
        assert await client.read() == b""
        for op in (conn.read, lambda: conn.write(b"x")):
            with pytest.raises(ConnClosed):
                await op()
        client.close()


async def test_a_select_binds_an_unbound_connection(spawn: Spawn) -> None:
    with listen(HOME) as listener:
        client = await dial(listener.addr)
        conn = await listener.accept()
        await client.write(b"hello")
        assert await select(chan().recv(), conn.read()) == (1, b"hello", True)
        other = await dial(listener.addr)
        conn2 = await listener.accept()
        assert await select(chan().recv(), conn2.write(b"abc")) == (1, 3, True)
        assert await other.read() == b"abc"
        for each in (client, conn, other, conn2):
            each.close()


async def test_a_forgotten_unbound_connection_is_closed_with_a_warning() -> None:
    with listen(HOME) as listener:
        client = await dial(listener.addr)
        conn = await listener.accept()
        await settle()  # a task's wake-up holds what it has brought
        box = [conn]
        del conn
        with pytest.warns(ResourceWarning, match="unclosed connection"):
            box.clear()
        assert await client.read() == b""
        client.close()


# ── closing ──


async def test_close_ends_those_that_wait_and_refuses_those_that_come(spawn: Spawn) -> None:
    listener = listen(HOME)
    waiters = [spawn(accept, listener), spawn(serve, listener)]
    await settle()
    listener.close()
    listener.close()
    assert [await outcome(waiter) for waiter in waiters] == [ConnClosed, "over"]
    with pytest.raises(ConnClosed, match=re.escape(f"accept on a closed listener: 127.0.0.1:{listener.addr[1]}")):
        await listener.accept()
    assert (listener.closed, listener.fileno()) == (True, -1)
    with pytest.raises(ConnectionRefusedError):
        await dial(listener.addr)


async def test_close_closes_connections_that_nobody_took(spawn: Spawn) -> None:
    listener = listen(HOME)
    clients = [await dial(listener.addr) for _ in range(3)]
    (await listener.accept()).close()
    await until(lambda: listener.statistics().ready == 2)
    listener.close()
    for client in clients:
        assert await outcome(client.read()) in (b"", ConnectionResetError)
        client.close()


async def test_close_from_another_thread(spawn: Spawn) -> None:
    listener = listen(HOME)
    waiter = spawn(accept, listener)
    await settle()
    thread = threading.Thread(target=listener.close)
    thread.start()
    thread.join()
    assert await outcome(waiter) is ConnClosed
    await until(lambda: listener.fileno() == -1)


def test_a_listener_is_made_before_a_loop_runs_and_outlives_it(run: Any) -> None:
    with listen(HOME) as listener, socket.create_connection(listener.addr) as early:

        async def main() -> None:
            async with await listener.accept() as conn:
                assert conn.local_addr == listener.addr
                seen.append(await conn.read_exactly(5))

        seen: list[bytes] = []
        early.sendall(b"early")
        run(main)
        with socket.create_connection(listener.addr) as late:
            late.sendall(b"later")
            run(main)
        assert seen == [b"early", b"later"]
        assert listener.statistics().accepted == 2


# ── addresses ──


@pytest.mark.parametrize("addr", [":0", "localhost:0", ("127.0.0.1", 0), "127.0.0.1:0"])
async def test_addresses_of_tcp(addr: Any) -> None:
    with listen(addr) as listener:
        host, port = listener.addr
        assert port != 0
        async with await dial(("127.0.0.1" if addr == ":0" else host, port)) as client:
            async with await listener.accept() as conn:
                assert conn.remote_addr == client.local_addr, "also where IPv4 comes in through IPv6"


async def test_ipv6() -> None:
    try:
        listener = listen("[::1]:0")
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with listener:
        assert listener.addr[0] == "::1" and repr(listener) == f"<Listener [::1]:{listener.addr[1]}>"
        async with await dial(listener.addr) as client:
            async with await listener.accept():
                assert client.remote_addr == listener.addr


@pytest.mark.skipif(sys.platform != "linux", reason="the queue of a unix socket, as Linux has it")
async def test_late_connections_to_a_unix_socket_are_refused_and_those_in_its_queue_accepted(tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/socket"
    with listen(path) as listener:
        early = await dial(path)
        refuse_more(listener)
        with pytest.raises(ConnectionRefusedError):
            await dial(path)
        await early.write(b"early")
        async with await listener.accept() as conn:
            assert await conn.read() == b"early"
        early.close()


@pytest.mark.parametrize("family", ["tcp", "unix"])
async def test_a_socket_that_others_may_have_goes_on_to_take_connections(family: str, tmp_path: Path) -> None:
    path = f"{tmp_path}/socket"
    bound = socket.socket(socket.AF_INET if family == "tcp" else socket.AF_UNIX)
    bound.bind(("127.0.0.1", 0) if family == "tcp" else path)
    with listen(bound) as listener:
        refuse_more(listener)
        async with await dial(listener.addr if family == "tcp" else f"unix:{path}"):
            (await listener.accept()).close()


async def test_a_unix_socket_is_removed_with_its_listener_and_one_left_behind_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
    with listen(f"unix:{path}") as listener:
        assert listener.addr == path and repr(listener) == f"<Listener unix:{path}>"
        async with await dial(f"unix:{path}") as client:
            async with await listener.accept() as conn:
                await conn.write(b"hello")
                assert await client.read() == b"hello"
                assert conn.remote_addr in ("", None) and client.remote_addr == path
        with pytest.raises(OSError, match=f"listen on unix:{path}: Address already in use"):
            listen(f"unix:{path}")
    assert not os.path.exists(path)
    Path(path).write_text("no socket")
    with pytest.raises(OSError, match="Address already in use"):
        listen(f"unix:{path}")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue looks like a dead server")
def test_the_unix_socket_of_a_server_whose_queue_is_full_is_taken(tmp_path: Path) -> None:
    """To see whether it lives, listen() connects to it: it waited for a place in the queue."""
    path = str(tmp_path / "socket")
    with ExitStack() as held:
        busy, *clients = [held.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(5)]
        busy.bind(path)
        busy.listen(0)
        for client in clients:
            client.setblocking(False)
        assert errno.EAGAIN in [client.connect_ex(path) for client in clients]
        with pytest.raises(OSError, match="Address already in use"):
            listen(f"unix:{path}")


async def test_a_bound_socket_is_listened_on(spawn: Spawn) -> None:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    with listen(sock) as listener:
        assert listener.fileno() == sock.fileno()
        async with await dial(listener.addr):
            (await listener.accept()).close()
    assert sock.fileno() == -1


def test_several_listeners_share_a_port() -> None:
    with listen(HOME, reuse_port=True) as one:
        with listen(one.addr, reuse_port=True) as other:
            assert one.addr == other.addr


def test_errors_of_the_system_come_at_the_call_with_the_address() -> None:
    with listen(HOME) as listener:
        host, port = listener.addr
        with pytest.raises(OSError, match=f"listen on 127.0.0.1:{port}: Address already in use") as caught:
            listen(f"{host}:{port}")
        assert caught.value.errno == errno.EADDRINUSE
    with pytest.raises(socket.gaierror, match=r"listen on no\.such\.host\.invalid:80"):
        listen("no.such.host.invalid:80")
    with pytest.raises(FileNotFoundError, match="listen on unix:/no/such/directory/socket"):
        listen("unix:/no/such/directory/socket")


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_all_interfaces_means_both_families_or_an_error() -> None:
    with socket.socket(socket.AF_INET6) as other:
        other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        other.bind(("::", 0))
        other.listen()
        with pytest.raises(OSError, match="listen on") as caught:
            listen(f":{other.getsockname()[1]}")
        assert caught.value.errno == errno.EADDRINUSE


# ── shortages and losses ──


async def test_a_connection_that_was_lost_before_it_was_accepted_is_passed_over() -> None:
    with listen(HOME) as listener:
        client = await dial(listener.addr)
        conn = await accept_through(listener, Failing(listener._sock, [OSError(errno.ECONNABORTED, "aborted")]))
        assert listener.statistics().refused == 1
        conn.close()
        client.close()


class Failing:
    """A listening socket whose accept fails a few times first."""

    def __init__(self, sock: socket.socket, errors: list[OSError]) -> None:
        self.sock = sock
        self.errors = errors

    def _accept(self) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        return self.sock._accept()  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)


async def accept_through(listener: Any, failing: Failing) -> Conn:
    listener._sock = failing
    conn: Conn = await listener.accept()
    return conn


async def test_a_shortage_is_waited_out_and_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listener_module, "_FIRST_DELAY", 0.001)
    with listen(HOME) as listener, caplog.at_level(logging.ERROR, "goish"):
        client = await dial(listener.addr)
        errors = [OSError(number, os.strerror(number)) for number in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS)]
        conn = await accept_through(listener, Failing(listener._sock, errors))
        assert listener.statistics().shortages == 3
        conn.close()
        client.close()
    assert len([record for record in caplog.records if "and is tried again" in record.message]) == 1


SHORT = """
import asyncio, resource, sys, goish
from goish import go, net

async def echo(conn):
    async with conn:
        async for data in conn:
            await conn.write(data)

async def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
    with net.listen("127.0.0.1:0") as listener:
        print(listener.addr[1], flush=True)
        served = 0
        async for conn in listener:
            served += 1
            g = go(echo, conn)
            if served == 100:
                break
        await g
        print(listener.statistics().shortages > 0)

goish.run(main, loop=LOOP)
"""


@pytest.mark.parametrize("loop", ["asyncio.SelectorEventLoop", "__import__('uvloop').new_event_loop"])
def test_a_server_without_file_descriptors_goes_on_when_some_are_free(loop: str) -> None:
    """A hundred clients want to be served at once, and the server has room for thirty."""
    command = [sys.executable, "-c", SHORT.replace("LOOP", loop)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None and server.stderr is not None
        port = int(server.stdout.readline())
        clients = [socket.create_connection(("127.0.0.1", port), timeout=ENDS) for _ in range(100)]
        for client in clients:
            client.sendall(b"x")
        for client in clients:
            assert client.recv(1) == b"x"
            client.close()
        told, logged = server.communicate(timeout=ENDS)
    assert (server.returncode, told.strip()) == (0, "True"), logged
    assert "Too many open files" in logged


# ── mistakes ──

BAD = {
    "no port": (lambda: listen("localhost"), ValueError, "without a port"),
    "a port that is no number": (lambda: listen("localhost:http"), ValueError, "a port is a number, 0 to 65535"),
    "too large a port": (lambda: listen("localhost:65536"), ValueError, "a port is a number, 0 to 65535"),
    "IPv6 without brackets": (lambda: listen("::1:80"), ValueError, "stands in brackets"),
    "unix without a path": (lambda: listen("unix:"), ValueError, "without a path"),
    "a number": (lambda: listen(80), TypeError, 'an address is "host:port"'),
    "bytes": (lambda: listen(b"localhost:80"), TypeError, 'an address is "host:port"'),
    "a tuple of three": (lambda: listen(("a", 1, 2)), TypeError, "got ('a', 1, 2) of type tuple"),
    "a port as bool": (lambda: listen(("a", True)), ValueError, "a port is a number"),
    "no backlog": (lambda: listen(HOME, backlog=0), ValueError, "backlog is 1 or more; got 0"),
    "reuse_port": (lambda: listen(HOME, reuse_port=1), TypeError, "reuse_port is True, False or None"),
    "ssl=True": (lambda: listen(HOME, ssl=True), TypeError, "ssl is an ssl.SSLContext with a certificate, or None"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_told_at_the_call(name: str) -> None:
    call, kind, words = BAD[name]
    with pytest.raises(kind, match=re.escape(words)):
        call()


def test_an_unbound_or_a_datagram_socket_is_refused() -> None:
    with socket.socket() as sock:
        with pytest.raises(ValueError, match="is bound to its address"):
            listen(sock)
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        with pytest.raises(ValueError, match="SOCK_STREAM"):
            listen(sock)


def test_accept_on_a_thread_without_a_loop_says_so() -> None:
    with listen(HOME) as listener:
        with pytest.raises(RuntimeError, match="no event loop runs on this thread"):
            listener.accept().add_done_callback(print)


def test_a_listener_cannot_be_copied() -> None:
    with listen(HOME) as listener:
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            copy.copy(listener)
