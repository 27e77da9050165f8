"""Mutex, RWMutex and the weighted semaphore: in order, never lost, never given twice, whoever is cancelled meanwhile.

Each test runs in goroutines, in asyncio tasks and mixed, on both loops.
Not here: histories of locks on threads (test_locks_threads.py).
"""

from __future__ import annotations

import asyncio
import copy
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from helpers import cancel_storm, outcome, settle, until
from hypothesis import given, settings
from hypothesis import strategies as st
from parties import PATIENCE

import goish
from goish import chan, gosched, run, select, select_blocking, try_select
from goish.errors import SyncOnLoop
from goish.semaphore import Weighted
from goish.sync import Event, Latch, Mutex, RWMutex, WaitGroup

Spawn = Callable[..., Any]


# ── Mutex ──


async def test_a_mutex_goes_to_its_waiters_in_their_order(spawn: Spawn) -> None:
    mu = Mutex()
    order: list[int] = []

    async def enter(i: int) -> None:
        async with mu:
            order.append(i)
            await asyncio.sleep(0)

    await mu.lock()
    entrants = []
    for i in range(10):
        entrants.append(spawn(enter, i))
        await until(lambda: mu.waiting == len(entrants))
    mu.unlock()
    assert not mu.try_lock(), "handed over: nobody comes between"
    for entrant in entrants:
        await entrant
    assert order == list(range(10))
    assert not mu.locked()


async def test_one_at_a_time_is_in_a_mutex(spawn: Spawn) -> None:
    mu = Mutex()
    inside = most = 0

    async def enter() -> None:
        nonlocal inside, most
        for _ in range(20):
            async with mu:
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

    for entrant in [spawn(enter) for _ in range(10)]:
        await entrant
    assert most == 1


async def test_a_cancelled_waiter_leaves_the_mutex_to_the_next(spawn: Spawn) -> None:
    mu = Mutex()
    await mu.lock()
    first, second = spawn(mu_enter, mu), spawn(mu_enter, mu)
    await until(lambda: mu.waiting == 2)
    first.cancel()
    await until(lambda: mu.waiting == 1)
    mu.unlock()
    assert await outcome(first) is asyncio.CancelledError
    await second
    assert not mu.locked()


@pytest.mark.parametrize("cancel_first", [True, False])
async def test_a_cancel_of_the_first_and_an_unlock_in_one_turn_let_one_in_that_has_just_come(
    spawn: Spawn, cancel_first: bool
) -> None:
    """anyio#1145: the lock was handed to the cancelled head, or to nobody, and all who came then waited for ever."""
    mu = Mutex()
    await mu.lock()
    first = spawn(mu_enter, mu)
    await until(lambda: mu.waiting == 1)
    second = spawn(mu_enter, mu)  # has not run yet
    if cancel_first:
        first.cancel()
        mu.unlock()
    else:
        mu.unlock()
        first.cancel()
    await second
    await outcome(first)
    assert repr(mu) == "<Mutex unlocked waiting=0>"


async def test_a_cancel_behind_the_hand_over_is_late(spawn: Spawn) -> None:
    """The waiter has the lock; the cancel comes at its next wait, and the lock goes on to the next."""
    mu = Mutex()
    entered: list[str] = []

    async def enter(name: str) -> None:
        async with mu:
            entered.append(name)
            await asyncio.sleep(0)
            await gosched()

    await mu.lock()
    first, second = spawn(enter, "first"), spawn(enter, "second")
    await until(lambda: mu.waiting == 2)
    mu.unlock()
    first.cancel()
    assert await outcome(first) is asyncio.CancelledError
    await second
    assert entered == ["first", "second"]
    assert not mu.locked()


async def mu_enter(mu: Mutex) -> None:
    async with mu:
        pass


async def test_unlock_of_an_unlocked_mutex_is_refused_and_changes_nothing() -> None:
    mu = Mutex()
    with pytest.raises(RuntimeError, match="not locked"):
        mu.unlock()
    assert mu.try_lock()
    assert not mu.try_lock()


async def test_a_lock_is_released_by_an_exception_in_its_block() -> None:
    mu = Mutex()
    with pytest.raises(LookupError):
        async with mu:
            raise LookupError
    assert not mu.locked()


# ── as cases of a select ──


async def test_a_lock_that_loses_its_select_is_not_held(spawn: Spawn) -> None:
    mu, other = Mutex(), chan(1)
    await mu.lock()
    chosen = spawn(select_of, mu.lock(), other.recv())
    await until(lambda: mu.waiting == 1)
    other.try_send("v")
    assert await chosen == (1, "v", True)
    assert mu.waiting == 0
    mu.unlock()
    assert not mu.locked()


async def test_a_lock_that_wins_its_select_is_held_and_the_others_are_untouched(spawn: Spawn) -> None:
    mu, other = Mutex(), chan()
    await mu.lock()
    chosen = spawn(select_of, other.recv(), mu.lock())
    await until(lambda: mu.waiting == 1)
    mu.unlock()
    assert await chosen == (1, None, True)
    assert mu.locked()
    assert other.statistics().receivers_waiting == 0
    mu.unlock()


async def select_of(*cases: Any) -> Any:
    return await select(*cases)


async def test_a_waiter_behind_a_select_that_was_decided_elsewhere_gets_its_turn(spawn: Spawn) -> None:
    """Its dead case stands first in the queue, and needs more than there is."""
    sem, other = Weighted(2), chan(1)
    await sem.acquire(1)
    chosen = spawn(select_of, sem.acquire(2), other.recv())
    await until(lambda: sem.waiting == 1)
    small = spawn(take, sem, 1)
    await until(lambda: sem.waiting == 2)
    other.try_send("v")
    assert await chosen == (1, "v", True)
    await small
    assert sem.free == 0


async def take(sem: Weighted, n: int) -> None:
    await sem.acquire(n)


async def test_every_kind_of_wait_is_a_case_and_one_commits() -> None:
    mu, rw, sem, wg = Mutex(), RWMutex(), Weighted(1), WaitGroup()
    done = goish.go(settle)
    await done
    for _ in range(50):
        cases = [mu.lock(), rw.lock(), rw.rlock(), sem.acquire(), wg.wait(), goish.ended(done)]
        index, value, ok = await select(*cases)
        held = [mu.locked(), rw.locked(), rw.readers > 0, sem.free == 0]
        assert held == [index == i for i in range(4)]
        assert (value, ok) == (None, index != 5)
        for i, release in enumerate((mu.unlock, rw.unlock, rw.runlock, sem.release)):
            if index == i:
                release()


async def test_a_select_that_does_not_wait_takes_a_lock_or_leaves_it() -> None:
    mu = Mutex()
    assert try_select(mu.lock()) == (0, None, True)
    assert try_select(mu.lock()) == (-1, None, False)
    assert await select(mu.lock(), default=True) == (-1, None, False)


# ── RWMutex ──


async def test_readers_share_and_a_writer_is_alone(spawn: Spawn) -> None:
    rw = RWMutex()
    readers = writers = 0

    async def read() -> None:
        nonlocal readers
        for _ in range(10):
            async with rw.rlocker():
                readers += 1
                assert writers == 0
                await asyncio.sleep(0)
                readers -= 1

    async def write() -> None:
        nonlocal writers
        for _ in range(10):
            async with rw:
                writers += 1
                assert (readers, writers) == (0, 1)
                await asyncio.sleep(0)
                writers -= 1

    for party in [spawn(fn) for fn in (read, write, read, read, write)]:
        await party
    assert (rw.locked(), rw.readers, rw.waiting) == (False, 0, 0)


async def test_a_waiting_writer_holds_up_readers_that_come_after_it(spawn: Spawn) -> None:
    rw = RWMutex()
    await rw.rlock()
    writer = spawn(lock_of, rw.lock())
    await until(lambda: rw.waiting == 1)
    assert not rw.try_rlock()
    reader = spawn(lock_of, rw.rlock())
    await until(lambda: rw.waiting == 2)
    rw.runlock()
    await writer
    assert rw.locked()
    rw.unlock()
    await reader
    assert rw.readers == 1


async def lock_of(op: Any) -> None:
    await op


async def test_readers_behind_a_writer_that_gives_up_read_on(spawn: Spawn) -> None:
    rw = RWMutex()
    await rw.rlock()
    writer = spawn(lock_of, rw.lock())
    await until(lambda: rw.waiting == 1)
    readers = [spawn(lock_of, rw.rlock()) for _ in range(3)]
    await until(lambda: rw.waiting == 4)
    writer.cancel()
    for reader in readers:
        await reader
    assert rw.readers == 4


async def test_a_lock_for_readers_refuses_the_wrong_release() -> None:
    rw = RWMutex()
    with pytest.raises(RuntimeError, match="no writer"):
        rw.unlock()
    with pytest.raises(RuntimeError, match="no reader"):
        rw.runlock()
    async with rw:
        with pytest.raises(RuntimeError, match="no reader"):
            rw.runlock()
    async with rw.rlocker():
        with pytest.raises(RuntimeError, match="no writer"):
            rw.unlock()


# ── Weighted ──


async def test_a_large_request_is_not_starved_by_small_ones(spawn: Spawn) -> None:
    sem = Weighted(3)
    await sem.acquire(2)
    large = spawn(take, sem, 3)
    await until(lambda: sem.waiting == 1)
    assert not sem.try_acquire(1), "though one is free: the large request was first"
    sem.release(2)
    await large
    assert sem.free == 0


@pytest.mark.parametrize("cancelled", [True, False])
async def test_between_a_release_and_the_wake_of_its_waiter_nobody_else_has_the_unit(
    spawn: Spawn, cancelled: bool
) -> None:
    """anyio#1170: one that came between was granted it too, and fewer than none were free."""
    sem = Weighted(1)
    await sem.acquire()
    waiter = spawn(take, sem, 1)
    await until(lambda: sem.waiting == 1)
    late = spawn(take, sem, 1)  # has not run yet
    sem.release()
    assert not sem.try_acquire()
    assert sem.free == 0
    if cancelled:
        waiter.cancel()
    await outcome(waiter)
    assert sem.free == 0
    await until(lambda: sem.waiting == 1)
    sem.release()
    await late
    assert (sem.free, sem.waiting) == (0, 0)


async def test_a_request_for_more_than_there_are_waits_and_holds_up_nobody(spawn: Spawn) -> None:
    sem = Weighted(2)
    never = spawn(take, sem, 3)
    await settle()
    await sem.acquire(2)
    assert not never.done()
    never.cancel()
    assert await outcome(never) is asyncio.CancelledError
    assert sem.free == 0


@pytest.mark.parametrize("n", [-1, True, 1.5, "1", None])
def test_a_number_of_units_is_checked(n: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="units"):
        Weighted(n)
    with pytest.raises((TypeError, ValueError), match="units"):
        Weighted(1).try_acquire(n)
    with pytest.raises((TypeError, ValueError), match="units"):
        Weighted(1).release(n)


def test_more_units_than_are_taken_cannot_be_released() -> None:
    sem = Weighted(2)
    assert sem.try_acquire(1)
    with pytest.raises(ValueError, match="release of 2 units, but 1 are taken"):
        sem.release(2)
    assert sem.free == 1


def test_no_units_are_taken_at_once() -> None:
    sem = Weighted(0)
    assert sem.try_acquire(0)
    assert not sem.try_acquire(1)


@pytest.mark.parametrize("make", [Mutex, RWMutex, lambda: Weighted(1)])
def test_a_lock_cannot_be_copied(make: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match="copied"):
        copy.copy(make())


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 5), st.lists(st.tuples(st.sampled_from("atrc"), st.integers(0, 4)), max_size=40))
def test_a_semaphore_does_what_its_model_does(size: int, steps: list[tuple[str, int]]) -> None:
    """The model: a number of units, and a list of those that wait, of which the first is served first."""

    async def main() -> None:
        sem, free, held = Weighted(size), size, 0
        line: list[tuple[Any, int]] = []

        async def acquire(n: int) -> None:
            await sem.acquire(n)

        for kind, n in steps:
            if kind == "a" and n <= size:
                line.append((goish.go(acquire, n), n))
            elif kind == "t":
                taken = n <= size and not line and n <= free
                assert sem.try_acquire(n) == taken
                free -= n if taken else 0
                held += n if taken else 0
            elif kind == "r":
                n = min(n, held)
                sem.release(n)
                free, held = free + n, held - n
            elif kind == "c" and line:
                g, _ = line.pop(n % len(line))
                g.cancel()
            while line and line[0][1] <= free:
                g, n = line.pop(0)
                await g
                free, held = free - n, held + n
            await settle(2)
            assert (sem.free, sem.waiting) == (free, len(line))
            assert not any(g.done() for g, _ in line)
        for g, _ in line:
            g.cancel()

    run(main)


# ── storms ──


async def test_a_storm_of_cancels_loses_no_unit(spawn: Spawn, rng: random.Random) -> None:
    sem, mu, rw = Weighted(3), Mutex(), RWMutex()

    async def party() -> None:
        while True:
            op = rng.randrange(4)
            if op == 0:
                n = rng.randint(1, 3)
                await sem.acquire(n)
                try:
                    await asyncio.sleep(0)
                finally:
                    sem.release(n)
            elif op == 1:
                async with mu:
                    await gosched()
            elif op == 2:
                async with rw.rlocker() if rng.random() < 0.7 else rw:
                    await asyncio.sleep(0)
            else:
                index, _, _ = await select(mu.lock(), sem.acquire(), rw.rlock())
                (mu.unlock, sem.release, rw.runlock)[index]()

    await cancel_storm(spawn, party, rng, crowd=20, rounds=400)
    assert (sem.free, mu.locked(), rw.locked(), rw.readers) == (3, False, False, 0)
    assert (sem.waiting, mu.waiting, rw.waiting) == (0, 0, 0)


# ── threads and other loops ──


def test_loops_and_threads_share_a_mutex() -> None:
    mu = Mutex()
    count = 0
    rounds = 200

    async def on_a_loop() -> None:
        nonlocal count
        for _ in range(rounds):
            async with mu:
                before = count
                await asyncio.sleep(0)
                count = before + 1

    def on_a_thread() -> None:
        nonlocal count
        for _ in range(rounds):
            with mu:
                count += 1

    async def both() -> None:
        await goish.wait_all(goish.go(on_a_loop), goish.go(on_a_loop))

    threads = [threading.Thread(target=run, args=(both,)), threading.Thread(target=asyncio.run, args=(on_a_loop(),))]
    threads += [threading.Thread(target=on_a_thread) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "it hangs"
    assert count == 5 * rounds
    assert not mu.locked()


def test_a_thread_gives_up_in_time_and_leaves_the_lock_to_others() -> None:
    mu = Mutex()
    assert mu.try_lock()
    with pytest.raises(TimeoutError):
        mu.lock_blocking(timeout=0.001)
    with pytest.raises(TimeoutError):
        select_blocking(mu.lock(), timeout=0.001)
    assert mu.waiting == 0
    mu.unlock()
    mu.lock_blocking(timeout=0)
    assert mu.locked()


async def test_a_loop_is_not_blocked_by_a_lock() -> None:
    mu = Mutex()
    with pytest.raises(SyncOnLoop, match="async with"), mu:
        pass
    with pytest.raises(SyncOnLoop, match="await"):
        mu.lock_blocking()
    assert not mu.locked()


def test_a_lock_passes_over_a_waiter_whose_loop_was_closed() -> None:
    mu = Mutex()
    assert mu.try_lock()
    loop = asyncio.new_event_loop()
    task = loop.create_task(mu_enter(mu))
    loop.call_soon(loop.call_soon, loop.stop)
    loop.run_forever()
    assert mu.waiting == 1
    loop.close()
    mu.unlock()
    assert mu.try_lock()
    task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_a_lock_that_a_closed_loop_was_given_goes_on_to_the_next() -> None:
    """The hand-over is on its way to the loop as that is closed."""
    mu = Mutex()
    assert mu.try_lock()
    loop = goish.new_event_loop()
    task = loop.create_task(mu_enter(mu))
    loop.call_soon(loop.call_soon, loop.stop)
    loop.run_forever()
    thread = threading.Thread(target=mu.unlock)
    thread.start()
    thread.join()
    loop.close()
    assert mu.try_lock()
    task._log_destroy_pending = False  # type: ignore[attr-defined]


async def test_waiting_tells_how_many_wait(spawn: Spawn) -> None:
    mu, rw, sem, event, wg, latch = Mutex(), RWMutex(), Weighted(1), Event(), WaitGroup(), Latch(1)
    await mu.lock()
    await rw.lock()
    await sem.acquire()
    wg.add(1)
    waits: list[Callable[[], Any]] = [mu.lock, rw.lock, rw.rlock, sem.acquire, event.wait, wg.wait, latch.wait]
    things: list[Any] = [mu, rw, sem, event, wg, latch]
    assert [thing.waiting for thing in things] == [0] * 6
    waiters = [spawn(outcome, wait()) for wait in waits]
    await until(lambda: [thing.waiting for thing in things] == [1, 2, 1, 1, 1, 1])
    greedy = spawn(outcome, sem.acquire(2))  # more than there are: it holds up nobody
    await settle()
    assert sem.waiting == 1
    for waiter in (*waiters, greedy):
        waiter.cancel()
    await until(lambda: [thing.waiting for thing in things] == [0] * 6)
