"""Rules 13, 14 and (on one loop) 15: close wakes everybody at once; what was sent arrives, the rest is given back."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from helpers import outcome, settle, until, waiting

from goish import EMPTY, Chan, ChanClosed, CloseOfClosed, SendOnClosed, chan, go, select, try_select

Spawn = Callable[..., Any]


def closed(*values: Any, capacity: int = 5) -> Chan[Any]:
    ch: Chan[Any] = chan(capacity)
    assert ch.try_send_many(values)
    ch.close()
    return ch


# ── rule 13: parked senders ──


@pytest.mark.parametrize("capacity", [0, 3])
async def test_close_wakes_every_sender_and_hands_its_value_back(spawn: Spawn, capacity: int) -> None:
    """Rule 13: a thousand senders: the buffer is received, the rest get SendOnClosed with their value."""
    n = 1000
    undelivered: list[int] = []
    ch: Chan[int] = chan(capacity, on_undelivered=undelivered.append)
    sent: list[int] = []
    back: list[int] = []

    async def sender(value: int) -> None:
        try:
            await ch.send(value)
            sent.append(value)
        except SendOnClosed as exc:
            back.append(exc.value)

    for value in range(n):
        spawn(sender, value)
    await until(lambda: waiting(ch)[0] == n - capacity)
    ch.close()
    received = [value async for value in ch]
    await until(lambda: len(sent) + len(back) == n)
    assert received == sent
    assert len(received) == capacity
    assert sorted(sent + back) == list(range(n))
    assert undelivered == []


async def test_close_wakes_senders_in_their_order() -> None:
    """Rule 13: first come, first told."""
    ch: Chan[int] = chan()
    order: list[int] = []

    async def sender(value: int) -> None:
        with pytest.raises(SendOnClosed):
            await ch.send(value)
        order.append(value)

    for value in range(100):
        go(sender, value)
    await until(lambda: waiting(ch)[0] == 100)
    ch.close()
    await until(lambda: len(order) == 100)
    assert order == list(range(100))


async def test_close_ends_a_select_that_sends(spawn: Spawn) -> None:
    """Rule 13: with the value of the case whose channel closed; its other cases are withdrawn."""
    a, b = chan(), chan()

    async def selector() -> Any:
        try:
            return await select(a.send("a"), b.send("b"))
        except SendOnClosed as exc:
            return exc.value

    s = spawn(selector)
    await settle()
    b.close()
    assert await s == "b"
    assert waiting(a) == (0, 0)
    assert a.try_recv_ok() is EMPTY


async def test_close_hands_back_what_send_many_has_not_sent(spawn: Spawn) -> None:
    """Rule 13: the rest of the sequence."""
    ch: Chan[int] = chan(2)

    async def sender() -> Any:
        try:
            return await ch.send_many(range(5))
        except SendOnClosed as exc:
            return exc.value

    s = spawn(sender)
    await settle()
    ch.close()
    assert list(await s) == [2, 3, 4]
    assert ch.try_recv_many() == [0, 1]


# ── rule 14: after close ──


@pytest.mark.parametrize("values", [(), (1,), (None,), (1, None, False, None, 0)], ids=repr)
async def test_a_closed_channel_is_drained_before_it_ends(values: tuple[Any, ...]) -> None:
    """Rule 14: every value comes with ok, then there is the end, for ever; None is a value like others."""
    ch = closed(*values)
    for i, value in enumerate(values):
        assert len(ch) == len(values) - i
        assert ch.peek_item() == value
        assert await ch.recv_ok() == (value, True)
    for _ in range(3):
        assert await ch.recv_ok() == (None, False)
        assert ch.try_recv_ok() == (None, False)
        assert await ch.recv_info() == (None, False, False)
        assert await select(ch.recv()) == (0, None, False)
        assert await outcome(ch.recv()) is ChanClosed
        assert ch.try_recv_many() == []
        assert await ch.recv_many(3) == []
        assert [value async for value in ch] == []
        assert ch.peek_item() is EMPTY


async def test_every_way_to_receive_drains_a_closed_channel() -> None:
    """Rule 14: the first value is there for all of them."""
    assert await closed(None).recv() is None
    assert await closed(None).recv_ok() == (None, True)
    assert await closed(None).recv_info() == (None, True, False)
    assert closed(None).try_recv_ok() == (None, True)
    assert closed(None, 1).try_recv_many() == [None, 1]
    assert await closed(None, 1).recv_many(5) == [None, 1]
    assert await closed(None).receiver.recv() is None
    assert [value async for value in closed(None, 1, None)] == [None, 1, None]
    assert await select(closed(None).recv()) == (0, None, True)
    assert try_select(closed(None).recv()) == (0, None, True)


@pytest.mark.parametrize("capacity", [0, 1, 5, math.inf])
async def test_a_channel_closed_while_it_is_read_ends_after_its_last_value(spawn: Spawn, capacity: float) -> None:
    """Rule 14: range over a channel that closes."""
    ch: Chan[Any] = chan(capacity)
    values = [None, 0, False, "", 5, None]

    async def producer() -> None:
        for value in values:
            await ch.send(value)
        ch.close()

    spawn(producer)
    assert [value async for value in ch] == values


async def test_leaving_a_range_drops_nothing() -> None:
    """Rule 14: break, and another loop goes on where the first stopped."""
    ch = closed(1, 2, 3)
    async for value in ch:
        assert value == 1
        break
    assert [value async for value in ch] == [2, 3]


async def test_a_closed_channel_takes_nothing(spawn: Spawn) -> None:
    """Rule 14: every way to send raises, and gives the value back; the default of a select does not hide it."""
    ch = closed("old", capacity=5)
    attempts: list[Callable[[], Any]] = [
        lambda: ch.send("new"),
        lambda: ch.sender.send("new"),
        lambda: select(ch.send("new")),
        lambda: select(ch.send("new"), default=True),
    ]
    for attempt in attempts:
        with pytest.raises(SendOnClosed) as raised:
            await attempt()
        assert raised.value.value == "new"
    acts: list[Callable[[], Any]] = [
        lambda: ch.try_send("new"),
        lambda: ch.sender.try_send("new"),
        lambda: try_select(ch.send("new")),
    ]
    for act in acts:
        with pytest.raises(SendOnClosed) as raised:
            act()
        assert raised.value.value == "new"
    with pytest.raises(SendOnClosed):
        ch.try_send_many(["new"])
    with pytest.raises(SendOnClosed):
        await ch.send_many(["new"])
    assert ch.try_recv_many() == ["old"]


async def test_close_is_strict_and_close_once_is_not() -> None:
    """Rule 14: the third deliberate choice."""
    ch: Chan[int] = chan()
    ch.close()
    with pytest.raises(CloseOfClosed):
        ch.close()
    assert ch.close_once() is False
    other: Chan[int] = chan()
    assert other.close_once() is True
    assert other.close_once() is False
    with pytest.raises(CloseOfClosed):
        other.sender.close()
    assert (ch.closed, other.closed, other.receiver.closed) == (True, True, True)


# ── rule 15, on one loop: everybody is woken, once ──


async def by_recv(ch: Chan[Any]) -> object:
    return await outcome(ch.recv())


async def by_recv_ok(ch: Chan[Any]) -> object:
    return await ch.recv_ok()


async def by_range(ch: Chan[Any]) -> object:
    return [value async for value in ch]


async def by_select(ch: Chan[Any]) -> object:
    return await select(chan().recv(), ch.recv(), ch.recv())


async def by_recv_many(ch: Chan[Any]) -> object:
    return await ch.recv_many(3)


ENDS: dict[Callable[[Chan[Any]], Any], list[object]] = {
    by_recv: [ChanClosed],
    by_recv_ok: [(None, False)],
    by_range: [[]],
    by_select: [(1, None, False), (2, None, False)],
    by_recv_many: [[]],
}


@pytest.mark.parametrize("capacity", [0, 2])
async def test_close_wakes_every_receiver_once(spawn: Spawn, capacity: int) -> None:
    """Rule 15: ten thousand of all kinds."""
    n = 10_000
    ch: Chan[int] = chan(capacity)
    kinds = list(ENDS)
    woken: Counter[int] = Counter()

    async def receiver(i: int) -> None:
        kind = kinds[i % len(kinds)]
        end = await kind(ch)
        assert end in ENDS[kind]
        woken[i] += 1

    receivers = [spawn(receiver, i) for i in range(n)]
    await until(lambda: waiting(ch)[1] == n + n // len(kinds))  # a select stands there twice
    ch.close()
    await until(lambda: all(r.done() for r in receivers))
    assert len(woken) == n
    assert set(woken.values()) == {1}
    assert waiting(ch) == (0, 0)


async def test_nobody_runs_before_all_are_released(spawn: Spawn) -> None:
    """Rule 15: whoever is woken first finds the queues empty, the channel closed, and cannot disturb the others."""
    ch: Chan[int] = chan()
    seen = []

    async def receiver() -> None:
        end = await outcome(ch.recv())
        seen.append((end, ch.closed, waiting(ch), ch.close_once(), ch.try_recv_ok()))

    receivers = [spawn(receiver) for _ in range(10)]
    await settle()
    ch.close()
    assert waiting(ch) == (0, 0)
    assert not seen
    for r in receivers:
        await r
    assert seen == [(ChanClosed, True, (0, 0), False, (None, False))] * 10


async def test_a_receiver_that_was_given_a_value_is_not_told_of_the_close(spawn: Spawn) -> None:
    """Rule 15: hand-off and close in one tick: the first gets the value, the others the end."""
    ch: Chan[str] = chan()
    receivers = []
    for _ in range(3):
        receivers.append(spawn(by_recv_ok, ch))
        await settle()
    ch.try_send("it")
    ch.close()
    assert [await r for r in receivers] == [("it", True), (None, False), (None, False)]


async def test_close_wakes_a_select_with_both_ends(spawn: Spawn) -> None:
    """Rule 15: once, by either of its cases."""
    ch: Chan[str] = chan()
    s = spawn(lambda: outcome(select(ch.send("v"), ch.recv())))
    await settle()
    ch.close()
    assert await s in (SendOnClosed, (1, None, False))
    assert waiting(ch) == (0, 0)


async def test_close_wakes_receivers_of_its_own_channel_only(spawn: Spawn) -> None:
    """Rule 15: a select that waits on two channels leaves the other one usable."""
    a, b = chan(), chan()
    s = spawn(lambda: outcome(select(a.recv(), b.recv())))
    await settle()
    a.close()
    assert await s == (0, None, False)
    assert waiting(b) == (0, 0)
    r = spawn(by_recv_ok, b)
    await settle()
    assert b.try_send(1)
    assert await r == (1, True)
