"""Rules 10 and 11: first in, first out, for values and for those who wait; what is given cannot be stolen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from helpers import outcome, settle, until, waiting

from goish import EMPTY, Chan, chan, go, select, try_select

Spawn = Callable[..., Any]
MANY = 10_000


# ── rule 10: waiters are served in the order in which they came ──


@pytest.mark.parametrize("capacity", [0, 3])
def test_receivers_are_served_in_order(run: Any, capacity: int) -> None:
    """Rule 10: ten thousand parked receivers get the values, and run, in the order of parking."""
    log: list[tuple[int, int]] = []

    async def receiver(ch: Chan[int], i: int) -> None:
        log.append((i, await ch.recv()))

    async def main() -> None:
        ch: Chan[int] = chan(capacity)
        for i in range(MANY):
            go(receiver, ch, i)
        await until(lambda: waiting(ch) == (0, MANY))
        for value in range(MANY):
            await ch.send(value)
        await until(lambda: len(log) == MANY)

    run(main)
    assert log == [(i, i) for i in range(MANY)]


@pytest.mark.parametrize("capacity", [0, 3])
def test_senders_are_served_in_order(run: Any, capacity: int) -> None:
    """Rule 10: of ten thousand parked senders."""
    log: list[int] = []

    async def sender(ch: Chan[int], i: int) -> None:
        await ch.send(i)
        log.append(i)

    async def main() -> list[int]:
        ch: Chan[int] = chan(capacity)
        for i in range(MANY):
            go(sender, ch, i)
        await until(lambda: waiting(ch) == (MANY - capacity, 0))
        values = [await ch.recv() for _ in range(MANY)]
        await until(lambda: len(log) == MANY)
        return values

    assert run(main) == list(range(MANY))
    assert log == list(range(MANY))


async def test_every_kind_of_waiter_keeps_its_place(spawn: Spawn) -> None:
    """Rule 10: plain receives, selects, goroutines and tasks stand in one queue."""
    ch: Chan[int] = chan()
    order: list[int] = []

    async def plain(i: int) -> None:
        assert await ch.recv() == i
        order.append(i)

    async def choosing(i: int) -> None:
        assert (await select(chan().recv(), ch.recv()))[1] == i
        order.append(i)

    for i in range(20):
        spawn((plain, choosing)[i // 2 % 2], i)
        await settle()
    for i in range(20):
        assert ch.try_send(i)
        await settle()
    assert order == list(range(20))


@pytest.mark.parametrize("capacity", [0, 1])
async def test_a_value_given_to_a_receiver_cannot_be_stolen(spawn: Spawn, capacity: int) -> None:
    """Rule 10: between hand-off and resume there is nothing to take, for nobody."""
    ch: Chan[str] = chan(capacity)
    r = spawn(lambda: outcome(ch.recv()))
    await settle()
    assert ch.try_send("it")
    assert ch.try_recv_ok() is EMPTY
    assert ch.try_recv_many() == []
    assert try_select(ch.recv()) == (-1, None, False)
    assert ch.peek_item() is EMPTY
    assert len(ch) == 0
    late = spawn(lambda: outcome(ch.recv()))
    await settle()
    assert r.result() == "it"
    assert not late.done()
    assert ch.try_send("more")
    assert await late == "more"


@pytest.mark.parametrize("capacity", [1, 3])
async def test_a_slot_given_to_a_sender_cannot_be_stolen(spawn: Spawn, capacity: int) -> None:
    """Rule 10: a parked sender's value is in the buffer the moment there is room, before the sender runs."""
    ch: Chan[int] = chan(capacity)
    while ch.try_send(0):
        pass
    s = spawn(lambda: outcome(ch.send(1)))
    await settle()
    assert ch.try_recv_ok() == (0, True)
    assert not s.done()
    assert not ch.try_send(2)
    assert not ch.try_send_many([2])
    assert try_select(ch.send(2)) == (-1, None, False)
    late = spawn(lambda: outcome(ch.send(3)))
    await settle()
    assert s.result() is True
    assert not late.done()
    assert ch.try_recv_many() == [0] * (capacity - 1) + [1, 3]
    await settle()


async def test_an_unbuffered_sender_cannot_be_overtaken(spawn: Spawn) -> None:
    """Rule 10: a fresh send goes behind those who wait, also when a receiver has just made one of them leave."""
    ch: Chan[int] = chan()
    for i in range(3):
        spawn(lambda i=i: outcome(ch.send(i)))
        await settle()
    assert ch.try_recv_ok() == (0, True)
    spawn(lambda: outcome(ch.send(3)))
    await settle()
    assert ch.try_recv_many() == [1, 2, 3]
    await settle()


async def test_values_of_one_producer_stay_in_order(spawn: Spawn) -> None:
    """Rule 10: through any capacity, by any mixture of ways to send."""
    for capacity in (0, 1, 7):
        ch: Chan[int] = chan(capacity)

        async def producer(ch: Chan[int] = ch) -> None:
            i = 0
            while i < 400:
                if i % 3 == 0 and ch.try_send(i):
                    i += 1
                elif i % 3 == 1:
                    await select(ch.send(i))
                    i += 1
                else:
                    await ch.send_many([i, i + 1])
                    i += 2
            ch.close()

        spawn(producer)
        received = [value async for value in ch]
        assert received == list(range(len(received)))
        assert len(received) >= 400


# ── rule 11: buffer rotation ──


async def recv(ch: Chan[int]) -> int:
    return await ch.recv()


async def recv_ok(ch: Chan[Any]) -> Any:
    value, ok = await ch.recv_ok()
    assert ok
    return value


async def recv_info(ch: Chan[int]) -> int:
    value, ok, waited = await ch.recv_info()
    assert (ok, waited) == (True, False)
    assert value is not None
    return value


async def by_anext(ch: Chan[int]) -> int:
    return await anext(aiter(ch))


async def by_select(ch: Chan[int]) -> Any:
    return (await select(ch.recv(), None))[1]


async def by_try_recv(ch: Chan[int]) -> Any:
    item = ch.try_recv_ok()
    assert item
    assert item[1]
    return item[0]


async def by_try_select(ch: Chan[int]) -> Any:
    return try_select(None, ch.recv())[1]


async def by_batch(ch: Chan[int]) -> int:
    (value,) = ch.try_recv_many(1)
    return value


async def by_recv_many(ch: Chan[int]) -> int:
    (value,) = await ch.recv_many(1)
    return value


RECEIVES = [recv, recv_ok, recv_info, by_anext, by_select, by_try_recv, by_try_select, by_batch, by_recv_many]


@pytest.mark.parametrize("receive", RECEIVES, ids=lambda fn: fn.__name__)
async def test_a_receive_from_a_full_buffer_moves_the_first_sender_up(
    spawn: Spawn, receive: Callable[[Chan[int]], Awaitable[int]]
) -> None:
    """Rule 11: the head is received and the oldest parked sender's value becomes the tail, in one step."""
    ch: Chan[int] = chan(3)
    assert ch.try_send_many([0, 1, 2])
    senders = []
    for value in range(3, 6):
        senders.append(spawn(lambda value=value: outcome(ch.send(value))))
        await settle()
    for expected in range(6):
        assert await receive(ch) == expected
        assert tuple(ch.statistics())[:3] == (min(3, 5 - expected), 3, max(2 - expected, 0))
        await settle()
        assert [s.done() for s in senders] == [expected >= i for i in range(3)]


async def test_a_batch_moves_as_many_senders_as_it_frees_slots(spawn: Spawn) -> None:
    """Rule 11: k values are taken, k senders follow, all in order."""
    ch: Chan[int] = chan(4)
    assert ch.try_send_many(range(4))
    for value in range(4, 10):
        spawn(lambda value=value: outcome(ch.send(value)))
        await settle()
    assert ch.try_recv_many(3) == [0, 1, 2]
    assert tuple(ch.statistics())[:3] == (4, 4, 3)
    assert ch.try_recv_many(5) == [3, 4, 5, 6, 7]
    assert ch.try_recv_many() == [8, 9]
    await settle()
    assert waiting(ch) == (0, 0)


async def test_the_ring_keeps_its_order_wherever_it_wraps(spawn: Spawn) -> None:
    """Rule 11: a buffer that is filled and emptied to every degree, at every position of its head."""
    for capacity in (1, 2, 3, 4, 5, 8, 13):
        ch: Chan[int] = chan(capacity)
        sent = received = 0
        for step in range(6 * capacity):
            for _ in range(step % (capacity + 2)):
                sent += ch.try_send(sent)
            for _ in range((step * 5) % (capacity + 2)):
                if item := ch.try_recv_ok():
                    assert item == (received, True)
                    received += 1
        assert ch.try_recv_many() == list(range(received, sent))


async def test_an_unbounded_buffer_keeps_its_order_while_it_grows() -> None:
    """Rule 11: also when it grows with its head in the middle."""
    ch: Chan[int] = chan(float("inf"))
    sent = received = 0
    for grow in range(1, 60):
        for _ in range(grow):
            assert ch.try_send(sent)
            sent += 1
        for _ in range(grow // 2):
            assert ch.try_recv_ok() == (received, True)
            received += 1
    assert ch.try_recv_many() == list(range(received, sent))
