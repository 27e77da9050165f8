"""How a Conn ends: closed (from any thread), aborted, lost, forgotten; with its loop, in a fork, at the exit."""

from __future__ import annotations

import asyncio
import copy
import gc
import subprocess
import sys
import textwrap
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from helpers import ENDS, in_one_callback, outcome, settle, until
from wires import bare, connected, receive, reset, send, wired

import goish
from goish import chan, go, select
from goish._runtime.core import conn_watch
from goish.errors import ConnClosed
from goish.net import Conn

Spawn = Callable[..., Any]


async def read(conn: Conn) -> bytes:
    return await conn.read()


async def read_exactly(conn: Conn) -> bytes:
    return await conn.read_exactly(100)


async def write(conn: Conn) -> int:
    return await conn.write(b"never")


async def choose(conn: Conn) -> object:
    return await select(conn.read(), chan().recv())


# ── closed ──


async def test_close_ends_all_that_waits_at_once_and_sends_what_was_written(spawn: Spawn) -> None:
    conn, wire = bare()
    await conn.write(b"flushed")
    wire.protocol.pause_writing()
    waiters = [spawn(fn, conn) for fn in (read, read_exactly, write, choose)]
    await settle()
    conn.close()
    conn.close()
    assert [await outcome(waiter) for waiter in waiters] == [ConnClosed] * 4
    assert (bytes(wire.sent), wire.calls) == (b"flushed", ["write", "close"])
    assert conn.closed


async def test_a_closed_connection_refuses_everything_even_what_is_unread() -> None:
    conn, wire = bare()
    wire.protocol.data_received(b"unread")
    conn.close()
    for op in (read, read_exactly, write, choose):
        with pytest.raises(ConnClosed, match="use of a closed connection"):
            await op(conn)
    with pytest.raises(ConnClosed):
        conn.try_write(b"x")
    with pytest.raises(ConnClosed):
        conn.close_write()
    with pytest.raises(ConnClosed):
        await anext(conn)
    assert issubclass(ConnClosed, ConnectionError)
    await settle()
    wire.protocol.data_received(b"late")


async def test_abort_does_not_send_what_was_written_and_may_follow_a_close() -> None:
    conn, wire = bare()
    conn.close()
    conn.abort()
    assert wire.calls == ["close", "abort"]


async def test_async_with_closes(spawn: Spawn) -> None:
    conn, wire = bare()
    async with conn as entered:
        assert entered is conn
    assert conn.closed and wire.calls == ["close"]


async def test_close_from_another_thread_ends_all_that_waits(spawn: Spawn) -> None:
    async with wired() as (conn, peer):
        waiters = [spawn(fn, conn) for fn in (read, read_exactly, choose)]
        await settle()
        await conn.write(b"flushed")
        thread = threading.Thread(target=conn.close)
        thread.start()
        thread.join()
        assert conn.closed
        with pytest.raises(ConnClosed):
            await conn.write(b"x")
        assert [await outcome(waiter) for waiter in waiters] == [ConnClosed] * 3
        assert [await receive(peer), await receive(peer)] == [b"flushed", b""]


async def test_a_cancel_after_the_close_changes_nothing(spawn: Spawn) -> None:
    """The close came first: the reader is told of it, and the cancel comes at its next wait."""
    conn, _ = bare()
    seen: list[object] = []

    async def reads() -> None:
        try:
            await conn.read()
        except ConnClosed:
            seen.append(ConnClosed)
        await chan().recv()

    reader = spawn(reads)
    await settle()
    await in_one_callback(conn.close, reader.cancel)
    assert await outcome(reader) is asyncio.CancelledError
    assert seen == [ConnClosed]


async def test_a_close_before_there_is_a_transport_sends_what_was_kept() -> None:
    conn, wire = bare(made=False)
    await conn.write(b"hello")
    conn.close()
    wire.protocol.connection_made(wire)
    assert (bytes(wire.sent), wire.calls) == (b"hello", ["write", "close"])


async def test_operations_of_another_loop_say_where_they_belong(spawn: Spawn) -> None:
    conn, _ = bare()
    told: list[str] = []

    def elsewhere() -> None:
        async def main() -> None:
            for op in (read, write, choose):
                with pytest.raises(RuntimeError, match="belongs to another event loop") as caught:
                    await op(conn)
                told.append(str(caught.value))
            with pytest.raises(RuntimeError, match="belongs to another event loop"):
                conn.set_deadline(1.0)
            with pytest.raises(RuntimeError, match="belongs to another event loop"):
                conn.close_write()
            assert not conn.closed

        goish.run(main)

    await asyncio.to_thread(elsewhere)
    assert len(told) == 3
    conn.close()


# ── lost ──


async def test_a_reset_is_an_error_of_reads_and_writes(spawn: Spawn) -> None:
    async with wired(tcp=True) as (conn, peer):
        reader = spawn(read, conn)
        await settle()
        reset(peer)
        with pytest.raises(ConnectionResetError):
            await reader
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            await conn.write(b"x")


async def test_a_loss_before_the_first_read_is_told_by_it() -> None:
    async with wired() as (conn, peer):
        await send(peer, b"last words")
        peer.close()
        await settle()
        assert [await conn.read(), await conn.read()] == [b"last words", b""]


# ── the hook of servers ──


@pytest.mark.parametrize("how", ["eof", "lost"])
@pytest.mark.parametrize("watched", ["before", "after"])
async def test_a_watcher_is_called_once_when_the_peer_has_gone(how: str, watched: str) -> None:
    conn, wire = bare()
    calls: list[str] = []
    if watched == "before":
        conn_watch(conn, lambda: calls.append("gone"))
    wire.protocol.data_received(b"unread")
    assert calls == []
    if how == "eof":
        wire.protocol.eof_received()
    wire.protocol.connection_lost(None)
    if watched == "after":
        assert calls == []
        conn_watch(conn, lambda: calls.append("gone"))
    assert calls == ["gone"]
    conn.close()


async def test_a_watcher_is_not_called_while_a_reader_waits_nor_after_a_close(spawn: Spawn) -> None:
    calls: list[str] = []
    conn, wire = bare()
    conn_watch(conn, lambda: calls.append("gone"))
    reader = spawn(read, conn)
    await settle()
    wire.protocol.eof_received()
    assert await reader == b""
    closed, wire = bare()
    conn_watch(closed, lambda: calls.append("closed"))
    closed.close()
    await settle()
    withdrawn, wire = bare()
    conn_watch(withdrawn, lambda: calls.append("withdrawn"))
    conn_watch(withdrawn, None)
    wire.protocol.eof_received()
    assert calls == []
    conn.close()
    withdrawn.close()


# ── forgotten ──


async def test_a_forgotten_connection_is_cut_with_a_warning() -> None:
    conn, peer = await connected()
    known = weakref.ref(conn)
    box = [conn]
    del conn
    with pytest.warns(ResourceWarning, match="unclosed connection <Conn to"):
        box.clear()
    assert known() is None
    with peer:
        assert await receive(peer) == b""


async def test_a_connection_that_was_closed_or_lost_is_forgotten_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for end in ("close", "lost"):
            conn, wire = bare()
            if end == "close":
                conn.close()
            else:
                wire.protocol.connection_lost(None)
            known = weakref.ref(conn)
            await settle()
            del conn
            gc.collect()
            assert known() is None


async def test_a_connection_forgotten_on_another_thread_is_cut_on_its_loop() -> None:
    conn, wire = bare()
    box = [conn]
    del conn

    def drops() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            box.clear()
            gc.collect()

    thread = threading.Thread(target=drops)
    thread.start()
    thread.join()
    gc.collect()
    await until(lambda: "abort" in wire.calls)


async def test_a_deadline_keeps_no_forgotten_connection_alive(spawn: Spawn) -> None:
    conn, wire = bare()
    conn.set_deadline(goish.time.now() + 1000)
    reader = spawn(read, conn)
    await settle()
    wire.protocol.data_received(b"x")
    await reader
    conn.close()
    known = weakref.ref(conn)
    del conn, reader
    await settle()
    gc.collect()
    assert known() is None


def test_a_connection_outlives_its_loop_without_harm(run: Any) -> None:
    kept: list[Any] = []

    async def main() -> None:
        conn, wire = bare()
        kept.extend((conn, wire))

        async def reads() -> None:
            await conn.read()

        go(reads)
        await settle()

    run(main)
    conn, wire = kept
    assert not conn.closed

    async def later() -> None:
        with pytest.raises(RuntimeError, match=r"the event loop of .* is closed"):
            await conn.read()

    run(later)
    conn.close()
    conn.close()
    assert wire.calls == []


PROGRAMS = {
    "exit": """
        import goish
        from goish._runtime.core import conn_new

        class T(asyncio.Transport):
            def abort(self): print("abort")

        async def main():
            global kept
            kept, protocol = conn_new(asyncio.get_running_loop())
            protocol.connection_made(T())

        goish.run(main)
        print("over")
    """,
    "fork": """
        import os, goish, socket

        async def main():
            ours, theirs = socket.socketpair()
            from goish._runtime.core import conn_new
            loop = asyncio.get_running_loop()
            conn, protocol = conn_new(loop)
            ours.setblocking(False)
            theirs.setblocking(False)
            await loop.create_unix_connection(lambda: protocol, sock=ours)
            pid = os.fork()
            if pid == 0:
                conn.close()
                conn.abort()
                del conn
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
            await conn.write(b"parent's still")
            print((await loop.sock_recv(theirs, 100)).decode())
            conn.close()

        goish.run(main)
    """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_ends_without_harm(name: str) -> None:
    program = "import asyncio\n" + textwrap.dedent(PROGRAMS[name])
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=ENDS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0] in ("over", "parent's still")
    assert not done.stderr


async def test_a_connection_says_what_it_is() -> None:
    conn, wire = bare(made=False)
    assert repr(conn) == "<Conn to nobody connecting>"
    wire._extra.update(peername=("::ffff:10.0.0.1", 80, 0, 0), sockname=("10.0.0.2", 81))
    wire.protocol.connection_made(wire)
    assert repr(conn) == "<Conn to ('10.0.0.1', 80) open>"
    assert (conn.remote_addr, conn.local_addr) == (("10.0.0.1", 80), ("10.0.0.2", 81))
    assert conn.get_extra_info("sockname") == ("10.0.0.2", 81)
    assert conn.get_extra_info("nothing", 5) == 5
    wire.protocol.connection_lost(None)
    assert repr(conn) == "<Conn to ('10.0.0.1', 80) lost>"
    conn.close()
    assert repr(conn) == "<Conn to ('10.0.0.1', 80) closed>"
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        copy.copy(conn)
