"""TaskTracker, KeyedGroup: none comes behind a shutdown, none is left by it, and a key has one goroutine at most."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from helpers import cancel_storm, forever, give, outcome, settle
from parties import PATIENCE, until

import goish
from goish import after, chan, go, run, select, try_select
from goish.errgroup import KeyedGroup, TaskTracker

Spawn = Callable[..., Any]


async def fail(error: BaseException) -> None:
    raise error


# ── TaskTracker ──


async def test_a_tracker_waits_until_it_is_closed_and_empty(spawn: Spawn) -> None:
    tracker = TaskTracker()
    gate = chan()
    tracker.go(wait_closed, gate)
    waiter = spawn(awaiting, tracker.wait)
    await settle()
    gate.close()
    await settle()
    assert not waiter.done(), "it is empty, and open"
    assert len(tracker) == 0
    assert tracker.close()
    assert not tracker.close()
    await waiter
    assert tracker.closed


async def wait_closed(ch: Any) -> None:
    await ch.recv_ok()


async def awaiting(make: Callable[[], Any]) -> Any:
    return await make()


async def test_what_comes_while_it_drains_counts_and_what_comes_later_is_refused(spawn: Spawn) -> None:
    """argo-watcher#485: an upgrade that arrives at the shutdown is waited for, or refused; never neither."""
    tracker = TaskTracker()
    first, second = chan(), chan()
    tracker.go(wait_closed, first)
    tracker.close()
    waiter = spawn(awaiting, tracker.wait)
    await settle()
    tracker.go(wait_closed, second)
    first.close()
    await settle()
    assert not waiter.done(), "the second counts"
    second.close()
    await waiter
    refused: list[Callable[[], Any]] = [
        partial(tracker.go, wait_closed, second),
        partial(tracker.go, give(1)),
        partial(tracker.go_thread, int),
        partial(tracker.track, go(give, 1)),
    ]
    for start in refused:
        with pytest.raises(RuntimeError, match="takes no more members"):
            start()
    assert len(tracker) == 0
    assert tracker.reopen()
    assert not tracker.reopen()
    h = tracker.go(give, 2)
    tracker.close()
    await tracker.wait()
    assert h.result() == 2


def reaches(started: list[Any], enough: int) -> bool:
    return len(started) >= enough


def test_work_from_all_sides_is_counted_or_refused(rng: random.Random) -> None:
    for _ in range(20):
        tracker = TaskTracker()
        started: list[Any] = []

        async def client(tracker: TaskTracker = tracker, started: list[Any] = started) -> None:
            while True:
                try:
                    h = tracker.go(give, 1)
                except RuntimeError:
                    return
                started.append(h)
                await h
                await asyncio.sleep(0)

        threads = [threading.Thread(target=run, args=(client,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        enough = rng.randrange(50)
        until(partial(reaches, started, enough))
        tracker.close()
        tracker.wait_blocking(timeout=PATIENCE)
        assert all(h.done() for h in list(started)), "none is left by the wait"
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert all(h.done() for h in started), "none came behind it"


async def test_a_tracker_keeps_nothing_of_what_has_ended() -> None:
    tracker = TaskTracker()
    known = [weakref.ref(tracker.go(give, n)) for n in range(100)]
    assert len(tracker) == 100
    await settle()
    gc.collect()
    assert [ref() for ref in known if ref() is not None] == []
    assert len(tracker) == 0


async def test_a_tracker_tracks_what_others_have_started() -> None:
    gate = chan()
    async with TaskTracker() as tracker:
        h = go(wait_closed, gate)
        assert tracker.track(h) is h
        task = asyncio.create_task(wait_closed(gate))
        tracker.track(task)
        tracker.track(wait_closed(gate))
        tracker.go_thread(gate.recv_ok_blocking)
        assert len(tracker) == 4
        gate.close()
    assert len(tracker) == 0
    assert task.done()


def test_a_failure_in_a_tracker_is_a_panic() -> None:
    told = []

    async def main() -> None:
        async with TaskTracker() as tracker:
            tracker.go(fail, LookupError())
            with pytest.raises(ValueError, match="mine"):
                await tracker.go(fail, ValueError("mine"))

    run(main, on_panic=lambda g, error: told.append(type(error)))
    assert told == [LookupError]


async def test_a_wait_for_a_tracker_is_a_case_of_select() -> None:
    tracker = TaskTracker()
    assert try_select(tracker.wait()) == (-1, None, False)
    tracker.close()
    assert await select(tracker.wait(), after(60).recv()) == (0, None, True)


async def test_a_tracker_may_cancel_what_is_left() -> None:
    tracker = TaskTracker()
    handles = [tracker.go(forever) for _ in range(3)]
    tracker.close()
    tracker.cancel("no more time")
    await tracker.wait()
    assert all(h.cancelled() for h in handles)


async def test_a_tracker_takes_awaitables_only() -> None:
    with pytest.raises(TypeError, match="takes an awaitable"):
        TaskTracker().track(give)  # type: ignore[arg-type]


# ── KeyedGroup ──


async def test_a_key_has_one_goroutine() -> None:
    async with KeyedGroup() as group:
        h = group.start("a", forever)
        with pytest.raises(RuntimeError, match="lives under the key 'a'"):
            group.start("a", forever)
        assert group.get("a") is h
        assert "a" in group
        assert group.get("b") is None
        assert group.keys() == ["a"]
    assert h.cancelled()
    assert len(group) == 0


async def test_a_key_is_free_when_its_goroutine_has_ended() -> None:
    group = KeyedGroup()
    h = group.start("a", give, 1)
    assert await h == 1
    again = group.start("a", give, 2)
    assert await again == 2
    await settle()
    assert group.keys() == []
    assert len(group._live) == 0, "nothing is kept"
    await group.wait()


async def test_replace_ends_the_old_one_first() -> None:
    ended = []

    async def work(n: int) -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            ended.append(n)

    async def start() -> None:
        ended.append(-1)

    async with KeyedGroup() as group:
        old = group.start("a", work, 1)
        await settle()
        new = await group.replace("a", start)
        await new
        assert ended == [1, -1]
        assert old.cancelled()
        await (await group.replace("fresh", give, 1))


async def test_replacements_at_one_time_take_turns(spawn: Spawn) -> None:
    active = most = 0

    async def work() -> None:
        nonlocal active, most
        active += 1
        most = max(most, active)
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            active -= 1

    async with KeyedGroup() as group:
        for one in [spawn(group.replace, "a", work) for _ in range(5)]:
            await one
        assert len(group) == 1
    assert (active, most) == (0, 1)


async def test_a_cancelled_replace_starts_nothing(spawn: Spawn) -> None:
    started = []

    async def stubborn() -> None:
        try:
            await forever()
        finally:
            await gate.recv_ok()

    async def work() -> None:
        started.append(1)

    gate = chan()
    group = KeyedGroup()
    old = group.start("a", stubborn)
    await settle()
    waiter = spawn(group.replace, "a", work)
    await settle()
    waiter.cancel()
    assert await outcome(waiter) is asyncio.CancelledError
    gate.close()
    await group.wait()
    assert old.cancelled()
    assert started == []


async def test_cancel_by_key() -> None:
    group = KeyedGroup()
    h = group.start("a", forever)
    assert group.cancel("a", "why")
    assert not group.cancel("b")
    await group.wait()
    assert h.cancelled()
    group.start("b", forever)
    group.cancel_all()
    await group.wait()


async def test_a_key_that_cannot_be_hashed_is_refused() -> None:
    group = KeyedGroup()
    unhashable: Any = []
    calls: list[Callable[[], Any]] = [lambda: group.start(unhashable, forever), lambda: group.get(unhashable)]
    for call in calls:
        with pytest.raises(TypeError, match="a key is hashable"):
            call()
    with pytest.raises(TypeError, match="a key is hashable"):
        await group.replace(unhashable, forever)
    with pytest.raises(TypeError, match="coroutine function"):
        group.start("a", len, "x")  # type: ignore[arg-type]
    assert "a" not in group
    assert len(group._live) == 0


async def test_a_storm_leaves_no_key(spawn: Spawn, rng: random.Random) -> None:
    group = KeyedGroup()
    alive: dict[int, int] = {}

    async def work(key: int) -> None:
        alive[key] = alive.get(key, 0) + 1
        assert alive[key] == 1
        try:
            await asyncio.sleep(0)
            await goish.gosched()
        finally:
            alive[key] -= 1

    async def party() -> None:
        while True:
            key = rng.randrange(3)
            if rng.random() < 0.5:
                await group.replace(key, work, key)
            elif key not in group:
                group.start(key, work, key)
            group.cancel(rng.randrange(3))
            await asyncio.sleep(0)

    await cancel_storm(spawn, party, rng, crowd=8, rounds=200)
    group.cancel_all()
    await group.wait()
    await settle()
    assert group.keys() == []
    assert len(group._live) == 0
    assert not any(alive.values())
