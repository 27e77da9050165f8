"""Watch: each watcher sees the latest value, and the last one for certain; no set waits, and nothing grows."""

from __future__ import annotations

import asyncio
import copy
import gc
import random
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from helpers import REAL_LOOPS, outcome, settle, until
from hypothesis import given, settings
from hypothesis import strategies as st
from parties import KINDS, Party

from goish import EMPTY, after, select
from goish.errors import ChanClosed, CloseOfClosed, SendOnClosed, SyncOnLoop
from goish.sync import Watch, Watcher

Spawn = Callable[..., Any]


def watchers(w: Watch[Any]) -> int:
    return int(repr(w).partition("watchers=")[2].split(" ")[0].rstrip(">"))


async def changed(watcher: Watcher[Any]) -> Any:
    return await watcher.changed()


async def follow(watcher: Watcher[Any]) -> list[Any]:
    return [value async for value in watcher]


async def test_a_watcher_waits_for_a_value_that_it_has_not_seen(spawn: Spawn) -> None:
    w = Watch(0)
    watcher = w.watch()
    waiter = spawn(changed, watcher)
    await settle()
    assert not waiter.done(), "the value of now is seen"
    w.set(1)
    assert await waiter == 1
    assert watcher.try_changed() is EMPTY
    w.set(2)
    w.set(3)
    assert (await watcher.changed(), watcher.value, w.value) == (3, 3, 3)


async def test_the_current_value_is_new_on_request() -> None:
    w = Watch("a")
    assert await w.watch(current=True).changed() == "a"


async def test_every_watcher_sees_the_last_value_before_the_end(spawn: Spawn) -> None:
    w = Watch(0)
    following = [spawn(follow, w.watch()) for _ in range(3)]
    await settle()
    for n in range(100):
        w.set(n)
    w.close()
    for one in following:
        seen = await one
        assert seen[-1] == 99
        assert seen == sorted(set(seen))
    assert (w.value, w.closed) == (99, True)
    with pytest.raises(SendOnClosed):
        w.set(100)
    with pytest.raises(CloseOfClosed):
        w.close()
    with pytest.raises(ChanClosed):
        await w.watch().changed()
    assert w.value == 99


async def test_a_change_is_a_case_of_select() -> None:
    a, b = Watch(0), Watch(0)
    cases = a.watch().changed(), b.watch().changed()
    b.set(1)
    assert await select(*cases) == (1, 1, True)
    a.set(2)
    assert await select(*cases) == (0, 2, True)
    assert (await select(*cases, after(0.001).recv()))[0] == 2


async def test_a_cancelled_wait_has_seen_nothing(spawn: Spawn) -> None:
    w = Watch(0)
    watcher = w.watch()
    waiter = spawn(changed, watcher)
    await settle()
    waiter.cancel()
    w.set(1)
    assert await outcome(waiter) in (asyncio.CancelledError, 1)
    assert watcher.try_changed() == (EMPTY if outcome_of(waiter) == 1 else 1)


def outcome_of(handle: Any) -> Any:
    return None if handle.cancelled() else handle.result()


async def test_watchers_that_leave_or_are_forgotten_are_gone(spawn: Spawn) -> None:
    w = Watch(0)
    with w.watch() as watcher:
        waiter = spawn(changed, watcher)
        await until(lambda: watchers(w) == 1)
        await settle()
    assert await outcome(waiter) is ChanClosed
    w.watch()
    gc.collect()
    assert watchers(w) == 0


def test_nothing_grows_however_often_it_is_set() -> None:
    class Value:
        pass

    w = Watch(Value())
    slow = w.watch()
    alive = []
    for _ in range(1000):
        value = Value()
        alive.append(weakref.ref(value))
        w.set(value)
        del value
    gc.collect()
    assert sum(ref() is not None for ref in alive) == 1
    assert slow.try_changed() is w.value


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["set", "watch", "look"]), st.integers(0, 9)), max_size=40))
def test_it_does_what_its_model_does(steps: list[tuple[str, int]]) -> None:
    """The model: one value, and for each watcher whether it has seen it."""
    w = Watch(-1)
    value, seen = -1, [True]
    all_watchers = [w.watch()]
    for n, (kind, which) in enumerate(steps):
        if kind == "set":
            w.set(n)
            value, seen = n, [False] * len(seen)
        elif kind == "watch":
            all_watchers.append(w.watch(current=bool(which % 2)))
            seen.append(not which % 2)
        else:
            i = which % len(seen)
            assert all_watchers[i].try_changed() == (EMPTY if seen[i] else value)
            seen[i] = True
        assert w.value == value


async def test_a_storm_of_cancels_loses_no_last_value(spawn: Spawn, rng: random.Random) -> None:
    w = Watch(0)
    following = [spawn(follow, w.watch()) for _ in range(3)]
    come_and_go = []
    for n in range(1, 300):
        come_and_go.append(spawn(changed, w.watch()))
        rng.choice(come_and_go[-8:]).cancel()
        w.set(n)
        await asyncio.sleep(0)
    for one in come_and_go:
        one.cancel()
    for one in come_and_go:
        await outcome(one)
    w.close()
    assert [(await one)[-1] for one in following] == [299] * 3


@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_loops_and_threads_watch_and_set(loop: str) -> None:
    w = Watch((0, 0))
    rounds = 300

    async def set_it(party: Party, i: int) -> None:
        for n in range(1, rounds):
            w.set((i, n))
            if not party.blocks:
                await asyncio.sleep(0)

    async def follow_there(party: Party, watcher: Watcher[tuple[int, int]]) -> list[tuple[int, int]]:
        return list(watcher) if party.blocks else [value async for value in watcher]

    following = [Party(kind, loop, follow_there, w.watch()) for kind in (*KINDS, "thread")]
    setters = [Party(kind, loop, set_it, i) for i, kind in enumerate(KINDS)]
    for setter in setters:
        setter.join()
    w.close()
    for one in following:
        seen = one.join()
        assert seen[-1] == w.value
        for i in range(len(KINDS)):
            of_one = [n for setter, n in seen if setter == i]
            assert of_one == sorted(set(of_one))


async def test_a_loop_is_not_blocked() -> None:
    with pytest.raises(SyncOnLoop, match="await"):
        Watch(0).watch().changed_blocking()


def test_mistakes_are_refused() -> None:
    w = Watch(0)
    with pytest.raises(TypeError, match="current is True or False"):
        w.watch(current=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="copied"):
        copy.copy(w)
    with pytest.raises(TimeoutError):
        w.watch().changed_blocking(timeout=0)
