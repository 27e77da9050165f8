"""Reads of a Conn: what they give, in which order, and that a cancel at any moment loses no byte."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import Callable
from typing import Any

import pytest
from helpers import in_one_callback, outcome, settle, until
from wires import Wire, bare, send, wired

import goish
from goish import chan, select, try_select
from goish.errors import ConnClosed
from goish.net import Conn

Spawn = Callable[..., Any]


async def read(conn: Conn, n: int = 65536) -> bytes:
    return await conn.read(n)


async def read_exactly(conn: Conn, n: int) -> bytes:
    return await conn.read_exactly(n)


async def read_until(conn: Conn) -> bytes:
    return await conn.read_until()


# ── what a read gives ──


async def test_a_read_gives_what_is_there_and_at_most_n_bytes() -> None:
    conn, wire = bare()
    wire.protocol.data_received(b"abcdef")
    assert [await conn.read(2), await conn.read(1), await conn.read()] == [b"ab", b"c", b"def"]
    conn.close()


async def test_a_chunk_that_fits_is_handed_on_uncopied(spawn: Spawn) -> None:
    conn, wire = bare()
    chunk = bytes(1000)
    wire.protocol.data_received(chunk)
    assert await conn.read() is chunk
    reader = spawn(read, conn)
    await settle()
    wire.protocol.data_received(chunk)
    assert await reader is chunk
    conn.close()


async def test_chunks_that_were_not_read_come_together() -> None:
    conn, wire = bare()
    for part in (b"a", b"b", b"c"):
        wire.protocol.data_received(part)
    assert await conn.read(2) == b"ab"
    assert await conn.read() == b"c"
    conn.close()


async def test_at_the_end_reads_give_what_is_there_and_then_nothing(spawn: Spawn) -> None:
    conn, wire = bare()
    wire.protocol.data_received(b"last")
    assert wire.protocol.eof_received(), "the transport stays open for writing"
    assert [await conn.read(), await conn.read(), await conn.read()] == [b"last", b"", b""]
    assert await conn.write(b"answer") == 6
    assert wire.sent == b"answer"
    conn.close()


async def test_a_waiting_read_is_told_of_the_end(spawn: Spawn) -> None:
    conn, wire = bare()
    reader = spawn(read, conn)
    await settle()
    wire.protocol.eof_received()
    assert await reader == b""
    conn.close()


async def test_an_error_comes_after_the_bytes_that_came_before_it() -> None:
    conn, wire = bare()
    wire.protocol.data_received(b"before")
    wire.protocol.connection_lost(ConnectionResetError(104, "reset"))
    assert await conn.read() == b"before"
    for _ in range(2):
        with pytest.raises(ConnectionResetError, match="reset"):
            await conn.read()
        with pytest.raises(ConnectionResetError, match="reset"):
            await conn.write(b"x")


async def test_each_reader_has_an_error_of_its_own(spawn: Spawn) -> None:
    """One that is raised again and again would grow by its traceback."""
    conn, wire = bare()
    wire.protocol.connection_lost(ConnectionResetError(104, "reset"))
    errors = []
    for _ in range(2):
        with pytest.raises(ConnectionResetError) as caught:
            await conn.read()
        errors.append(caught.value)
    assert errors[0] is not errors[1]


async def test_read_exactly_waits_for_all_of_it(spawn: Spawn) -> None:
    conn, wire = bare()
    reader = spawn(read_exactly, conn, 5)
    for part in (b"ab", b"c", b"defg"):
        await settle()
        assert not reader.done()
        wire.protocol.data_received(part)
    assert await reader == b"abcde"
    assert await conn.read_exactly(0) == b""
    assert await conn.read() == b"fg"
    conn.close()


async def test_read_exactly_at_an_early_end_gives_what_came() -> None:
    conn, wire = bare()
    wire.protocol.data_received(b"abc")
    wire.protocol.eof_received()
    with pytest.raises(asyncio.IncompleteReadError) as caught:
        await conn.read_exactly(5)
    assert (caught.value.partial, caught.value.expected) == (b"abc", 5)
    assert await conn.read() == b""
    conn.close()


async def test_read_until_gives_a_line_with_its_separator(spawn: Spawn) -> None:
    conn, wire = bare()

    async def line() -> bytes:
        return await conn.read_until(b"\r\n")

    reader = spawn(line)
    for part in (b"one", b"\r", b"\ntwo\r\nrest"):
        await settle()
        assert not reader.done()
        wire.protocol.data_received(part)
    assert await reader == b"one\r\n"
    assert await conn.read_until(b"\r\n") == b"two\r\n"
    wire.protocol.eof_received()
    with pytest.raises(asyncio.IncompleteReadError) as caught:
        await conn.read_until()
    assert caught.value.partial == b"rest"
    conn.close()


async def test_read_until_finds_what_streamreader_finds(rng: random.Random) -> None:
    for _ in range(200):
        data = bytes(rng.choice(b"ab\n") for _ in range(rng.randrange(40)))
        sep = rng.choice([b"\n", b"ab", b"\n\n", b"aab"])
        limit = rng.choice([3, 10, 1000])
        conn, wire = bare()
        reader = asyncio.StreamReader(limit=limit)
        at = 0
        while at < len(data):
            step = rng.randrange(1, 6)
            wire.protocol.data_received(data[at : at + step])
            reader.feed_data(data[at : at + step])
            at += step
        wire.protocol.eof_received()
        reader.feed_eof()
        while True:
            ours = await told(conn.read_until(sep, limit))
            theirs = await told(reader.readuntil(sep))
            if b"LimitOverrunError" in (ours, theirs):
                break  # asyncio does not count the separator
            assert ours == theirs
            if ours.startswith(b"IncompleteReadError"):
                break
        conn.close()


async def told(reads: Any) -> bytes:
    try:
        result: bytes = await reads
        return result
    except asyncio.IncompleteReadError as error:
        return b"IncompleteReadError " + error.partial
    except asyncio.LimitOverrunError:
        return b"LimitOverrunError"


async def test_read_until_refuses_more_than_its_limit_and_leaves_it_unread() -> None:
    conn, wire = bare()
    wire.protocol.data_received(b"a long line\n")
    with pytest.raises(asyncio.LimitOverrunError, match="limit is 4"):
        await conn.read_until(limit=4)
    assert await conn.read_until(limit=12) == b"a long line\n"
    wire.protocol.data_received(b"no separator")
    with pytest.raises(asyncio.LimitOverrunError, match="not found in 12 bytes"):
        await conn.read_until(limit=4)
    assert await conn.read() == b"no separator"
    conn.close()


async def test_read_into_fills_a_buffer(spawn: Spawn) -> None:
    conn, wire = bare()
    buffer = bytearray(4)

    async def fill() -> int:
        return await conn.read_into(buffer)

    reader = spawn(fill)
    await settle()
    wire.protocol.data_received(b"abcdef")
    assert await reader == 4
    assert buffer == b"abcd"
    assert await conn.read_into(memoryview(buffer)[2:]) == 2
    assert buffer == b"abef"
    wire.protocol.eof_received()
    assert await conn.read_into(buffer) == 0
    conn.close()


async def test_async_for_ends_at_the_end_and_raises_an_error(spawn: Spawn) -> None:
    conn, wire = bare()
    got: list[bytes] = []

    async def collect() -> None:
        async for chunk in conn:
            got.append(chunk)

    reader = spawn(collect)
    for part in (b"a", b"b"):
        await settle()
        wire.protocol.data_received(part)
    await settle()
    wire.protocol.eof_received()
    await reader
    assert got == [b"a", b"b"]
    wire.protocol.connection_lost(ConnectionResetError())
    with pytest.raises(ConnectionResetError):
        await collect()


# ── the order ──


async def test_readers_are_served_in_the_order_in_which_they_came(spawn: Spawn) -> None:
    conn, wire = bare()
    readers = []
    for wanted, n in ((read_exactly, 3), (read, 2), (read_exactly, 1)):
        readers.append(spawn(wanted, conn, n))
        await settle()
    wire.protocol.data_received(b"ab")
    await settle()
    assert not any(reader.done() for reader in readers), "the first wants three, and the others stand behind it"
    wire.protocol.data_received(b"cdef")
    assert [await reader for reader in readers] == [b"abc", b"de", b"f"]
    conn.close()


async def test_a_read_that_comes_later_waits_behind_those_that_wait(spawn: Spawn) -> None:
    conn, wire = bare()
    first = spawn(read_exactly, conn, 3)
    await settle()
    wire.protocol.data_received(b"ab")
    second = spawn(read, conn)
    await settle()
    assert not second.done()
    wire.protocol.data_received(b"cd")
    assert [await first, await second] == [b"abc", b"d"]
    conn.close()


async def test_if_the_first_reader_leaves_the_next_may_have_what_is_there(spawn: Spawn) -> None:
    conn, wire = bare()
    first = spawn(read_exactly, conn, 3)
    await settle()
    second = spawn(read, conn)
    await settle()
    wire.protocol.data_received(b"ab")
    await settle()
    first.cancel()
    assert await second == b"ab"
    assert await outcome(first) is asyncio.CancelledError
    conn.close()


# ── cancels ──


async def test_a_read_that_was_decided_is_delivered_whatever_comes_before_its_turn(spawn: Spawn) -> None:
    conn, wire = bare()
    got: list[object] = []

    async def reads() -> None:
        got.append(await conn.read())
        got.append(await conn.read())

    reader = spawn(reads)
    await settle()
    await in_one_callback(lambda: wire.protocol.data_received(b"decided"), reader.cancel)
    assert await outcome(reader) is asyncio.CancelledError
    assert got == [b"decided"], "the cancel is delivered at the next wait"
    wire.protocol.data_received(b"unread")
    assert await conn.read() == b"unread"
    conn.close()


async def test_a_cancel_before_the_bytes_leaves_them_to_others(spawn: Spawn) -> None:
    conn, wire = bare()
    reader = spawn(read, conn)
    await settle()
    await in_one_callback(reader.cancel, lambda: wire.protocol.data_received(b"abc"))
    assert await outcome(reader) is asyncio.CancelledError
    assert await conn.read() == b"abc"
    conn.close()


@pytest.mark.parametrize("how", ["read", "read_exactly", "read_into", "select"])
async def test_bytes_of_a_read_that_never_looks_go_back_to_the_front(how: str) -> None:
    conn, wire = bare()
    buffer = bytearray(3)
    op: Any = {
        "read": lambda: conn.read(3),
        "read_exactly": lambda: conn.read_exactly(3),
        "read_into": lambda: conn.read_into(buffer),
        "select": lambda: select(conn.read(3), chan().recv()),
    }[how]()
    op.add_done_callback(lambda _: None)
    wire.protocol.data_received(b"abcdef")
    assert op.done()
    op.close()
    await settle()
    assert await conn.read_exactly(6) == b"abcdef"
    conn.close()


async def test_a_line_that_waits_sees_a_separator_that_goes_back_to_the_front(spawn: Spawn) -> None:
    conn, wire = bare()
    first = conn.read(2)
    first.add_done_callback(lambda _: None)
    line = spawn(read_until, conn)
    await settle()
    wire.protocol.data_received(b"a\n")
    wire.protocol.data_received(b"bcd")
    first.close()
    assert await line == b"a\n"
    assert await conn.read() == b"bcd"
    conn.close()


async def test_a_line_as_a_case_forgets_what_it_has_seen_when_others_take_it(spawn: Spawn) -> None:
    conn, wire = bare()
    line, stop = conn.read_until(), chan(1)

    async def waits() -> object:
        return (await select(line, stop.recv()))[1]

    waiter = spawn(waits)
    await settle()
    wire.protocol.data_received(b"hello")
    stop.try_send("stop")
    assert await waiter == "stop"
    assert await conn.read() == b"hello"
    wire.protocol.data_received(b"a\n")
    assert try_select(line) == (0, b"a\n", True)
    conn.close()


async def test_an_op_that_was_let_go_takes_no_bytes() -> None:
    """As asyncio.wait leaves it pending, and the program forgets it."""
    conn, wire = bare()
    op = conn.read()
    op.add_done_callback(lambda _: None)
    op.cancel()
    del op
    await settle()
    wire.protocol.data_received(b"abc")
    assert await conn.read() == b"abc"
    conn.close()


async def test_wait_for_with_a_timeout_loses_no_byte(rng: random.Random) -> None:
    """The race that StreamReader wins and a naive wait loses: bytes and timeout in one turn."""
    async with wired() as (conn, peer):
        sent = bytes(rng.randrange(256) for _ in range(400))
        got = bytearray()
        at = 0
        while len(got) < len(sent):
            if at < len(sent) and rng.random() < 0.7:
                step = rng.randrange(1, 9)
                await send(peer, sent[at : at + step])
                at = min(at + step, len(sent))
            try:
                got += await asyncio.wait_for(conn.read(rng.randrange(1, 9)), rng.choice([0, 0.0001, 0.001]))
            except TimeoutError:
                continue
        assert bytes(got) == sent


async def test_a_storm_of_cancels_loses_and_doubles_no_byte(spawn: Spawn, rng: random.Random) -> None:
    conn, wire = bare()
    got = bytearray()

    async def reads() -> None:
        while True:
            how = rng.randrange(3)
            if how == 0:
                got.extend(await conn.read(rng.randrange(1, 5)))
            elif how == 1:
                got.extend(await conn.read_exactly(rng.randrange(1, 5)))
            else:
                index, value, _ = await select(conn.read(), chan().recv())
                assert index == 0 and isinstance(value, bytes)
                got.extend(value)

    sent = bytearray()
    for _ in range(150):
        reader = spawn(reads)
        for _ in range(rng.randrange(4)):
            data = bytes([rng.randrange(256) for _ in range(rng.randrange(1, 8))])
            actions: list[Callable[[], object]] = [lambda data=data: wire.protocol.data_received(data)]  # type: ignore[misc]
            sent += data
            if rng.random() < 0.4:
                actions.insert(rng.randrange(2), reader.cancel)
            await in_one_callback(*actions)
            if reader.done():
                reader = spawn(reads)
        reader.cancel()
        assert await outcome(reader) is asyncio.CancelledError
        await settle()
    rest = await told_rest(conn, wire)
    assert bytes(got) + rest == bytes(sent)
    conn.close()


async def told_rest(conn: Conn, wire: Wire) -> bytes:
    wire.protocol.eof_received()
    return b"".join([chunk async for chunk in conn])


# ── select ──


async def test_a_read_is_a_case_of_select(spawn: Spawn) -> None:
    conn, wire = bare()
    words = chan(1)

    async def first() -> object:
        return await select(words.recv(), conn.read())

    waiter = spawn(first)
    await settle()
    wire.protocol.data_received(b"bytes")
    assert await waiter == (1, b"bytes", True)
    waiter = spawn(first)
    await settle()
    words.try_send("word")
    assert await waiter == (0, "word", True)
    wire.protocol.data_received(b"kept")
    assert await select(words.recv(), conn.read()) == (1, b"kept", True)
    assert try_select(conn.read()) == (-1, None, False)
    wire.protocol.eof_received()
    assert await select(words.recv(), conn.read()) == (1, b"", True)
    conn.close()


async def test_a_case_may_be_given_to_the_next_select(spawn: Spawn) -> None:
    conn, wire = bare()
    case, exactly, never = conn.read(3), conn.read_exactly(2), chan().recv()

    async def choose(op: Any) -> object:
        return (await select(op, never))[1]

    for ready in (False, True, False):
        for op, expected in ((case, b"abc"), (exactly, b"de")):
            if ready:
                wire.protocol.data_received(b"abc" if op is case else b"de")
                assert await choose(op) == expected
                continue
            waiter = spawn(choose, op)
            await settle()
            wire.protocol.data_received(b"abc" if op is case else b"de")
            assert await waiter == expected
    conn.close()


async def test_a_select_that_loses_leaves_no_reader_behind(spawn: Spawn) -> None:
    conn, wire = bare()
    stop = chan(1)

    async def waits() -> object:
        return await select(conn.read_exactly(100), stop.recv())

    waiter = spawn(waits)
    await settle()
    wire.protocol.data_received(b"abc")
    stop.try_send("stop")
    assert await waiter == (1, "stop", True)
    assert await conn.read() == b"abc"
    conn.close()


async def test_a_cancelled_select_has_taken_nothing(spawn: Spawn) -> None:
    conn, wire = bare()

    async def waits() -> object:
        return await select(conn.read(), chan().recv())

    waiter = spawn(waits)
    await settle()
    waiter.cancel()
    assert await outcome(waiter) is asyncio.CancelledError
    wire.protocol.data_received(b"abc")
    assert await conn.read() == b"abc"
    conn.close()


async def test_a_select_raises_what_a_read_of_it_raises(spawn: Spawn) -> None:
    conn, wire = bare()

    async def waits() -> object:
        return await select(conn.read_exactly(5), chan().recv())

    waiter = spawn(waits)
    await settle()
    wire.protocol.data_received(b"abc")
    wire.protocol.eof_received()
    assert await outcome(waiter) is asyncio.IncompleteReadError
    conn.close()
    assert await outcome(waits()) is ConnClosed


# ── back-pressure ──


async def test_an_unread_connection_pauses_its_transport_and_goes_on_below_half() -> None:
    conn, wire = bare()
    for _ in range(8):
        wire.protocol.data_received(bytes(8192))
    assert wire.reading, "64 KiB are no more than 64 KiB"
    wire.protocol.data_received(b"1")
    assert not wire.reading
    await conn.read_exactly(32768)
    assert not wire.reading
    await conn.read_exactly(2)
    assert wire.reading
    conn.close()


async def test_a_waiting_reader_has_its_transport_read_on(spawn: Spawn) -> None:
    conn, wire = bare()
    wire.protocol.data_received(bytes(70_000))
    assert not wire.reading
    reader = spawn(read_exactly, conn, 200_000)
    await settle()
    assert wire.reading
    for _ in range(2):
        wire.protocol.data_received(bytes(65_000))
        assert wire.reading
    assert len(await reader) == 200_000
    conn.close()


async def test_a_reader_that_leaves_lets_the_transport_be_paused_again(spawn: Spawn) -> None:
    conn, wire = bare()
    reader = spawn(read_exactly, conn, 200_000)
    await settle()
    wire.protocol.data_received(bytes(100_000))
    assert wire.reading
    reader.cancel()
    await outcome(reader)
    assert not wire.reading
    conn.close()


async def test_tiny_chunks_take_no_more_memory_than_their_bytes() -> None:
    conn, wire = bare()
    for _ in range(60_000):
        wire.protocol.data_received(b"x")
    assert wire.reading
    assert len(await conn.read()) == 60_000
    conn.close()


async def test_bytes_flow_both_ways_at_once_and_arrive_in_order(spawn: Spawn, rng: random.Random) -> None:
    async with wired() as (ours, peer):
        sent = rng.randbytes(1_000_000)

        async def writes() -> None:
            at = 0
            while at < len(sent):
                step = rng.randrange(1, 100_000)
                await ours.write(sent[at : at + step])
                at += step
            ours.close_write()

        async def echoes() -> None:
            loop = asyncio.get_running_loop()
            while data := await loop.sock_recv(peer, 100_000):
                await loop.sock_sendall(peer, data)
            peer.shutdown(1)

        writer, echo = spawn(writes), spawn(echoes)
        assert b"".join([chunk async for chunk in ours]) == sent
        await writer
        await echo


async def test_a_read_of_a_select_on_a_thread_is_refused() -> None:
    conn, _ = bare()
    errors: list[BaseException] = []

    def blocks() -> None:
        try:
            goish.select_blocking(conn.read(), timeout=1)
        except BaseException as error:
            errors.append(error)

    await asyncio.to_thread(blocks)
    assert isinstance(errors[0], RuntimeError) and "belongs to another event loop" in str(errors[0])
    conn.close()


async def test_the_dump_says_what_a_reader_waits_for(spawn: Spawn) -> None:
    conn, _ = bare()
    reader = goish.go(read, conn)
    await settle()
    out = io.StringIO()
    goish.debug.dump(out)
    assert "conn read" in out.getvalue()
    reader.cancel()
    await until(reader.done)
    conn.close()
