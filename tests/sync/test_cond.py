"""Cond: no signal is lost or used twice, and wait() is left with the lock held, whatever ends it."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from helpers import outcome, settle, until, until_elsewhere
from hypothesis import given, settings
from hypothesis import strategies as st
from parties import KINDS, PATIENCE, Party

import goish
from goish import chan, go, go_thread, gosched, run, select
from goish.errors import SyncOnLoop
from goish.sync import Cond, Mutex, RWMutex

Spawn = Callable[..., Any]
LOCKS: dict[str, Callable[[], Any]] = {
    "mutex": Mutex,
    "rwmutex": RWMutex,
    "rlocker": lambda: RWMutex().rlocker(),
}


async def wait_once(cond: Cond, log: list[int], i: int) -> None:
    async with cond:
        await cond.wait()
        log.append(i)


@pytest.mark.parametrize("make", LOCKS.values(), ids=LOCKS)
async def test_a_signal_wakes_the_first_waiter_and_a_broadcast_all(spawn: Spawn, make: Callable[[], Any]) -> None:
    cond = Cond(make())
    log: list[int] = []
    waiters = []
    for i in range(5):
        waiters.append(spawn(wait_once, cond, log, i))
        await until(lambda: cond.waiting == len(waiters))
    cond.signal()
    await waiters[0]
    async with cond:
        cond.signal()
    await waiters[1]
    assert log == [0, 1]
    cond.broadcast()
    for waiter in waiters:
        await waiter
    assert sorted(log) == [0, 1, 2, 3, 4]
    cond.signal()  # nobody waits: it is lost
    late = spawn(wait_once, cond, log, 5)
    await until(lambda: cond.waiting == 1)
    await settle()
    assert not late.done()
    cond.signal()
    await late


@pytest.mark.parametrize("make", LOCKS.values(), ids=LOCKS)
async def test_a_wait_without_the_lock_is_refused(make: Callable[[], Any]) -> None:
    cond = Cond(make())
    with pytest.raises(RuntimeError, match="not locked"):
        await cond.wait()
    assert cond.waiting == 0


async def test_a_reader_waits_for_a_cond_of_readers_only() -> None:
    rw = RWMutex()
    async with rw:
        with pytest.raises(RuntimeError, match="not locked"):
            await Cond(rw.rlocker()).wait()
    async with rw.rlocker():
        with pytest.raises(RuntimeError, match="not locked"):
            await Cond(rw).wait()


async def test_the_lock_is_free_while_one_waits_and_held_afterwards(spawn: Spawn) -> None:
    cond = Cond(Mutex())
    held: list[bool] = []

    async def wait() -> None:
        async with cond:
            await cond.wait()
            held.append(cond.mu.locked())

    waiter = spawn(wait)
    await until(lambda: cond.waiting == 1)
    assert not cond.mu.locked()
    async with cond:
        cond.signal()
        await settle()
        assert not waiter.done(), "it has not got the lock yet"
    await waiter
    assert held == [True]
    assert not cond.mu.locked()


async def test_a_cancel_before_the_signal_leaves_the_lock_held(spawn: Spawn) -> None:
    cond = Cond(Mutex())
    held: list[bool] = []

    async def wait() -> None:
        async with cond:
            try:
                await cond.wait()
            finally:
                held.append(cond.mu.locked())

    waiter = spawn(wait)
    await until(lambda: cond.waiting == 1)
    async with cond:
        waiter.cancel()
        await settle()
        assert not waiter.done(), "it takes the lock first"
        waiter.cancel()  # once more, while it does
        await settle()
        assert not waiter.done()
    assert await outcome(waiter) is asyncio.CancelledError
    assert held == [True]
    assert (cond.waiting, cond.mu.locked()) == (0, False)


async def test_a_signal_of_a_cancelled_waiter_goes_to_the_next(spawn: Spawn) -> None:
    """cpython#112202: the waiter had been given the signal, and was cancelled while it took the lock."""
    cond = Cond(Mutex())
    log: list[int] = []
    first, second = spawn(wait_once, cond, log, 1), spawn(wait_once, cond, log, 2)
    await until(lambda: cond.waiting == 2)
    async with cond:
        cond.signal()
        await settle()  # the first has it, and waits for the lock
        first.cancel()
        await settle()
    assert await outcome(first) is asyncio.CancelledError
    await second
    assert log == [2]


async def test_a_cancel_in_the_turn_of_the_signal_loses_nothing(spawn: Spawn) -> None:
    cond = Cond(Mutex())
    log: list[int] = []
    first, second = spawn(wait_once, cond, log, 1), spawn(wait_once, cond, log, 2)
    await until(lambda: cond.waiting == 2)
    cond.signal()
    first.cancel()
    await settle()
    await outcome(first)
    assert len(log) == 1, "the first used it, or the second was given it"
    cond.broadcast()
    await outcome(second)


async def test_a_cancel_behind_a_broadcast_wakes_nobody_else(spawn: Spawn) -> None:
    cond = Cond(Mutex())
    log: list[int] = []
    first = spawn(wait_once, cond, log, 1)
    await until(lambda: cond.waiting == 1)
    async with cond:
        cond.broadcast()
        await settle()
        late = spawn(late_wait, cond, log)
        await settle()
        first.cancel()
        await settle()
    await outcome(first)
    await until(lambda: cond.waiting == 1)
    await settle()
    assert not late.done()
    cond.signal()
    await late


async def late_wait(cond: Cond, log: list[int]) -> None:
    await wait_once(cond, log, 2)


async def test_a_cancel_that_is_due_does_not_take_the_lock_twice(spawn: Spawn) -> None:
    """The wait never began: the lock was not given back."""
    cond = Cond(Mutex())

    async def wait() -> None:
        this = asyncio.current_task()
        assert this is not None
        async with cond:
            this.cancel()
            await cond.wait()

    assert await outcome(spawn(wait)) is asyncio.CancelledError
    assert (cond.waiting, cond.mu.locked()) == (0, False)


async def test_a_wait_for_a_predicate(spawn: Spawn) -> None:
    cond = Cond(Mutex())
    items: list[int] = []

    async def take() -> list[int]:
        async with cond:
            return await cond.wait_for(lambda: items)

    taker = spawn(take)
    await until(lambda: cond.waiting == 1)
    async with cond:
        cond.signal()
    await until(lambda: cond.waiting == 1)
    async with cond:
        items.append(1)
        cond.signal()
    assert await taker == [1]


async def test_a_signal_is_a_case_of_a_select(spawn: Spawn) -> None:
    cond, other = Cond(Mutex()), chan(1)

    async def choose() -> Any:
        return await select(cond.signalled(), other.recv())

    first, second = spawn(choose), spawn(choose)
    await until(lambda: cond.waiting == 2)
    cond.signal()
    assert await first == (0, None, True)
    other.try_send(1)
    assert await second == (1, 1, True)
    assert cond.waiting == 0


async def test_a_signal_passes_over_a_select_that_was_decided_elsewhere(spawn: Spawn) -> None:
    cond, other = Cond(Mutex()), chan()
    log: list[int] = []

    async def choose() -> Any:
        return await select(cond.signalled(), other.recv())

    chosen = spawn(choose)
    await until(lambda: cond.waiting == 1)
    waiter = spawn(wait_once, cond, log, 1)
    await until(lambda: cond.waiting == 2)
    other.try_send(1)
    cond.signal()
    assert await chosen == (1, 1, True)
    await waiter


@pytest.mark.parametrize("mu", [None, threading.Lock(), "mutex"])
def test_a_cond_needs_a_lock_of_goish(mu: Any) -> None:
    with pytest.raises(TypeError, match=r"rw\.rlocker"):
        Cond(mu)


# ── threads ──


def test_a_thread_gives_up_in_time_with_the_lock_held() -> None:
    cond = Cond(Mutex())
    with cond:
        with pytest.raises(TimeoutError):
            cond.wait_blocking(timeout=0.001)
        assert cond.mu.locked()
        with pytest.raises(TimeoutError):
            cond.wait_for_blocking(lambda: False, timeout=0.001)
    with pytest.raises(RuntimeError, match="not locked"):
        cond.wait_blocking()
    assert (cond.waiting, cond.mu.locked()) == (0, False)


async def test_a_loop_is_not_blocked_by_a_cond() -> None:
    cond = Cond(Mutex())
    with pytest.raises(SyncOnLoop, match="async with"), cond:
        pass
    async with cond:
        with pytest.raises(SyncOnLoop, match="await"):
            cond.wait_blocking()
        assert cond.mu.locked()


@pytest.mark.parametrize("taker", KINDS)
@pytest.mark.parametrize("giver", KINDS)
def test_signals_cross_threads_and_none_is_lost(taker: str, giver: str) -> None:
    cond = Cond(Mutex())
    rounds = 100
    items: list[int] = []

    async def take(party: Party) -> list[int]:
        taken: list[int] = []
        while len(taken) < rounds:
            if party.kind == "thread":
                with cond:
                    cond.wait_for_blocking(lambda: items)
                    taken.append(items.pop(0))
            else:
                async with cond:
                    await cond.wait_for(lambda: items)
                    taken.append(items.pop(0))
        return taken

    async def give(party: Party) -> None:
        for i in range(rounds):
            if party.kind == "thread":
                with cond:
                    items.append(i)
                    cond.signal()
            else:
                async with cond:
                    items.append(i)
                    cond.signal()

    parties = [Party(taker, "asyncio", take), Party(giver, "uvloop", give)]
    assert parties[0].join() == list(range(rounds))
    parties[1].join()


def test_a_signal_passes_over_a_waiter_whose_loop_was_closed() -> None:
    cond = Cond(Mutex())
    loop = asyncio.new_event_loop()
    task = loop.create_task(wait_once(cond, [], 0))
    loop.call_soon(loop.call_soon, loop.stop)
    loop.run_forever()
    loop.close()
    assert cond.waiting == 1
    got: list[int] = []
    thread = threading.Thread(target=wait_on_a_thread, args=(cond, got))
    thread.start()
    while cond.waiting < 2:
        pass
    cond.signal()
    thread.join(PATIENCE)
    assert got == [1]
    task._log_destroy_pending = False  # type: ignore[attr-defined]


@pytest.mark.parametrize("with_lock", [True, False])
def test_a_signal_that_a_closed_loop_was_given_goes_on_to_the_next(with_lock: bool) -> None:
    """The signal is on its way to the loop as that is closed."""

    async def signalled() -> None:
        await cond.signalled()

    cond = Cond(Mutex())
    loop = goish.new_event_loop()
    task = loop.create_task(wait_once(cond, [], 0) if with_lock else signalled())
    loop.call_soon(loop.call_soon, loop.stop)
    loop.run_forever()
    got: list[int] = []
    waiting = threading.Thread(target=wait_on_a_thread, args=(cond, got), daemon=True)
    waiting.start()
    while cond.waiting < 2:
        pass
    signalling = threading.Thread(target=cond.signal)
    signalling.start()
    signalling.join()
    assert cond.waiting == 1
    loop.close()
    waiting.join(PATIENCE)
    assert got == [1]
    task._log_destroy_pending = False  # type: ignore[attr-defined]


@pytest.mark.parametrize("taken", [True, False])
@pytest.mark.parametrize("name", LOCKS)
async def test_a_wait_that_is_closed_unlocks_nothing_of_others(name: str, taken: bool) -> None:
    """It cannot wait for the lock, which it leaves as if it had it."""
    rw = RWMutex()
    mu: Any = {"mutex": Mutex(), "rwmutex": rw, "rlocker": rw.rlocker()}[name]
    cond = Cond(mu)
    coro = wait_once(cond, [], 0)
    coro.send(None).add_done_callback(print)
    assert cond.waiting == 1
    other = rw if name == "rlocker" else mu
    if taken:
        assert other.try_lock()
    coro.close()
    assert cond.waiting == 0
    if taken:
        assert not other.try_lock()
        other.unlock()
    assert other.try_lock()
    other.unlock()
    with pytest.raises(RuntimeError, match="unlock"):
        mu.unlock()


@pytest.mark.parametrize("name", LOCKS)
async def test_a_waiter_that_is_closed_as_it_takes_the_lock_passes_its_signal_on(name: str) -> None:
    rw = RWMutex()
    mu: Any = {"mutex": Mutex(), "rwmutex": rw, "rlocker": rw.rlocker()}[name]
    other = rw if name == "rlocker" else mu
    cond = Cond(mu)
    log: list[int] = []
    coro = wait_once(cond, log, 1)
    coro.send(None).add_done_callback(print)
    second = go(wait_once, cond, log, 2)
    await until(lambda: cond.waiting == 2)
    assert other.try_lock()
    cond.signal()
    coro.send(None).add_done_callback(print)  # it waits for the lock
    assert cond.waiting == 1
    coro.close()
    assert cond.waiting == 0
    other.unlock()
    await second
    assert log == [2]
    assert other.try_lock()


async def test_a_waiter_that_is_thrown_an_error_as_it_takes_the_lock_unlocks_nothing_of_others() -> None:
    cond = Cond(Mutex())
    coro = wait_once(cond, [], 1)
    coro.send(None).add_done_callback(print)
    assert cond.mu.try_lock()
    cond.signal()
    coro.send(None).add_done_callback(print)
    with pytest.raises(LookupError):
        coro.throw(LookupError)
    assert cond.mu.locked()
    cond.mu.unlock()
    assert cond.mu.try_lock()


def wait_on_a_thread(cond: Cond, got: list[int]) -> None:
    with cond:
        cond.wait_blocking()
        got.append(1)


async def test_a_signal_of_a_cancelled_call_on_a_thread_goes_to_the_next(spawn: Spawn) -> None:
    """The call had been given the signal, and was cancelled while it took the lock."""
    mu = Mutex()
    cond = Cond(mu)
    got: list[int] = []
    first = go_thread(wait_on_a_thread, cond, got)
    await until_elsewhere(lambda: cond.waiting == 1)
    second = spawn(wait_once, cond, got, 2)
    await until(lambda: cond.waiting == 2)
    async with cond:
        cond.signal()
        await until_elsewhere(lambda: mu.waiting == 1)
        first.cancel()
    assert await outcome(first) is asyncio.CancelledError
    await second
    assert (got, mu.locked()) == ([2], False)


# ── the model, and storms ──


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("wwsbc"), st.integers(0, 9)), max_size=40))
def test_a_cond_does_what_its_model_does(steps: list[tuple[str, int]]) -> None:
    """The model: a list of those that wait; a signal takes the first, a broadcast all."""

    async def main() -> None:
        cond = Cond(Mutex())
        line: list[Any] = []
        for kind, n in steps:
            woken: list[Any] = []
            if kind == "w":
                line.append(go(wait_once, cond, [], 0))
            elif kind == "s":
                cond.signal()
                woken, line = line[:1], line[1:]
            elif kind == "b":
                cond.broadcast()
                woken, line = line, []
            elif line:
                g = line.pop(n % len(line))
                g.cancel()
                assert await outcome(g) is asyncio.CancelledError
            for g in woken:
                await g
            await settle(2)
            assert (cond.waiting, cond.mu.locked()) == (len(line), False)
            assert not any(g.done() for g in line)
        for g in line:
            g.cancel()

    run(main)


async def test_a_storm_of_cancels_loses_no_item(spawn: Spawn, rng: random.Random) -> None:
    cond = Cond(Mutex())
    items: list[int] = []
    taken: list[int] = []

    async def take() -> None:
        while True:
            async with cond:
                await cond.wait_for(lambda: items)
                taken.append(items.pop())
            await gosched()

    everyone = [spawn(take) for _ in range(10)]
    for i in range(300):
        async with cond:
            items.append(i)
            cond.signal()
        rng.choice(everyone[-10:]).cancel()
        if rng.random() < 0.5:
            await asyncio.sleep(0)
        everyone.append(spawn(take))
    await until(lambda: not items)
    for one in everyone:
        one.cancel()
    for one in everyone:
        await outcome(one)
    assert sorted(taken) == list(range(300))
    assert (cond.waiting, cond.mu.locked()) == (0, False)


async def test_a_goroutine_may_hold_a_lock_across_an_await_beside_threads() -> None:
    """aiologic#38: a thread waits for the lock that a goroutine holds across an await; the loop goes on."""
    mu = Mutex()
    got: list[str] = []

    def on_a_thread() -> None:
        with mu:
            got.append("thread")

    async with mu:
        thread = threading.Thread(target=on_a_thread)
        thread.start()
        with pytest.raises(SyncOnLoop, match="await"):
            mu.lock_blocking()
        await goish.sleep(0.001)
        got.append("goroutine")
    await asyncio.to_thread(thread.join, PATIENCE)
    assert got == ["goroutine", "thread"]


async def test_goroutines_of_one_thread_take_one_lock_in_turn(spawn: Spawn) -> None:
    """filelock#675: the owner is the goroutine, not the thread; to wait for another's is no deadlock."""
    mu = Mutex()
    inside: list[int] = []

    async def enter(i: int) -> None:
        async with mu:
            inside.append(i)
            await settle()

    for one in [spawn(enter, i) for i in range(3)]:
        await one
    assert sorted(inside) == [0, 1, 2]
