"""goish.time.Ticker: ticks at exact multiples, and what a late receiver finds. In virtual time.

Not here: what it has in common with a Timer (test_timer.py).
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from typing import Any

import pytest
from helpers import outcome, settle
from hypothesis import given, settings
from hypothesis import strategies as st
from parties import PATIENCE
from virtual_clock import START, VirtualClockLoop

import goish
from goish import EMPTY, chan, go_thread, select, time
from goish._runtime.core import scheduler_for


def armed() -> int:
    timers: int = scheduler_for(asyncio.get_running_loop()).timers
    return timers


async def test_a_ticker_ticks_at_exact_multiples(virtual: Any) -> None:
    """No error adds up, whatever the period is."""
    ticker = time.Ticker(0.1)
    assert [await ticker.c.recv() for _ in range(1000)] == [START + n * 0.1 for n in range(1, 1001)]
    assert ticker.drift < 1e-9
    assert armed() == 0


async def test_a_ticker_is_iterated(virtual: Any) -> None:
    ticks = []
    async for t in time.Ticker(2):
        ticks.append(t)
        if len(ticks) == 3:
            break
    assert ticks == [START + 2, START + 4, START + 6]
    assert armed() == 0


def test_a_thread_iterates_over_a_ticker() -> None:
    ticks = []
    for t in time.Ticker(0.001):
        assert t <= time.now()
        ticks.append(t)
        if len(ticks) == 3:
            break
    assert ticks == sorted(set(ticks))
    assert time.tick(0.001).recv_blocking(timeout=PATIENCE)


async def late(missed: Any, *pauses: float) -> list[tuple[float, float, float]]:
    """Receives a tick of a ticker of 10 s after each pause: (when, the tick, the drift), from the start."""
    ticker = time.Ticker(10, missed)
    got = []
    for pause in pauses:
        await time.sleep(pause)
        tick = await ticker.c.recv()
        got.append((time.now() - START, tick - START, ticker.drift))
    return got


async def test_skip_gives_one_tick_at_once_and_the_next_in_step(virtual: Any) -> None:
    assert await late("skip", 0, 25, 0, 0) == [(10, 10, 0), (35, 20, 15), (40, 40, 0), (50, 50, 0)]


async def test_burst_gives_all_ticks_that_were_missed(virtual: Any) -> None:
    assert await late("burst", 0, 25, 0, 0, 0) == [(10, 10, 0), (35, 20, 15), (35, 30, 5), (40, 40, 0), (50, 50, 0)]


async def test_delay_counts_from_the_late_tick(virtual: Any) -> None:
    assert await late("delay", 0, 25, 0, 0) == [(10, 10, 0), (35, 20, 15), (45, 45, 0), (55, 55, 0)]


@pytest.mark.parametrize("missed", ["skip", "burst", "delay"])
async def test_a_tick_that_was_seen_and_not_received_is_one_tick(virtual: Any, missed: Any) -> None:
    """A select looked at it and took another case; ticks do not pile up behind it, but for those of a burst."""
    ticker, ch = time.Ticker(10, missed), chan(100)
    for pause in (12, 10, 10):  # to 12, 22, 32
        await time.sleep(pause)
        assert await ch.send(0) is False
        await select(ch.recv(), ticker.c.recv(), biased=True)
    first = await ticker.c.recv()
    assert first == START + 10
    second = await ticker.c.recv()
    assert (second - START, time.now() - START) == {"skip": (40, 40), "burst": (20, 32), "delay": (42, 42)}[missed]


@pytest.mark.parametrize("missed", ["skip", "burst", "delay"])
async def test_several_receivers_share_the_ticks(virtual: Any, missed: Any) -> None:
    ticker = time.Ticker(10, missed)
    waits = []
    for _ in range(3):
        waits.append(virtual.spawn(lambda: outcome(ticker.c.recv())))
        await settle()
    await time.sleep(100)
    assert [await w for w in waits] == [START + 10, START + 20, START + 30]
    assert armed() == 0


async def test_a_burst_serves_all_that_wait(virtual: Any) -> None:
    """The loop was busy: every tick that is due finds its receiver."""
    ticker = time.Ticker(10, "burst")
    loop: Any = asyncio.get_running_loop()
    waits = [virtual.spawn(lambda: outcome(ticker.c.recv())) for _ in range(4)]
    await settle()
    loop.now += 35
    await settle(20)
    assert [w.done() for w in waits] == [True, True, True, False]
    assert await waits[3] == START + 40


async def test_a_stopped_ticker_gives_nothing_until_it_is_reset(virtual: Any) -> None:
    ticker = time.Ticker(10)
    await time.sleep(11)
    assert ticker.c.peek_item() == START + 10
    assert (ticker.stop(), ticker.stop()) == (True, False)
    assert ticker.c.try_recv() is EMPTY
    waiter = virtual.spawn(lambda: outcome(anext(ticker)))
    await time.sleep(100)
    assert not waiter.done()
    assert ticker.reset(5) is False
    await time.sleep(6)
    await settle()
    assert waiter.result() == START + 116
    assert await ticker.c.recv() == START + 121
    assert not ticker.c.closed


@pytest.mark.parametrize("missed", ["skip", "burst", "delay"])
async def test_a_reset_begins_a_new_period_now(virtual: Any, missed: Any) -> None:
    ticker = time.Ticker(10, missed)
    await time.sleep(47)
    assert ticker.c.peek_item() == START + 10
    assert ticker.reset(3) is True
    assert [await ticker.c.recv() for _ in range(3)] == [START + 50, START + 53, START + 56]
    waiter = virtual.spawn(lambda: outcome(ticker.c.recv()))
    await settle()
    assert ticker.reset(1) is True
    await time.sleep(2)
    assert waiter.result() == START + 57


async def test_tick_gives_the_channel_alone(virtual: Any) -> None:
    ticks = time.tick(3)
    assert [await ticks.recv(), await ticks.recv()] == [START + 3, START + 6]


async def test_a_period_smaller_than_the_clock_can_tell_goes_on(virtual: Any) -> None:
    ticker = time.Ticker(1e-20)
    loop: Any = asyncio.get_running_loop()
    for _ in range(3):
        loop.now += 1
        before = await ticker.c.recv()
        assert before <= time.now()
        assert ticker.c.try_recv() is EMPTY


async def test_an_endless_period_never_ticks(virtual: Any) -> None:
    ticker = time.Ticker(math.inf)
    assert await select(ticker.c.recv(), time.after(1e6).recv()) == (1, START + 1e6, True)


@pytest.mark.parametrize("bad", [0, -1, -math.inf, -0.0])
def test_a_period_is_above_zero(bad: float) -> None:
    for make in (time.Ticker, time.tick, time.Ticker(1).reset):
        with pytest.raises(ValueError, match=r"takes a period of more than 0 seconds, got"):
            make(bad)


@pytest.mark.parametrize("bad", ["Skip", "", None, 1, ["skip"]])
def test_missed_is_one_of_three(bad: Any) -> None:
    with pytest.raises(ValueError, match='missed is one of "skip", "burst", "delay"; got'):
        time.Ticker(1, bad)


async def test_a_ticker_is_not_disturbed_by_cancelled_receivers(virtual: Any, rng: random.Random) -> None:
    """A tick goes to a receiver that takes it, or stays."""
    ticker = time.Ticker(1, "burst")
    got: list[float] = []

    async def receive() -> None:
        while True:
            got.append(await ticker.c.recv())

    waits = [virtual.spawn(receive) for _ in range(3)]
    for _ in range(200):
        await time.sleep(rng.choice((0, 0.5, 1)))
        waits.pop(rng.randrange(3)).cancel()
        await settle()
        waits.append(virtual.spawn(receive))
    for w in waits:
        w.cancel()
    await settle()
    while (tick := ticker.c.try_recv()) is not EMPTY:
        got.append(tick)
    assert sorted(got) == [START + n for n in range(1, int(time.now() - START) + 1)]
    assert armed() == 0


def test_loops_and_threads_share_a_ticker(run: Any) -> None:
    """Each tick has one receiver, and none is lost."""
    got: list[float] = []

    def on_thread(ticker: time.Ticker) -> None:
        got.extend(ticker.c.recv_blocking(timeout=PATIENCE) for _ in range(10))

    async def on_loop(ticker: time.Ticker) -> None:
        for _ in range(10):
            got.append(await ticker.c.recv())

    async def main() -> None:
        ticker = time.Ticker(0.0005, "burst")
        await goish.wait_all(
            go_thread(on_thread, ticker),
            go_thread(on_thread, ticker),
            go_thread(on_loop, ticker),
            goish.go(on_loop, ticker),
        )
        assert len(set(got)) == 40
        steps = [round((tick - min(got)) / 0.0005) for tick in sorted(got)]
        assert [b - a for a, b in itertools.pairwise(steps)] == [1] * 39

    run(main)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["skip", "burst", "delay"]),
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from("rptk"), st.integers(0, 9)), max_size=30),
)
def test_a_ticker_does_what_its_model_does(missed: Any, period: int, steps: list[tuple[str, int]]) -> None:
    """The model: when the next tick is due; receivers come one at a time."""

    async def main() -> None:
        ticker = time.Ticker(period, missed)
        every = period
        due = START + every

        def taken(now: float) -> None:
            nonlocal due
            if missed == "burst":
                due += every
            elif missed == "delay":
                due = now + every
            else:
                due += every * (1 + (now - due) // every)

        for kind, n in steps:
            if kind == "r":
                expected = due
                assert await ticker.c.recv() == expected
                assert time.now() >= expected
                taken(time.now())
            elif kind == "p":
                ready = due <= time.now()
                assert ticker.c.try_recv() == (due if ready else EMPTY)
                if ready:
                    taken(time.now())
            elif kind == "t":
                await time.sleep(n)
            elif kind == "k" and n > 5:
                every = n - 5
                ticker.reset(every)
                due = time.now() + every

    goish.run(main, loop=VirtualClockLoop)
