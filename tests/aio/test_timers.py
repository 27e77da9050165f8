"""Rule 24: timers leave nothing behind, fire once, in order, and never early. In virtual time: nobody sleeps."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from helpers import outcome, settle, waiting

from goish import EMPTY, Chan, after, chan, gosched, select, sleep, try_select
from goish._runtime.core import scheduler_for

Spawn = Callable[..., Any]


def now() -> float:
    return asyncio.get_running_loop().time()


def armed() -> int:
    """How many timers are armed on this loop."""
    timers: int = scheduler_for(asyncio.get_running_loop()).timers
    return timers


# ── an after() that loses ──


async def select_beside_after(rounds: int, spawn: Spawn) -> None:
    """A loop of select(ch.recv(), after(60).recv()) that is always won by the channel, waiting or not."""
    ch: Chan[int] = chan()

    async def producer() -> None:
        for i in range(rounds):
            await ch.send(i)

    p = spawn(producer)
    handles = 0
    for i in range(rounds):
        assert await select(ch.recv(), after(60).recv()) == (0, i, True)
        assert armed() == 0
        handles = max(handles, len(getattr(asyncio.get_running_loop(), "_scheduled", ())))
    await p
    assert handles <= 110  # asyncio sweeps cancelled timers once there are a hundred


async def test_an_after_that_lost_leaves_no_timer(spawn: Spawn) -> None:
    """Rule 24: in a loop, the number of timers stays as it is."""
    await select_beside_after(2000, spawn)


@pytest.mark.million
def test_an_after_that_lost_leaves_no_timer_in_a_million_rounds(run: Any) -> None:
    """Rule 24: as the rule has it."""
    run(select_beside_after, 1_000_000, run.spawn)


async def test_an_after_nobody_waits_for_is_no_timer(spawn: Spawn) -> None:
    """Rule 24: only waiting arms it; cancelling and being served disarm it."""
    alarm = after(60)
    ch: Chan[int] = chan()
    assert armed() == 0
    waits = [spawn(lambda: outcome(select(alarm.recv(), ch.recv()))) for _ in range(2)]
    waits.append(spawn(lambda: outcome(alarm.recv())))
    await settle()
    assert armed() == 1
    assert ch.try_send(1)
    await settle()
    assert armed() == 1
    for w in waits:
        w.cancel()
    await settle()
    assert armed() == 0


async def test_a_cancelled_sleep_leaves_no_timer(spawn: Spawn, rng: random.Random) -> None:
    """Rule 24: cancelled in any order."""
    sleepers = [spawn(lambda: outcome(sleep(60.0 + rng.random()))) for _ in range(100)]
    await settle()
    assert armed() == 100
    rng.shuffle(sleepers)
    for left, s in zip(range(99, -1, -1), sleepers, strict=True):
        s.cancel()
        assert armed() == left
    await settle()
    assert {s.result() for s in sleepers} == {asyncio.CancelledError}


# ── an after() that fires ──


async def test_after_fires_once_with_the_time(virtual: Any) -> None:
    """Rule 24: then never again, and it is not closed."""
    start = now()
    alarm = after(5)
    assert alarm.try_recv_ok() is EMPTY
    assert await alarm.recv() == pytest.approx(start + 5)
    assert now() == pytest.approx(start + 5)
    again = virtual.spawn(lambda: outcome(alarm.recv()))
    await sleep(100)
    assert not again.done()
    assert alarm.try_recv_ok() is EMPTY
    assert not alarm.closed
    assert armed() == 0
    again.cancel()
    await settle()


async def test_after_serves_one_of_those_who_wait(virtual: Any) -> None:
    """Rule 24: the first; one value is one value."""
    alarm = after(1)
    waits = [virtual.spawn(lambda: outcome(alarm.recv())) for _ in range(3)]
    await sleep(10)
    assert [w.done() for w in waits].count(True) == 1
    for w in waits:
        w.cancel()
    await settle()
    assert waiting(alarm) == (0, 0)  # type: ignore[arg-type]


async def test_an_after_that_is_due_is_ready_without_waiting(virtual: Any) -> None:
    """Rule 24: whoever looks late finds it, also a select with default and one that had lost before."""
    start = now()
    alarm = after(1)
    ch: Chan[int] = chan(1)
    ch.try_send(0)
    assert await select(ch.recv(), alarm.recv()) == (0, 0, True)
    await sleep(2)
    assert try_select(ch.recv(), alarm.recv()) == (1, start + 1, True)
    assert try_select(alarm.recv()) == (-1, None, False)


async def test_a_select_with_after_times_out(virtual: Any) -> None:
    """Rule 24: in the order of the deadlines, wherever they stand."""
    start = now()
    index, _, ok = await select(after(3).recv(), chan().recv(), after(1).recv(), after(2).recv())
    assert (index, ok) == (2, True)
    assert now() == pytest.approx(start + 1)
    assert armed() == 0


async def test_a_timeout_loop_gets_each_of_its_timeouts(virtual: Any) -> None:
    """Rule 24: no stale value of an earlier round shows up in a later one."""
    ch: Chan[int] = chan()

    async def producer() -> None:
        for i in range(5):
            await sleep(1)
            await ch.send(i)

    p = virtual.spawn(producer)
    start = now()
    log = []
    for _ in range(15):
        index, value, _ = await select(ch.recv(), after(0.4).recv())
        log.append(value if index == 0 else "timeout")
        if index == 1:
            assert value == pytest.approx(now())
    await p
    assert log == [what for i in range(5) for what in ("timeout", "timeout", i)]
    assert now() == pytest.approx(start + 5)


async def test_after_nothing_is_due_at_once(spawn: Spawn) -> None:
    """Rule 24: zero or less."""
    for seconds in (0, -1, -1e9):
        assert after(seconds).try_recv_ok()
        assert (await select(chan().recv(), after(seconds).recv()))[0] == 1
    assert armed() == 0


async def test_after_and_sleep_refuse_what_is_no_duration() -> None:
    """Rule 24: at the call."""
    for make in (after, sleep):
        with pytest.raises(ValueError, match="NaN"):
            make(float("nan"))
        with pytest.raises(TypeError):
            make("1")  # type: ignore[arg-type]


async def test_a_sleep_without_end_waits(spawn: Spawn) -> None:
    """Rule 24: inf is a duration."""
    waits = [spawn(lambda: outcome(sleep(float("inf")))), spawn(lambda: outcome(after(float("inf")).recv()))]
    await settle()
    assert [w.done() for w in waits] == [False, False]
    for w in waits:
        w.cancel()
    await settle()
    assert armed() == 0


# ── sleep ──


async def test_sleepers_wake_in_the_order_of_their_deadlines(virtual: Any, rng: random.Random) -> None:
    """Rule 24: equal ones in the order in which they lay down (a task and a goroutine have no order)."""
    order: list[tuple[float, int]] = []

    async def sleeper(seconds: float, i: int) -> None:
        await sleep(seconds)
        order.append((seconds, i))

    sleepers = []
    for i in range(200):
        sleepers.append(virtual.spawn(sleeper, float(rng.randrange(1, 20)), i))
        await settle()
    for s in sleepers:
        await s
    assert [seconds for seconds, _ in order] == sorted(seconds for seconds, _ in order)
    for parity in (0, 1):
        alike = [(seconds, i) for seconds, i in order if i % 2 == parity]
        assert alike == sorted(alike)


async def test_a_sleep_is_never_short(virtual: Any, rng: random.Random) -> None:
    """Rule 24: not by the smallest bit, at any magnitude."""
    for _ in range(200):
        seconds = rng.random() * 10.0 ** rng.randrange(-6, 6)
        start = now()
        await sleep(seconds)
        assert now() >= start + seconds
        assert now() == pytest.approx(start + seconds, abs=1e-6)


async def test_a_sleep_is_not_cut_short_by_that_of_another(virtual: Any, rng: random.Random) -> None:
    """Rule 24: deadlines a few microseconds apart are different deadlines."""

    async def sleeper(seconds: float) -> None:
        start = now()
        await sleep(seconds)
        assert now() >= start + seconds

    for s in [virtual.spawn(sleeper, 1.0 + rng.randrange(1000) * 1e-6) for _ in range(100)]:
        await s


@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_sleeping_for_nothing_lets_others_run(virtual: Any, seconds: float) -> None:
    """Rule 24: and no time passes."""
    log = []

    async def other() -> None:
        log.append("other")

    virtual.spawn(other)
    start = now()
    await sleep(seconds)
    assert log == ["other"]
    assert now() == start


async def test_a_real_sleep_is_never_short(spawn: Spawn) -> None:
    """Rule 24: uvloop counts in milliseconds; goish does not come back early on it."""
    for seconds in (0.0001, 0.0011, 0.0025):
        start = time.monotonic()
        await sleep(seconds)
        assert time.monotonic() - start >= seconds


async def test_timers_and_asyncios_timers_keep_time_together(virtual: Any) -> None:
    """Rule 24: one clock."""
    order: list[int] = []
    loop = asyncio.get_running_loop()
    for i in range(10):
        if i % 2:
            loop.call_later(i + 1.0, order.append, i)
        else:

            async def sleeper(i: int = i) -> None:
                await sleep(i + 1.0)
                order.append(i)

            virtual.spawn(sleeper)
    await asyncio.sleep(20)
    assert order == list(range(10))


async def test_a_pause_for_others_is_no_timer(spawn: Spawn) -> None:
    """Rule 24: gosched arms nothing."""
    for _ in range(100):
        await gosched()
        assert armed() == 0
