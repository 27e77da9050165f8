"""Once and its functions: one run for all callers, whoever is cancelled, and whatever it raises."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import weakref
from collections.abc import Callable
from typing import Any, cast

import pytest
from helpers import outcome, settle, until
from parties import KINDS, Party

from goish import go, goexit, run
from goish.errors import SyncOnLoop
from goish.runtime import goroutines
from goish.sync import Event, Latch, Once, once_func, once_value

Spawn = Callable[..., Any]


async def test_callers_wait_for_the_first_and_the_rest_return_at_once(spawn: Spawn) -> None:
    once, go_on = Once(), Event()
    runs: list[str] = []

    async def work(name: str) -> None:
        await go_on.wait()
        runs.append(name)

    callers = [spawn(once.do, work, name) for name in "abc"]
    await settle()
    assert not any(caller.done() for caller in callers)
    go_on.set()
    for caller in callers:
        await caller
    await once.do(work, "d")
    assert (runs, once.done()) == (["a"], True)


async def test_a_run_that_is_cancelled_before_it_begins_is_over() -> None:
    once = Once()
    ran: list[int] = []

    async def work() -> None:
        ran.append(1)

    async def cancel_what_is_new() -> None:
        (g,) = (g for g in goroutines() if g.state == "new")
        g.cancel()

    caller, canceller = go(once.do, work), go(cancel_what_is_new)  # which has its turn before what the caller starts
    assert await outcome(caller) is asyncio.CancelledError
    await canceller
    await once.do(work)
    assert (ran, once.done()) == ([], True)


async def test_the_cancel_of_the_first_caller_harms_nobody(spawn: Spawn) -> None:
    once, go_on = Once(), Event()
    runs: list[int] = []

    async def work() -> None:
        await go_on.wait()
        runs.append(1)

    first = spawn(once.do, work)
    await settle()
    second = spawn(once.do, work)
    await settle()
    first.cancel()
    assert await outcome(first) is asyncio.CancelledError
    assert not second.done()
    go_on.set()
    await second
    assert (runs, once.done()) == ([1], True)


async def test_what_raises_counts_as_done_and_the_first_caller_is_told(spawn: Spawn) -> None:
    for kind in ("async", "plain"):
        once = Once()

        def plain() -> None:
            raise LookupError

        async def work() -> None:
            await settle(1)
            raise LookupError

        callers = [spawn(once.do, plain if kind == "plain" else work) for _ in range(3)]
        found = [await outcome(caller) for caller in callers]
        assert sorted(map(str, found)) == sorted(map(str, [LookupError, None, None]))
        assert once.done()


async def test_a_plain_function_runs_in_its_caller() -> None:
    once = Once()
    ran: list[object] = []
    await once.do(lambda: ran.append(asyncio.current_task()))
    assert ran == [asyncio.current_task()]


async def test_a_once_within_itself_is_refused() -> None:
    once = Once()

    async def work() -> None:
        await once.do(work)

    with pytest.raises(RuntimeError, match="wait for itself"):
        await once.do(work)


def test_a_once_within_itself_is_refused_on_a_thread() -> None:
    once = Once()
    with pytest.raises(RuntimeError, match="wait for itself"):
        once.do_blocking(lambda: once.do_blocking(print))
    assert once.done()


async def test_a_loop_is_not_blocked_by_a_once() -> None:
    with pytest.raises(SyncOnLoop, match=r"once\.do"):
        Once().do_blocking(print)


def test_a_coroutine_function_needs_a_loop() -> None:
    with pytest.raises(TypeError, match=r"await once\.do"):
        Once().do_blocking(settle)


@pytest.mark.parametrize("runner", KINDS)
def test_callers_on_all_kinds_of_threads_wait_for_one_run(runner: str) -> None:
    once, ready = Once(), Latch(4)
    runs: list[int] = []

    async def call(party: Party) -> int:
        ready.count_down()
        if party.kind == "thread":
            ready.wait_blocking()
            once.do_blocking(runs.append, 1)
        else:
            await ready.wait()
            await once.do(runs.append, 1)
        return len(runs)

    parties = [Party(kind, "asyncio", call) for kind in (*KINDS, runner)]
    assert [party.join() for party in parties] == [1] * 4


def test_a_run_that_its_loop_has_ended_counts_as_done() -> None:
    once = Once()

    async def main() -> None:
        caller = asyncio.ensure_future(once.do(forever))
        await settle()
        caller.cancel()

    run(main)
    assert once.done()


async def forever() -> None:
    await Event().wait()


# ── once_value and once_func ──


async def test_all_callers_get_one_value(spawn: Spawn) -> None:
    runs: list[int] = []

    @once_value
    async def value() -> object:
        runs.append(1)
        await settle(1)
        return object()

    callers = [spawn(value) for _ in range(5)]
    values = {id(await caller) for caller in callers} | {id(await value())}
    assert (len(values), runs) == (1, [1])


async def test_all_callers_get_one_exception(spawn: Spawn) -> None:
    @once_value
    async def fail() -> None:
        await settle(1)
        raise LookupError("no")

    errors = []
    for caller in [spawn(fail) for _ in range(3)]:
        with pytest.raises(LookupError) as caught:
            await caller
        errors.append(caught.value)
    with pytest.raises(LookupError) as caught:
        await fail()
    assert all(error is caught.value for error in errors)
    depth = traceback_length(caught.value)
    for _ in range(5):
        with pytest.raises(LookupError) as caught:
            await fail()
    assert traceback_length(caught.value) == depth, "it does not grow with the callers"


def traceback_length(error: BaseException) -> int:
    length, tb = 0, error.__traceback__
    while tb is not None:
        length, tb = length + 1, tb.tb_next
    return length


async def test_a_cancelled_caller_of_a_value_harms_nobody(spawn: Spawn) -> None:
    go_on = Event()

    @once_value
    async def value() -> str:
        await go_on.wait()
        return "v"

    first = spawn(value)
    await settle()
    second = spawn(value)
    await settle()
    first.cancel()
    assert await outcome(first) is asyncio.CancelledError
    go_on.set()
    assert await second == "v"


def test_a_plain_value_is_made_once_for_all_threads() -> None:
    runs: list[int] = []
    together = threading.Barrier(4)

    @once_value
    def value() -> object:
        runs.append(1)
        return object()

    found: list[object] = []

    def call() -> None:
        together.wait()
        found.append(value())

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(set(map(id, found))), runs) == (1, [1])


def test_a_plain_value_that_raises_raises_the_same_for_all() -> None:
    @once_func
    def fail() -> None:
        raise LookupError

    errors = []
    for _ in range(2):
        with pytest.raises(LookupError) as caught:
            fail()
        errors.append(caught.value)
    assert errors[0] is errors[1]


def test_a_value_of_itself_is_refused() -> None:
    @once_value
    def value() -> int:
        return value() + 1

    with pytest.raises(RuntimeError, match="wait for itself"):
        value()


async def test_nothing_keeps_a_function_that_has_run(spawn: Spawn) -> None:
    class Fn:
        def __call__(self) -> int:
            return 1

    fn = Fn()
    known = weakref.ref(fn)
    value = once_value(fn)
    assert value() == 1
    del fn
    gc.collect()
    assert known() is None
    assert value() == 1


def test_a_value_whose_loop_has_ended_is_no_cancel_of_its_callers() -> None:
    value = once_value(forever)

    async def give_up() -> None:
        caller = asyncio.ensure_future(value())
        await settle()
        caller.cancel()

    async def again() -> None:
        with pytest.raises(RuntimeError, match="has ended"):
            await value()

    run(give_up)
    run(again)


@pytest.mark.parametrize("decorator", [once_value, once_func])
@pytest.mark.parametrize("fn", [None, 1])
def test_what_is_no_function_is_refused(decorator: Any, fn: Any) -> None:
    with pytest.raises(TypeError, match="takes a function"):
        decorator(fn)


async def test_what_is_no_function_uses_up_no_once() -> None:
    once: Any = Once()
    with pytest.raises(TypeError, match=r"do\(\) takes a function and its arguments, got None of type NoneType"):
        await once.do(None)
    with pytest.raises(TypeError, match=r"do_blocking\(\) takes a plain function and its arguments, got 1 of type int"):
        once.do_blocking(1)
    ran: list[int] = []
    await once.do(ran.append, 1)
    assert ran == [1]


def test_a_value_whose_loop_was_closed_as_it_ran_is_an_error() -> None:
    """Its coroutine was closed: the GeneratorExit is not of its callers."""
    value = once_value(forever)
    loop = asyncio.new_event_loop()

    async def begin() -> asyncio.Task[Any]:
        caller = asyncio.ensure_future(value())
        await settle()
        return caller

    caller = loop.run_until_complete(begin())
    loop.close()
    caller._log_destroy_pending = False  # type: ignore[attr-defined]
    del caller
    gc.collect()

    async def again() -> None:
        with pytest.raises(RuntimeError, match="its event loop has ended"):
            await value()

    run(again)


async def test_goexit_of_a_value_ends_none_of_its_callers(spawn: Spawn) -> None:
    async def leave() -> None:
        goexit()

    value = once_value(leave)
    callers = [spawn(value) for _ in range(3)]
    for caller in callers:
        with pytest.raises(RuntimeError, match=r"has no result: it was cancelled or called goexit\(\)"):
            await caller


async def test_goexit_of_a_plain_value_ends_the_caller_that_runs_it() -> None:
    value: Any = once_value(cast("Callable[[], None]", goexit))

    async def call() -> None:
        value()

    first = go(call)
    await first
    assert first.exited
    with pytest.raises(RuntimeError, match=r"has no result: it was cancelled or called goexit\(\)"):
        value()


async def test_a_plain_function_that_gives_a_coroutine_is_no_value() -> None:
    value = once_value(lambda: asyncio.sleep(0))
    for _ in range(2):
        with pytest.raises(TypeError, match="gives a coroutine, which is good for one await"):
            await value()


async def test_a_storm_of_cancels_runs_a_function_once(spawn: Spawn, rng: random.Random) -> None:
    for _ in range(30):
        once = Once()
        runs: list[int] = []

        async def work(runs: list[int] = runs) -> None:
            await settle(rng.randrange(3))
            runs.append(1)

        callers = [spawn(once.do, work) for _ in range(10)]
        for caller in rng.sample(callers, 5):
            await asyncio.sleep(0)
            caller.cancel()
        for caller in callers:
            await outcome(caller)
        await until(once.done)
        assert runs == [1]
