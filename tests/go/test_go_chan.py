"""What Go's tests ask of a channel: the properties that src/runtime/chan_test.go and the files of test/chan check.

Not here: select (test_go_select.py), whole programs (test_go_programs.py).
"""

from __future__ import annotations

import gc
import math
import threading
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
from helpers import assert_conserved, outcome, settle, until, waiting

from goish import (
    EMPTY,
    NIL,
    Chan,
    ChanClosed,
    CloseOfClosed,
    CloseOfNil,
    SendOnClosed,
    WaitGroup,
    chan,
    go,
    select,
    try_select,
)

if TYPE_CHECKING:
    from conftest import Driver

Spawn = Callable[..., Any]
CAPACITIES = range(20)


# ── chan_test.go: TestChan, for each small capacity ──


async def test_receive_on_an_empty_channel_waits_and_try_recv_finds_nothing(spawn: Spawn) -> None:
    for capacity in CAPACITIES:
        ch = chan(capacity)
        received: list[object] = []

        async def recv(ch: Chan[int] = ch, received: list[object] = received) -> None:
            received.append(await ch.recv())

        async def recv_ok(ch: Chan[int] = ch, received: list[object] = received) -> None:
            received.append(await ch.recv_ok())

        spawn(recv)
        spawn(recv_ok)
        await settle()
        assert received == [], capacity
        assert ch.try_recv_ok() is EMPTY, capacity
        assert await select(ch.recv(), default=True) == (-1, None, False), capacity
        await ch.send(7)
        await ch.send(8)
        await settle()
        assert received == [7, (8, True)], capacity


async def test_send_on_a_full_channel_waits_and_try_send_is_refused(spawn: Spawn) -> None:
    for capacity in CAPACITIES:
        ch = chan(capacity)
        for i in range(capacity):
            await ch.send(i)
        sent: list[bool] = []

        async def send(ch: Chan[int] = ch, sent: list[bool] = sent, capacity: int = capacity) -> None:
            sent.append(await ch.send(capacity))

        spawn(send)
        await settle()
        assert sent == [], capacity
        assert not ch.try_send(-1), capacity
        assert await select(ch.send(-1), default=True) == (-1, None, False), capacity
        assert await ch.recv() == 0, capacity
        await settle()
        assert sent == [True], capacity
        assert ch.try_recv_many() == list(range(1, capacity + 1)), capacity


async def test_buffered_values_are_received_after_close_and_then_the_end() -> None:
    for capacity in CAPACITIES:
        ch = chan(capacity)
        for i in range(capacity):
            await ch.send(i)
        ch.close()
        for i in range(capacity):
            assert await ch.recv_ok() == (i, True), capacity
        for _ in range(2):
            assert await ch.recv_ok() == (None, False), capacity
            with pytest.raises(ChanClosed):
                await ch.recv()


async def test_close_wakes_a_receiver(spawn: Spawn) -> None:
    for capacity in CAPACITIES:
        ch = chan(capacity)
        seen: list[object] = []

        async def recv_ok(ch: Chan[int] = ch, seen: list[object] = seen) -> None:
            seen.append(await ch.recv_ok())

        async def recv(ch: Chan[int] = ch, seen: list[object] = seen) -> None:
            seen.append(await outcome(ch.recv()))

        spawn(recv_ok)
        spawn(recv)
        await settle()
        assert seen == [], capacity
        ch.close()
        await settle()
        assert seen == [(None, False), ChanClosed], capacity


async def test_a_hundred_values_arrive_in_order(spawn: Spawn) -> None:
    async def produce(ch: Chan[int]) -> None:
        for i in range(100):
            await ch.send(i)

    for capacity in CAPACITIES:
        ch = chan(capacity)
        spawn(produce, ch)
        assert [await ch.recv() for _ in range(100)] == list(range(100)), capacity
        spawn(produce, ch)
        assert [await ch.recv_ok() for _ in range(100)] == [(i, True) for i in range(100)], capacity


async def test_four_senders_and_four_receivers_share_a_channel_without_loss(run: Driver) -> None:
    workers, values = 4, 200

    async def produce(ch: Chan[int]) -> None:
        for i in range(values):
            await ch.send(i)

    async def consume(ch: Chan[int], into: list[int]) -> None:
        for i in range(values):
            if i % 2:
                into.append(await ch.recv())
            else:
                value, ok = await ch.recv_ok()
                assert ok
                assert value is not None
                into.append(value)

    for capacity in CAPACITIES:
        ch = chan(capacity)
        received: list[list[int]] = [[] for _ in range(workers)]
        wg = WaitGroup()
        for into in received:
            wg.go(produce, ch)
            wg.go(consume, ch, into)
        await wg.wait()
        assert_conserved([*range(values)] * workers, *received)


async def test_len_counts_the_buffered_values_and_cap_is_the_capacity() -> None:
    for capacity in CAPACITIES:
        ch = chan(capacity)
        assert ch.cap == capacity
        for i in range(capacity):
            assert len(ch) == i
            await ch.send(i)
        assert len(ch) == ch.cap == capacity


# ── chan_test.go: TestChanSendInterface ──


async def test_values_of_any_type_travel() -> None:
    ch = chan(8)
    values: list[Any] = [None, False, 0, "", (), object(), int, math.nan]
    for value in values:
        assert try_select(ch.send(value)) == (0, None, True)
    assert all(a is b for a, b in zip(ch.try_recv_many(), values, strict=True))


# ── chan_test.go: TestNonblockRecvRace ──


async def test_try_recv_that_races_with_close_takes_the_value_or_sees_the_end(run: Driver) -> None:
    seen = []

    async def look(ch: Chan[int]) -> None:
        seen.append(ch.try_recv_ok())

    for _ in range(10_000):
        ch = chan(1)
        await ch.send(1)
        go(look, ch)
        ch.close()
        await ch.recv_ok()
    await settle()
    assert len(seen) == 10_000
    assert EMPTY not in seen


@pytest.mark.usefixtures("impatient_threads")
def test_try_recv_on_another_thread_that_races_with_close_is_never_told_to_wait() -> None:
    channels = [chan(1) for _ in range(100_000)]
    for ch in channels:
        ch.try_send(1)
    seen: list[object] = []
    there = threading.Thread(target=lambda: seen.extend([ch.try_recv_ok() for ch in channels]))
    there.start()
    for ch in channels:
        ch.close()
        seen.append(ch.try_recv_ok())
    there.join()
    assert EMPTY not in seen
    assert seen.count((1, True)) == seen.count((None, False)) == len(channels)


# ── chan_test.go: stacks that move while their goroutine waits; here: the collector runs, and frames are deep ──


async def under(depth: int, op: Awaitable[Any]) -> Any:
    """Awaits ``op`` at the bottom of ``depth`` coroutine frames."""
    return await (under(depth - 1, op) if depth else op)


async def test_collector_leaves_values_of_parked_operations_alone(drive: Driver) -> None:
    class Value:
        pass

    def select_one(op: Any) -> Any:
        return select(op, chan().recv())

    def alone(op: Any) -> Any:
        return op

    for wrap in (alone, select_one):
        ch = chan()
        values = [Value() for _ in range(4)]
        senders = [drive.spawn(under, 50, wrap(ch.send(value))) for value in values]
        await settle()
        gc.collect()
        arrived = []
        for _ in values:
            arrived.append(await ch.recv())
            gc.collect()
        for sender in senders:
            await sender
        receivers = [drive.spawn(under, 50, wrap(ch.recv())) for _ in values]
        await settle()
        gc.collect()
        for value in values:
            await ch.send(value)
            gc.collect()
        got = [await receiver for receiver in receivers]
        received = [value[1] if type(value) is tuple else value for value in got]
        assert_conserved(map(id, values), map(id, arrived))
        assert_conserved(map(id, values), map(id, received))


async def test_parked_goroutine_that_nobody_refers_to_survives_the_collector(run: Driver) -> None:
    ended = []

    async def park(wait: Callable[[], Awaitable[Any]]) -> None:
        ch: Chan[int] = chan()
        own = [ch]
        own.append(own)  # type: ignore[arg-type]  # a cycle that only this frame holds
        try:
            await wait()
        finally:
            ended.append(own)

    parked: list[Callable[[], Awaitable[Any]]] = [
        lambda: chan().recv(),
        lambda: chan().send(1),
        lambda: select(chan().recv(), chan().send(1)),
        lambda: NIL.recv(),
    ]
    for wait in parked:
        go(park, wait)
    await settle()
    for _ in range(3):
        gc.collect()
        await settle()
    assert ended == []


# ── test/fifo.go ──


async def test_buffered_values_leave_in_the_order_they_came() -> None:
    ch = chan(10)
    for i in range(10):
        await ch.send(i)
    assert [await ch.recv() for _ in range(10)] == list(range(10))


async def test_values_on_an_unbuffered_channel_arrive_in_the_order_they_were_sent(spawn: Spawn) -> None:
    ch = chan()
    start = before = chan()

    async def in_turn(expected: int, before: Chan[None], after: Chan[None]) -> None:
        await before.recv()
        assert await ch.recv() == expected
        await after.send(None)

    for i in range(10):
        after = chan()
        spawn(in_turn, i, before, after)
        before = after
    await start.send(None)
    for i in range(10):
        await ch.send(i)
    await before.recv()


async def test_parked_senders_are_served_in_the_order_they_parked(spawn: Spawn) -> None:
    ch = chan()
    for i in range(50):
        spawn(ch_send, ch, i)
        await settle()
        assert waiting(ch) == (i + 1, 0)
    assert [await ch.recv() for _ in range(50)] == list(range(50))


async def ch_send(ch: Chan[Any], value: object) -> None:
    await ch.send(value)


# ── test/nonblock.go ──


@pytest.mark.parametrize("capacity", [0, 1])
@pytest.mark.parametrize("value", [123, "text", 12.5, None], ids=repr)
async def test_operations_that_do_not_wait_meet_peers_that_do(spawn: Spawn, capacity: int, value: object) -> None:
    ch, strobe = chan(capacity), chan(1)

    async def receive() -> None:
        assert await ch.recv() == value
        await strobe.send(None)

    async def send() -> None:
        await ch.send(value)
        await strobe.send(None)

    assert ch.try_recv_ok() is EMPTY
    if capacity == 0:
        assert not ch.try_send(value)

    spawn(receive)
    await until(lambda: waiting(ch) == (0, 1))
    assert ch.try_send(value)
    await strobe.recv()

    spawn(send)
    await until(lambda: len(ch) == 1 if capacity else waiting(ch) == (1, 0))
    if capacity:
        await strobe.recv()
    assert ch.try_recv_ok() == (value, True)
    if not capacity:
        await strobe.recv()

    for _ in range(capacity):
        assert ch.try_send(value)
    assert not ch.try_send(value)


# ── test/chan/perm.go ──


def test_send_only_view_cannot_receive() -> None:
    sender: Any = chan(1).sender
    for name in (
        "recv",
        "recv_ok",
        "recv_info",
        "try_recv_ok",
        "try_recv_many",
        "recv_many",
        "peek_item",
        "sender",
        "receiver",
    ):
        assert not hasattr(sender, name), name
    assert not hasattr(sender, "__aiter__")


def test_receive_only_view_can_neither_send_nor_close() -> None:
    receiver: Any = chan(1).receiver
    for name in ("send", "try_send", "try_send_many", "send_many", "close", "close_once", "sender", "receiver"):
        assert not hasattr(receiver, name), name


async def test_views_work_in_select_too() -> None:
    ch = chan(1)
    assert await select(ch.sender.send(1), default=True) == (0, None, True)
    assert await select(ch.receiver.recv(), default=True) == (0, 1, True)


# ── test/closedchan.go: every state seen through every way in ──


class Plain:
    """Operations on their own."""

    def __init__(self, ch: Chan[Any]) -> None:
        self.ch = ch

    async def recv(self) -> tuple[Any, bool]:
        return await self.ch.recv_ok()

    def try_recv_ok(self) -> Any:
        return self.ch.try_recv_ok()

    async def send(self, value: object) -> None:
        await self.ch.send(value)

    def try_send(self, value: object) -> bool:
        return self.ch.try_send(value)


class Alone(Plain):
    """Each operation is the only case of a select."""

    def cases(self, op: Any) -> list[Any]:
        return [op]

    async def recv(self) -> tuple[Any, bool]:
        op = self.ch.recv()
        cases = self.cases(op)
        index, value, ok = await select(*cases)
        assert cases[index] is op
        return value, ok

    def try_recv_ok(self) -> Any:
        index, value, ok = try_select(*self.cases(self.ch.recv()))
        return EMPTY if index < 0 else (value, ok)

    async def send(self, value: object) -> None:
        await select(*self.cases(self.ch.send(value)))

    def try_send(self, value: object) -> bool:
        return try_select(*self.cases(self.ch.send(value)))[0] >= 0


class InCompany(Alone):
    """Each operation is one of several cases, the others never ready."""

    def cases(self, op: Any) -> list[Any]:
        return [NIL, chan().recv(), op, None, chan().send(0)]


WAYS_IN = [Plain, Alone, InCompany]


async def check_closed_and_drained(way_in: Plain) -> None:
    for _ in range(10):
        assert await way_in.recv() == (None, False)
        assert way_in.try_recv_ok() == (None, False)
    with pytest.raises(SendOnClosed):
        await way_in.send(2)
    with pytest.raises(SendOnClosed):
        way_in.try_send(2)
    with pytest.raises(CloseOfClosed):
        way_in.ch.close()
    assert way_in.ch.closed


@pytest.mark.parametrize("way_in", WAYS_IN)
@pytest.mark.parametrize("capacity", [0, 2])
async def test_closed_channel_gives_the_end_and_refuses_sends(way_in: type[Plain], capacity: int) -> None:
    ch = chan(capacity)
    ch.close()
    await check_closed_and_drained(way_in(ch))


@pytest.mark.parametrize("way_in", WAYS_IN)
@pytest.mark.parametrize("waits", [True, False])
async def test_closed_channel_gives_what_is_buffered_first(way_in: type[Plain], waits: bool) -> None:
    ch = way_in(chan(2))
    await ch.send(1)
    assert ch.try_send(None)
    ch.ch.close()
    for value in (1, None):
        assert (await ch.recv() if waits else ch.try_recv_ok()) == (value, True)
    await check_closed_and_drained(ch)


def test_nil_and_closed_channels_are_not_closed_again() -> None:
    with pytest.raises(CloseOfNil):
        NIL.close()
    ch = chan()
    ch.close()
    with pytest.raises(CloseOfClosed):
        ch.close()


# ── test/makechan.go ──


@pytest.mark.parametrize(
    ("capacity", "error"),
    [
        (-1, ValueError),
        (-(2**70), ValueError),
        (2**63, OverflowError),
        (2**63 - 1, OverflowError),
        (2**200, OverflowError),
    ],
)
def test_impossible_capacity_is_refused(capacity: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="capacity"):
        chan(capacity)


def test_huge_capacity_allocates_nothing_until_values_come() -> None:
    tracemalloc.start()
    try:
        ch = chan(2**60)
        ch.try_send(1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000
    assert ch.try_recv_ok() == (1, True)


# ── test/chanlinear.go ──


# Every other goroutine is taken out of the middle of the common queue. A queue that is searched for it would be walked
# some n*n/4 = 2.5e9 entries far, which is what no_hang is there to notice.
async def test_waiters_leave_the_middle_of_a_long_queue_without_a_search(run: Driver) -> None:
    n = 100_000
    common = chan()
    own = [chan() for _ in range(n)]
    results = chan(math.inf)

    async def pick(i: int) -> None:
        index, value, _ = await select(common.recv(), own[i].recv())
        results.try_send((i, index, value))

    for i in range(n):
        go(pick, i)
    await until(lambda: waiting(common) == (0, n))
    for i in range(n - 1, -1, -2):
        await own[i].send("own")
    await until(lambda: len(results) == n // 2)
    assert waiting(common) == (0, n // 2)
    for _ in range(n // 2):
        await common.send("common")
    await until(lambda: len(results) == n)
    assert waiting(common) == (0, 0)
    assert sorted(results.try_recv_many()) == [(i, i % 2, "own" if i % 2 else "common") for i in range(n)]


async def test_quiet_channels_collect_no_entries_of_selects_that_others_won(run: Driver) -> None:
    quiet, busy = chan(), chan()

    async def feed() -> None:
        for i in range(5000):
            await busy.send(i)
        busy.close()

    go(feed)
    got = 0
    while True:
        _, _, ok = await select(quiet.recv(), busy.recv(), quiet.send(0), None)
        if not ok:
            break
        got += 1
        assert waiting(quiet) == (0, 0)
    assert got == 5000
