"""Dumps, deadlock reports and lock_cycles() name the holder of a lock, a goroutine or a thread."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from helpers import settle, until

import goish
from goish import DeadlockError, go
from goish._inspect.dump import describe
from goish.debug import lock_cycles
from goish.runtime import goroutines
from goish.sync import Event, Mutex, RWMutex


def nowhere(_: object) -> None:
    return None


async def take(one: Any, other: Any) -> None:
    async with one:
        await goish.gosched()
        async with other:
            pass


def test_a_deadlock_names_the_holders_of_the_locks() -> None:
    a, b = Mutex(), Mutex()

    async def main() -> None:
        go.options(name="ba")(take, b, a)
        await take(a, b)

    with pytest.raises(DeadlockError) as caught:
        goish.run(main)
    assert "[sync (mutex), held by goroutine" in str(caught.value)
    assert "(ba)]" in str(caught.value)
    assert "(main)]" in str(caught.value)


async def test_a_dump_names_the_goroutine_or_the_thread_that_holds_a_lock() -> None:
    mu, go_on = Mutex(), Event()

    async def hold() -> None:
        async with mu:
            await go_on.wait()

    async def wait() -> None:
        async with mu:
            pass

    holder = go.options(name="holder")(hold)
    await settle()
    waiter = go.options(name="waiter")(wait)
    await settle()
    assert f"[sync (mutex), held by goroutine {holder.id} (holder)]" in describe(goroutines(), nowhere)
    go_on.set()
    await holder
    await waiter

    thread = threading.Thread(target=mu.lock_blocking, name="locker")
    thread.start()
    thread.join()
    waiter = go(wait)
    await settle()
    assert "[sync (mutex), held by " in describe(goroutines(), nowhere)
    mu.unlock()
    await waiter


async def test_a_ring_of_locks_is_found_while_others_go_on() -> None:
    a, b, c = Mutex(), RWMutex(), Mutex()
    ring = [go.options(name=name)(take, one, other) for name, one, other in (("1", a, b), ("2", b, c), ("3", c, a))]
    outside = go(take, Mutex(), a)
    await until(lambda: lock_cycles())
    assert [[g.name for g in found] for found in lock_cycles()] == [["1", "2", "3"]]
    for g in (outside, *ring):
        g.cancel()
    await settle()
    assert lock_cycles() == []
