"""Rule 9: an unbuffered channel holds nothing; sender and receiver meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from helpers import FREE_THREADED, outcome, settle, until, waiting

from goish import EMPTY, Chan, chan, select, try_select

Spawn = Callable[..., Any]


async def park_senders(spawn: Spawn, ch: Chan[int], n: int) -> list[Any]:
    async def sender(value: int) -> None:
        await ch.send(value)

    senders = [spawn(sender, value) for value in range(n)]
    await until(lambda: waiting(ch)[0] == n)
    return senders


async def test_its_length_is_zero_whoever_waits(spawn: Spawn) -> None:
    """Rule 9: parked senders are not contents."""
    ch: Chan[int] = chan()
    await park_senders(spawn, ch, 100)
    assert (len(ch), ch.peek(), ch.cap, ch.statistics().buffered) == (0, 0, 0, 0)
    assert sorted(ch.try_recv_many()) == list(range(100))
    await settle()


@pytest.mark.million
def test_its_length_is_zero_with_a_million_senders(run: Any) -> None:
    """Rule 9: at any number."""
    n = 1_000_000
    ch: Chan[int] = chan()

    async def main() -> None:
        await park_senders(run.spawn, ch, n)
        assert len(ch) == 0
        assert sum(1 for _ in ch.try_recv_many()) == n
        await until(lambda: waiting(ch) == (0, 0))

    run(main)


async def test_send_returns_only_when_a_receiver_has_the_value(spawn: Spawn) -> None:
    """Rule 9: not when it is queued, not when the receiver is on its way."""
    ch: Chan[str] = chan()
    s = spawn(lambda: outcome(ch.send("it")))
    await settle()
    assert not s.done()
    assert await ch.recv() == "it"
    await settle()
    assert s.done()
    assert s.result() is True


async def test_send_does_not_wait_for_a_receiver_that_is_there(spawn: Spawn) -> None:
    """Rule 9: and says so."""
    ch: Chan[str] = chan()
    r = spawn(lambda: outcome(ch.recv()))
    await settle()
    assert await ch.send("it") is False
    assert await r == "it"


async def test_try_send_succeeds_exactly_if_a_receiver_waits(spawn: Spawn) -> None:
    """Rule 9: each receiver once."""
    ch: Chan[int] = chan()
    assert not ch.try_send(0)
    receivers = [spawn(lambda: outcome(ch.recv())) for _ in range(2)]
    await settle()
    assert [ch.try_send(i) for i in range(3)] == [True, True, False]
    await settle()
    assert sorted(r.result() for r in receivers) == [0, 1]


async def test_a_select_that_receives_is_a_receiver_that_waits(spawn: Spawn) -> None:
    """Rule 9: whatever else it waits for, and once only."""
    ch, other = chan(), chan()
    s = spawn(lambda: outcome(select(other.recv(), ch.recv(), ch.recv(), other.send(0))))
    await settle()
    assert ch.try_send("it")
    assert not ch.try_send("too much")
    assert not other.try_send("too much")
    assert not other.try_recv_ok()
    index, value, ok = await s
    assert index in (1, 2)
    assert (value, ok) == ("it", True)


async def test_try_recv_takes_from_a_sender_that_waits(spawn: Spawn) -> None:
    """Rule 9: plain or select."""
    ch, other = chan(), chan()
    assert ch.try_recv_ok() is EMPTY
    plain = spawn(lambda: outcome(ch.send("plain")))
    await settle()
    choosing = spawn(lambda: outcome(select(other.recv(), ch.send("select"))))
    await settle()
    assert ch.peek_item() == "plain"
    assert ch.try_recv_ok() == ("plain", True)
    assert ch.try_recv_ok() == ("select", True)
    assert ch.try_recv_ok() is EMPTY
    await settle()
    assert plain.result() is True
    assert choosing.result() == (1, None, True)


async def test_the_same_object_arrives(spawn: Spawn) -> None:
    """Rule 9: hand-off copies nothing."""
    for capacity in (0, 2):
        ch: Chan[object] = chan(capacity)
        it = object()
        r = spawn(lambda ch=ch: outcome(ch.recv()))
        await settle()
        ch.try_send(it)
        assert await r is it
        s = spawn(lambda ch=ch, it=it: outcome(ch.send(it)))
        await settle()
        assert (await ch.recv()) is it
        await s


@pytest.mark.skipif(FREE_THREADED, reason="a select that waits may be decided by another thread, and does not count")
async def test_a_batch_needs_a_receiver_for_each_value(spawn: Spawn) -> None:
    """Rule 9: all or nothing; a select that waits at two places takes one value."""
    ch: Chan[int] = chan()
    plain = spawn(lambda: outcome(ch.recv()))
    await settle()
    choosing = spawn(lambda: outcome(select(ch.recv(), ch.recv())))
    await settle()
    assert not ch.try_send_many([1, 2, 3])
    assert waiting(ch) == (0, 3)
    assert ch.try_send_many([1, 2])
    assert await plain == 1
    assert (await choosing)[1] == 2


async def test_meeting_wakes_both_sides_whoever_came_first(spawn: Spawn) -> None:
    """Rule 9: ping-pong over two unbuffered channels."""
    ping: Chan[int] = chan()
    pong: Chan[int] = chan()

    async def ponger() -> None:
        async for value in ping:
            await pong.send(value + 1)
        pong.close()

    p = spawn(ponger)
    for i in range(300):
        await ping.send(i)
        assert await pong.recv() == i + 1
    ping.close()
    await p
    assert try_select(pong.recv()) == (0, None, False)
