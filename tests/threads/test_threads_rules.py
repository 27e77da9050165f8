"""The rules of channels and select, where the parties are on threads of their own: loops or plain threads."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import random
import threading
import time
from typing import Any

import pytest
from alarms import alarms
from helpers import LOOPS, REAL_LOOPS, assert_conserved
from parties import KINDS, PATIENCE, Party, until

import goish
from goish import EMPTY, Chan, ChanClosed, SendOnClosed, WaitGroup, chan, go

PAIRS = list(itertools.product(KINDS, KINDS))
LOOP = REAL_LOOPS[-1]

across = pytest.mark.parametrize(("one", "other"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
on_each_loop = pytest.mark.parametrize("loop", REAL_LOOPS)
capacities = pytest.mark.parametrize("capacity", [0, 1, 7])


# ── handing over ──


@across
@on_each_loop
@capacities
def test_values_arrive_in_order_and_once(one: str, other: str, loop: str, capacity: int) -> None:
    ch: Chan[int] = chan(capacity)
    n = 300

    async def produce(party: Party) -> None:
        for i in range(n):
            await party.send(ch, i)
        ch.close()

    async def consume(party: Party) -> list[int]:
        got = []
        while True:
            value, ok = await party.recv_ok(ch)
            if not ok:
                return got
            got.append(value)

    consumer = Party(other, loop, consume)
    producer = Party(one, loop, produce)
    assert consumer.join() == list(range(n))
    producer.join()


@pytest.mark.parametrize("kind", KINDS)
@on_each_loop
def test_wake_up_does_not_wait_for_the_timers_of_the_loop(kind: str, loop: str) -> None:
    """The loop that is woken has nothing to do for an hour."""
    ch: Chan[int] = chan()

    async def receive(party: Party) -> int:
        if not party.blocks:
            asyncio.get_running_loop().call_later(3600, print)
            await asyncio.sleep(0)
        return await party.recv(ch)

    receiver = Party(kind, loop, receive)
    until(lambda: ch.statistics().receivers_waiting == 1)
    assert ch.try_send(1)
    assert receiver.join() == 1


@on_each_loop
def test_a_burst_of_wake_ups_costs_the_loop_one(loop: str) -> None:
    ch: Chan[None] = chan()
    calls = []
    started = threading.Event()

    async def many(_: Party) -> None:
        here = asyncio.get_running_loop()
        wg = WaitGroup()
        for _ in range(1000):
            wg.go(receive)
        sched = goish._runtime.core.scheduler_for(here)
        assert sched.loop is here
        while ch.statistics().receivers_waiting < 1000:
            await goish.gosched()
        started.set()
        held.wait(PATIENCE)  # the loop is busy while all are woken
        here.call_soon(lambda: calls.append(len(getattr(here, "_ready", ()))))
        await wg.wait()

    async def receive() -> None:
        await ch.recv_ok()

    held = threading.Event()
    party = Party("goroutine", loop, many)
    assert started.wait(PATIENCE)
    ch.close()
    held.set()
    party.join()
    assert calls[0] < 10


# ── rule 5: select against select ──


@across
@on_each_loop
@pytest.mark.parametrize("capacity", [0, 1])
def test_selects_meet_across_threads(one: str, other: str, loop: str, capacity: int, rng: random.Random) -> None:
    """Each round of one pairs with a round of the other; none meets itself, none is lost, none happens twice."""
    a: Chan[int] = chan(capacity)
    b: Chan[int] = chan(capacity)
    rounds = 200

    async def meet(party: Party, out: Chan[int], back: Chan[int], who: int) -> tuple[list[int], list[int]]:
        sent, received = [], []
        for i in range(who * rounds, (who + 1) * rounds):
            cases = [out.send(i), back.recv()] if i % 3 else [back.recv(), out.send(i)]
            index, value, ok = await party.select(*cases)
            assert ok
            if (index == 0) == bool(i % 3):
                sent.append(i)
            else:
                received.append(value)
        return sent, received

    parties = [Party(one, loop, meet, a, b, 0), Party(other, loop, meet, b, a, 1)]
    parties += [Party(other, loop, meet, a, b, 2), Party(one, loop, meet, b, a, 3)]
    outcomes = [party.join() for party in parties]
    left = a.try_recv_many() + b.try_recv_many()
    assert_conserved([i for sent, _ in outcomes for i in sent], [v for _, got in outcomes for v in got], left)
    assert a.statistics()[2:] == b.statistics()[2:] == (0, 0, False)


@pytest.mark.parametrize("kind", KINDS)
@on_each_loop
def test_select_takes_exactly_one_of_many(kind: str, loop: str) -> None:
    """Rule 4: several threads feed the channels; what a select does not take stays."""
    chans: list[Chan[int]] = [chan(1) for _ in range(4)]
    n = 150

    async def choose(party: Party) -> list[int]:
        return [(await party.select(*(ch.recv() for ch in chans)))[1] for _ in range(n)]

    async def feed(party: Party, ch: Chan[int], first: int) -> int:
        sent = 0
        try:
            while True:
                await party.send(ch, first + sent)
                sent += 1
        except SendOnClosed:
            return sent

    feeders = [Party(KINDS[i % 3], loop, feed, ch, i * 10_000) for i, ch in enumerate(chans)]
    chosen = Party(kind, loop, choose).join()
    for ch in chans:
        ch.close()
    sent = [i * 10_000 + k for i, feeder in enumerate(feeders) for k in range(feeder.join())]
    assert len(chosen) == n
    assert_conserved(sent, chosen, *(ch.try_recv_many() for ch in chans))


# ── rule 15: close wakes everyone ──


def close_releases(goroutines: int, threads: int) -> None:
    ch: Chan[int] = chan()
    lock = threading.Lock()
    seen: list[bool] = []

    async def receive() -> None:
        _, ok = await ch.recv_ok()
        with lock:
            seen.append(ok)

    async def crowd(_: Party) -> None:
        wg = WaitGroup()
        for _ in range(goroutines // 4):
            wg.go(receive)
        await wg.wait()

    async def alone(party: Party) -> None:
        _, ok = await party.recv_ok(ch)
        with lock:
            seen.append(ok)

    parties = [Party("goroutine", REAL_LOOPS[i % len(REAL_LOOPS)], crowd) for i in range(4)]
    parties += [Party("thread" if i % 2 else "task", LOOP, alone) for i in range(threads)]
    until(lambda: ch.statistics().receivers_waiting == goroutines + threads)
    started = time.perf_counter()
    ch.close()
    print(f"close() of {goroutines + threads} receivers: {time.perf_counter() - started:.4f} s")
    for party in parties:
        party.join()
    assert seen == [False] * (goroutines + threads)


def test_one_close_releases_ten_thousand_receivers_on_loops_and_threads() -> None:
    close_releases(10_000, 24)


@pytest.mark.slow
def test_one_close_releases_a_hundred_threads_too() -> None:
    close_releases(10_000, 100)


@across
@on_each_loop
def test_close_gives_parked_senders_their_values_back(one: str, other: str, loop: str) -> None:
    """Rule 13."""
    ch: Chan[int] = chan()

    async def offer(party: Party, n: int) -> int:
        with pytest.raises(SendOnClosed) as refused:
            await party.send(ch, n)
        return refused.value.value

    parties = [Party((one, other)[n % 2], loop, offer, n) for n in range(6)]
    until(lambda: ch.statistics().senders_waiting == 6)
    ch.close()
    assert [party.join() for party in parties] == list(range(6))


# ── rule 16: close is linearizable ──


@across
@capacities
def test_what_was_sent_before_close_is_received_and_nothing_after(one: str, other: str, capacity: int) -> None:
    for _ in range(15):
        ch: Chan[int] = chan(capacity)
        closed = threading.Event()  # set only after close() has returned

        async def produce(party: Party, first: int, ch: Chan[int] = ch, closed: threading.Event = closed) -> int:
            sent = 0
            try:
                while True:
                    late = closed.is_set()
                    await party.send(ch, first + sent)
                    assert not late, "a send has succeeded that began after close() had returned"
                    sent += 1
            except SendOnClosed:
                return sent

        async def consume(party: Party, ch: Chan[int] = ch) -> list[int]:
            got = []
            while True:
                try:
                    got.append(await party.recv(ch))
                except ChanClosed:
                    assert ch.try_recv_ok() == (None, False), "closed and drained, for good"
                    return got

        parties = [Party(one, LOOP, produce, 0), Party(other, LOOP, produce, 1_000_000)]
        consumers = [Party(one, LOOP, consume), Party(other, LOOP, consume)]
        time.sleep(0)
        ch.close()
        closed.set()
        sent = [first + i for first, party in zip((0, 1_000_000), parties, strict=True) for i in range(party.join())]
        assert_conserved(sent, *(consumer.join() for consumer in consumers))


# ── rule 17: loops that die ──


@pytest.mark.parametrize("kind", ["goroutine", "task"])
@on_each_loop
def test_loops_that_die_under_load_lose_nothing(kind: str, loop: str, rng: random.Random) -> None:
    """Receivers live on loops that are stopped and closed at any instant; a plain thread sends all the while."""
    undelivered: list[int] = []
    received: list[int] = []
    ch: Chan[int] = chan(2, on_undelivered=undelivered.append)
    over = threading.Event()

    async def receive() -> None:
        while True:
            value, ok = await ch.recv_ok()
            if not ok:
                return
            received.append(value)

    def live_and_die(seconds: float) -> None:
        mortal = LOOPS[loop]()
        for _ in range(3):
            if kind == "goroutine":
                mortal.call_soon(go, receive)
            else:
                task = mortal.create_task(receive())
                task._log_destroy_pending = False  # type: ignore[attr-defined]
        mortal.call_later(seconds, mortal.stop)
        mortal.run_forever()
        mortal.close()

    def die_again_and_again(seed: int) -> None:
        random_here = random.Random(seed)
        while not over.is_set():
            live_and_die(random_here.random() / 200)

    dying = [threading.Thread(target=die_again_and_again, args=(rng.random(),)) for _ in range(3)]
    for thread in dying:
        thread.start()
    sent = []
    try:
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline or len(sent) <= 10:
            ch.send_blocking(len(sent), PATIENCE)
            sent.append(len(sent))
    finally:
        over.set()
        for thread in dying:
            thread.join(PATIENCE)
    gc.collect()
    goish.run(nothing)  # a new loop lets go of what is left on closed ones
    left = ch.try_recv_many()
    ch.close()
    assert_conserved(sent, received, undelivered, left)


async def nothing() -> None:
    pass


# ── rule 18: timeouts ──


@pytest.mark.parametrize("kind", KINDS)
@on_each_loop
@pytest.mark.parametrize("capacity", [0, 1])
def test_a_receive_with_a_timeout_happened_or_it_did_not(
    kind: str, loop: str, capacity: int, rng: random.Random
) -> None:
    """The deadline is swept over the instant of the hand-over."""
    undelivered: list[int] = []
    ch: Chan[int] = chan(capacity, on_undelivered=undelivered.append)
    rounds = 150
    turn: Chan[float] = chan()

    async def receive(party: Party) -> list[int]:
        got = []
        for _ in range(rounds):
            seconds = await party.recv(turn)
            try:
                got.append(await party.within(seconds, ch.recv, ch.recv_blocking))
            except TimeoutError:
                continue
        return got

    receiver = Party(kind, loop, receive)
    sent, refused = [], []
    for i in range(rounds):
        seconds = rng.random() / 500
        turn.send_blocking(seconds, PATIENCE)
        time.sleep(max(0.0, seconds + (rng.random() - 0.5) / 2000))
        try:
            ch.send_blocking(i, 0.0005)
            sent.append(i)
        except TimeoutError:
            refused.append(i)
    got = receiver.join()
    left = ch.try_recv_many()
    assert_conserved(sent, got, left, [value for value in undelivered if value not in refused])
    assert ch.statistics().receivers_waiting == 0


@pytest.mark.parametrize("kind", KINDS)
@on_each_loop
def test_a_select_with_a_timeout_took_one_or_none(kind: str, loop: str, rng: random.Random) -> None:
    a: Chan[int] = chan()
    b: Chan[int] = chan()
    rounds = 150
    turn: Chan[float] = chan()

    async def choose(party: Party) -> list[int]:
        got = []
        for _ in range(rounds):
            seconds = await party.recv(turn)
            try:
                _, value, _ = await party.within(
                    seconds,
                    lambda: goish.select(a.recv(), b.recv()),
                    lambda seconds: goish.select_blocking(a.recv(), b.recv(), timeout=seconds),
                )
            except TimeoutError:
                continue
            got.append(value)
        return got

    chooser = Party(kind, loop, choose)
    sent = []
    for i in range(rounds):
        seconds = rng.random() / 500
        turn.send_blocking(seconds, PATIENCE)
        time.sleep(max(0.0, seconds + (rng.random() - 0.5) / 2000))
        if rng.choice((a, b)).try_send(i):
            sent.append(i)
    assert chooser.join() == sent
    assert a.statistics().receivers_waiting == b.statistics().receivers_waiting == 0


# ── rule 1, from another thread ──


@pytest.mark.parametrize("kind", ["goroutine", "task"])
@on_each_loop
@pytest.mark.parametrize("capacity", [0, 1])
def test_cancel_that_races_a_hand_over_from_another_thread_loses_nothing(
    kind: str, loop: str, capacity: int, rng: random.Random
) -> None:
    ch: Chan[int] = chan(capacity)
    got: list[int] = []
    rounds = 300

    async def receiver() -> None:
        got.append(await ch.recv())

    async def cancels(party: Party) -> None:
        for _ in range(rounds):
            g: Any = go(receiver) if kind == "goroutine" else asyncio.ensure_future(receiver())
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
            g.cancel()
            await asyncio.wait([g])

    party = Party(kind, loop, cancels)
    sent = []
    while party._thread.is_alive():
        if ch.try_send(len(sent)):
            sent.append(len(sent))
    party.join()
    assert_conserved(sent, got, ch.try_recv_many())


# ── rule 22: re-entrancy ──


def test_finalizers_that_use_the_channel_do_not_lock_it_up() -> None:
    """Garbage is collected at any instant, on any thread, and what it runs sends to the channel that is in use."""
    ch: Chan[Any] = chan(3)
    extra: Chan[Any] = chan(3)
    n = 400

    class Cycle:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            with contextlib.suppress(SendOnClosed):
                if not ch.try_send(None):
                    goish.try_select(ch.recv(), extra.send(1))

    def produce() -> None:
        for i in range(n):
            Cycle()
            ch.send_blocking(i, PATIENCE)
        ch.close_once()

    async def consume() -> list[int]:
        got = []
        async for value in ch:
            Cycle()
            if value is not None:
                got.append(value)
        return got

    thresholds = gc.get_threshold()
    gc.set_threshold(5)
    try:
        producer = threading.Thread(target=produce, daemon=True)
        producer.start()
        got = goish.run(consume)
        producer.join(PATIENCE)
    finally:
        gc.set_threshold(*thresholds)
    assert not producer.is_alive()
    assert got == sorted(got), "in order; some were taken by finalizers"


def test_signal_handler_at_a_kilohertz_uses_the_channel_that_is_waited_on() -> None:
    ch: Chan[int] = chan(1)
    sent = itertools.count()
    lost = 0

    with alarms(lambda: ch.try_send(next(sent))):
        got = [ch.recv_blocking(PATIENCE) for _ in range(300)]
    assert got == sorted(set(got)), lost
    ch.close()
    assert ch.try_recv_ok() is not EMPTY


# ── wait groups ──


@across
@on_each_loop
def test_wait_group_is_waited_for_everywhere(one: str, other: str, loop: str) -> None:
    wg = WaitGroup()
    wg.add(20)
    done: list[int] = []

    async def wait(party: Party) -> int:
        await party.wait(wg)
        return len(done)

    async def work(_: Party) -> None:
        for i in range(10):
            done.append(i)
            wg.done()

    waiters = [Party(kind, loop, wait) for kind in (one, other) for _ in range(2)]
    workers = [Party(kind, loop, work) for kind in (one, other)]
    assert [waiter.join() for waiter in waiters] == [20] * 4
    for worker in workers:
        worker.join()
