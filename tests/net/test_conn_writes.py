"""Writes of a Conn: all or nothing, back-pressure, half close."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from helpers import in_one_callback, outcome, settle
from wires import bare, connected, receive, wired

from goish import chan, select
from goish.errors import ConnClosed
from goish.net import Conn

Spawn = Callable[..., Any]


async def write(conn: Conn, data: Any) -> int:
    return await conn.write(data)


async def test_a_write_hands_all_of_it_over_and_says_how_much() -> None:
    conn, wire = bare()
    assert await conn.write(b"abc") == 3
    assert await conn.write([b"d", bytearray(b"e"), memoryview(b"f")]) == 3
    assert await conn.write([]) == 0
    assert await conn.write(b"") == 0
    assert wire.sent == b"abcdef"
    conn.close()


async def test_bytes_go_uncopied_and_what_can_change_is_copied() -> None:
    conn, wire = bare()
    handed: list[object] = []
    wire.write = handed.append  # type: ignore[method-assign]
    wire.writelines = handed.extend  # type: ignore[method-assign]
    data, changing = b"abc", bytearray(b"def")
    await conn.write(data)
    await conn.write(changing)
    await conn.write([data, changing])
    changing[:] = b"???"
    assert handed == [b"abc", b"def", b"abc", b"def"]
    assert handed[0] is data and handed[2] is data
    conn.close()


async def test_a_write_waits_while_the_transport_is_above_its_high_water_mark(spawn: Spawn) -> None:
    conn, wire = bare()
    wire.protocol.pause_writing()
    writers = []
    for data in (b"one", [b"t", b"wo"], b"three"):
        writers.append(spawn(write, conn, data))
        await settle()
    assert not wire.sent and not conn.try_write(b"no")
    wire.protocol.resume_writing()
    assert [await writer for writer in writers] == [3, 3, 5]
    assert wire.sent == b"onetwothree"
    assert conn.try_write(b"yes")
    conn.close()


async def test_a_peer_that_does_not_read_stops_writes_of_parts_as_well() -> None:
    conn, peer = await connected()
    taken = 0
    while conn.try_write([bytes(65536)] * 4):
        taken += 1
        assert taken < 200, "50 MB are kept for a peer that does not read"
    conn.abort()
    peer.close()


async def test_writers_go_on_only_until_the_transport_is_full_again(spawn: Spawn) -> None:
    conn, wire = bare()
    wire.protocol.pause_writing()
    writers = []
    for data in (b"one", b"two"):
        writers.append(spawn(write, conn, data))
        await settle()

    def full(data: bytes) -> None:
        wire.sent += data
        wire.protocol.pause_writing()

    wire.write = full  # type: ignore[method-assign]
    wire.protocol.resume_writing()
    await settle()
    assert [writer.done() for writer in writers] == [True, False]
    wire.protocol.resume_writing()
    assert [await writer for writer in writers] == [3, 3]
    assert wire.sent == b"onetwo"
    conn.close()


async def test_a_cancelled_write_has_sent_nothing(spawn: Spawn) -> None:
    conn, wire = bare()
    wire.protocol.pause_writing()
    first, second = spawn(write, conn, b"one"), spawn(write, conn, b"two")
    await settle()
    await in_one_callback(first.cancel, wire.protocol.resume_writing)
    assert await outcome(first) is asyncio.CancelledError
    assert await second == 3
    assert wire.sent == b"two"
    conn.close()


async def test_a_write_that_was_decided_counts_as_done_whatever_comes_before_its_turn(spawn: Spawn) -> None:
    conn, wire = bare()
    wire.protocol.pause_writing()
    sizes: list[int] = []

    async def writes() -> None:
        sizes.append(await conn.write(b"one"))
        await chan().recv()

    writer = spawn(writes)
    await settle()
    await in_one_callback(wire.protocol.resume_writing, writer.cancel)
    assert await outcome(writer) is asyncio.CancelledError
    assert (sizes, bytes(wire.sent)) == ([3], b"one")
    conn.close()


async def test_a_write_is_a_case_of_select(spawn: Spawn) -> None:
    conn, wire = bare()
    assert await select(conn.write(b"at once"), chan().recv()) == (0, 7, True)
    wire.protocol.pause_writing()
    stop, case = chan(1), conn.write(b"later")

    async def writes() -> object:
        return await select(case, stop.recv())

    writer = spawn(writes)
    await settle()
    stop.try_send("stop")
    assert await writer == (1, "stop", True)
    writer = spawn(writes)
    await settle()
    wire.protocol.resume_writing()
    assert await writer == (0, 5, True)
    assert wire.sent == b"at oncelater"
    assert await writes() == (0, 5, True), "a case may be given to the next select"
    conn.close()
    assert await outcome(writes()) is ConnClosed


async def test_writes_fail_when_the_connection_is_lost(spawn: Spawn) -> None:
    conn, wire = bare()
    wire.protocol.pause_writing()
    writer = spawn(write, conn, b"never")
    await settle()
    wire.protocol.connection_lost(ConnectionResetError(104, "reset"))
    assert await outcome(writer) is ConnectionResetError
    gone, wire = bare()
    wire.protocol.connection_lost(None)
    with pytest.raises(BrokenPipeError, match="the connection is gone"):
        await gone.write(b"x")
    with pytest.raises(BrokenPipeError):
        gone.try_write(b"x")


async def test_a_transport_that_raises_fails_the_write_and_those_that_come(spawn: Spawn) -> None:
    conn, wire = bare()
    wire.protocol.pause_writing()
    writers = [spawn(write, conn, b"one"), spawn(write, conn, b"two")]
    await settle()

    def broken(_: object) -> None:
        raise OSError(5, "broken")

    wire.write = broken  # type: ignore[method-assign]
    wire.protocol.resume_writing()
    assert [await outcome(writer) for writer in writers] == [OSError, OSError]
    conn.close()


# ── before there is a transport ──


async def test_what_is_written_before_there_is_a_transport_is_kept_up_to_64_kib(spawn: Spawn) -> None:
    conn, wire = bare(made=False)
    assert await conn.write(b"first") == 5
    assert await conn.write([bytes(65536)]) == 65536
    late = spawn(write, conn, b"last")
    await settle()
    assert not late.done() and not conn.try_write(b"no")
    wire.protocol.connection_made(wire)
    assert await late == 4
    assert wire.sent == b"first" + bytes(65536) + b"last"
    conn.close()


# ── half close ──


async def test_close_write_comes_behind_the_writes_that_wait(spawn: Spawn) -> None:
    conn, wire = bare()
    wire.protocol.pause_writing()
    writer = spawn(write, conn, b"last")
    await settle()
    conn.close_write()
    conn.close_write()
    with pytest.raises(ConnClosed, match=r"write after close_write\(\)"):
        await conn.write(b"x")
    assert wire.calls == []
    wire.protocol.resume_writing()
    assert await writer == 4
    assert wire.calls == ["write", "write_eof"]
    wire.protocol.data_received(b"answer")
    assert await conn.read() == b"answer"
    conn.close()


async def test_the_peer_of_a_half_closed_connection_can_still_send() -> None:
    async with wired() as (conn, peer):
        await conn.write(b"request")
        conn.close_write()
        assert await receive(peer) == b"request"
        assert await receive(peer) == b""
        peer.send(b"answer")
        peer.shutdown(1)
        assert [await conn.read(), await conn.read()] == [b"answer", b""]


async def test_a_half_close_before_there_is_a_transport_is_made_then() -> None:
    conn, wire = bare(made=False)
    await conn.write(b"all")
    conn.close_write()
    wire.protocol.connection_made(wire)
    assert wire.calls == ["write", "write_eof"]
    conn.close()


async def test_what_cannot_be_half_closed_says_so() -> None:
    conn, wire = bare()
    wire.can_write_eof = lambda: False  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match=r"close\(\) ends both"):
        conn.close_write()
    assert await conn.write(b"x") == 1
    conn.close()


async def test_small_writes_of_one_slice_go_out_together() -> None:
    async with wired() as (conn, peer):
        for part in (b"a", b"b", b"c"):
            await conn.write(part)
        await settle()
        assert await receive(peer) == b"abc"
