"""One call for each key at a time: all callers have its result, and none is harmed by another that leaves.

The properties of Go's ``singleflight_test.go`` are among them.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from helpers import cancel_storm, fail, give, outcome, settle, until
from parties import PATIENCE
from parties import until as until_blocking

from goish import NIL, chan, go, go_thread, goexit, gosched, run, select
from goish.errors import SyncOnLoop
from goish.parallel import sync_scope
from goish.singleflight import Group, Result

Spawn = Callable[..., Any]


class Work:
    """Calls that wait at a gate; how many were begun, cancelled, and ended."""

    def __init__(self) -> None:
        self.gate = chan()
        self.begun = self.cancelled = 0

    async def __call__(self, value: Any = None) -> Any:
        self.begun += 1
        try:
            await self.gate.recv_ok()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return value


async def call(work: Work, value: Any = None) -> Any:
    return await work(value)


# ── Go's tests ──


async def test_do_gives_the_result() -> None:
    """TestDo, TestDoErr."""
    g = Group()
    assert await g.do("key", give, "bar") == "bar"
    error = LookupError("some")
    with pytest.raises(LookupError) as caught:
        await g.do("key", fail, error)
    assert caught.value is error
    assert len(g) == 0


async def test_calls_at_one_time_are_one_call(spawn: Spawn) -> None:
    """TestDoDupSuppress."""
    g, work = Group(), Work()
    callers = [spawn(g.do, "key", call, work, n) for n in range(10)]
    await until(lambda: work.begun)
    await settle()
    assert len(g) == 1
    work.gate.close()
    assert {await caller for caller in callers} == {0}
    assert work.begun == 1
    assert await g.do("key", give, "new") == "new", "the next starts anew"


async def test_a_forgotten_call_goes_on_beside_a_new_one(spawn: Spawn) -> None:
    """TestForget, TestForgetUnshared."""
    g, first, second = Group(), Work(), Work()
    old = spawn(g.do, "key", call, first, 1)
    await until(lambda: first.begun)
    g.forget("key")
    new = [spawn(g.do, "key", call, second, n) for n in (2, 3)]
    await until(lambda: second.begun)
    await settle()
    first.gate.close()
    assert await old == 1
    third = spawn(g.do, "key", call, second, 4)
    await settle()
    second.gate.close()
    assert [await one for one in (*new, third)] == [2, 2, 2]
    assert second.begun == 1
    g.forget("nothing")


async def test_a_channel_gets_the_result() -> None:
    """TestDoChan."""
    g = Group()
    assert await g.do_chan("key", give, "bar").recv() == Result("bar", None, False)
    error = LookupError("some")
    value, got, shared = await g.do_chan("key", fail, error).recv()
    assert (value, got, shared) == (None, error, False)
    work = Work()
    both = [g.do_chan("key", call, work, n) for n in (1, 2)]
    work.gate.close()
    assert [await results.recv() for results in both] == [Result(1, None, True)] * 2
    index, result, ok = await select(NIL.recv(), g.do_chan("key", give, 1).recv())
    assert (index, result.value, ok) == (1, 1, True)


async def test_an_exception_goes_to_all(spawn: Spawn) -> None:
    """TestPanicDo, TestPanicDoChan, TestPanicDoSharedByDoChan."""
    g = Group()
    error = LookupError("some")
    callers = [spawn(g.do, "key", fail, error) for _ in range(5)]
    results = g.do_chan("key", fail, error)
    assert [await outcome(caller) for caller in callers] == [LookupError] * 5
    assert (await results.recv()).error is error
    assert len(g) == 0


async def test_a_call_that_exits_leaves_no_caller_waiting(spawn: Spawn) -> None:
    """TestGoexitDo: here the callers get an error, as there is no result."""
    g = Group()

    async def leave() -> None:
        await asyncio.sleep(0)
        goexit()

    callers = [spawn(g.do, "key", leave) for _ in range(5)]
    assert [await outcome(caller) for caller in callers] == [RuntimeError] * 5


# ── callers that leave ──


async def test_a_cancelled_first_caller_harms_nobody(spawn: Spawn) -> None:
    """async-lru#697: the others have the result of the same call."""
    g, work = Group(), Work()
    first = spawn(g.do, "key", call, work, 1)
    await until(lambda: work.begun)
    others = [spawn(g.do, "key", call, work, n) for n in (2, 3)]
    await settle()
    first.cancel()
    assert await outcome(first) is asyncio.CancelledError
    work.gate.close()
    assert [await other for other in others] == [1, 1]
    assert (work.begun, work.cancelled) == (1, 0)


async def test_the_last_that_leaves_cancels_the_call_and_the_next_starts_anew(spawn: Spawn) -> None:
    g, work = Group(), Work()
    callers = [spawn(g.do, "key", call, work, n) for n in range(3)]
    await until(lambda: work.begun)
    await settle()
    for n, caller in enumerate(callers):
        assert work.cancelled == 0
        caller.cancel()
        assert await outcome(caller) is asyncio.CancelledError
        assert (len(g) == 0) == (n == 2)
    new = spawn(g.do, "key", call, work, "new")
    await until(lambda: work.begun == 2)
    assert work.cancelled == 1
    work.gate.close()
    assert await new == "new"


async def test_a_timeout_of_one_caller_is_its_own(spawn: Spawn) -> None:
    g, work = Group(), Work()
    patient = spawn(g.do, "key", call, work, 1)
    await until(lambda: work.begun)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await g.do("key", call, work, 2)
    work.gate.close()
    assert await patient == 1


async def test_the_end_of_a_scope_around_the_first_caller_harms_nobody(spawn: Spawn) -> None:
    g, work = Group(), Work()
    others: list[Any] = []
    with pytest.raises(ValueError, match="body"):  # noqa: PT012
        async with sync_scope():
            go(g.do, "key", call, work, 1)
            await until(lambda: work.begun)
            others.append(asyncio.get_running_loop().create_task(g.do("key", call, work, 2)))
            await settle()
            raise ValueError("body")
    work.gate.close()
    assert await others[0] == 1
    assert work.cancelled == 0


async def test_a_failure_after_all_have_left_is_logged(spawn: Spawn, caplog: pytest.LogCaptureFixture) -> None:
    g = Group()

    async def broken() -> None:
        try:
            await NIL.recv()
        finally:
            raise LookupError("at the end")

    caller = spawn(g.do, "key", broken)
    await settle()
    with caplog.at_level(logging.ERROR):
        caller.cancel()
        await outcome(caller)
        del caller
        await settle()
        gc.collect()
        await settle()
    assert any("LookupError" in (record.exc_text or str(record.exc_info)) for record in caplog.records)


async def test_a_call_that_is_cancelled_by_itself_ends_its_callers(spawn: Spawn) -> None:
    g = Group()

    async def stop() -> None:
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    callers = [spawn(g.do, "key", stop) for _ in range(3)]
    assert [await outcome(caller) for caller in callers] == [asyncio.CancelledError] * 3


# ── loops and threads ──


def test_loops_and_threads_share_a_call() -> None:
    g = Group()
    begun, hold = [], threading.Event()
    found: list[Any] = []

    def work(value: Any) -> Any:
        begun.append(value)
        hold.wait(PATIENCE)
        return value

    async def on_thread(value: Any) -> Any:
        return await go_thread(work, value)

    async def on_a_loop(n: int) -> None:
        found.append(await g.do("key", on_thread, n))

    def on_a_thread(n: int) -> None:
        found.append(g.do_blocking("key", work, n))

    threads = [threading.Thread(target=run, args=(on_a_loop, 1))]
    threads += [threading.Thread(target=lambda: asyncio.run(on_a_loop(2)))]
    threads += [threading.Thread(target=on_a_thread, args=(n,)) for n in (3, 4)]
    for thread in threads:
        thread.start()

    until_blocking(lambda: len(begun) == 1 and g._calls.get("key")._callers.load() == 4)  # type: ignore[union-attr]
    hold.set()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "it hangs"
    assert len(begun) == 1
    assert found == begun * 4


def test_where_the_loop_of_the_first_caller_ends_another_starts_anew() -> None:
    g = Group()
    begun = []
    entered, joined = threading.Event(), threading.Event()

    async def work(name: str) -> str:
        begun.append(name)
        entered.set()
        if name == "first":
            await NIL.recv()
        return name

    async def first() -> None:
        go(g.do, "key", work, "first")
        await go_thread(joined.wait, PATIENCE)

    async def second() -> None:
        waiter = go(g.do, "key", work, "second")
        await until(lambda: g._calls.get("key")._callers.load() == 2)  # type: ignore[union-attr]
        joined.set()
        assert await waiter == "second"

    threads = [threading.Thread(target=run, args=(first,))]
    threads[0].start()
    assert entered.wait(PATIENCE)
    threads.append(threading.Thread(target=run, args=(second,)))
    threads[1].start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "it hangs"
    assert begun == ["first", "second"]


async def test_blocking_calls_are_refused_on_a_loop() -> None:
    with pytest.raises(SyncOnLoop, match=r"await group\.do"):
        Group().do_blocking("key", int)


async def test_a_key_that_cannot_be_hashed_is_refused() -> None:
    g = Group()
    with pytest.raises(TypeError, match="a key is hashable, got \\[\\] of type list"):
        await g.do([], give, 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a key is hashable"):
        g.do_chan([], give, 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a key is hashable"):
        g.forget([])  # type: ignore[arg-type]


async def test_a_function_that_cannot_be_started_leaves_nothing() -> None:
    g = Group()
    for _ in range(2):
        with pytest.raises(TypeError, match="coroutine function"):
            await g.do("key", len, "x")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="coroutine function"):
            g.do_chan("key", len, "x")  # type: ignore[arg-type]
    assert len(g) == 0
    assert await g.do("key", give, 1) == 1


async def test_the_comparison_of_keys_may_call_the_group() -> None:
    g = Group()

    class Key:
        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            g.forget("other")
            return isinstance(other, Key)

    assert await g.do(Key(), give, 1) == 1
    work = Work()
    both = [g.do_chan(Key(), call, work, n) for n in (1, 2)]
    work.gate.close()
    assert [(await one.recv()).value for one in both] == [1, 1]


async def test_a_storm_of_cancels_leaves_no_call(spawn: Spawn, rng: random.Random) -> None:
    g = Group()
    active: dict[int, int] = {}

    async def work(key: int) -> int:
        active[key] = active.get(key, 0) + 1
        try:
            await asyncio.sleep(0)
            await gosched()
            if rng.random() < 0.1:
                raise LookupError
            return key
        finally:
            active[key] -= 1

    async def party() -> None:
        while True:
            key = rng.randrange(3)
            with contextlib.suppress(LookupError):
                assert await g.do(key, work, key) == key
            if rng.random() < 0.1:
                g.forget(key)

    await cancel_storm(spawn, party, rng, crowd=10, rounds=300)
    await settle()
    assert len(g) == 0
    assert len(g._calls) == 0
    assert not any(active.values())


def test_a_storm_on_loops_and_threads(rng: random.Random) -> None:
    g = Group()

    async def work(key: int) -> int:
        await asyncio.sleep(0)
        return key

    async def on_a_loop() -> None:
        for n in range(100):
            assert await g.do(n % 3, work, n % 3) == n % 3

    def on_a_thread() -> None:
        for n in range(50):
            assert g.do_blocking(n % 3, work, n % 3) == n % 3

    threads = [threading.Thread(target=run, args=(on_a_loop,)) for _ in range(2)]
    threads += [threading.Thread(target=on_a_thread) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "it hangs"
    assert len(g._calls) == 0
