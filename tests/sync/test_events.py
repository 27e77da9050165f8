"""Event, Latch and Barrier leave nobody waiting, on whichever loop or thread; what a WaitGroup tells in debug mode."""

from __future__ import annotations

import asyncio
import copy
import random
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from helpers import outcome, settle, until
from hypothesis import given, settings
from hypothesis import strategies as st
from parties import KINDS, PATIENCE, Party

import goish
from goish import WaitGroup, chan, gosched, run, select, select_blocking, try_select
from goish.errors import BrokenBarrier, SyncOnLoop
from goish.sync import Barrier, Event, Latch

Spawn = Callable[..., Any]


async def wait_for(event: Event | Latch) -> str:
    await event.wait()
    return "over"


# ── Event ──


async def test_an_event_wakes_all_that_wait_and_is_set_for_those_that_come(spawn: Spawn) -> None:
    event = Event()
    waiters = [spawn(wait_for, event) for _ in range(10)]
    await until(lambda: event.waiting == 10)
    event.set()
    event.set()
    assert [await waiter for waiter in waiters] == ["over"] * 10
    await event.wait()
    assert event.is_set()


async def test_a_waiter_that_was_woken_is_not_affected_by_clear(spawn: Spawn) -> None:
    event = Event()
    waiter = spawn(wait_for, event)
    await until(lambda: event.waiting == 1)
    event.set()
    event.clear()
    assert await waiter == "over"
    late = spawn(wait_for, event)
    await until(lambda: event.waiting == 1)
    event.set()
    assert await late == "over"


async def test_a_cancelled_wait_leaves_nothing_in_an_event(spawn: Spawn) -> None:
    event = Event()
    waiter = spawn(wait_for, event)
    await until(lambda: event.waiting == 1)
    waiter.cancel()
    assert await outcome(waiter) is asyncio.CancelledError
    assert event.waiting == 0


@pytest.mark.parametrize("open_it", [Event.set, Latch.count_down], ids=["event", "latch"])
async def test_a_cancel_before_the_turn_of_a_waiter_ends_its_wait(spawn: Spawn, open_it: Callable[[Any], None]) -> None:
    """Unlike a value or a lock, the wait gives nothing that could be lost; asyncio's event does the same."""
    event = Event() if open_it is Event.set else Latch(1)
    waiter = spawn(wait_for, event)
    await until(lambda: event.waiting == 1)
    open_it(event)
    waiter.cancel()
    assert await outcome(waiter) is asyncio.CancelledError
    await event.wait()


async def test_events_and_latches_are_cases_of_a_select(spawn: Spawn) -> None:
    event, latch, other = Event(), Latch(1), chan()

    async def choose() -> Any:
        return await select(other.recv(), event.wait(), latch.wait())

    assert try_select(event.wait(), latch.wait()) == (-1, None, False)
    chosen = spawn(choose)
    await until(lambda: event.waiting == 1)
    event.set()
    assert await chosen == (1, None, True)
    assert (latch.waiting, other.statistics().receivers_waiting) == (0, 0)
    event.clear()
    latch.count_down()
    assert await choose() == (2, None, True)


def test_threads_wait_for_an_event_in_time() -> None:
    event = Event()
    with pytest.raises(TimeoutError):
        event.wait_blocking(timeout=0.001)
    with pytest.raises(TimeoutError):
        select_blocking(event.wait(), timeout=0.001)
    assert event.waiting == 0
    threading.Timer(0.001, event.set).start()
    event.wait_blocking(timeout=PATIENCE)


@pytest.mark.parametrize("setter", KINDS)
def test_an_event_wakes_waiters_of_all_kinds_at_once(setter: str) -> None:
    event, ready = Event(), Latch(6)

    async def wait(party: Party) -> str:
        ready.count_down()
        if party.kind == "thread":
            event.wait_blocking()
        else:
            await event.wait()
        return "over"

    async def set_it(party: Party) -> None:
        if party.kind == "thread":
            ready.wait_blocking()
        else:
            await ready.wait()
        event.set()

    waiters = [Party(kind, "asyncio", wait) for kind in (*KINDS, *KINDS)]
    Party(setter, "asyncio", set_it).join()
    assert [waiter.join() for waiter in waiters] == ["over"] * 6


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("wscx"), st.integers(0, 9)), max_size=40))
def test_an_event_does_what_its_model_does(steps: list[tuple[str, int]]) -> None:
    """The model: a flag, and a list of those that wait, which is empty while it is set."""

    async def main() -> None:
        event, is_set = Event(), False
        line: list[Any] = []
        for kind, n in steps:
            if kind == "w":
                line.append(goish.go(wait_for, event))
            elif kind == "s":
                event.set()
                is_set = True
            elif kind == "c":
                event.clear()
                is_set = False
            elif line:
                line.pop(n % len(line)).cancel()
            await settle(2)
            if is_set:
                for g in line:
                    assert await g == "over"
                line = []
            assert (event.is_set(), event.waiting) == (is_set, len(line))
        for g in line:
            g.cancel()

    run(main)


# ── Latch ──


async def test_a_latch_opens_when_all_has_happened_and_stays_open(spawn: Spawn) -> None:
    latch = Latch(3)
    waiter = spawn(wait_for, latch)
    await until(lambda: latch.waiting == 1)
    assert latch.count_down(2) == 1
    await settle()
    assert not waiter.done()
    assert latch.count_down() == 0
    assert await waiter == "over"
    await latch.wait()


def test_a_latch_refuses_to_go_below_zero_and_stays_as_it_is() -> None:
    latch = Latch(2)
    with pytest.raises(ValueError, match="count_down of 3, but 2 are left"):
        latch.count_down(3)
    assert latch.count == 2


@pytest.mark.parametrize("n", [-1, True, 1.5, "1", None])
def test_a_count_is_checked(n: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="whole number"):
        Latch(n)
    with pytest.raises((TypeError, ValueError), match="whole number"):
        Latch(1).count_down(n)
    with pytest.raises((TypeError, ValueError), match="parties"):
        Barrier(n)


@pytest.mark.parametrize("make", [Event, lambda: Latch(1)])
def test_an_event_cannot_be_copied(make: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match="copied"):
        copy.copy(make())


async def test_a_loop_is_not_blocked_by_an_event_a_latch_or_a_barrier() -> None:
    for blocked in (Event(), Latch(1), Barrier(2)):
        with pytest.raises(SyncOnLoop, match="await"):
            blocked.wait_blocking()


def test_the_timeout_of_an_event_is_told_where_it_is() -> None:
    for event in (Event(), Latch(1)):
        with pytest.raises(TypeError, match="wait_blocking"):
            event.wait(timeout=1)  # type: ignore[call-arg]


# ── Barrier ──


async def test_a_barrier_lets_all_go_together_again_and_again(spawn: Spawn) -> None:
    barrier = Barrier(3)
    log: list[int] = []

    async def party() -> list[int]:
        indices = []
        for i in range(10):
            log.append(i)
            indices.append(await barrier.wait())
            assert min(log.count(j) for j in range(i + 1)) == 3, "all have come"
        return indices

    found = [await one for one in [spawn(party) for _ in range(3)]]
    assert [sorted(indices) for indices in zip(*found, strict=True)] == [[0, 1, 2]] * 10
    assert (barrier.n_waiting, barrier.broken) == (0, False)


async def test_a_cancelled_party_breaks_a_barrier_for_all(spawn: Spawn) -> None:
    barrier = Barrier(3)
    first, second = spawn(barrier.wait), spawn(barrier.wait)
    await until(lambda: barrier.n_waiting == 2)
    first.cancel()
    assert await outcome(first) is asyncio.CancelledError
    assert await outcome(second) is BrokenBarrier
    assert barrier.broken
    with pytest.raises(BrokenBarrier):
        await barrier.wait()


async def test_a_cancel_behind_the_last_party_breaks_nothing(spawn: Spawn) -> None:
    barrier = Barrier(2)
    first = spawn(barrier.wait)
    await until(lambda: barrier.n_waiting == 1)
    second = asyncio.ensure_future(barrier.wait())
    await until(lambda: barrier.n_waiting == 0)
    first.cancel()
    await second
    await outcome(first)
    assert not barrier.broken


async def test_a_barrier_is_aborted_and_reset(spawn: Spawn) -> None:
    barrier = Barrier(2)
    for end, broken in ((barrier.abort, True), (barrier.reset, False)):
        party = spawn(barrier.wait)
        await until(lambda: barrier.n_waiting == 1)
        end()
        assert await outcome(party) is BrokenBarrier
        assert barrier.broken is broken
        barrier.reset()
    first = spawn(barrier.wait)
    assert {await barrier.wait(), await first} == {0, 1}


def test_a_party_that_runs_out_of_time_breaks_a_barrier() -> None:
    barrier = Barrier(2)
    with pytest.raises(TimeoutError):
        barrier.wait_blocking(timeout=0.001)
    with pytest.raises(BrokenBarrier):
        barrier.wait_blocking()


def test_parties_of_all_kinds_meet_at_a_barrier() -> None:
    barrier, rounds = Barrier(6), 50
    came = [0] * rounds
    guard = threading.Lock()

    async def meet(party: Party) -> list[int]:
        indices = []
        for i in range(rounds):
            with guard:
                came[i] += 1
            if party.kind == "thread":
                indices.append(barrier.wait_blocking())
            else:
                indices.append(await barrier.wait())
            assert came[i] == 6
        return indices

    parties = [Party(kind, "asyncio", meet) for kind in (*KINDS, *KINDS)]
    found = [party.join() for party in parties]
    assert [sorted(indices) for indices in zip(*found, strict=True)] == [list(range(6))] * rounds


async def test_a_storm_of_cancels_leaves_no_party_at_a_barrier(spawn: Spawn, rng: random.Random) -> None:
    barrier = Barrier(3)

    async def party() -> None:
        while True:
            try:
                await barrier.wait()
            except BrokenBarrier:
                await gosched()

    everyone = [spawn(party) for _ in range(6)]
    for _ in range(100):
        rng.choice(everyone[-6:]).cancel()
        await settle(2)
        barrier.reset()
        everyone.append(spawn(party))
    for one in everyone:
        one.cancel()
    for one in everyone:
        assert await outcome(one) is asyncio.CancelledError
    barrier.reset()
    assert (barrier.n_waiting, barrier.broken) == (0, False)


# ── work that comes when the waiters have been let go ──


def debugged(main: Callable[[], Any]) -> list[str]:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        goish.run(main, debug=True)
    return [str(each.message) for each in told if "WaitGroup" in str(each.message)]


def test_work_added_before_the_waiters_have_gone_on_is_told_in_debug_mode() -> None:
    async def main() -> None:
        wg = WaitGroup()
        wg.add()
        waiter = goish.go(wait_of, wg)
        await settle()
        wg.done()
        wg.add()  # the waiter has been let go, and does not wait for this
        await waiter
        wg.done()

    assert len(debugged(main)) == 1
    assert "before 1 that waited for that have gone on" in debugged(main)[0]


def test_work_added_after_the_waiters_have_gone_on_is_not_told() -> None:
    async def main() -> None:
        wg = WaitGroup()
        for _ in range(3):
            wg.add()
            waiter = goish.go(wait_of, wg)
            await settle()
            wg.done()
            await waiter
        wg.add()
        waiter = goish.go(wait_of, wg)
        await settle()
        wg.done()
        waiter.cancel()
        await outcome(waiter)
        wg.go(settle)
        await wg.wait()

    assert debugged(main) == []


async def wait_of(wg: WaitGroup) -> None:
    await wg.wait()
