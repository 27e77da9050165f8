"""spawn and sync: results that are taken once, by threads that help."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import dataclasses
import gc
import inspect
import pickle
import sys
import threading
import time
import traceback
import warnings
import weakref
from contextlib import suppress
from typing import Any

import pytest
from alarms import alarms
from helpers import FREE_THREADED
from parties import PATIENCE, until

import goish
from goish import chan, check_cancel, go, go_thread, wait_all, wait_any
from goish.errors import FlowVarConsumed, NotSpawned, SyncOnLoop
from goish.parallel import (
    Executor,
    FlowVar,
    Pending,
    as_goroutine,
    spawn,
    submit,
    sync,
    sync_all,
    sync_any,
    sync_scope,
)

pytestmark = pytest.mark.usefixtures("two_workers")


async def failing_in_a_loop() -> None:
    raise LookupError("on purpose")


def fib(n: int) -> int:
    if n < 2:
        return n
    later = spawn(fib, n - 2)
    return fib(n - 1) + sync(later)


def merge_sort(items: list[int]) -> list[int]:
    """The shape of the RFC: spawn one half, do the other, sync."""
    if len(items) < 2:
        return items
    middle = len(items) // 2
    left = spawn(merge_sort, items[:middle])
    b = merge_sort(items[middle:])
    a = sync(left)
    merged = []
    while a and b:
        merged.append(a.pop() if a[-1] > b[-1] else b.pop())
    return (a or b) + merged[::-1]


# ── one result, once ──


@pytest.mark.parametrize(("verb", "kind"), [(spawn, FlowVar), (submit, Pending)])
def test_a_result_is_taken_once(verb: Any, kind: type) -> None:
    fv = verb(pow, 2, 10)
    assert type(fv) is kind
    assert fv.is_spawned() and not fv.is_consumed()
    assert sync(fv) == 1024
    assert fv.is_spawned() and fv.is_consumed()
    for take in (sync, fv.sync, FlowVar.is_ready if kind is FlowVar else Pending.is_ready, as_goroutine):
        with pytest.raises(FlowVarConsumed, match="taken already"):
            take(fv) if take is not fv.sync else take()


async def test_an_await_takes_it_too() -> None:
    fv = spawn(pow, 2, 10)
    assert await fv == 1024
    with pytest.raises(FlowVarConsumed):
        await fv


def test_two_threads_cannot_both_have_it(rng: Any) -> None:
    for _ in range(200):
        fv = submit(int)
        until(fv.is_ready)
        meet = threading.Barrier(2)
        got: list[Any] = []

        def take(fv: Any = fv, meet: Any = meet, got: Any = got) -> None:
            meet.wait()
            try:
                got.append(sync(fv))
            except FlowVarConsumed:
                got.append("consumed")

        threads = [threading.Thread(target=take) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got, key=str) == [0, "consumed"]


def test_the_result_is_not_kept() -> None:
    class Thing:
        pass

    fv = spawn(Thing)
    gone = weakref.ref(sync(fv))
    gc.collect()
    until(lambda: gone() is None)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
@pytest.mark.parametrize("verb", [spawn, submit])
def test_it_cannot_be_copied(duplicate: Any, verb: Any) -> None:
    fv = verb(int)
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        duplicate(fv)
    assert sync(fv) == 0


def test_an_empty_one_stands_for_nothing() -> None:
    fv = FlowVar.empty()
    assert not fv.is_spawned()
    for ask in (sync, FlowVar.is_ready, FlowVar.cancel, as_goroutine):
        with pytest.raises(NotSpawned, match="empty"):
            ask(fv)
    with pytest.raises(NotSpawned):
        go_thread(lambda: sync(fv)).result_blocking(timeout=PATIENCE)


@pytest.mark.parametrize("kind", [FlowVar, Pending])
def test_it_is_not_made_by_hand(kind: type) -> None:
    with pytest.raises(TypeError):
        kind()


async def test_on_a_loop_it_is_awaited() -> None:
    fv = spawn(int)
    for block in (sync, sync_all, sync_any):
        with pytest.raises(SyncOnLoop, match="await"):
            block(fv)
    assert await fv == 0


async def test_as_a_goroutine_it_may_be_awaited_often() -> None:
    g = as_goroutine(spawn(pow, 2, 3))
    assert await g == await g == 8
    with pytest.raises(TypeError, match="as_goroutine"):
        as_goroutine(g)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [5, None, "fv"])
def test_sync_takes_what_spawn_gave(given: Any) -> None:
    with pytest.raises(TypeError, match=r"takes what spawn\(\), submit\(\), go_thread\(\) or go\(\) returned"):
        sync(given)


@pytest.mark.parametrize("given", [5, None])
def test_spawn_takes_what_can_be_called(given: Any) -> None:
    for verb in (spawn, submit):
        with pytest.raises(TypeError, match="work for a thread"):
            verb(given)


def test_a_coroutine_function_runs_on_a_loop() -> None:
    async def body(n: int) -> int:
        await goish.sleep(0.001)
        return n

    assert sync(spawn(body, 5)) == 5
    assert sync(submit(body, 5)) == 5


def test_a_timeout_leaves_the_result_to_be_taken() -> None:
    hold = threading.Event()
    fv = submit(hold.wait)
    with pytest.raises(TimeoutError):
        sync(fv, timeout=0.01)
    assert not fv.is_consumed()
    hold.set()
    assert sync(fv, timeout=PATIENCE) is True


@pytest.mark.parametrize("start", [spawn, submit])
async def test_an_await_that_is_cancelled_leaves_the_result_to_be_taken(start: Any) -> None:
    hold = threading.Event()
    fv = start(hold.wait)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await fv
    assert not fv.is_consumed()
    hold.set()
    assert await fv is True
    with pytest.raises(FlowVarConsumed):
        await fv


async def test_an_await_of_a_cancelled_call_has_taken_its_result() -> None:
    hold = threading.Event()
    blocker = [submit(hold.wait) for _ in range(goish.parallel.default_executor().workers)]
    fv = submit(int)
    fv.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fv
    assert fv.is_consumed()
    hold.set()
    await goish.wait_all(*blocker)


def test_a_timeout_of_the_call_itself_is_its_result() -> None:
    def body() -> None:
        raise TimeoutError("its own")

    fv = spawn(body)
    with pytest.raises(TimeoutError, match="its own"):
        sync(fv)
    assert fv.is_consumed()


# ── errors ──


def failing() -> None:
    raise LookupError("in the call")


@pytest.mark.parametrize("verb", [spawn, submit])
def test_an_exception_has_its_traceback_and_says_where_it_was_spawned(verb: Any) -> None:
    with pytest.raises(LookupError, match="in the call") as caught:
        sync(verb(failing))
    text = "".join(traceback.format_exception(caught.value))
    assert "in failing" in text
    assert "spawned by test_an_exception_has_its_traceback_and_says_where_it_was_spawned at" in text


async def test_so_has_one_that_is_awaited() -> None:
    async def failing_async() -> None:
        failing()

    for body in (failing, failing_async):
        with pytest.raises(LookupError) as caught:
            await spawn(body)
        assert any("spawned by" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, MemoryError, GeneratorExit])
def test_the_worst_exceptions_come_to_who_syncs(error: Any) -> None:
    def body() -> None:
        raise error("there")

    for verb in (spawn, submit):
        with pytest.raises(error, match="there"):
            sync(verb(body))
    assert sync(submit(int)) == 0


def test_one_that_is_never_synced_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    fv = submit(failing)
    until(fv.is_ready)
    del fv
    until(lambda: "in the call" in caplog.text)


def test_a_cancelled_one_says_so() -> None:
    hold = threading.Event()
    busy = [submit(hold.wait) for _ in range(2)]
    fv = submit(int)
    fv.cancel("not needed")
    with pytest.raises(asyncio.CancelledError, match="not needed"):
        sync(fv)
    hold.set()
    sync_all(*busy)


# ── helping ──


def test_a_spawned_call_runs_though_nobody_syncs() -> None:
    ran = threading.Event()
    fv = spawn(ran.set)
    assert ran.wait(PATIENCE)
    sync(fv)


def test_a_call_that_nobody_has_begun_is_run_by_who_syncs() -> None:
    hold = threading.Event()
    busy = [submit(hold.wait) for _ in range(2)]
    assert sync(spawn(threading.get_ident)) == threading.get_ident()
    hold.set()
    sync_all(*busy)


def test_so_a_pool_of_one_is_enough_for_any_depth() -> None:
    with Executor(workers=1) as ex:

        def deep(n: int) -> int:
            return n and 1 + sync(ex.spawn(deep, n - 1))

        assert sync(ex.submit(deep, 100)) == 100
        assert ex.statistics().workers <= 2


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_fork_and_join(workers: int, rng: Any) -> None:
    goish.set_workers(workers)
    assert sync(submit(fib, 15)) == fib(15) == 610
    items = [rng.randrange(1000) for _ in range(500)]
    assert merge_sort(items) == sync(submit(merge_sort, items)) == sorted(items)


def test_who_waits_runs_what_the_awaited_call_has_spawned() -> None:
    """The awaited call keeps its worker, and spawns: only the waiting one can run that."""
    with Executor(workers=2) as ex:
        spawned = threading.Event()
        ran_on: list[int] = []
        leaf_ran = threading.Event()

        def leaf() -> None:
            ran_on.append(threading.get_ident())
            leaf_ran.set()

        def parent() -> bool:
            leaves.append(ex.spawn(leaf))
            spawned.set()
            return leaf_ran.wait(PATIENCE)

        def waiter() -> tuple[bool, int]:
            fv = ex.spawn(parent)
            spawned.wait(PATIENCE)
            return sync(fv), threading.get_ident()

        leaves: list[Any] = []
        done, thread = sync(ex.submit(waiter))
        assert done
        assert ran_on == [thread]
        sync(leaves[0])


def test_who_waits_runs_nothing_unrelated() -> None:
    """It might hold a lock that the unrelated call takes."""
    lock = threading.Lock()
    with Executor(workers=1) as ex:
        started = threading.Event()
        hold = threading.Event()

        def unrelated() -> None:
            with lock:
                pass

        def long() -> None:
            started.set()
            hold.wait(PATIENCE)

        def waiter(fv: FlowVar[None]) -> None:
            with lock:
                others.append(ex.spawn(unrelated))
                hold.set()
                sync(fv)

        others: list[Any] = []
        ex.set_workers(2)
        fv = ex.spawn(long)
        started.wait(PATIENCE)
        sync(ex.submit(waiter, fv))
        sync(others[0])


def test_a_worker_that_can_only_wait_is_made_up_for() -> None:
    with Executor(workers=1) as ex:
        values: goish.Chan[int] = chan()

        def consumer() -> int:
            return sync(ex.submit(values.recv_blocking)) + sync(ex.submit(values.recv_blocking))

        total = ex.submit(consumer)
        for i in (1, 2):
            sync(ex.submit(values.send_blocking, i))
        assert sync(total) == 3


def test_a_call_that_runs_itself_is_not_run_twice() -> None:
    """Everybody syncs at once: each call runs exactly once."""
    runs: list[int] = []
    with Executor(workers=4) as ex:
        for round in range(100):
            fvs = [ex.spawn(runs.append, (round, i)) for i in range(10)]
            sync_all(*fvs)
    assert len(runs) == len(set(runs)) == 1000


def test_recursion_ends_in_an_error_not_in_a_crash() -> None:
    def deep() -> int:
        return 1 + sync(spawn(deep))

    with pytest.raises(RecursionError):
        sync(spawn(deep))


# ── many at once ──


def test_sync_all_gives_all_in_order() -> None:
    async def body() -> str:
        return "c"

    assert sync_all(spawn(str, "a"), submit(str, "b"), go_thread(body)) == ("a", "b", "c")
    assert sync_all() == ()


def test_sync_all_waits_for_all_and_raises_what_failed() -> None:
    done: list[int] = []
    with pytest.raises(LookupError):
        sync_all(spawn(failing), submit(done.append, 1))
    assert done == [1]
    with pytest.raises(ExceptionGroup, match="2 of the calls") as caught:
        sync_all(spawn(failing), submit(int), spawn(failing))
    assert [type(error) for error in caught.value.exceptions] == [LookupError, LookupError]


def test_sync_all_that_times_out_has_taken_nothing() -> None:
    hold = threading.Event()
    done, slow, g = spawn(str, "done"), submit(hold.wait), go_thread(str, "g")
    with pytest.raises(TimeoutError, match=r"^sync_all\(\): not within 0\.02 s$"):
        sync_all(done, slow, g, timeout=0.02)
    with pytest.raises(TimeoutError, match=r"^sync_all\(\): not within 0 s$"):
        sync_all(slow, done, timeout=0)
    assert not done.is_consumed()
    hold.set()
    assert sync_all(done, slow, g, timeout=PATIENCE) == ("done", True, "g")


def test_sync_all_with_a_timeout_raises_what_failed_all_the_same() -> None:
    with pytest.raises(LookupError):
        sync_all(spawn(failing), submit(int), timeout=PATIENCE)

    def runs_out() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        sync_all(submit(runs_out), timeout=PATIENCE)


@pytest.mark.parametrize("timeout", ["1", True, object()])
def test_the_timeout_of_sync_all_is_a_number(timeout: Any) -> None:
    with pytest.raises(TypeError, match="timeout is a number of seconds"):
        sync_all(timeout=timeout)
    with pytest.raises(ValueError, match="not NaN"):
        sync_all(timeout=float("nan"))


def test_a_call_that_waits_in_sync_all_can_be_cancelled() -> None:
    hold = threading.Event()
    slow = submit(hold.wait)
    waits = go_thread(sync_all, slow, timeout=PATIENCE)
    until(lambda: waits.wait_reason is not None)
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        waits.result_blocking(timeout=PATIENCE)
    hold.set()
    assert sync(slow) is True


BLOCKING_CALLS: dict[str, Any] = {
    "sync": lambda: sync(submit(int)),
    "sync of a FlowVar": lambda: submit(int).sync(),
    "sync_all": lambda: sync_all(submit(int)),
    "sync_any": lambda: sync_any(submit(int)),
    "result": lambda: go_thread(time.sleep, 0.01).result_blocking(timeout=1),
    "recv_blocking": lambda: chan().recv_blocking(),
    "recv_ok_blocking": lambda: chan().recv_ok_blocking(),
    "send_blocking": lambda: chan().send_blocking(1),
    "for": lambda: next(iter(chan())),
    "select_blocking": lambda: goish.select_blocking(chan().recv()),
    "wait_blocking": lambda: goish.WaitGroup().wait_blocking(),
    "parallel_for": lambda: goish.parallel.parallel_for(int, []),
    "parallel_map": lambda: goish.parallel.parallel_map(int, []),
    "parallel_reduce": lambda: goish.parallel.parallel_reduce(max, []),
    "shutdown": lambda: Executor(workers=1).shutdown(),
    "with Executor": lambda: Executor(workers=1).__enter__(),
    "with sync_scope": lambda: sync_scope().__enter__(),
    "run": lambda: goish.run(asyncio.sleep, 0),
}


@pytest.mark.parametrize("call", BLOCKING_CALLS.values(), ids=BLOCKING_CALLS)
def test_whatever_would_block_a_loop_is_the_same_error(call: Any) -> None:
    async def main() -> None:
        with pytest.raises(SyncOnLoop, match="on this thread"):
            call()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the operations that are refused
        goish.run(main)


def test_sync_any_gives_the_first_and_leaves_the_rest() -> None:
    hold = threading.Event()
    slow = submit(hold.wait)
    assert sync_any(slow, submit(int)) == (1, 0)
    with pytest.raises(TimeoutError, match=r"^sync_any\(\): not within 0\.01 s$"):
        sync_any(slow, timeout=0.01)
    hold.set()
    assert sync_any(slow) == (0, True)
    with pytest.raises(ValueError, match="at least one"):
        sync_any()


async def test_wait_all_takes_everything_from_everywhere() -> None:
    async def body(value: str) -> str:
        await asyncio.sleep(0.001)
        return value

    elsewhere = asyncio.new_event_loop()
    foreign = elsewhere.create_future()
    thread = threading.Thread(target=elsewhere.run_forever, daemon=True)
    thread.start()
    elsewhere.call_soon_threadsafe(foreign.set_result, "f")
    everything = [
        go(body, "a"),
        go_thread(body, "b"),
        spawn(str, "c"),
        submit(str, "d"),
        asyncio.ensure_future(body("e")),
        foreign,
    ]
    assert await wait_all(*everything) == tuple("abcdef")
    elsewhere.call_soon_threadsafe(elsewhere.stop)
    thread.join()
    elsewhere.close()


async def test_wait_all_waits_for_all_and_raises_what_failed() -> None:
    done: list[int] = []
    with pytest.raises(LookupError):
        await wait_all(spawn(failing), submit(done.append, 1))
    assert done == [1]
    with pytest.raises(ExceptionGroup, match="2 of the calls"):
        await wait_all(spawn(failing), go_thread(failing))


async def test_wait_any_gives_the_first_and_leaves_the_rest() -> None:
    never = asyncio.get_running_loop().create_future()
    slow = spawn(str, "slow")
    assert (await wait_any(never, slow)) == (1, "slow")
    assert not never.done()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wait_any(never), 0.01)
    assert not never.done()
    never.cancel()
    with pytest.raises(LookupError):
        await wait_any(go_thread(failing))
    with pytest.raises(ValueError, match="at least one"):
        await wait_any()


async def test_a_cancel_of_who_waits_for_all_takes_nothing() -> None:
    ready = spawn(str, "ready")
    while not ready.is_ready():
        await asyncio.sleep(0.001)
    ch = goish.Chan[str]()
    late = submit(ch.recv_blocking)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await wait_all(ready, late)
    assert not ready.is_consumed()
    await ch.send("late")
    assert await wait_all(ready, late) == ("ready", "late")


def test_a_cancel_of_who_blocks_for_all_takes_nothing() -> None:
    ready, ch = submit(str, "ready"), goish.Chan[str]()
    until(ready.is_ready)
    late = submit(ch.recv_blocking)
    blocked = goish.parallel.Executor(workers=1)
    with blocked:
        g = blocked.go_thread(sync_all, ready, late)
        until(lambda: g.wait_reason == "goroutine")
        g.cancel()
        with pytest.raises(asyncio.CancelledError):
            g.result_blocking(timeout=PATIENCE)
    assert not ready.is_consumed()
    ch.send_blocking("late")
    assert sync_all(ready, late) == ("ready", "late")


@pytest.mark.parametrize("wait", [wait_all, wait_any])
async def test_a_cancel_of_who_waits_cancels_no_task(wait: Any) -> None:
    # Whoever awaits an asyncio task by name cancels it too; whoever waits for its end does not.
    loop = asyncio.get_running_loop()
    loop.set_task_factory(goish.task_factory)
    ch = goish.Chan[int]()

    async def body() -> int:
        return await ch.recv()

    task = asyncio.create_task(body())
    assert isinstance(task, goish.Goroutine)
    for waits in (go(wait, task), asyncio.create_task(wait(task))):
        await asyncio.sleep(0.001)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
    loop.set_task_factory(None)
    assert not task.cancelling()
    await ch.send(1)
    assert await task == 1


async def test_a_failure_that_a_cancelled_waiter_has_not_seen_is_unseen() -> None:
    async def fail() -> None:
        raise LookupError

    g = go(fail)
    waits = go(wait_all, g)
    g.add_done_callback(lambda _: waits.cancel())
    with pytest.raises((asyncio.CancelledError, LookupError)) as caught:
        await waits
    assert g._log_traceback is (caught.type is asyncio.CancelledError)
    assert isinstance(g.exception(), LookupError)


@pytest.mark.parametrize("wait", [wait_all, wait_any])
async def test_waiting_takes_handles_only(wait: Any) -> None:
    with pytest.raises(TypeError, match=r"takes what go\(\), go_thread\(\)"):
        await wait(5)


@pytest.mark.parametrize("block", [sync_all, sync_any])
def test_blocking_takes_handles_only(block: Any) -> None:
    with pytest.raises(TypeError, match=r"takes what go\(\), go_thread\(\)"):
        block(5)


# ── scopes ──


def tree(depth: int, leaves: list[int]) -> None:
    if depth == 0:
        leaves.append(1)
    for _ in range(3 if depth else 0):
        spawn(tree, depth - 1, leaves)


def test_a_scope_waits_for_all_descendants() -> None:
    leaves: list[int] = []
    with sync_scope():
        spawn(tree, 4, leaves)
    assert len(leaves) == 81


def test_a_scope_leaves_a_call_alone_until_it_is_queued() -> None:
    # A spawn that waits for room is no call yet: the scope that ends meanwhile must not take it out of the queue.
    gate = threading.Event()
    waits = threading.Event()
    with goish.parallel.Executor(workers=1, max_pending=1, on_full="block") as ex:
        ex.spawn(gate.wait)
        until(lambda: ex.statistics().running == 1)
        second = ex.spawn(int)

        def third() -> None:
            waits.set()
            ex.spawn(int)

        def leave() -> None:
            with sync_scope():
                spawn(third)
                waits.wait()
                until(lambda: goish.parallel.default_executor().statistics().blocked == 1)
                threading.Timer(0.1, gate.set).start()
                raise ValueError("leaves")

        with pytest.raises(ValueError, match="leaves"):
            leave()
        assert sync(second, timeout=PATIENCE) == 0
        assert sync(ex.submit(int), timeout=PATIENCE) == 0


async def test_a_scope_in_a_loop_waits_for_all_descendants() -> None:
    leaves: list[int] = []
    async with sync_scope():
        go_thread(tree, 4, leaves)
    assert len(leaves) == 81
    with pytest.raises(SyncOnLoop, match="async with"), sync_scope():
        pass


def test_what_is_spawned_afterwards_is_not_in_the_scope() -> None:
    with sync_scope() as scope:
        assert sync(scope.spawn(int)) == 0
    hold = threading.Event()
    fv = submit(hold.wait)
    with sync_scope():
        pass
    hold.set()
    assert sync(fv) is True


def test_a_scope_raises_what_nobody_has_seen() -> None:
    with pytest.raises(ExceptionGroup, match="unhandled errors") as caught, sync_scope():  # noqa: PT012
        spawn(failing)
        seen = spawn(failing)
        with pytest.raises(LookupError):
            sync(seen)
        spawn(failing)
    assert len(caught.value.exceptions) == 2


def test_a_scope_whose_body_fails_cancels_the_rest() -> None:
    ended: list[str] = []

    async def forever() -> None:
        try:
            await goish.sleep(PATIENCE)
        finally:
            ended.append("cancelled")

    with pytest.raises(LookupError), sync_scope():  # noqa: PT012
        started = threading.Event()

        async def starts() -> None:
            started.set()
            await forever()

        go_thread(starts)
        assert started.wait(PATIENCE)
        raise LookupError
    assert ended == ["cancelled"]


async def test_a_cancelled_scope_leaves_nothing_behind() -> None:
    ended: list[str] = []

    async def forever() -> None:
        try:
            await goish.sleep(PATIENCE)
        finally:
            ended.append("cancelled")

    async def body() -> None:
        async with sync_scope():
            started = threading.Event()

            async def starts() -> None:
                started.set()
                await forever()

            go_thread(starts)
            while not started.is_set():
                await asyncio.sleep(0.001)
            ready.set()

    ready = asyncio.Event()
    task = asyncio.ensure_future(body())
    await ready.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["cancelled"]


def computing(started: threading.Event) -> None:
    started.set()
    while True:
        check_cancel()


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_cancels_a_scope_and_comes_out_as_it_is(end: type[BaseException]) -> None:
    def ends() -> None:
        assert started.wait(PATIENCE)
        raise end("enough")

    started = threading.Event()
    with pytest.raises(end, match="enough"), sync_scope():
        calls = [submit(computing, started), spawn(ends)]
    assert all(call.is_ready() for call in calls)


VERBS = ["spawn", "submit", "go_thread"]


@pytest.mark.parametrize("verb", VERBS)
def test_what_a_scope_is_given_is_its_own_wherever_that_is_done(verb: str) -> None:
    hold = threading.Event()
    over: list[str] = []

    def child() -> None:
        hold.wait(PATIENCE)
        spawn(over.append, "grandchild")
        over.append("child")

    with sync_scope() as outer:
        with sync_scope():
            getattr(outer, verb)(child)
            thread = threading.Thread(target=getattr(outer, verb), args=(child,))
            thread.start()
            thread.join()
        over.append("inner scope")
        hold.set()
    assert over[0] == "inner scope"
    assert sorted(over[1:]) == ["child", "child", "grandchild", "grandchild"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_scope_takes_work_from_its_beginning_to_its_end(verb: str) -> None:
    scope = sync_scope()
    with pytest.raises(RuntimeError, match="was not entered yet"):
        getattr(scope, verb)(int)
    with scope:
        getattr(scope, verb)(int)
    with pytest.raises(RuntimeError, match="has ended and takes no more work"):
        getattr(scope, verb)(int)
    failed = sync_scope()
    with pytest.raises(LookupError), failed:
        raise LookupError
    with pytest.raises(RuntimeError, match="has ended and takes no more work"):
        getattr(failed, verb)(int)


def test_go_thread_of_a_scope_has_options() -> None:
    with sync_scope() as scope:
        g = scope.go_thread.options(name="mine")(int)
        assert g.name == "mine"
        assert str(inspect.signature(scope.go_thread)) == str(inspect.signature(go_thread))
        with pytest.raises(TypeError, match="needs a positional argument"):
            scope.go_thread()  # type: ignore[call-overload]
    assert g.done()


def wait_for_ever(started: threading.Event) -> None:
    started.set()
    chan().recv_blocking()


async def a_failed_one_and_one_that_waits(scope: sync_scope) -> None:
    started = threading.Event()
    failed = scope.go_thread(failing)
    scope.go_thread(wait_for_ever, started)
    while not failed.done() or not started.is_set():
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("start", [go, asyncio.create_task])
@pytest.mark.parametrize("where", ["body", "end"])
async def test_a_cancelled_scope_raises_the_errors_of_its_calls(start: Any, where: str) -> None:
    async def body() -> None:
        try:
            async with sync_scope() as scope:
                await a_failed_one_and_one_that_waits(scope)
                ready.set()
                if where == "body":
                    await asyncio.sleep(PATIENCE)
        except ExceptionGroup as group:
            errors.extend(group.exceptions)
        counts.append(asyncio.current_task().cancelling())  # type: ignore[union-attr]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        errors.append(RuntimeError("the cancel did not come"))

    errors: list[BaseException] = []
    counts: list[int] = []
    ready = asyncio.Event()
    task = start(body())
    await ready.wait()
    await asyncio.sleep(0.01)
    task.cancel()
    if start is go or sys.version_info >= (3, 13):
        with pytest.raises(asyncio.CancelledError):
            await task
    else:  # as with asyncio.TaskGroup
        await task
        errors.pop()
    assert [type(error) for error in errors] == [LookupError]
    assert counts == [1]


@pytest.mark.parametrize("start", [go, asyncio.create_task])
@pytest.mark.parametrize("where", ["body", "end"])
async def test_a_timeout_around_a_scope_loses_no_errors(start: Any, where: str) -> None:
    async def body() -> None:
        with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012
            async with asyncio.timeout(None) as timeout, sync_scope() as scope:
                await a_failed_one_and_one_that_waits(scope)
                timeout.reschedule(asyncio.get_running_loop().time() + 0.01)
                if where == "body":
                    await asyncio.sleep(PATIENCE)
        assert [type(error) for error in caught.value.exceptions] == [LookupError]
        assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]
        await asyncio.sleep(0.001)  # nothing is left of the cancel

    await start(body())


async def test_a_timeout_around_a_scope_without_errors_is_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), sync_scope() as scope:
            scope.go_thread(wait_for_ever, threading.Event())


@pytest.mark.parametrize("where", ["body", "end"])
async def test_a_cancelled_scope_on_a_thread_raises_the_errors_of_its_calls(where: str) -> None:
    def body() -> None:
        try:
            with sync_scope() as scope:
                failed = scope.go_thread(failing)
                started = threading.Event()
                scope.go_thread(wait_for_ever, started)
                started.wait(PATIENCE)
                until(failed.done)
                ready.set()
                if where == "body":
                    chan().recv_blocking()
        except ExceptionGroup as group:
            errors.extend(group.exceptions)
        check_cancel()

    errors: list[BaseException] = []
    ready = threading.Event()
    g = go_thread(body)
    while not ready.is_set():
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    g.cancel()
    with pytest.raises(asyncio.CancelledError):
        await g
    assert [type(error) for error in errors] == [LookupError]


def test_errors_that_a_scope_does_not_raise_are_panics(caplog: pytest.LogCaptureFixture) -> None:
    def leave() -> None:
        with sync_scope():
            failed = spawn(failing)
            until(failed.is_ready)
            raise SystemExit

    with pytest.raises(SystemExit):
        leave()
    gc.collect()
    until(lambda: "failed and nobody awaited it" in caplog.text)


@pytest.mark.parametrize("fail", [failing, failing_in_a_loop])
async def test_nobody_is_reminded_of_a_failed_call_while_the_scope_that_will_raise_it_waits(
    fail: Any, caplog: pytest.LogCaptureFixture
) -> None:
    hold = goish.Chan[int]()
    with pytest.raises(ExceptionGroup, match="unhandled"):  # noqa: PT012
        async with sync_scope() as scope:
            scope.go_thread(hold.recv_blocking)
            within = scope.go_thread(fail)
            await _end_of(within)
            reminder = f"{within!r} failed and nobody has awaited it so far"
            outside = contextvars.Context().run(go_thread, fail)  # of no scope
            await _end_of(outside)  # its reminder comes after the one that must not come
            go(_send_when, hold, lambda: f"{outside!r} failed and nobody has awaited it so far" in caplog.text)
    assert reminder not in caplog.text
    assert outside.exception() is not None


async def _end_of(g: goish.Goroutine[Any]) -> None:
    """Nobody waits for it meanwhile."""
    while not g.done():
        await asyncio.sleep(0.001)


async def _send_when(ch: goish.Chan[int], is_time: Any) -> None:
    while not is_time():
        await asyncio.sleep(0.01)
    await ch.send(1)


def test_a_scope_does_not_grow_with_what_is_done() -> None:
    with sync_scope() as scope:
        for _ in range(2000):
            sync(spawn(int))
        assert len(scope._members) < 200


def test_a_scope_does_not_grow_with_failures_that_were_seen() -> None:
    seen = 0
    with sync_scope() as scope:
        for _ in range(2000):
            with suppress(ZeroDivisionError):
                sync(spawn(divmod, 1, 0))
            seen += 1
        assert len(scope._verdict._failed) < 200
    assert seen == 2000


# ── tokens ──


async def test_a_cancel_token_closes_a_channel() -> None:
    token = goish.CancelToken()
    assert not token.cancelled() and not token.done().closed
    token.check()
    listener = go(lambda: _listen(token))
    await asyncio.sleep(0)
    assert token.cancel("over")
    assert not token.cancel() and token.cancelled()
    assert await listener == "over"
    assert await goish.select(chan().recv(), token.done().recv_ok()) == (1, None, False)
    with pytest.raises(asyncio.CancelledError, match="over"):
        token.check()


async def _listen(token: goish.CancelToken) -> str:
    try:
        await token.done().recv()
    except goish.ChanClosed:
        return "over"
    return "a value"


def test_a_token_stops_what_computes() -> None:
    token = goish.CancelToken()

    def body() -> None:
        while True:
            token.check()

    g = go_thread(body)
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        g.result_blocking(timeout=PATIENCE)


# ── without the interpreter's consent ──


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_submit_in_a_signal_handler() -> None:
    pendings: list[Any] = []
    with alarms(lambda: pendings.append(submit(int))):
        while len(pendings) < 50:
            sync(submit(int))
    assert sum(sync_all(*pendings)) == 0


# ── whom one helps ──


def test_who_helps_anybody_runs_what_is_unrelated() -> None:
    """On a pool whose only worker is taken, nobody else could."""
    with Executor(workers=1, max_threads=1) as ex:
        hold = threading.Event()
        running = threading.Event()

        def long() -> bool:
            running.set()
            return hold.wait(PATIENCE)

        slow = ex.spawn(long)
        assert running.wait(PATIENCE)
        stranger = ex.spawn(hold.set)
        assert sync(slow, help="any")
        assert stranger.is_ready()
        sync(stranger)


def test_submitted_calls_are_helped_by_nobody() -> None:
    with Executor(workers=1) as ex:
        hold = threading.Event()
        running = threading.Event()

        def long() -> None:
            running.set()
            hold.wait(PATIENCE)

        slow = ex.submit(long)
        assert running.wait(PATIENCE)
        waiting = ex.submit(threading.get_ident)
        threading.Timer(0.01, hold.set).start()
        sync(slow, help="any")
        assert sync(waiting, help="any") != threading.get_ident()


def test_who_helps_nobody_runs_nothing_himself() -> None:
    with Executor(workers=1) as ex:
        assert sync(ex.spawn(threading.get_ident), help="none") != threading.get_ident()
        assert ex.spawn(threading.get_ident).sync(help="none") != threading.get_ident()


@pytest.mark.parametrize("given", ["all", None, 1])
def test_help_is_one_of_three(given: Any) -> None:
    fv = spawn(int)
    g = go_thread(int)
    for handle in (fv, g):
        with pytest.raises(ValueError, match='"descendants", "any", "none"'):
            sync(handle, help=given)  # type: ignore[type-var]
    assert (sync(fv), sync(g)) == (0, 0)


def test_blocking_takes_everything_from_everywhere() -> None:
    async def body(value: str) -> str:
        await asyncio.sleep(0.001)
        return value

    elsewhere = asyncio.new_event_loop()
    thread = threading.Thread(target=elsewhere.run_forever, daemon=True)
    thread.start()
    foreign = elsewhere.create_future()
    elsewhere.call_soon_threadsafe(elsewhere.call_later, 0.001, foreign.set_result, "f")

    def worker() -> Any:
        return sync_all(go(body, "a"), go_thread(body, "b"), spawn(str, "c"), submit(str, "d"), foreign)

    assert go_thread(worker).result_blocking(timeout=PATIENCE) == tuple("abcdf")
    failed = elsewhere.create_future()
    elsewhere.call_soon_threadsafe(failed.set_exception, LookupError())
    with pytest.raises(LookupError):
        sync_all(spawn(int), failed)
    assert sync_any(foreign) == (0, "f")
    never = elsewhere.create_future()
    with pytest.raises(TimeoutError):
        sync_any(never, timeout=0.001)
    elsewhere.call_soon_threadsafe(never.cancel)
    elsewhere.call_soon_threadsafe(elsewhere.stop)
    thread.join()
    elsewhere.close()


# ── a plain thread helps ──


@pytest.mark.parametrize("where", ["main", "another"])
def test_a_thread_that_is_no_worker_runs_what_the_call_has_spawned(where: str) -> None:
    n = 10
    seen: list[int] = []
    all_ran = threading.Event()

    def child() -> None:
        seen.append(threading.get_ident())
        if len(seen) == n:
            all_ran.set()

    def parent() -> bool:
        children.extend(ex.spawn(child) for _ in range(n))
        return all_ran.wait(PATIENCE)  # not in goish: no worker takes its place

    children: list[Any] = []
    me: list[int] = []
    helped: list[bool] = []

    def wait_for_it() -> None:
        me.append(threading.get_ident())
        helped.append(sync(parents))

    with Executor(workers=1, max_threads=1) as ex:
        parents = ex.spawn(parent)
        until(lambda: ex.statistics().pending == n)
        if where == "main":
            wait_for_it()
        else:
            thread = threading.Thread(target=wait_for_it)
            thread.start()
            thread.join(PATIENCE)
        assert helped == [True]
        assert seen == me * n
        for fv in children:
            sync(fv)


def test_ctrl_c_while_a_thread_helps_is_its_own() -> None:
    hold, spawned = threading.Event(), threading.Event()

    def child() -> None:
        hold.set()
        raise KeyboardInterrupt  # as its handler does, on the thread that runs the child

    def parent() -> None:
        children.append(ex.spawn(child))
        spawned.set()
        hold.wait(PATIENCE)

    children: list[Any] = []
    with Executor(workers=1, max_threads=1) as ex:
        fv = ex.spawn(parent)
        assert spawned.wait(PATIENCE)
        with pytest.raises(KeyboardInterrupt):
            sync(fv)
        sync(fv)
        with pytest.raises(KeyboardInterrupt):
            sync(children[0])


# ── exceptions that refuse attributes ──


@dataclasses.dataclass(frozen=True)
class NotFound(Exception):
    key: str


class Slotted(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


class OddNotes(Exception):
    __notes__ = None  # type: ignore[assignment]


def raises(error: BaseException) -> None:
    raise error


async def raises_async(error: BaseException) -> None:
    raise error


VERBS = [spawn, submit, go_thread]


@pytest.mark.parametrize("error", [NotFound("k"), Slotted(), OddNotes()], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("fn", [raises, raises_async])
@pytest.mark.parametrize("verb", VERBS, ids=["spawn", "submit", "go_thread"])
async def test_an_exception_that_takes_no_note_comes_as_it_is(verb: Any, fn: Any, error: Any) -> None:
    with pytest.raises(type(error)) as caught:
        await verb(fn, error)
    assert caught.value is error
    with pytest.raises(type(error)) as caught:
        await go_thread(sync, verb(fn, error))
    assert caught.value is error


@pytest.mark.parametrize("error", [NotFound("k"), Slotted()], ids=lambda error: type(error).__name__)
async def test_an_exception_that_takes_no_attribute_may_be_had_often(error: Any) -> None:
    g = go(raises_async, error)
    for _ in range(3):
        with pytest.raises(type(error)) as caught:
            await g
        assert caught.value is error
        with pytest.raises(type(error)):
            g.result()


def test_a_function_that_gives_a_coroutine_is_not_run_twice_by_a_waiter() -> None:
    """While the waiter makes up its mind to run it, a worker has: it is in a queue again then, for a loop."""

    async def double(n: int) -> int:
        return 2 * n

    with Executor(workers=2) as ex:
        for _ in range(20_000 if FREE_THREADED else 500):  # one in 60,000 met it
            given = [ex.spawn(lambda n: double(n), n) for n in range(3)]
            assert [sync(fv) for fv in given] == [0, 2, 4]
