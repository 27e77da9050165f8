"""Every method and property of a channel and its views, one promise at a time.

Not here: cancellation and the rules of select (the model and the rule tests), bad arguments (test_bad_input.py).
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from helpers import in_one_callback, outcome, settle, until, waiting

import goish
from goish import (
    EMPTY,
    NIL,
    Chan,
    ChanClosed,
    ChanFull,
    ChanStatistics,
    CloseOfClosed,
    CloseOfNil,
    Flavor,
    PriorityChan,
    Received,
    RecvChan,
    SendChan,
    SendOnClosed,
    after,
    chan,
    go,
    go_thread,
    gosched,
    select,
    sleep,
    try_select,
)
from goish.errors import FlavorError

if TYPE_CHECKING:
    from conftest import Driver

Spawn = Callable[..., Any]


async def send(ch: Any, value: object) -> Any:
    return await ch.send(value)


async def recv(ch: Any) -> Any:
    return await ch.recv()


def filled(*values: object, capacity: float = math.inf, closed: bool = False) -> Chan[Any]:
    ch = chan(capacity)
    assert ch.try_send_many(values)
    if closed:
        ch.close()
    return ch


# ── making ──


def test_chan_and_its_class_make_the_same() -> None:
    for ch in (chan(3), Chan(3), Chan[int](3)):
        assert type(ch) is Chan
        assert ch.cap == 3
    assert type(chan()) is Chan
    assert chan().cap == Chan().cap == 0
    assert chan(capacity=2).cap == Chan(capacity=2).cap == 2


def test_unbounded_channel_never_refuses() -> None:
    ch = chan(math.inf)
    assert ch.cap == math.inf
    assert ch.try_send_many(range(10_000))
    assert len(ch) == 10_000
    assert ch.try_recv_many() == list(range(10_000))


def test_channel_types_are_generic() -> None:
    for cls in (Chan, SendChan, RecvChan, PriorityChan):
        assert cls[int].__origin__ is cls


# ── send: whether it had to wait ──


async def test_send_says_whether_it_waited(spawn: Spawn) -> None:
    ch = chan(1)
    assert await ch.send(1) is False
    sender = spawn(send, ch, 2)
    await until(lambda: waiting(ch) == (1, 0))
    assert await ch.recv() == 1
    assert await sender is True


async def test_send_to_a_parked_receiver_does_not_wait(spawn: Spawn) -> None:
    ch = chan()
    receiver = spawn(recv, ch)
    await until(lambda: waiting(ch) == (0, 1))
    assert await ch.send(1) is False
    assert await receiver == 1


async def test_unbuffered_send_returns_only_when_a_receiver_has_the_value(spawn: Spawn) -> None:
    ch = chan()
    sender = spawn(send, ch, 1)
    await settle()
    assert not sender.done()
    assert len(ch) == 0
    assert ch.try_recv_ok() == (1, True)
    assert await sender is True


# ── recv and its forms ──


async def test_recv_raises_chan_closed_when_closed_and_drained() -> None:
    ch = filled(1, closed=True)
    assert await ch.recv() == 1
    with pytest.raises(ChanClosed, match="receive on a channel that is closed and drained"):
        await ch.recv()
    with pytest.raises(ChanClosed, match="receive on a channel that is closed and drained"):
        ch.try_recv()


async def test_recv_ok_tells_the_end_from_a_none() -> None:
    ch = filled(None, closed=True)
    assert await ch.recv_ok() == (None, True)
    assert await ch.recv_ok() == (None, False)


async def test_recv_info_says_whether_it_waited(spawn: Spawn) -> None:
    ch = filled(1)
    assert await ch.recv_info() == Received(1, True, False)

    async def recv_info() -> Any:
        return await ch.recv_info()

    receiver = spawn(recv_info)
    await until(lambda: waiting(ch) == (0, 1))
    assert ch.try_send(2)
    info = await receiver
    assert (info.value, info.ok, info.waited) == (2, True, True)

    receiver = spawn(recv_info)
    await until(lambda: waiting(ch) == (0, 1))
    ch.close()
    assert await receiver == Received(None, False, True)
    assert await ch.recv_info() == Received(None, False, False)


async def test_range_ends_when_closed_and_drained(spawn: Spawn) -> None:
    ch = filled(1, None, 3, closed=True)
    assert [value async for value in ch] == [1, None, 3]
    ch = chan()

    async def produce() -> None:
        for i in range(3):
            await ch.send(i)
        ch.close()

    spawn(produce)
    assert [value async for value in ch.receiver] == [0, 1, 2]


async def test_leaving_a_range_neither_closes_nor_drops() -> None:
    ch = filled(1, 2, 3)
    async for value in ch:
        assert value == 1
        break
    assert not ch.closed
    assert ch.try_recv_many() == [2, 3]


async def test_two_ranges_over_one_channel_share_its_values(spawn: Spawn) -> None:
    ch = chan()

    async def take() -> list[int]:
        return [value async for value in ch]

    takers = [spawn(take), spawn(take)]
    await settle()
    for i in range(10):
        await ch.send(i)
    ch.close()
    first, second = [await taker for taker in takers]
    assert sorted(first + second) == list(range(10))
    assert first
    assert second


# ── what a value may be ──


async def test_value_is_handed_over_not_copied(spawn: Spawn) -> None:
    value: list[int] = []
    ch = chan(1)
    await ch.send(value)
    assert await ch.recv() is value
    spawn(send, ch, value)
    spawn(send, ch, value)
    await settle()
    assert (await ch.recv_ok())[0] is value
    assert (await ch.recv_info()).value is value
    receiver = spawn(recv, ch)
    await settle()
    await ch.send(value)
    assert await receiver is value


async def test_operations_exceptions_and_channels_are_ordinary_values(spawn: Spawn) -> None:
    ch = chan()
    values = [ch, ch.recv(), asyncio.CancelledError(), ChanClosed(), StopIteration(1), (1, 2), EMPTY, NIL, (), None]

    async def produce() -> None:
        for value in values:
            await ch.send(value)

    spawn(produce)
    for value in values:
        assert await ch.recv() is value
    buffered = filled(*values)
    for value in values:
        assert await buffered.recv() is value


async def test_channels_travel_over_channels(spawn: Spawn) -> None:
    outer = chan()

    async def answer() -> None:
        reply = await outer.recv()
        await reply.send("yes")

    spawn(answer)
    reply = chan()
    await outer.send(reply.sender)
    assert await reply.recv() == "yes"


# ── what a channel must not keep: an object is freed the moment its receiver drops it ──


class Value:
    """Can be referred to weakly."""


async def through_buffer(value: Value) -> Any:
    ch = chan(4)
    await ch.send(value)
    del value
    return ch, await ch.recv()


async def through_try(value: Value) -> Any:
    ch = chan(4)
    ch.try_send(value)
    del value
    received, _ = ch.try_recv_ok() or (None, False)
    return ch, received


async def through_batch(value: Value) -> Any:
    ch = chan(4)
    ch.try_send_many([value])
    del value
    return ch, ch.try_recv_many()[0]


async def through_parked_sender(value: Value) -> Any:
    ch = chan()
    sender = go(send, ch, value)
    del value
    await settle()
    received = await ch.recv()
    await sender
    return (ch, sender), received


async def through_rotation(value: Value) -> Any:
    ch = filled(None, capacity=1)
    sender = go(send, ch, value)
    del value
    await settle()
    await ch.recv()
    await sender
    return (ch, sender), await ch.recv()


async def through_parked_receiver(value: Value) -> Any:
    ch = chan()
    received = []

    async def receive() -> None:
        received.append(await ch.recv())

    receiver = go(receive)
    await settle()
    await ch.send(value)
    del value
    await receiver
    return (ch, receiver), received.pop()


async def through_foreign_receiver(value: Value) -> Any:
    ch = chan()
    received = []

    async def receive() -> None:
        received.append(await ch.recv())

    receiver = asyncio.create_task(receive())
    await settle()
    await ch.send(value)
    del value
    await receiver
    return (ch, receiver), received.pop()


async def through_recv_ok(value: Value) -> Any:
    ch = chan(1)
    await ch.send(value)
    del value
    received, _ = await ch.recv_ok()
    return ch, received


async def through_recv_info(value: Value) -> Any:
    ch = chan(1)
    await ch.send(value)
    del value
    return ch, (await ch.recv_info()).value


async def through_range(value: Value) -> Any:
    ch = chan(1)
    await ch.send(value)
    del value
    async for received in ch:
        return ch, received


async def through_select(value: Value) -> Any:
    ch, other = chan(1), chan()
    await select(ch.send(value), other.recv())
    del value
    _, received, _ = await select(ch.recv(), other.recv())
    return (ch, other), received


async def through_parked_selects(value: Value) -> Any:
    ch, other = chan(), chan()
    received = []

    async def give(value: Value) -> None:
        await select(ch.send(value), other.recv())

    async def take() -> None:
        _, got, _ = await select(ch.recv(), other.recv())
        received.append(got)

    giver = go(give, value)
    del value
    await settle()
    taker = go(take)
    await taker
    await giver
    return (ch, other, giver, taker), received.pop()


async def through_recv_many(value: Value) -> Any:
    ch = filled(value)
    del value
    return ch, (await ch.recv_many(5))[0]


async def through_send_many(value: Value) -> Any:
    ch = chan(5)
    await ch.send_many([value])
    del value
    return ch, await ch.recv()


async def through_priority_chan(value: Value) -> Any:
    ch: PriorityChan[Any] = PriorityChan(5)
    await ch.send(value, priority=1)
    del value
    return ch, await ch.recv()


WAYS_THROUGH = [fn for name, fn in sorted(globals().items()) if name.startswith("through_")]


@pytest.mark.parametrize("through", WAYS_THROUGH)
async def test_received_value_is_freed_as_soon_as_the_receiver_drops_it(
    run: Driver, through: Callable[[Value], Awaitable[Any]]
) -> None:
    gc.disable()
    try:
        value = Value()
        ref = weakref.ref(value)
        kept, received = await through(value)
        assert received is value
        del value, received
        assert ref() is None
        assert kept
    finally:
        gc.enable()


async def awaiting(op: Awaitable[Any]) -> Any:
    return await op


async def test_value_of_a_parked_sender_is_freed_before_the_sender_runs(spawn: Spawn) -> None:
    for take in (lambda ch: ch.try_recv_ok(), lambda ch: ch.try_recv_many(), lambda ch: try_select(ch.recv())):
        ch = chan()
        value = Value()
        ref = weakref.ref(value)
        sender = spawn(awaiting, ch.send(value))
        del value
        await settle()
        received = take(ch)
        assert ref() is not None
        del received
        assert ref() is None
        assert not sender.done()
        await sender


async def test_operation_that_happened_keeps_no_value_even_if_it_is_kept_itself(run: Driver) -> None:
    ch = chan(1)
    value = Value()
    ref = weakref.ref(value)
    sending, receiving = ch.send(value), ch.recv()
    await sending
    del value
    received = await receiving
    assert ref() is received
    del received
    assert ref() is None

    unbuffered = chan()
    got: list[Any] = []

    async def receive(op: Awaitable[Any]) -> None:
        got.append(await op)
        await gosched()

    parked = unbuffered.recv()
    receiver = go(receive, parked)
    await settle()
    value = Value()
    ref = weakref.ref(value)
    await unbuffered.send(value)
    del value
    await receiver
    assert ref() is not None
    got.clear()
    assert ref() is None
    assert parked


async def test_value_of_a_cancelled_sender_is_freed(run: Driver) -> None:
    ch = chan()
    value = Value()
    ref = weakref.ref(value)
    g = go(send, ch, value)
    del value
    await settle()
    g.cancel()
    await settle()
    assert g.cancelled()
    del g
    assert ref() is None


async def test_dropped_values_and_those_of_a_dropped_channel_are_freed() -> None:
    ch = chan(2, overflow="drop_oldest")
    refs = []
    for _ in range(5):
        value = Value()
        refs.append(weakref.ref(value))
        await ch.send(value)
        del value
    assert [ref() is None for ref in refs] == [True, True, True, False, False]
    del ch
    assert all(ref() is None for ref in refs)


async def test_losing_case_of_a_select_keeps_its_value_only_as_long_as_it_lives(run: Driver) -> None:
    ready, full = filled(1), chan()
    value = Value()
    ref = weakref.ref(value)
    assert await select(ready.recv(), full.send(value)) == (0, 1, True)
    del value
    assert ref() is None


def test_channel_itself_is_freed_when_nobody_holds_it() -> None:
    ch = filled(1, 2)
    ref = weakref.ref(ch)
    view = ch.receiver
    del ch
    assert ref() is not None
    del view
    assert ref() is None


# ── try_send, try_recv_ok ──


async def test_try_send_on_an_unbuffered_channel_needs_a_parked_receiver(spawn: Spawn) -> None:
    ch = chan()
    assert ch.try_send(1) is False
    receiver = spawn(recv, ch)
    await settle()
    assert ch.try_send(1) is True
    assert ch.try_send(2) is False
    assert await receiver == 1


async def test_try_send_counts_a_parked_select_as_a_receiver(spawn: Spawn) -> None:
    ch = chan()

    async def choose() -> Any:
        return await select(chan().recv(), ch.recv())

    chooser = spawn(choose)
    await settle()
    assert ch.try_send(1) is True
    assert ch.try_send(2) is False
    assert await chooser == (1, 1, True)


async def test_try_recv_takes_from_a_parked_sender_and_moves_the_next_into_the_buffer(spawn: Spawn) -> None:
    ch = filled(0, capacity=1)
    senders = []
    for i in (1, 2):
        senders.append(spawn(send, ch, i))
        await settle()
    assert ch.try_recv_ok() == (0, True)
    assert waiting(ch) == (1, 0)
    assert len(ch) == 1
    assert ch.try_recv_ok() == (1, True)
    assert ch.try_recv_ok() == (2, True)
    assert ch.try_recv_ok() is EMPTY
    assert [await sender for sender in senders] == [True, True]


def test_try_recv_tells_empty_from_closed_and_empty_is_false() -> None:
    ch = chan()
    assert ch.try_recv_ok() is EMPTY
    assert not EMPTY
    assert repr(EMPTY) == "EMPTY"
    ch.close()
    assert ch.try_recv_ok() == (None, False)


def test_try_send_on_a_closed_channel_raises_and_hands_the_value_back() -> None:
    value = object()
    with pytest.raises(SendOnClosed) as caught:
        filled(closed=True).try_send(value)
    assert caught.value.value is value


# ── batches ──


def test_batch_is_sent_whole_or_not_at_all() -> None:
    ch = chan(3)
    assert ch.try_send_many([1]) is True
    assert ch.try_send_many([2, 3, 4]) is False
    assert len(ch) == 1
    assert ch.try_send_many(iter([2, 3])) is True
    assert ch.try_send_many([]) is True
    assert ch.try_recv_many() == [1, 2, 3]


async def test_batch_counts_parked_receivers_as_room(spawn: Spawn) -> None:
    ch = chan(1)
    receivers = []
    for _ in range(2):
        receivers.append(spawn(recv, ch))
        await settle()
    assert ch.try_send_many([1, 2, 3, 4]) is False
    assert waiting(ch) == (0, 2)
    assert ch.try_send_many([1, 2, 3]) is True
    assert [await receiver for receiver in receivers] == [1, 2]
    assert ch.try_recv_many() == [3]


async def test_batch_counts_a_select_that_holds_the_channel_twice_once(spawn: Spawn) -> None:
    ch = chan()

    async def choose() -> Any:
        return await select(ch.recv(), ch.recv_ok())

    chooser = spawn(choose)
    await settle()
    assert ch.try_send_many([1, 2]) is False
    assert ch.try_send_many([1]) is True
    index, value, ok = await chooser
    assert index in (0, 1)
    assert (value, ok) == (1, True)


def test_batch_on_a_closed_channel_raises_and_hands_all_back() -> None:
    values = [1, 2]
    with pytest.raises(SendOnClosed) as caught:
        filled(closed=True).try_send_many(values)
    assert list(caught.value.value) == values


def test_batch_received_is_at_most_max_and_in_order() -> None:
    ch = filled(*range(10))
    assert ch.try_recv_many(0) == []
    assert ch.try_recv_many(3) == [0, 1, 2]
    assert ch.try_recv_many(max=2) == [3, 4]
    assert ch.try_recv_many(None) == [5, 6, 7, 8, 9]
    assert ch.try_recv_many() == []
    ch.close()
    assert ch.try_recv_many() == []


async def test_batch_received_pulls_parked_senders_in_and_wakes_them(spawn: Spawn) -> None:
    for capacity in (0, 2):
        ch = chan(capacity)
        senders = []
        for i in range(5):
            senders.append(spawn(send, ch, i))
            await settle()
        assert ch.try_recv_many(3) == [0, 1, 2]
        await settle()
        assert [sender.done() for sender in senders] == [i < 3 + capacity for i in range(5)]
        assert ch.try_recv_many() == [3, 4]
        for sender in senders:
            await sender


async def test_send_many_sends_in_order_and_counts(spawn: Spawn) -> None:
    ch = chan(2)

    async def produce() -> Any:
        return await ch.send_many(range(10))

    producer = spawn(produce)
    assert [await ch.recv() for _ in range(10)] == list(range(10))
    assert await producer == 10
    assert await ch.send_many([]) == 0


async def test_send_many_on_a_closed_channel_hands_back_what_was_not_sent(spawn: Spawn) -> None:
    ch = chan(2)

    async def produce() -> list[Any]:
        with pytest.raises(SendOnClosed) as caught:
            await ch.send_many([0, 1, 2, 3, 4])
        return list(caught.value.value)

    producer = spawn(produce)
    await settle()
    assert await ch.recv() == 0
    await settle()
    ch.close()
    assert await producer == [3, 4]
    assert ch.try_recv_many() == [1, 2]


async def cut_off(ch: Chan[int], n: int) -> Any:
    """Sends, and gives what the exception says."""
    try:
        return await ch.send_many(range(n))
    except (asyncio.CancelledError, SendOnClosed, ChanFull) as exc:
        return exc


async def test_a_send_many_that_is_cancelled_raises_and_says_how_far_it_came(spawn: Spawn) -> None:
    undelivered: list[int] = []
    ch: Chan[int] = chan(2, on_undelivered=undelivered.append)
    told = []

    async def produce() -> None:
        try:
            await ch.send_many(range(5))
            told.append("next line")
        except asyncio.CancelledError as exc:
            told.append((exc.args, exc.sent, exc.unsent))  # type: ignore[attr-defined]
            raise

    g = spawn(produce)
    await settle()
    g.cancel("enough")
    await settle()
    assert told == [(("enough",), 2, [2, 3, 4])]
    assert g.cancelled()
    assert ch.try_recv_many() == [0, 1]
    assert undelivered == [], "they are the caller's again"


async def test_a_timeout_around_send_many_is_raised_and_counted(virtual: Driver) -> None:
    ch: Chan[int] = chan(2)

    async def produce() -> Any:
        this: Any = asyncio.current_task()
        try:
            async with asyncio.timeout(1.0):
                await ch.send_many(range(5))
        except TimeoutError as exc:
            cause: Any = exc.__cause__
            return cause.sent, cause.unsent, this.cancelling()

    assert await virtual.spawn(produce) == (2, [2, 3, 4], 0)
    assert ch.try_recv_many() == [0, 1]


async def test_a_send_many_that_a_full_or_closed_channel_cuts_off_says_how_far_it_came(spawn: Spawn) -> None:
    exc = await cut_off(chan(2, overflow="error"), 5)
    assert (type(exc), exc.sent, exc.unsent, exc.value) == (ChanFull, 2, [2, 3, 4], [2, 3, 4])
    ch: Chan[int] = chan(2)
    g = spawn(cut_off, ch, 5)
    await settle()
    ch.close()
    exc = await g
    assert (type(exc), exc.sent, exc.unsent, exc.value) == (SendOnClosed, 2, [2, 3, 4], [2, 3, 4])


async def test_a_send_many_of_which_all_was_taken_returns_although_it_is_cancelled(spawn: Spawn) -> None:
    ch: Chan[int] = chan()
    log: list[Any] = []

    async def produce() -> None:
        log.append(await ch.send_many([1]))
        await NIL.recv()

    g = spawn(produce)
    await settle()
    await in_one_callback(lambda: log.append(ch.try_recv_ok()), g.cancel)
    assert log == [(1, True), 1]
    assert g.cancelled()


async def test_what_send_many_waits_to_send_is_undelivered_when_its_coroutine_is_closed(spawn: Spawn) -> None:
    undelivered: list[int] = []
    ch: Chan[int] = chan(on_undelivered=undelivered.append)
    g = spawn(cut_off, ch, 3)
    await settle()
    g.get_coro().close()
    assert undelivered == [0]
    assert waiting(ch) == (0, 0)
    await outcome(g)


async def test_recv_many_waits_for_one_and_takes_what_else_is_there(spawn: Spawn) -> None:
    ch = chan(10)

    async def take(most: int) -> Any:
        return await ch.recv_many(most)

    taker = spawn(take, 3)
    await settle()
    assert not taker.done()
    ch.try_send_many([0, 1, 2, 3, 4])
    assert await taker == [0, 1, 2]
    assert await ch.recv_many(10) == [3, 4]
    ch.close()
    assert await ch.recv_many(10) == []


async def test_recv_many_lingers_for_more(virtual: Driver) -> None:
    ch = chan()

    async def produce() -> None:
        for i in range(5):
            await ch.send(i)
            await sleep(1.0)
        ch.close()

    virtual.spawn(produce)
    assert await ch.recv_many(10, linger=2.5) == [0, 1, 2]
    assert await ch.recv_many(2, linger=100.0) == [3, 4]
    assert await ch.recv_many(2, linger=100.0) == []


async def test_recv_many_returns_at_once_when_it_is_full_or_the_channel_closes(virtual: Driver) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    assert await filled(1, 2, 3).recv_many(2, linger=100.0) == [1, 2]
    assert await filled(1, 2, 3, closed=True).recv_many(9, linger=100.0) == [1, 2, 3]
    assert loop.time() == started


async def test_recv_many_cancelled_while_it_lingers_delivers_what_it_has(run: Driver) -> None:
    ch = filled(1, 2)
    got = []

    async def take() -> None:
        got.append(await ch.recv_many(10, linger=3600.0))
        await NIL.recv()

    g = go(take)
    await settle()
    g.cancel()
    await settle()
    assert got == [[1, 2]]
    assert g.cancelled()


async def test_a_timeout_while_recv_many_lingers_is_seen_by_the_next_wait(virtual: Driver) -> None:
    """And by expired(): in neither case is anything lost."""
    got: list[Any] = []

    async def take(wait_again: bool) -> None:
        this: Any = asyncio.current_task()
        try:
            async with asyncio.timeout(1.0) as timeout:
                got.append(await filled(1, 2).recv_many(10, linger=3600.0))
                if wait_again:
                    await NIL.recv()
            got.append(timeout.expired())
        except TimeoutError:
            got.append("timeout")
        got.append(this.cancelling())
        await asyncio.sleep(1)

    for wait_again in (False, True):
        await virtual.spawn(take, wait_again)
    assert got == [[1, 2], True, 0, [1, 2], "timeout", 0]


async def test_what_recv_many_has_received_is_undelivered_when_its_coroutine_is_closed(spawn: Spawn) -> None:
    undelivered: list[int] = []
    ch: Chan[int] = chan(3, on_undelivered=undelivered.append)
    ch.try_send_many([1, 2])

    async def take() -> None:
        await ch.recv_many(10, linger=3600.0)

    g = spawn(take)
    await settle()
    g.get_coro().close()
    assert undelivered == [1, 2]
    await outcome(g)


# ── counting and looking ──


async def test_statistics_count_values_and_waiters(spawn: Spawn) -> None:
    ch = chan(2)
    for i in range(3):
        spawn(send, ch, i)
    await settle()
    assert ch.statistics() == ChanStatistics(2, 2, 1, 0, False)
    ch.try_recv_many()
    for _ in range(2):
        spawn(recv, ch)
    await settle()
    statistics = ch.statistics()
    assert statistics.buffered == 0
    assert statistics.capacity == 2
    assert statistics.senders_waiting == 0
    assert statistics.receivers_waiting == 2
    assert statistics.closed is False
    await ch.send_many([1, 2])
    ch.close()
    assert ch.statistics() == ChanStatistics(0, 2, 0, 0, True)
    assert chan(math.inf).statistics().capacity == math.inf


async def test_len_and_peek_count_the_buffer_only(spawn: Spawn) -> None:
    ch = chan()
    spawn(send, ch, 1)
    await settle()
    assert len(ch) == ch.peek() == 0
    await ch.recv()
    buffered = filled(1, 2, closed=True)
    assert len(buffered) == buffered.peek() == 2


async def test_peek_item_shows_the_next_value_and_leaves_it(spawn: Spawn) -> None:
    ch = chan(1)
    assert ch.peek_item() is EMPTY
    await ch.send(None)
    assert ch.peek_item() is None
    assert ch.try_recv_ok() == (None, True)
    unbuffered = chan()
    spawn(send, unbuffered, "a")
    await settle()
    spawn(send, unbuffered, "b")
    await settle()
    assert unbuffered.peek_item() == unbuffered.receiver.peek_item() == "a"
    assert waiting(unbuffered) == (2, 0)
    assert unbuffered.try_recv_many() == ["a", "b"]
    ch.close()
    assert ch.peek_item() is EMPTY


def test_channel_is_true_even_when_empty_or_closed() -> None:
    for ch in (chan(), chan(1), filled(closed=True), NIL, chan().sender, chan().receiver):
        assert bool(ch) is True


async def test_repr_tells_what_matters(spawn: Spawn) -> None:
    ch = filled(1, capacity=1)
    assert repr(ch) == "<Chan cap=1 len=1>"
    assert repr(ch.sender) == "<SendChan cap=1 len=1>"
    assert repr(ch.receiver) == "<RecvChan cap=1 len=1>"
    spawn(send, ch, 2)
    await settle()
    assert repr(ch) == "<Chan cap=1 len=1 senders=1>"
    ch.try_recv_many()
    spawn(recv, ch)
    await settle()
    assert repr(ch) == "<Chan cap=1 len=0 receivers=1>"
    await ch.send(1)
    ch.close()
    assert repr(ch) == "<Chan cap=1 len=0 closed>"
    assert repr(NIL) == "NIL"
    assert repr(chan(math.inf)) == "<Chan cap=inf len=0>"
    assert repr(PriorityChan(2)) == "<PriorityChan cap=2 len=0>"


def test_repr_tells_overflow_and_flavor_where_they_are_not_the_default() -> None:
    ch: Chan[int] = chan(3, overflow="drop_oldest", flavor="spsc")
    assert repr(ch) == "<Chan cap=3 len=0 overflow=drop_oldest flavor=spsc>"
    assert repr(ch.sender) == "<SendChan cap=3 len=0 overflow=drop_oldest flavor=spsc>"
    assert repr(ch.receiver) == "<RecvChan cap=3 len=0 overflow=drop_oldest flavor=spsc>"
    assert repr(PriorityChan(flavor="mpsc")) == "<PriorityChan cap=inf len=0 flavor=mpsc>"
    assert repr(chan(flavor="spmc")) == "<Chan cap=0 len=0 flavor=spmc>"
    assert repr(chan(1, overflow="error")) == "<Chan cap=1 len=0 overflow=error>"


# ── close ──


async def test_close_wakes_every_receiver_with_the_end(spawn: Spawn) -> None:
    ch = chan(1)
    receivers = [spawn(recv, ch) for _ in range(5)]

    async def take() -> Any:
        return [value async for value in ch]

    rangers = [spawn(take) for _ in range(5)]
    await settle()
    ch.close()
    assert [await outcome(receiver) for receiver in receivers] == [ChanClosed] * 5
    assert [await ranger for ranger in rangers] == [[]] * 5


async def test_close_raises_in_every_parked_sender_and_hands_the_value_back(spawn: Spawn) -> None:
    ch = chan(1)
    returned = []

    async def produce(value: int) -> None:
        try:
            await ch.send(value)
        except SendOnClosed as exc:
            returned.append(exc.value)

    senders = [spawn(produce, i) for i in range(5)]
    await settle()
    ch.close()
    for sender in senders:
        await sender
    assert sorted(returned + ch.try_recv_many()) == list(range(5))
    assert len(returned) == 4


def test_close_is_strict_and_close_once_is_not() -> None:
    ch = chan()
    assert ch.close_once() is True
    assert ch.close_once() is False
    with pytest.raises(CloseOfClosed, match="close_once"):
        ch.close()
    other = chan()
    other.close()
    assert other.close_once() is False
    assert other.closed


# ── views ──


def test_views_equal_their_channel_and_hash_like_it() -> None:
    ch, other = chan(), chan()
    for view in (ch.sender, ch.receiver):
        assert view == ch
        assert ch == view
        assert hash(view) == hash(ch)
        assert view != other
        assert view != other.sender
        assert not view != ch  # noqa: SIM202
        assert {ch: 1}.get(view) == 1  # type: ignore[call-overload]
    assert ch.sender == ch.sender
    assert ch != other
    assert ch != 1
    assert ch.sender is not None
    assert len({ch, ch.sender, ch.receiver, other}) == 2


async def test_views_do_what_their_channel_does(spawn: Spawn) -> None:
    ch = chan(3)
    sender, receiver = ch.sender, ch.receiver
    assert type(sender) is SendChan
    assert type(receiver) is RecvChan
    assert await sender.send(1) is False
    assert sender.try_send(2)
    assert not sender.try_send_many([3, 4])
    assert sender.try_send_many([3])
    for view in (sender, receiver):
        assert len(view) == view.peek() == 3
        assert view.cap == 3
        assert view.flavor == ch.flavor
        assert view.statistics() == ch.statistics()
        assert view.closed is False
    assert receiver.peek_item() == 1
    assert await receiver.recv() == 1
    assert receiver.try_recv_ok() == (2, True)
    assert await receiver.recv_info() == Received(3, True, False)
    assert receiver.try_recv_ok() is EMPTY
    assert await sender.send_many([1, 2, 3]) == 3
    assert receiver.try_recv_many(1) == [1]
    assert await receiver.recv_many(1) == [2]
    sender.close()
    assert sender.close_once() is False
    assert receiver.closed
    assert sender.closed
    assert await receiver.recv_ok() == (3, True)
    assert await receiver.recv_ok() == (None, False)
    assert [value async for value in receiver] == []
    with pytest.raises(SendOnClosed):
        await sender.send(1)


async def test_select_takes_operations_of_views() -> None:
    ch = chan(1)
    assert await select(ch.receiver.recv(), ch.sender.send(1)) == (1, None, True)
    assert try_select(ch.sender.send(2), ch.receiver.recv_ok()) == (1, 1, True)


# ── NIL ──


def test_nil_answers_everything_that_does_not_wait() -> None:
    assert NIL.try_recv_ok() is EMPTY
    assert NIL.try_send(1) is False
    assert NIL.try_send_many([1]) is False
    assert NIL.try_send_many([]) is True
    assert NIL.try_recv_many() == []
    assert NIL.peek_item() is EMPTY
    assert NIL.peek() == len(NIL) == NIL.cap == 0
    assert NIL.closed is False
    assert NIL.statistics() == ChanStatistics(0, 0, 0, 0, False)
    assert NIL == NIL.sender == NIL.receiver
    assert chan() != NIL
    for close in (NIL.close, NIL.close_once, NIL.sender.close):
        with pytest.raises(CloseOfNil):
            close()


@pytest.mark.parametrize(
    ("wait", "reason"),
    [
        (lambda: NIL.send(1), "chan send (nil chan)"),
        (lambda: NIL.recv(), "chan receive (nil chan)"),
        (lambda: NIL.receiver.recv_ok(), "chan receive (nil chan)"),
        (lambda: NIL.sender.send(1), "chan send (nil chan)"),
    ],
)
async def test_operations_on_nil_wait_and_can_be_cancelled(
    run: Driver, wait: Callable[[], Awaitable[Any]], reason: str
) -> None:
    async def waiter() -> None:
        await wait()

    g = go(waiter)
    await settle()
    assert g.wait_reason == reason
    assert waiting(NIL) == (0, 0)
    g.cancel()
    await settle()
    assert g.cancelled()


# ── overflow ──


async def test_overflow_error_raises_chan_full_with_the_value() -> None:
    ch = chan(1, overflow="error")
    assert await ch.send(1) is False
    with pytest.raises(ChanFull) as caught:
        await ch.send(2)
    assert caught.value.value == 2
    assert ch.try_send(3) is False
    assert ch.try_send_many([3]) is False
    with pytest.raises(ChanFull):
        await select(ch.send(4))
    assert ch.try_recv_many() == [1]


async def test_drop_oldest_makes_room_and_never_waits() -> None:
    dropped: list[int] = []
    ch = chan(2, overflow="drop_oldest", on_undelivered=dropped.append)
    assert [await ch.send(i) for i in range(4)] == [False, False, True, True]
    assert ch.try_send(4) is True
    assert await select(ch.send(5)) == (0, None, True)
    assert dropped == [0, 1, 2, 3]
    assert ch.try_send_many([6, 7, 8]) is True
    assert dropped == [0, 1, 2, 3, 4, 5, 6]
    assert ch.try_recv_many() == [7, 8]


async def test_drop_newest_keeps_what_is_there_and_never_waits() -> None:
    dropped: list[int] = []
    ch = chan(2, overflow="drop_newest", on_undelivered=dropped.append)
    assert [await ch.send(i) for i in range(4)] == [False, False, True, True]
    assert dropped == [2, 3]
    assert ch.try_send(4) is False, "a value that was refused is the caller's still"
    assert dropped == [2, 3]
    assert await select(ch.send(5)) == (0, None, True)
    assert dropped == [2, 3, 5]
    assert ch.try_recv_many() == [0, 1]


@pytest.mark.parametrize("overflow", ["error", "drop_oldest", "drop_newest"])
async def test_overflow_is_no_matter_while_there_is_room_or_a_receiver(spawn: Spawn, overflow: Any) -> None:
    ch = chan(1, overflow=overflow)
    receiver = spawn(recv, ch)
    await settle()
    assert await ch.send(1) is False
    assert await ch.send(2) is False
    assert await receiver == 1
    assert ch.try_recv_many() == [2]


@pytest.mark.parametrize("overflow", ["error", "drop_oldest", "drop_newest"])
async def test_closed_channel_refuses_whatever_its_overflow_policy(overflow: Any) -> None:
    dropped: list[int] = []
    ch = chan(1, overflow=overflow, on_undelivered=dropped.append)
    await ch.send(1)
    ch.close()
    with pytest.raises(SendOnClosed):
        await ch.send(2)
    with pytest.raises(SendOnClosed):
        ch.try_send(2)
    assert dropped == []
    assert ch.try_recv_many() == [1]


# ── on_undelivered ──


async def test_value_of_a_cancelled_sender_is_undelivered_once(run: Driver) -> None:
    undelivered: list[object] = []
    ch = chan(on_undelivered=undelivered.append)
    g = go(send, ch, "x")
    await settle()
    g.cancel()
    await settle()
    assert undelivered == ["x"]


async def test_delivered_values_are_not_reported_as_undelivered(spawn: Spawn) -> None:
    undelivered: list[object] = []
    ch = chan(1, on_undelivered=undelivered.append)
    for i in range(3):
        spawn(send, ch, i)
    await settle()
    assert sorted([await ch.recv() for _ in range(3)]) == [0, 1, 2]
    await ch.send(3)
    ch.close()
    assert ch.try_recv_ok() == (3, True)
    assert undelivered == []


async def test_failing_hook_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def hook(value: object) -> None:
        raise ValueError(f"no use for {value}")

    ch = chan(1, overflow="drop_oldest", on_undelivered=hook)
    for i in range(3):
        await ch.send(i)
    assert ch.try_recv_ok() == (2, True)
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == [
        "no use for 0",
        "no use for 1",
    ]


async def test_hook_may_use_the_channel() -> None:
    undelivered: list[object] = []

    def hook(value: object) -> None:
        undelivered.append((value, len(ch)))
        if ch.try_recv_ok():
            ch.try_send("from the hook")

    ch = chan(1, overflow="drop_oldest", on_undelivered=hook)
    await ch.send(1)
    await ch.send(2)
    assert undelivered == [(1, 1)]
    assert ch.try_recv_many() == ["from the hook"]


# ── PriorityChan ──


async def test_smallest_priority_comes_first_and_equals_in_the_order_they_came() -> None:
    ch: PriorityChan[Any] = PriorityChan()
    for name, priority in [("c", 5), ("a", 1), ("b", 1.5), ("a2", 1), ("first", -math.inf), ("last", math.inf)]:
        assert await ch.send(name, priority=priority) is False
    assert ch.try_send("a3", priority=1)
    assert ch.try_send("zero")
    assert ch.peek_item() == "first"
    assert len(ch) == 8
    assert ch.try_recv_many() == ["first", "zero", "a", "a2", "a3", "b", "c", "last"]


async def test_priority_channel_orders_a_thousand_like_a_stable_sort(rng: Any) -> None:
    ch: PriorityChan[Any] = PriorityChan(1000)
    items = [(rng.randrange(20), i) for i in range(1000)]
    for priority, i in items:
        await ch.send((priority, i), priority=priority)
    ch.close()
    assert [item async for item in ch] == sorted(items)


async def test_parked_senders_of_a_priority_channel_enter_in_turn_and_then_count_by_priority(spawn: Spawn) -> None:
    ch: PriorityChan[Any] = PriorityChan(1)
    await ch.send("second", priority=2)

    async def produce(value: str, priority: float) -> None:
        await ch.send(value, priority=priority)

    for value, priority in [("third", 3), ("first", 1)]:
        spawn(produce, value, priority)
        await settle()
    assert waiting(ch) == (2, 0)
    assert await ch.recv() == "second"
    assert await ch.recv() == "third", "there was room for one only, and it had waited longest"
    assert await ch.recv() == "first"


async def test_priority_channel_hands_a_value_straight_to_a_parked_receiver(spawn: Spawn) -> None:
    ch: PriorityChan[Any] = PriorityChan(2)
    receiver = spawn(recv, ch)
    await settle()
    assert ch.try_send("x", priority=9)
    assert await receiver == "x"


async def test_priority_channel_works_in_select_range_and_views() -> None:
    ch: PriorityChan[Any] = PriorityChan(4)
    assert await select(ch.send("b", priority=2)) == (0, None, True)
    assert try_select(ch.send("a", priority=1)) == (0, None, True)
    assert ch.sender.try_send("zero")
    await ch.sender.send("zero too")
    assert try_select(ch.sender.send("full")) == (-1, None, False)
    assert await select(ch.receiver.recv()) == (0, "zero", True)
    ch.close()
    assert [value async for value in ch.receiver] == ["zero too", "a", "b"]
    with pytest.raises(SendOnClosed) as caught:
        await ch.send("late", priority=1)
    assert caught.value.value == "late"
    assert isinstance(ch, Chan)


async def test_values_of_a_priority_channel_are_never_compared() -> None:
    class Incomparable:
        def __lt__(self, other: object) -> bool:
            raise AssertionError("compared")

        __gt__ = __le__ = __ge__ = __eq__ = __lt__

    ch: PriorityChan[Any] = PriorityChan()
    values = [Incomparable() for _ in range(10)]
    for value in values:
        await ch.send(value, priority=1)
    assert all(a is b for a, b in zip(ch.try_recv_many(), values, strict=True))


async def test_full_priority_channel_refuses_or_drops_as_told() -> None:
    strict: PriorityChan[Any] = PriorityChan(1, overflow="error")
    await strict.send(1, priority=5)
    with pytest.raises(ChanFull) as caught:
        await strict.send(2, priority=1)
    assert caught.value.value == 2
    dropped: list[int] = []
    lossy: PriorityChan[Any] = PriorityChan(1, overflow="drop_newest", on_undelivered=dropped.append)
    assert [await lossy.send(i, priority=-i) for i in range(3)] == [False, True, True]
    assert dropped == [1, 2]
    assert lossy.try_recv_many() == [0]


async def test_closed_priority_channel_hands_parked_values_back(spawn: Spawn) -> None:
    ch: PriorityChan[Any] = PriorityChan(1)
    await ch.send(0)

    async def produce() -> object:
        with pytest.raises(SendOnClosed) as caught:
            await ch.send("mine", priority=3)
        return caught.value.value

    producer = spawn(produce)
    await settle()
    ch.close()
    assert await producer == "mine"


# ── flavors ──


def test_flavor_tells_what_a_channel_is() -> None:
    flavor = chan(3, overflow="drop_oldest", flavor="spsc").flavor
    assert isinstance(flavor, Flavor)
    assert flavor[:4] == ("single", "single", "ring", "drop_oldest")
    assert chan().flavor[:4] == ("multi", "multi", "none", "block")
    assert chan(1, flavor="mpsc").flavor[:3] == ("multi", "single", "ring")
    assert chan(1, flavor="spmc").flavor[:3] == ("single", "multi", "ring")
    assert chan(1, flavor="mpmc").flavor[:3] == ("multi", "multi", "ring")
    assert PriorityChan(1).flavor.storage == "heap"
    assert chan(1).sender.flavor == chan(1).receiver.flavor == chan(1).flavor
    assert after(1).flavor.storage == "timer"


def test_flavor_tells_what_an_operation_costs_under_the_lock() -> None:
    for ch in (chan(), chan(3), chan(math.inf), after(1)):
        assert "lock-based" in ch.flavor.progress
        assert "O(1)" in ch.flavor.progress
    heap = PriorityChan(1).flavor.progress
    assert "lock-based" in heap
    assert "O(log n)" in heap
    assert "O(1)" not in heap


async def test_of_equal_priorities_the_send_that_was_called_first_is_received_first(spawn: Spawn) -> None:
    ch: PriorityChan[str] = PriorityChan()
    first, second = ch.send("called first"), ch.send("called second")
    await second
    await first
    assert ch.try_recv_many() == ["called first", "called second"]
    assert ch.flavor.ordering == "by priority, then by when the send was called"
    assert chan(1).flavor.ordering == "first in, first out"


async def test_statistics_count_each_case_of_a_select_until_it_runs_again(spawn: Spawn) -> None:
    ch, other = chan(), chan()

    async def choose() -> None:
        await select(ch.recv(), ch.recv(), other.recv())

    chooser = spawn(choose)
    await settle()
    assert ch.statistics().receivers_waiting == 2
    assert other.try_send(1)
    assert ch.statistics().receivers_waiting == 2  # it has not run yet
    await chooser
    assert ch.statistics().receivers_waiting == 0


class Breach(NamedTuple):
    flavor: str
    producers: int
    consumers: int
    breaks: bool


BREACHES = [
    Breach("spsc", 1, 1, False),
    Breach("spsc", 2, 1, True),
    Breach("spsc", 1, 2, True),
    Breach("mpsc", 2, 1, False),
    Breach("mpsc", 1, 2, True),
    Breach("spmc", 1, 2, False),
    Breach("spmc", 2, 1, True),
    Breach("mpmc", 2, 2, False),
]


@pytest.mark.parametrize("breach", BREACHES, ids=str)
@pytest.mark.parametrize("debug", [True, False])
def test_second_producer_or_consumer_is_refused_in_debug_mode_only(run: Driver, breach: Breach, debug: bool) -> None:
    async def main() -> None:
        ch: Chan[int] = chan(10, flavor=breach.flavor)  # type: ignore[arg-type]
        refused = []

        async def produce() -> None:
            try:
                await ch.send(1)
            except FlavorError as exc:
                refused.append(exc)
            await gosched()  # while it lives it is the one

        async def consume() -> None:
            try:
                await ch.recv()
            except FlavorError as exc:
                refused.append(exc)
            await gosched()

        users = [go(produce) for _ in range(breach.producers)] + [go(consume) for _ in range(breach.consumers)]
        await settle()
        for user in users:
            user.cancel()
        assert len(refused) == (breach.breaks and debug)
        if refused:
            assert ("producer" if breach.producers > 1 else "consumer") in str(refused[0])

    run(main, debug=debug)


def test_place_of_a_finished_producer_may_be_taken(run: Driver) -> None:
    async def main() -> None:
        ch = chan(10, flavor="spsc")
        for i in range(3):
            await go(send, ch, i)
        assert [await ch.recv() for _ in range(3)] == [0, 1, 2]

    run(main, debug=True)


def test_place_of_a_thread_that_has_ended_and_of_a_call_that_is_over_may_be_taken(run: Driver) -> None:
    async def main() -> None:
        by_threads, by_calls = chan(10, flavor="spmc"), chan(10, flavor="spmc")
        ended = [threading.Thread(target=by_threads.try_send, args=(i,)) for i in range(2)]  # which live on as objects
        for there in ended:
            there.start()
            there.join()
        for i in range(2):
            await go_thread(by_calls.try_send, i)
        for ch in (by_threads, by_calls):
            ch.try_send(2)
            assert ch.try_recv_many() == [0, 1, 2]

    run(main, debug=True)


def test_a_call_on_a_worker_has_its_place_until_it_is_over(run: Driver) -> None:
    async def main() -> None:
        ch, go_on = chan(10, flavor="spmc"), threading.Event()
        await go(send, ch, 0)  # a thread is checked where another producer was

        def produce() -> None:
            ch.try_send(1)
            go_on.wait(60)

        g = go_thread(produce)
        assert [await ch.recv(), await ch.recv()] == [0, 1]
        with pytest.raises(FlavorError):
            ch.try_send(2)
        go_on.set()
        await g
        assert ch.try_send(2)

    run(main, debug=True)


def test_flavor_covers_every_way_to_send_and_receive(run: Driver) -> None:
    async def main() -> None:
        ch = chan(10, flavor="spsc")
        ch.try_send(1)
        ch.try_send(1)
        ch.try_recv_ok()

        async def other() -> None:
            uses: list[Callable[[], Any]] = [
                lambda: ch.send(1),
                lambda: ch.try_send(1),
                lambda: ch.try_send_many([1]),
                lambda: ch.sender.send(1),
                lambda: ch.recv(),
                lambda: ch.recv_ok(),
                lambda: ch.recv_info(),
                lambda: ch.try_recv_ok(),
                lambda: ch.try_recv_many(),
                lambda: ch.__aiter__().__anext__(),
                lambda: ch.receiver.recv(),
            ]
            for use in uses:
                with pytest.raises(FlavorError):
                    use()
            with pytest.raises(FlavorError):
                await ch.send_many([1])
            with pytest.raises(FlavorError):
                await ch.recv_many(1)

        await go(other)
        assert ch.try_recv_many() == [1]

    run(main, debug=True)


def test_threads_are_producers_too(run: Driver) -> None:
    async def main() -> None:
        ch = chan(10, flavor="spmc")
        ch.try_send(1)
        refused = []

        def produce() -> None:
            try:
                ch.try_send(2)
            except FlavorError as exc:
                refused.append(exc)

        there = threading.Thread(target=produce)
        there.start()
        there.join()
        assert len(refused) == 1

    run(main, debug=True)


SWITCHES = ("GOISH_DEBUG", "PYTHONDEVMODE", "PYTHONASYNCIODEBUG")


@pytest.mark.parametrize("environment", [{"GOISH_DEBUG": "1"}, {"PYTHONDEVMODE": "1"}, {}])
def test_environment_turns_flavor_checks_on(environment: dict[str, str]) -> None:
    program = """
        import goish

        async def main():
            ch = goish.chan(2, flavor="spsc")
            await ch.send(1)

            async def other():
                try:
                    await ch.send(2)
                except goish.errors.FlavorError:
                    print("refused")

            await goish.go(other)

        goish.run(main, loop="asyncio")
    """
    clean = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ("refused\n" if environment else "")


# ── after ──


async def test_after_fires_once(virtual: Driver) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    alarm = after(2.0)
    assert type(alarm) is RecvChan
    assert alarm.flavor.storage == "timer"
    assert (len(alarm), alarm.cap, alarm.closed) == (0, 0, False)
    assert alarm.try_recv_ok() is EMPTY
    assert await alarm.recv() == started + 2.0 == loop.time()
    assert alarm.try_recv_ok() is EMPTY
    assert await select(alarm.recv(), after(5.0).recv()) == (1, started + 7.0, True)


async def test_after_that_lost_fires_for_a_later_receiver(virtual: Driver) -> None:
    alarm = after(1.0)
    assert await select(alarm.recv(), filled(1).recv()) == (1, 1, True)
    await sleep(5.0)
    value, ok = alarm.try_recv_ok() or (None, False)
    assert ok
    assert value is not None
    assert value <= asyncio.get_running_loop().time()


async def test_after_nothing_is_ready_at_once() -> None:
    for seconds in (0.0, -1.0, -math.inf):
        assert await select(after(seconds).recv(), default=True) != (-1, None, False)


# ── names ──


def test_every_public_name_is_there() -> None:
    for name in goish.__all__:
        assert getattr(goish, name) is not None
    assert isinstance(NIL, Chan)
    assert issubclass(PriorityChan, Chan)


# ── methods of the base class, called on a channel with priorities ──


async def test_methods_of_a_plain_channel_called_on_one_with_priorities_send_with_priority_0(spawn: Spawn) -> None:
    """super().send() of a wrapper, say: what enters a heap is ordered, whichever way it enters."""
    ch: PriorityChan[Any] = PriorityChan()
    ch.try_send("last", priority=1.0)
    values = [object() for _ in range(5)]
    assert Chan.try_send(ch, values[0])
    assert await Chan.send(ch, values[1]) is False
    assert await Chan.send_many(ch, [values[2]]) == 1
    assert Chan.try_send_many(ch, [values[3]])
    assert try_select(Chan.send(ch, values[4])) == (0, None, True)
    ch.try_send("first", priority=-1.0)
    assert ch.peek_item() == "first"
    assert ch.try_recv_many() == ["first", *values, "last"]


async def test_senders_parked_by_a_method_of_the_base_class_keep_the_order(spawn: Spawn) -> None:
    ch: PriorityChan[Any] = PriorityChan(1)
    values = [object() for _ in range(4)]
    ch.try_send(values[0])
    senders = []
    for value in values[1:]:
        senders.append(spawn(awaiting_send, ch, value))
        await settle()
    assert waiting(ch) == (3, 0)
    assert [await ch.recv() for _ in values] == values
    for sender in senders:
        await sender


async def awaiting_send(ch: Chan[Any], value: object) -> None:
    await Chan.send(ch, value)


# ── what a refused batch gives back ──


@pytest.mark.parametrize("make", [chan, PriorityChan])
@pytest.mark.parametrize("values", [[], [1], [1, 2], [3, 1, 2]], ids=len)
def test_a_batch_refused_by_a_closed_channel_comes_back_as_a_list(make: Callable[..., Chan[Any]], values: Any) -> None:
    """Also when it came as an iterator, which is exhausted by then, and when it is one value."""
    ch = make(5)
    ch.close()
    for given in (values, tuple(values), iter(values), (value for value in values)):
        with pytest.raises(SendOnClosed) as raised:
            ch.try_send_many(given)
        assert raised.value.value == values
        assert type(raised.value.value) is list
