"""Broadcast: every subscriber gets every value sent after it subscribed, or is told; a send reaches all or nobody.

Each test runs in goroutines, in asyncio tasks and mixed, on both loops, unless it says otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import random
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from helpers import REAL_LOOPS, outcome, settle, until
from hypothesis import given, settings
from hypothesis import strategies as st
from parties import KINDS, PATIENCE, Party
from parties import until as threads_until

import goish
from goish import EMPTY, after, gosched, run, select, select_blocking, try_select
from goish.errors import ChanClosed, CloseOfClosed, Disconnected, Lagged, SendOnClosed, SyncOnLoop
from goish.sync import Broadcast, Latch, Subscription

Spawn = Callable[..., Any]
POLICIES = ("block", "drop_oldest", "drop_newest", "disconnect")


def waiting(b: Broadcast[Any]) -> int:
    return int(repr(b).partition("waiting=")[2].split(" ")[0].rstrip(">"))


async def send(b: Broadcast[Any], value: Any) -> int:
    return await b.send(value)


async def listen(sub: Subscription[Any]) -> list[Any]:
    return [value async for value in sub]


async def recv(sub: Subscription[Any]) -> Any:
    return await sub.recv()


# ── who gets what ──


async def test_every_subscriber_gets_every_value_sent_after_it_subscribed(spawn: Spawn) -> None:
    b: Broadcast[int] = Broadcast(2)
    early = [spawn(listen, b.subscribe()) for _ in range(3)]
    for n in range(5):
        assert await b.send(n) == 3
    late = [spawn(listen, b.subscribe()) for _ in range(2)]
    for n in range(5, 10):
        assert await b.send(n) == 5
    b.close()
    assert [await one for one in early] == [list(range(10))] * 3
    assert [await one for one in late] == [list(range(5, 10))] * 2


async def test_with_no_subscriber_a_value_is_gone_at_once() -> None:
    b: Broadcast[int] = Broadcast(1)
    assert await b.send(1) == 0
    assert b.try_send(2)
    assert b.subscribe().try_recv() is EMPTY


async def test_a_new_subscriber_gets_the_last_values_first() -> None:
    b: Broadcast[int] = Broadcast(3, replay=2)
    assert b.subscribe().try_recv_many() == []
    for n in range(5):
        await b.send(n)
    sub = b.subscribe()
    assert b.try_send(5)
    assert not b.try_send(6), "its buffer of three is full"
    assert sub.try_recv_many() == [3, 4, 5]
    b.close()
    assert await listen(b.subscribe()) == [4, 5], "also when it is closed"


async def test_a_subscriber_that_waits_is_woken_by_a_send(spawn: Spawn) -> None:
    b: Broadcast[str] = Broadcast(1)
    sub = b.subscribe()
    receiver = spawn(recv, sub)
    await until(lambda: sub.statistics().receivers_waiting == 1)
    assert b.try_send("a")
    assert await receiver == "a"


async def test_several_receivers_of_one_subscription_share_its_values(spawn: Spawn) -> None:
    b: Broadcast[int] = Broadcast(1)
    sub = b.subscribe()
    receivers = [spawn(listen, sub) for _ in range(3)]
    for n in range(30):
        await b.send(n)
    b.close()
    assert sorted([n for one in receivers for n in await one]) == list(range(30))


async def test_a_subscription_is_a_case_of_select(spawn: Spawn) -> None:
    a, b = Broadcast[str](1), Broadcast[str](1)
    sub_a, sub_b = a.subscribe(), b.subscribe()
    cases = sub_a.recv(), sub_b.recv()
    assert try_select(*cases) == (-1, None, False)
    b.try_send("b")
    assert await select(*cases) == (1, "b", True)
    later = spawn(send, a, "a")
    assert await select(*cases) == (0, "a", True)
    await later
    a.close()
    assert await select(*cases) == (0, None, False)


async def test_what_a_channel_can_receive_a_subscription_can() -> None:
    b: Broadcast[int] = Broadcast(8)
    sub = b.subscribe()
    for n in range(6):
        b.try_send(n)
    assert (len(sub), sub.cap, bool(sub), sub.peek_item()) == (6, 8, True, 0)
    assert await sub.recv() == 0
    assert await sub.recv_ok() == (1, True)
    assert await sub.recv_info() == (2, True, False)
    assert sub.try_recv() == 3
    assert await sub.recv_many(8) == [4, 5]
    b.close()
    assert sub.try_recv_ok() == (None, False)
    assert await sub.recv_many(8) == []
    await sub.wait_closed()
    with pytest.raises(ChanClosed):
        await sub.recv()


# ── slow subscribers ──


async def test_a_sender_waits_for_a_slow_subscriber_and_reaches_all_at_one_instant(spawn: Spawn) -> None:
    b: Broadcast[int] = Broadcast(1)
    slow, fast = b.subscribe(), b.subscribe()
    await b.send(0)
    assert await fast.recv() == 0
    sender = spawn(send, b, 1)
    await until(lambda: waiting(b) == 1)
    assert fast.try_recv() is EMPTY, "not before all have room"
    assert not b.try_send(2), "nor do others come between"
    assert slow.try_recv() == 0
    assert (fast.try_recv(), slow.try_recv()) == (1, 1), "with the last room it is everywhere"
    assert await sender == 2


async def test_senders_are_served_in_their_order(spawn: Spawn) -> None:
    b: Broadcast[int] = Broadcast(1)
    sub = b.subscribe()
    await b.send(0)
    senders = []
    for n in range(1, 6):
        senders.append(spawn(send, b, n))
        await until(lambda: waiting(b) == len(senders))
    assert [await sub.recv() for _ in range(6)] == list(range(6))
    assert [await sender for sender in senders] == [1] * 5


async def test_a_sender_waits_for_one_full_subscriber_after_the_other(spawn: Spawn) -> None:
    b: Broadcast[int] = Broadcast(1)
    subs = [b.subscribe() for _ in range(4)]
    await b.send(0)
    sender = spawn(send, b, 1)
    await until(lambda: waiting(b) == 1)
    for sub in (subs[2], subs[0], subs[3]):
        assert sub.try_recv() == 0
        assert waiting(b) == 1
    assert subs[1].try_recv() == 0
    assert await sender == 4


async def test_one_that_drops_the_oldest_is_told_once_how_many() -> None:
    b: Broadcast[int] = Broadcast(2, slow="drop_oldest")
    sub = b.subscribe()
    for n in range(5):
        assert await b.send(n) == 1
    with pytest.raises(Lagged, match="3 values were") as lagged:
        await sub.recv()
    assert lagged.value.missed == 3
    assert [await sub.recv(), await sub.recv()] == [3, 4]
    assert sub.lost == 3
    for n in range(3):
        await b.send(n)
    b.close()
    with pytest.raises(Lagged, match="1 value was"):
        await sub.recv_ok()
    assert await listen(sub) == [1, 2]


@pytest.mark.parametrize(
    "receive",
    [
        lambda sub: sub.recv(),
        lambda sub: sub.recv_ok(),
        lambda sub: sub.recv_info(),
        lambda sub: anext(sub),
        lambda sub: sub.recv_many(9),
        lambda sub: select(sub.recv()),
        lambda sub: select(sub.recv_ok(), default=True),
        lambda sub: asyncio.wait_for(sub.recv(), 60),
        lambda sub: call(sub.try_recv),
        lambda sub: call(sub.try_recv_ok),
        lambda sub: call(sub.try_recv_many),
        lambda sub: call(try_select, sub.recv()),
        lambda sub: asyncio.to_thread(sub.recv_blocking, 60),
        lambda sub: asyncio.to_thread(next, sub),
        lambda sub: asyncio.to_thread(select_blocking, sub.recv()),
    ],
)
async def test_whatever_receives_is_told_of_a_gap_and_the_next_goes_on(receive: Callable[[Any], Any], run: Any) -> None:
    b: Broadcast[int] = Broadcast(1, slow="drop_oldest")
    sub = b.subscribe()
    b.try_send(0)
    b.try_send(1)
    with pytest.raises(Lagged):
        await receive(sub)
    assert sub.try_recv_many() == [1]


async def call(fn: Callable[..., Any], *args: Any) -> Any:
    return fn(*args)


async def test_a_case_that_is_used_again_is_told_of_a_gap() -> None:
    b: Broadcast[int] = Broadcast(1, slow="drop_oldest")
    case = b.subscribe().recv()
    b.try_send(0)
    assert await select(case) == (0, 0, True)
    b.try_send(1)
    b.try_send(2)
    with pytest.raises(Lagged):
        await select(case)
    assert await select(case) == (0, 2, True)


async def test_a_batch_ends_at_a_gap(spawn: Spawn) -> None:
    b: Broadcast[int] = Broadcast(2, slow="drop_oldest")
    sub = b.subscribe()

    async def receive() -> list[int]:
        return await sub.recv_many(9)

    receiver = spawn(receive)
    await until(lambda: sub.statistics().receivers_waiting == 1)
    for n in range(5):
        b.try_send(n)  # the first is handed over, two of the others are dropped
    assert await receiver == [0]
    with pytest.raises(Lagged):
        sub.try_recv()
    assert await sub.recv_many(9, linger=0.0) == [3, 4]


async def test_one_that_drops_the_newest_keeps_what_it_has() -> None:
    b: Broadcast[int] = Broadcast(2, slow="drop_newest")
    sub = b.subscribe()
    assert [await b.send(n) for n in range(5)] == [1, 1, 0, 0, 0]
    assert sub.lost == 3
    assert sub.try_recv_many() == [0, 1]


async def test_a_slow_one_is_disconnected_and_the_others_are_not() -> None:
    b: Broadcast[int] = Broadcast(4)
    slow, other = b.subscribe(slow="disconnect", capacity=2), b.subscribe()
    assert [await b.send(n) for n in range(4)] == [2, 2, 1, 1]
    assert b.subscribers == 1
    assert [slow.try_recv(), await slow.recv()] == [0, 1]
    for receive in (slow.recv, lambda: anext(slow), lambda: call(slow.try_recv), lambda: asyncio.to_thread(next, slow)):
        with pytest.raises(ChanClosed) as closed:
            await receive()
        assert isinstance(closed.value.__cause__, Disconnected)
    assert await slow.recv_ok() == (None, False)
    await slow.wait_closed()
    assert other.try_recv_many() == [0, 1, 2, 3]


async def test_wait_closed_sees_a_disconnection(spawn: Spawn) -> None:
    b: Broadcast[int] = Broadcast(1, slow="disconnect")
    sub = b.subscribe()

    async def wait() -> None:
        await sub.wait_closed()

    waiter = spawn(wait)
    await settle()
    b.try_send(1)
    b.try_send(2)
    await waiter


@pytest.mark.parametrize("slow", ["drop_oldest", "drop_newest", "disconnect"])
def test_a_slow_subscriber_keeps_no_more_than_its_capacity(slow: Any) -> None:
    class Value:
        pass

    b: Broadcast[Value] = Broadcast(4, slow=slow)
    sub = b.subscribe()
    alive = []
    for _ in range(1000):
        value = Value()
        alive.append(weakref.ref(value))
        assert b.try_send(value)
        del value
    gc.collect()
    assert sum(ref() is not None for ref in alive) == len(sub) == 4


async def test_what_a_value_does_when_it_is_dropped_may_use_the_broadcast() -> None:
    b: Broadcast[Any] = Broadcast(1, slow="drop_oldest")
    sub, other = b.subscribe(), b.subscribe()
    done: list[int] = []

    class Value:
        def __del__(self) -> None:
            b.try_send("last words")
            done.append(b.subscribers)

    b.try_send(Value())
    b.try_send("new")
    gc.collect()
    assert done == [2]
    sub.close()
    with pytest.raises(Lagged):
        other.try_recv()
    assert other.try_recv() == "last words"


# ── leaving ──


@pytest.mark.parametrize("leave", ["close", "with", "forget", "forget in a cycle"])
async def test_a_subscriber_that_leaves_wakes_the_sender_that_waits_for_it(leave: str, spawn: Spawn) -> None:
    b: Broadcast[int] = Broadcast(1)
    stays: Subscription[int] = b.subscribe()
    sub: Subscription[int] | None = b.subscribe()
    assert sub is not None
    await b.send(0)
    assert stays.try_recv() == 0
    sender = spawn(send, b, 1)
    await until(lambda: waiting(b) == 1)
    if leave == "close":
        sub.close()
        assert sub.try_recv_ok() == (None, False), "what was buffered is dropped"
    elif leave == "with":
        with sub:
            pass
    else:
        if leave == "forget in a cycle":
            cycle: list[Any] = [sub]
            cycle.append(cycle)
            del cycle
        sub = None
        gc.collect()
    assert await sender == 1
    assert b.subscribers == 1
    assert stays.try_recv() == 1


async def test_a_subscription_that_is_only_waited_for_lives(spawn: Spawn) -> None:
    b: Broadcast[int] = Broadcast(1)

    async def receive() -> int:
        return await b.subscribe().recv()

    receiver = spawn(receive)
    await until(lambda: b.subscribers == 1)
    await settle()
    gc.collect()
    await b.send(7)
    assert await receiver == 7
    gc.collect()
    assert b.subscribers == 0


async def test_a_receiver_of_a_subscription_that_is_closed_ends(spawn: Spawn) -> None:
    b: Broadcast[int] = Broadcast(1)
    sub = b.subscribe()
    receiver, listener = spawn(recv, sub), spawn(listen, sub)
    await until(lambda: sub.statistics().receivers_waiting == 2)
    sub.close()
    sub.close()
    assert await outcome(receiver) is ChanClosed
    assert await listener == []


def test_a_subscription_in_its_own_buffer_is_freed() -> None:
    b: Broadcast[Any] = Broadcast(1, replay=1)
    sub = b.subscribe()
    b.try_send([sub, b])
    alive = weakref.ref(b)
    del b, sub
    gc.collect()
    assert alive() is None


def test_forgotten_subscriptions_are_gone() -> None:
    b: Broadcast[int] = Broadcast(1)
    for _ in range(1000):
        b.subscribe().try_recv()
    assert b.subscribers == 0
    assert b.try_send(1)


# ── close ──


async def test_close_lets_subscribers_drain_and_refuses_senders(spawn: Spawn) -> None:
    b: Broadcast[int] = Broadcast(1)
    sub = b.subscribe()
    await b.send(0)
    senders = [spawn(send, b, 1), spawn(send, b, 2)]
    await until(lambda: waiting(b) == 2)
    b.close()
    assert [await outcome(sender) for sender in senders] == [SendOnClosed] * 2
    assert await listen(sub) == [0]
    with pytest.raises(SendOnClosed) as refused:
        await b.send(3)
    assert refused.value.value == 3
    with pytest.raises(SendOnClosed):
        b.try_send(3)
    with pytest.raises(CloseOfClosed):
        b.close()
    assert not b.close_once()
    assert b.closed
    assert await listen(b.subscribe()) == []


# ── cancels ──


async def test_a_cancelled_send_has_reached_nobody(spawn: Spawn) -> None:
    b: Broadcast[int] = Broadcast(1)
    full, other = b.subscribe(), b.subscribe()
    await b.send(0)
    assert other.try_recv() == 0
    first, second = spawn(send, b, 1), spawn(send, b, 2)
    await until(lambda: waiting(b) == 2)
    first.cancel()
    assert await outcome(first) is asyncio.CancelledError
    assert full.try_recv() == 0
    assert await second == 2
    assert (full.try_recv(), other.try_recv()) == (2, 2)


async def test_a_cancel_behind_the_delivery_is_late(spawn: Spawn) -> None:
    b: Broadcast[int] = Broadcast(1)
    sub = b.subscribe()
    await b.send(0)
    reached: list[int] = []

    async def sender() -> None:
        reached.append(await b.send(1))
        await asyncio.sleep(0)
        await gosched()

    one = spawn(sender)
    await until(lambda: waiting(b) == 1)
    assert sub.try_recv() == 0
    one.cancel()
    assert await outcome(one) is asyncio.CancelledError
    assert reached == [1]
    assert sub.try_recv() == 1


async def test_after_subscriber_and_emitter_are_cancelled_together_a_new_pair_gets_every_value(spawn: Spawn) -> None:
    """kotlinx.coroutines#4583: the flow then stopped for good."""
    b: Broadcast[int] = Broadcast(1)

    async def emit() -> None:
        for n in range(3):
            await b.send(n)

    async def collect() -> list[int]:
        with b.subscribe() as sub:
            return [await sub.recv() for _ in range(3)]

    for i in range(1000):
        pair = [spawn(collect), spawn(emit)]
        for _ in range(i % 4):
            await asyncio.sleep(0)
        for one in pair:
            one.cancel()
        for one in pair:
            await outcome(one)
        assert (b.subscribers, waiting(b)) == (0, 0)
        if i % 10 == 0:
            subscriber = spawn(collect)
            await until(lambda: b.subscribers == 1)
            await emit()
            assert await subscriber == [0, 1, 2]


async def test_a_storm_of_cancels_loses_no_value(spawn: Spawn, rng: random.Random) -> None:
    """What a send that was not cancelled has sent is at every subscriber that stays, in the same order."""
    b: Broadcast[int] = Broadcast(2)
    sent: list[int] = []
    numbers = iter(range(10**9))
    stays = [spawn(listen, b.subscribe()) for _ in range(3)]

    async def emit() -> None:
        while True:
            n = next(numbers)
            await b.send(n)
            sent.append(n)
            if rng.random() < 0.3:
                await asyncio.sleep(0)

    async def come_and_go() -> None:
        while True:
            with b.subscribe(slow=rng.choice(POLICIES)) as sub:  # type: ignore[arg-type]
                for _ in range(rng.randrange(5)):
                    try:
                        index, _, ok = await select(sub.recv(), after(60).recv())
                        assert index == 0
                        if not ok:
                            break
                    except Lagged:
                        pass
                await asyncio.sleep(0)

    parties = [spawn(rng.choice([emit, come_and_go])) for _ in range(12)]
    for _ in range(300):
        rng.choice(parties[-12:]).cancel()
        await asyncio.sleep(0)
        parties.append(spawn(rng.choice([emit, come_and_go])))
    for party in parties:
        party.cancel()
    for party in parties:
        await outcome(party)
    await settle()
    assert (b.subscribers, waiting(b)) == (3, 0)
    b.close()
    received = [await one for one in stays]
    assert received[0] == received[1] == received[2]
    # A cancel that was late has come at the next wait, behind `append`; one in time has sent nothing.
    assert sorted(received[0]) == sorted(sent)


# ── the model ──


class ModelSubscriber:
    def __init__(self, capacity: int, slow: str, replayed: list[int]) -> None:
        self.capacity, self.slow = capacity, slow
        self.buffer = deque(replayed)
        self.missed = self.lost = 0
        self.open, self.cut = True, False

    @property
    def full(self) -> bool:
        return len(self.buffer) >= self.capacity

    def put(self, value: int) -> bool:
        if not self.full:
            self.buffer.append(value)
            return True
        self.lost += 1
        if self.slow == "drop_oldest":
            self.buffer.popleft()
            self.buffer.append(value)
            self.missed += 1
            return True
        if self.slow == "disconnect":
            self.open, self.cut = False, True
        return False

    def take(self) -> Any:
        if self.missed:
            self.missed = 0
            return Lagged
        if self.buffer:
            return self.buffer.popleft()
        return EMPTY if self.open else ChanClosed


class Model:
    def __init__(self, replay: int) -> None:
        self.subscribers: list[ModelSubscriber] = []
        self.history: deque[int] = deque(maxlen=replay)
        self.line: deque[Any] = deque()
        self.reached: dict[Any, int] = {}

    def possible(self) -> bool:
        return not any(sub.slow == "block" and sub.full for sub in self.subscribers)

    def put(self, value: int) -> int:
        self.history.append(value)
        reached = sum([sub.put(value) for sub in self.subscribers])
        self.subscribers = [sub for sub in self.subscribers if sub.open]
        return reached

    def look(self) -> None:
        while self.line and self.possible():
            handle, value = self.line.popleft()
            self.reached[handle] = self.put(value)


STEP = st.one_of(
    st.tuples(st.just("subscribe"), st.sampled_from(POLICIES), st.integers(1, 3)),
    st.tuples(st.just("send"), st.booleans(), st.none()),
    st.tuples(st.just("recv"), st.integers(0, 9), st.none()),
    st.tuples(st.just("leave"), st.integers(0, 9), st.none()),
    st.tuples(st.just("cancel"), st.integers(0, 9), st.none()),
)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1), st.lists(STEP, max_size=40))
def test_it_does_what_its_model_does(replay: int, steps: list[tuple[str, Any, Any]]) -> None:
    async def main() -> None:
        b: Broadcast[int] = Broadcast(1, replay=replay)
        model = Model(replay)
        subs: list[tuple[Subscription[int], ModelSubscriber]] = []
        for n, (kind, choice, capacity) in enumerate(steps):
            if kind == "subscribe":
                theirs = ModelSubscriber(capacity, choice, list(model.history))
                model.subscribers.append(theirs)
                subs.append((b.subscribe(slow=choice, capacity=capacity), theirs))
            elif kind == "send" and choice:
                possible = not model.line and model.possible()
                assert b.try_send(n) == possible
                if possible:
                    model.put(n)
            elif kind == "send":
                sender = goish.go(send, b, n)
                model.line.append((sender, n))
            elif kind == "recv" and subs:
                sub, theirs = subs[choice % len(subs)]
                expected = theirs.take()
                assert attempt(sub.try_recv) == expected
                assert sub.lost == theirs.lost
            elif kind == "leave" and subs:
                sub, theirs = subs.pop(choice % len(subs))
                sub.close()
                model.subscribers = [other for other in model.subscribers if other is not theirs]
            elif kind == "cancel" and model.line:
                sender, _ = model.line[choice % len(model.line)]
                model.line.remove(model.line[choice % len(model.line)])
                sender.cancel()
                assert await outcome(sender) is asyncio.CancelledError
            model.look()
            await settle(2)
            assert (b.subscribers, waiting(b)) == (len(model.subscribers), len(model.line))
            for sender, reached in model.reached.items():
                assert await sender == reached
            model.reached.clear()
        for sender, _ in model.line:
            sender.cancel()

    run(main)


def attempt(fn: Callable[[], Any]) -> Any:
    try:
        return fn()
    except Exception as exc:
        return type(exc)


# ── threads and other loops ──


@pytest.mark.parametrize("loop", REAL_LOOPS)
@pytest.mark.parametrize("slow", ["block", "drop_oldest"])
def test_loops_and_threads_share_a_broadcast(slow: Any, loop: str) -> None:
    """Every subscriber sees each sender's values in their order; one that blocks sees all."""
    b: Broadcast[tuple[int, int]] = Broadcast(4, slow=slow)
    rounds = 200

    async def emit(party: Party, sender: int) -> None:
        for n in range(rounds):
            await (call(b.send_blocking, (sender, n), 60) if party.blocks else b.send((sender, n)))

    async def listen_there(party: Party, sub: Subscription[tuple[int, int]]) -> tuple[list[tuple[int, int]], int]:
        received: list[tuple[int, int]] = []
        missed = 0
        while True:
            try:
                value, ok = sub.recv_ok_blocking(60) if party.blocks else await sub.recv_ok()
            except Lagged as lagged:
                missed += lagged.missed
                continue
            if not ok or value is None:
                return received, missed
            received.append(value)

    listeners = [Party(kind, loop, listen_there, b.subscribe()) for kind in (*KINDS, "thread")]
    senders = [Party(kind, loop, emit, i) for i, kind in enumerate((*KINDS, "thread"))]
    for sender in senders:
        sender.join()
    b.close()
    for listener in listeners:
        received, missed = listener.join()
        assert len(received) + missed == rounds * len(senders)
        assert slow != "block" or missed == 0
        for sender in range(len(senders)):
            of_one = [n for s, n in received if s == sender]
            assert of_one == sorted(of_one)


@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_subscribers_on_threads_come_and_go_while_others_send_and_close(loop: str) -> None:
    b: Broadcast[int] = Broadcast(2)
    all_send = Latch(len(KINDS))

    async def emit(party: Party) -> None:
        sent = 0
        with contextlib.suppress(SendOnClosed):
            while True:
                await (call(b.send_blocking, sent, 60) if party.blocks else b.send(sent))
                sent += 1
                if sent == 1:
                    all_send.count_down()

    async def come_and_go(party: Party, rounds: int) -> int:
        for i in range(rounds):
            with b.subscribe() as sub:
                for _ in range(i % 4):
                    await (call(sub.recv_blocking, 60) if party.blocks else sub.recv())
        return rounds

    senders = [Party(kind, loop, emit) for kind in KINDS]
    comers = [Party(kind, loop, come_and_go, 60) for kind in (*KINDS, "thread")]
    assert [comer.join() for comer in comers] == [60] * 4
    all_send.wait_blocking(PATIENCE)
    b.close()
    for sender in senders:
        sender.join()
    assert (b.subscribers, waiting(b)) == (0, 0)


def test_a_thread_gives_up_in_time_and_has_reached_nobody() -> None:
    b: Broadcast[int] = Broadcast(1)
    sub = b.subscribe()
    assert b.send_blocking(0) == 1
    with pytest.raises(TimeoutError):
        b.send_blocking(1, timeout=0.001)
    with pytest.raises(TimeoutError):
        b.send_blocking(1, timeout=0)
    assert waiting(b) == 0
    assert sub.try_recv_many() == [0]
    with pytest.raises(TimeoutError):
        sub.recv_blocking(timeout=0.001)


def test_a_send_passes_over_a_receiver_whose_loop_was_closed() -> None:
    b: Broadcast[int] = Broadcast(1)
    subs = [b.subscribe() for _ in range(3)]
    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(recv(sub)) for sub in subs]
    loop.call_soon(loop.call_soon, loop.stop)
    loop.run_forever()
    assert [sub.statistics().receivers_waiting for sub in subs] == [1] * 3
    loop.close()
    assert b.try_send(1)
    assert [sub.try_recv() for sub in subs] == [1] * 3
    for task in tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_a_sender_whose_loop_was_closed_sends_nothing() -> None:
    b: Broadcast[int] = Broadcast(1)
    sub = b.subscribe()
    assert b.try_send(0)
    loop = asyncio.new_event_loop()
    task = loop.create_task(send(b, 1))
    loop.call_soon(loop.call_soon, loop.stop)
    loop.run_forever()
    assert waiting(b) == 1
    loop.close()
    assert sub.try_recv() == 0
    assert sub.try_recv() is EMPTY
    assert b.try_send(2)
    task._log_destroy_pending = False  # type: ignore[attr-defined]


# ── mistakes ──


@pytest.mark.parametrize("capacity", [0, -1, 1.5, True, None, "1", float("inf"), 2**63])
def test_a_capacity_is_checked(capacity: Any) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError), match="capacity"):
        Broadcast(capacity)
    if capacity is not None:
        with pytest.raises((TypeError, ValueError, OverflowError), match="capacity"):
            Broadcast(1).subscribe(capacity=capacity)


@pytest.mark.parametrize("replay", [-1, 2, 1.5, None, True])
def test_what_is_replayed_is_checked(replay: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="replay"):
        Broadcast(1, replay=replay)


def test_a_subscriber_must_have_room_for_what_is_replayed() -> None:
    with pytest.raises(ValueError, match="replay=2 values do not fit"):
        Broadcast(4, replay=2).subscribe(capacity=1)


@pytest.mark.parametrize("slow", ["error", "Block", 1, [], b"block"])
def test_a_policy_is_checked(slow: Any) -> None:
    with pytest.raises(ValueError, match="slow is one of 'block'"):
        Broadcast(1, slow=slow)
    with pytest.raises(ValueError, match="slow is one of 'block'"):
        Broadcast(1).subscribe(slow=slow)


async def test_a_send_is_no_case_of_select_and_says_what_to_do() -> None:
    b: Broadcast[int] = Broadcast(1)
    with pytest.raises(TypeError, match="try_send"):
        select(b.send(1))  # type: ignore[call-overload]


async def test_a_loop_is_not_blocked() -> None:
    b: Broadcast[int] = Broadcast(1)
    with pytest.raises(SyncOnLoop, match=r"await b\.send"):
        b.send_blocking(1)
    with pytest.raises(SyncOnLoop, match="await"):
        b.subscribe().recv_blocking()


def test_it_cannot_be_copied_made_twice_or_made_without_init() -> None:
    b: Broadcast[int] = Broadcast(1)
    for thing in (b, b.subscribe()):
        with pytest.raises(TypeError, match="copied"):
            copy.copy(thing)
    with pytest.raises(RuntimeError, match="made once"):
        b.__init__(2)
    with pytest.raises(RuntimeError, match="initialised"):
        Broadcast.__new__(Broadcast).subscribe()
    with pytest.raises(TypeError):
        Subscription()


def test_a_dump_says_what_a_sender_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        b: Broadcast[int] = Broadcast(1)
        _sub = b.subscribe()
        await b.send(0)
        await b.send(1)

    with pytest.raises(goish.DeadlockError, match="broadcast"):
        run(main)


def test_a_subscription_that_is_freed_on_another_thread_wakes_the_sender() -> None:
    b: Broadcast[int] = Broadcast(1)
    held = [b.subscribe()]
    assert b.try_send(0)

    async def main() -> int:
        return await b.send(1)

    def forget() -> None:
        threads_until(lambda: waiting(b) == 1)
        held.clear()
        gc.collect()

    thread = threading.Thread(target=forget)
    thread.start()
    assert run(main, deadlock="off") == 0
    thread.join()
