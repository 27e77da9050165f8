"""Goroutines that a call on a worker has started and that live when it is over: kept by few threads, or ended."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import itertools
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from helpers import ENDS, REAL_LOOPS
from parties import PATIENCE, until

import goish
from goish import chan, go, go_thread, gosched
from goish.parallel import Executor, adopt, sync

here = threading.get_ident


async def park(hold: goish.Chan[None], seen: list[int]) -> None:
    seen.append(here())
    await hold.recv_ok()
    seen.append(here())


# ── kept ──


def test_calls_that_leave_goroutines_share_a_few_threads() -> None:
    n = 1000
    hold: goish.Chan[None] = chan()
    with Executor(workers=2) as ex:
        for _ in range(n):
            sync(ex.submit(lambda: go(park, hold, [])))
        stats = ex.statistics()
        assert stats.workers <= 6
        assert (stats.goroutines, stats.blocked, stats.finished) == (n, 0, n)
        hold.close()
        until(lambda: ex.statistics().goroutines == 0)


def test_calls_at_once_that_leave_goroutines_share_a_few_threads() -> None:
    hold: goish.Chan[None] = chan()
    with Executor(workers=3) as ex:
        for pending in [ex.submit(lambda: go(park, hold, [])) for _ in range(300)]:
            sync(pending)
        assert ex.statistics().workers <= 8
        hold.close()


def test_a_goroutine_that_a_call_leaves_stays_on_its_thread() -> None:
    hold: goish.Chan[None] = chan()
    everyone: list[tuple[int, list[int]]] = []

    def call() -> None:
        seen: list[int] = []
        everyone.append((here(), seen))
        go(park, hold, seen)

    with Executor(workers=2) as ex:
        for _ in range(50):
            sync(ex.submit(call))
        until(lambda: all(seen for _, seen in everyone))
        hold.close()
        until(lambda: ex.statistics().goroutines == 0)
    assert all(seen == [thread, thread] for thread, seen in everyone)


def test_few_that_keep_goroutines_are_left_alone() -> None:
    """As long as there are threads to be had they run nothing else, so no call holds up what an earlier one left."""
    hold, block, begun = chan(), threading.Event(), threading.Barrier(3)
    seen: list[int] = []

    def call() -> int:
        begun.wait(PATIENCE)
        block.wait(PATIENCE)
        return here()

    with Executor(workers=2) as ex:
        keeper = sync(ex.submit(lambda: (go(park, hold, seen), here())[1]))
        others = [ex.submit(call) for _ in range(2)]
        begun.wait(PATIENCE)  # or the keeper would be free for them
        hold.close()
        until(lambda: seen == [keeper, keeper])
        block.set()
        assert keeper not in [sync(other) for other in others]


def test_the_only_thread_there_may_be_runs_calls_and_what_they_have_left_in_turns() -> None:
    turns: list[None] = []
    over = threading.Event()

    async def count() -> None:  # never idle
        while not over.is_set():
            turns.append(None)
            await gosched()

    with Executor(workers=1, max_threads=1) as ex:
        sync(ex.submit(lambda: go(count)))
        seen = [sync(pending) for pending in [ex.submit(lambda: len(turns)) for _ in range(20)]]
        over.set()
    assert all(a < b for a, b in itertools.pairwise(seen))


def test_what_calls_have_left_runs_while_a_later_one_waits_on_its_thread() -> None:
    requests: goish.Chan[int] = chan()
    answers: goish.Chan[int] = chan()

    async def serve() -> None:
        async for n in requests:
            await answers.send(n * n)

    def ask(n: int) -> int:
        requests.send_blocking(n)
        return answers.recv_blocking()

    with Executor(workers=1, max_threads=1) as ex:
        sync(ex.submit(lambda: go(serve)))
        assert [sync(ex.submit(ask, n)) for n in range(5)] == [0, 1, 4, 9, 16]
        requests.close()


def test_a_goroutine_left_on_the_only_thread_may_await_a_call_to_it() -> None:
    answers: goish.Chan[int] = chan(1)

    with Executor(workers=1, max_threads=1) as ex:

        async def ask() -> None:
            answers.try_send(await ex.go_thread(pow, 2, 10))

        sync(ex.submit(lambda: go(ask)))
        assert answers.recv_blocking(timeout=PATIENCE) == 1024


def test_what_a_goroutine_that_was_left_raises_in_a_callback_costs_no_worker(caplog: pytest.LogCaptureFixture) -> None:
    hold: goish.Chan[None] = chan()

    def bang() -> None:
        raise SystemExit(3)

    async def leave() -> None:
        asyncio.get_running_loop().call_soon(bang)
        await hold.recv_ok()

    with Executor(workers=1, max_threads=1) as ex:
        sync(ex.submit(lambda: go(leave)))
        until(lambda: any("a callback of a worker's loop raised" in r.getMessage() for r in caplog.records))
        assert sync(ex.submit(pow, 2, 3)) == 8
        hold.close()


def test_shutting_down_ends_what_calls_have_left() -> None:
    ex = Executor(workers=2)
    hold: goish.Chan[None] = chan()
    for _ in range(20):
        sync(ex.submit(lambda: go(park, hold, [])))
    ex.shutdown(cancel=True)
    assert ex.statistics().workers == 0


@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_goroutines_that_were_left_hide_no_deadlock(loop: Any) -> None:
    """In a process of its own: in this one the heap is large, and looks at it are rare."""
    program = f"""
        import goish

        async def park(never):
            await never.recv()

        async def main():
            never = goish.chan()
            for _ in range(8):
                await goish.go_thread(lambda: goish.go(park, never))
            await never.recv()

        goish.run(main, loop={loop!r})
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=ENDS
    )
    assert done.returncode != 0
    assert "DeadlockError" in done.stderr and "park" in done.stderr


def test_a_thread_that_is_no_worker_waits_for_what_a_call_has_left_there() -> None:
    """And leaves no loop of its own behind."""
    seen: list[int] = []

    async def later() -> None:
        await asyncio.sleep(0)
        seen.append(here())

    def call() -> asyncio.AbstractEventLoop:
        return go(later).get_loop()

    with Executor(workers=1) as ex:
        hold = threading.Event()
        busy = ex.submit(hold.wait)
        loop = sync(ex.spawn(call))
        hold.set()
        sync(busy)
    assert (seen, loop.is_closed()) == ([here()], True)


# ── or not ──


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.begun: goish.Chan[None] = chan(2)

    def begins(self) -> None:
        self.begun.try_send(None)


def call_def(hold: goish.Chan[None], log: Log) -> str:
    go(child, hold, log)
    for _ in range(2):
        log.begun.recv_blocking()
    return "given"


async def call_async(hold: goish.Chan[None], log: Log) -> str:
    go(child, hold, log)
    for _ in range(2):
        await log.begun.recv()
    return "given"


CALLS: dict[str, Callable[..., Any]] = {
    "def": call_def,
    "async def": call_async,
    "def that gives a coroutine": lambda *args: call_async(*args),
}
pytest_calls = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


async def child(hold: goish.Chan[None], log: Log) -> None:
    go(wait, hold, log, "grandchild")
    await wait(hold, log, "child")


async def wait(hold: goish.Chan[None], log: Log, who: str) -> None:
    log.begins()
    try:
        await hold.recv_ok()
        log.lines.append(f"{who} ends")
    except asyncio.CancelledError as exc:
        await asyncio.sleep(0)
        log.lines.append(f"{who}: {exc}")
        raise


def give(ex: Executor, verb: str, children: Any, call: Any, *args: Any) -> Any:
    if verb == "go_thread.options":
        return go_thread.options(children=children)(call, *args)
    return getattr(ex, verb)(call, *args)


@pytest_calls
@pytest.mark.parametrize("verb", ["submit", "spawn", "go_thread", "go_thread.options"])
def test_a_call_may_be_over_when_its_goroutines_are(verb: str, call: Any) -> None:
    log, hold, ended = Log(), chan(), threading.Event()

    def body(*args: Any) -> Any:
        result = call(*args)
        ended.set()
        return result

    with Executor(workers=1, children="await") as ex:
        given = give(ex, verb, "await", call if call is call_async else body, hold, log)
        if verb != "spawn" and call is call_def:
            assert ended.wait(PATIENCE)
            assert not (given.done() if verb.startswith("go_thread") else given.is_ready())
        threading.Thread(target=hold.close).start()
        assert sync(given) == "given"
        assert sorted(log.lines) == ["child ends", "grandchild ends"]


@pytest_calls
@pytest.mark.parametrize("verb", ["submit", "spawn", "go_thread", "go_thread.options"])
def test_a_call_may_cancel_its_goroutines(verb: str, call: Any) -> None:
    log = Log()
    with Executor(workers=1, children="cancel") as ex:
        assert sync(give(ex, verb, "cancel", call, chan(), log)) == "given"
        why = "the call that started it is over"
        assert sorted(log.lines) == [f"child: {why}", f"grandchild: {why}"]


def test_a_call_awaits_its_goroutines_also_where_no_thread_may_take_its_place() -> None:
    log, hold, queued = Log(), chan(), threading.Event()

    def body() -> str:
        go(wait, hold, log, "child")
        queued.wait(PATIENCE)
        return "given"

    with Executor(workers=1, max_threads=1, children="await") as ex:
        first = ex.submit(body)
        until(lambda: ex.statistics().running == 1)
        second = ex.submit(int)
        queued.set()
        log.begun.recv_blocking(timeout=PATIENCE)
        hold.close()
        assert (sync(first), sync(second)) == ("given", 0)
    assert log.lines == ["child ends"]


@pytest.mark.parametrize("call", [call_def, call_async])
def test_a_cancel_of_a_call_that_awaits_its_goroutines_cancels_them(call: Any) -> None:
    log, begun = Log(), threading.Event()
    log.begins = begun.set  # type: ignore[method-assign]
    for _ in range(2):
        log.begun.try_send(None)
    with Executor(workers=1, children="await") as ex:
        g = ex.go_thread(call, chan(), log)
        assert begun.wait(PATIENCE)  # so the call is over
        g.cancel("enough")
        with pytest.raises(asyncio.CancelledError, match="enough"):
            g.result_blocking(timeout=PATIENCE)
    assert {line.split(":")[0] for line in log.lines} <= {"child", "grandchild"}
    assert log.lines


@pytest.mark.parametrize("call", [call_def, call_async])
@pytest.mark.parametrize("children", ["await", "cancel"])
def test_a_call_that_fails_cancels_its_goroutines_and_is_over_when_they_are(children: Any, call: Any) -> None:
    log = Log()

    def fails() -> None:
        call_def(chan(), log)
        raise LookupError("on purpose")

    async def fails_async() -> None:
        await call_async(chan(), log)
        raise LookupError("on purpose")

    with Executor(workers=1, children=children) as ex:
        with pytest.raises(LookupError, match="on purpose"):
            sync(ex.submit(fails if call is call_def else fails_async))
        assert len(log.lines) == 2


def test_only_the_goroutines_of_the_call_are_its_own() -> None:
    hold: goish.Chan[None] = chan()
    seen: list[int] = []
    with Executor(workers=1, max_threads=1) as ex:
        sync(ex.submit(lambda: go(park, hold, seen)))
        until(lambda: len(seen) == 1)
        ex.go_thread.options(children="cancel")(lambda: go(park, chan(), [])).result_blocking(timeout=PATIENCE)
        assert ex.statistics().goroutines == 1
        hold.close()
    assert len(seen) == 2


def test_one_call_may_differ_from_its_executor() -> None:
    hold: goish.Chan[None] = chan()
    with Executor(workers=1, children="cancel") as ex:
        ex.go_thread.options(children="keep")(lambda: go(park, hold, [])).result_blocking(timeout=PATIENCE)
        assert ex.statistics().goroutines == 1
        with goish.parallel.sync_scope(ex) as scope:
            scope.go_thread.options(children="cancel")(lambda: go(park, hold, []))
        assert ex.statistics().goroutines == 1
        hold.close()


def test_a_context_given_to_a_call_is_as_it_was_afterwards() -> None:
    context = contextvars.Context()
    with Executor(workers=1, children="await") as ex:
        for _ in range(2):
            ex.go_thread.options(context=context)(lambda: go(asyncio.sleep, 0)).result_blocking(timeout=PATIENCE)
    assert not any(value is not None and "Family" in type(value).__name__ for value in context.values())


async def test_a_coroutine_that_never_begins_is_closed() -> None:
    hold = threading.Event()
    async with Executor(workers=1, children="await") as ex:
        occupied = ex.go_thread(hold.wait)
        coro = asyncio.sleep(0)
        g = ex.go_thread(coro)
        g.cancel()
        hold.set()
        await occupied
        await asyncio.wait([g])  # type: ignore[type-var]


@pytest.mark.parametrize("children", ["keep", "await", "cancel"])
def test_so_is_one_that_a_function_has_given(children: Any) -> None:
    """It waits for a worker with a loop."""
    hold, held = threading.Event(), threading.Event()
    made: list[Any] = []

    async def holds_the_loop_up() -> None:
        held.set()
        hold.wait()

    def give_one() -> Any:
        made.append(asyncio.sleep(0))
        return made[0]

    with Executor(workers=1, children=children) as ex:
        occupied = ex.go_thread(holds_the_loop_up)
        assert held.wait(PATIENCE)
        g = ex.go_thread(give_one)
        try:
            until(lambda: len(made) == 1 and g.state == "new")
            seen = g.cancel(), inspect.getcoroutinestate(made[0])
        finally:
            hold.set()
        occupied.result_blocking(timeout=PATIENCE)
    assert seen == (True, inspect.CORO_CLOSED)
    assert g.cancelled()


def test_bad_ways_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match='children is one of "keep", "await", "cancel"; got \'kill\''):
        Executor(children="kill")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="children is one of"):
        go_thread.options(children="kill")  # type: ignore[arg-type]
    with Executor(children="await") as ex:
        with pytest.raises(TypeError, match="work for a thread is a function"):
            ex.submit(5)  # type: ignore[call-overload]
        coro = asyncio.sleep(0)
        with pytest.raises(TypeError, match="has its arguments already"):
            ex.go_thread(coro, 1)  # type: ignore[call-overload]
        coro.close()
    with adopt(ThreadPoolExecutor(1)) as others, pytest.raises(TypeError, match="children= is for the workers"):
        others.go_thread.options(children="await")(int)


@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_a_goroutine_whose_loop_is_busy_when_its_program_ends_is_cancelled_once_the_loop_is_not(loop: Any) -> None:
    """Or its executor would wait for it for ever."""
    go_on = threading.Event()

    async def waits(found: goish.Chan[asyncio.AbstractEventLoop]) -> None:
        await found.send(asyncio.get_running_loop())
        await goish.NIL.recv()

    async def main() -> None:
        found: goish.Chan[asyncio.AbstractEventLoop] = chan()
        ex.go_thread(waits, found)
        (await found.recv()).call_soon_threadsafe(go_on.wait)

    with Executor(workers=1) as ex:
        goish.run(main, loop=loop, grace=0.01, deadlock="off")
        go_on.set()
