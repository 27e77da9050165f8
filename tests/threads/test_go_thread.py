"""go_thread: functions and coroutine functions on worker threads."""

from __future__ import annotations

import asyncio
import collections
import contextvars
import functools
import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from helpers import ENDS, FREE_THREADED, REAL_LOOPS
from parties import PATIENCE, until

import goish
from goish import Goroutine, chan, check_cancel, current_goroutine, go, go_thread, sleep
from goish._program import panics
from goish._runtime.core import parked_threads, set_worker_patience
from goish.runtime import current_worker

this_thread = threading.get_ident


async def this_thread_async() -> int:
    return threading.get_ident()


pytestmark = pytest.mark.usefixtures("two_workers")


@pytest.fixture(params=["def", "async def"])
def who(request: pytest.FixtureRequest) -> Any:
    """Where does it run?"""
    return this_thread if request.param == "def" else this_thread_async


@pytest.fixture
def patient_workers() -> Iterator[None]:
    """A worker leaves a call that was made on it to the others, however late a loaded machine lets them come."""
    before = set_worker_patience(PATIENCE)
    yield
    set_worker_patience(before)


# ── results ──


async def test_a_function_gives_its_result() -> None:
    assert await go_thread(divmod, 17, 5) == (3, 2)
    assert await go_thread(functools.partial(int, base=2), "101") == 5
    assert await go_thread(lambda *, a: a, a=1) == 1


async def test_a_coroutine_function_gives_its_result() -> None:
    async def later(n: int, *, times: int) -> int:
        await sleep(0)
        return n * times

    assert await go_thread(later, 7, times=6) == 42
    assert await go_thread(later(7, times=6)) == 42
    assert await go_thread(functools.partial(later, 7), times=6) == 42


async def test_a_function_that_gives_a_coroutine_has_it_run_on_a_loop() -> None:
    async def body() -> tuple[Any, int]:
        return asyncio.get_running_loop(), threading.get_ident()

    loop, thread = await go_thread(lambda: body())
    assert loop is not asyncio.get_running_loop()
    assert thread != threading.get_ident()


async def test_an_object_with_an_async_call_is_a_coroutine_function() -> None:
    class Body:
        async def __call__(self) -> Any:
            return asyncio.get_running_loop()

    assert await go_thread(Body()) is not asyncio.get_running_loop()


def test_a_plain_thread_gets_the_result_too(who: Any) -> None:
    assert go_thread(who).result_blocking(timeout=PATIENCE) != threading.get_ident()


async def test_the_handle_is_a_goroutine_and_may_be_awaited_often(who: Any) -> None:
    g = go_thread(who)
    assert type(g) is Goroutine
    assert await g == await g == g.result()
    assert g.state == "done"


async def test_it_was_created_here(who: Any) -> None:
    g = go_thread(who)
    by = g.created_by
    assert by is not None and by[0].co_name == "test_it_was_created_here"
    await g


async def test_asyncio_takes_the_handle_as_one_of_the_running_loop(who: Any) -> None:
    assert len(set(await asyncio.gather(*[go_thread(who) for _ in range(5)]))) <= 2
    assert await asyncio.wait_for(go_thread(who), PATIENCE) != threading.get_ident()
    done, pending = await asyncio.wait([go_thread(who), go_thread(who)])
    assert len(done) == 2 and not pending
    assert await asyncio.shield(go_thread(who)) != threading.get_ident()


async def test_callbacks_come_on_the_loop_that_asked(who: Any) -> None:
    called = asyncio.get_running_loop().create_future()
    g = go_thread(who)
    g.add_done_callback(lambda g: called.set_result((g, threading.get_ident())))
    assert await called == (g, threading.get_ident())


async def test_more_than_wait_and_more_than_run() -> None:
    assert sum(await asyncio.gather(*[go_thread(int, "1") for _ in range(2000)])) == 2000


async def test_an_exception_has_the_traceback_of_the_thread() -> None:
    def fail() -> None:
        raise LookupError("of the worker")

    with pytest.raises(LookupError, match="of the worker") as caught:
        await go_thread(fail)
    assert caught.traceback[-1].name == "fail"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
async def test_without_a_program_its_end_raised_on_a_worker_comes_to_the_awaiter(run_foreign: Any, error: Any) -> None:
    def fail() -> None:
        raise error("from there")

    async def fail_async() -> None:
        raise error("from there")

    for body in (fail, fail_async):
        with pytest.raises(error, match="from there"):
            await go_thread(body)
    assert await go_thread(int) == 0  # the workers live


async def test_goexit_ends_a_plain_call_too() -> None:
    g = go_thread(goish.goexit)
    assert await g is None
    assert g.exited


@pytest.mark.parametrize("given", [5, None, "fn", object()])
def test_what_cannot_be_called_is_refused_at_once(given: Any) -> None:
    with pytest.raises(TypeError, match=r"work for a thread is a function .* got "):
        go_thread(given)


async def test_a_coroutine_that_has_started_is_refused() -> None:
    async def body() -> None:
        await sleep(0)

    coro = body()
    coro.send(None)
    with pytest.raises(RuntimeError, match="started already"):
        go_thread(coro)
    coro.close()
    coro = body()
    with pytest.raises(TypeError, match="has its arguments already"):
        go_thread(coro, 1)  # type: ignore[call-overload]
    coro.close()


# ── where it runs ──


async def test_it_runs_elsewhere(who: Any) -> None:
    assert await go_thread(who) != threading.get_ident()


async def test_a_plain_call_runs_outside_of_any_loop() -> None:
    def body() -> str:
        assert asyncio._get_running_loop() is None
        return asyncio.run(asyncio.sleep(0, "an inner loop"))

    assert await go_thread(body) == "an inner loop"


@pytest.mark.usefixtures("patient_workers")
async def test_example_of_the_first_source_document() -> None:
    """go stays on the thread that calls it, go_thread leaves it, whoever calls and however deep."""
    seen: dict[str, int] = {}

    async def io() -> None:
        seen["io"] = threading.get_ident()

    async def outer() -> None:
        seen["outer"] = threading.get_ident()

        async def sibling() -> None:
            seen["sibling"] = threading.get_ident()

        async def deeper() -> None:
            seen["deeper"] = threading.get_ident()
            await go(sibling_of_deeper)

        async def sibling_of_deeper() -> None:
            seen["sibling of deeper"] = threading.get_ident()

        await goish.wait_all(go(sibling), go_thread(deeper))
        seen["outer after"] = threading.get_ident()

    await goish.wait_all(go(io), go_thread(outer))
    assert seen["io"] == threading.get_ident() != seen["outer"]
    assert seen["sibling"] == seen["outer"] == seen["outer after"]
    assert seen["deeper"] == seen["sibling of deeper"] != seen["outer"]


@pytest.mark.usefixtures("patient_workers")
async def test_a_nested_call_goes_to_another_worker(who: Any) -> None:
    def nested() -> tuple[int, int]:
        return threading.get_ident(), go_thread(who).result_blocking(timeout=PATIENCE)

    async def nested_async() -> tuple[int, int]:
        return threading.get_ident(), await go_thread(who)

    for body in (nested, nested_async):
        for _ in range(50):
            here, there = await go_thread(body)
            assert here != there


async def test_a_single_worker_runs_nested_calls_all_the_same(who: Any) -> None:
    goish.set_workers(1)

    def nested(depth: int) -> int:
        return depth and 1 + go_thread(nested, depth - 1).result_blocking(timeout=PATIENCE)

    async def nested_async(depth: int) -> int:
        return depth and 1 + await go_thread(nested_async, depth - 1)

    assert await go_thread(nested, 20) == 20
    assert await go_thread(nested_async, 20) == 20


async def test_goroutines_of_a_plain_call_run_on_its_thread_when_it_waits_and_when_it_is_over() -> None:
    ran: list[int] = []

    async def child() -> None:
        await asyncio.sleep(0.001)
        ran.append(threading.get_ident())

    def waits() -> int:
        goish.go(child).result_blocking(timeout=PATIENCE)
        return threading.get_ident()

    def leaves() -> int:
        goish.go(child)
        return threading.get_ident()

    for body in (waits, leaves):
        thread = await go_thread(body)
        until(lambda: ran)
        assert ran.pop() == thread


async def test_a_plain_call_talks_to_its_goroutines_by_a_channel() -> None:
    async def squares(n: int, out: goish.Chan[int]) -> None:
        for i in range(n):
            await out.send(i * i)
        out.close()

    def body() -> list[int]:
        out: goish.Chan[int] = chan()
        go(squares, 5, out)
        return list(out)

    assert await go_thread(body) == [0, 1, 4, 9, 16]


async def test_parked_workers_take_more_work() -> None:
    """Far more bodies than workers, each of which waits for the last."""
    n = 5000
    gate = goish.WaitGroup()
    gate.add(n)

    async def body() -> None:
        gate.done()
        await gate.wait()

    await asyncio.gather(*[go_thread(body) for _ in range(n)])


async def test_bodies_that_block_are_made_up_for() -> None:
    n = 50
    results: goish.Chan[int] = chan()
    senders = [go_thread(results.send_blocking, i) for i in range(n)]
    assert sorted([await results.recv() for _ in range(n)]) == list(range(n))
    await goish.wait_all(*senders)
    until(lambda: goish.parallel.default_executor().statistics().workers <= 7)  # those in excess leave


@pytest.mark.parametrize(("kind", "n"), [("goroutine", 10_000), ("worker's goroutine", 10_000), ("blocking", 400)])
async def test_many_producers_and_one_consumer(kind: str, n: int) -> None:
    """Go's TestChan_ManyGoroutines: far more producers than a pool has threads, on an unbuffered channel."""
    async with goish.parallel.Executor(workers=2) as ex:
        ch: goish.Chan[int] = chan()

        async def produce(i: int) -> None:
            await ch.send(i)

        starts: dict[str, Any] = {
            "goroutine": lambda i: go(produce, i),
            "worker's goroutine": lambda i: ex.go_thread(produce, i),
            "blocking": lambda i: ex.go_thread(ch.send_blocking, i),
        }
        producers = [starts[kind](i) for i in range(n)]
        assert sum([await ch.recv() for _ in range(n)]) == n * (n - 1) // 2
        await goish.wait_all(*producers)


def test_one_blocked_producer_more_than_threads_is_refused_and_the_others_deliver() -> None:
    with goish.parallel.Executor(workers=2, max_threads=8) as ex:
        ch: goish.Chan[int] = chan()
        producers = []
        for i in range(8):
            producers.append(ex.go_thread(ch.send_blocking, i))
            until(lambda i=i: ex.statistics().blocked == i + 1)  # type: ignore[misc]
        with pytest.raises(goish.errors.PoolFull, match="all 8 workers"):
            ex.go_thread(ch.send_blocking, 8)
        assert sorted(ch.recv_blocking(timeout=PATIENCE) for _ in producers) == list(range(8))
        for producer in producers:
            producer.result_blocking(timeout=PATIENCE)


@pytest.mark.parametrize("n", [2, 4, 100, 1000])
async def test_waiting_bodies_are_spread_over_the_loops_of_all_workers(n: int) -> None:
    async def body() -> int:
        group.done()
        await gate.recv_ok()
        return threading.get_ident()

    async with goish.parallel.Executor(workers=4) as ex:
        gate: goish.Chan[None] = chan()
        group = goish.WaitGroup()
        group.add(n)
        bodies = [ex.go_thread(body) for _ in range(n)]
        await group.wait()
        gate.close()
        counts = collections.Counter(await asyncio.gather(*bodies))
    assert len(counts) == min(n, 4), counts


async def all_idle(ex: goish.parallel.Executor) -> None:
    while ex.statistics().idle < ex.statistics().workers:
        await asyncio.sleep(0.001)


async def test_bodies_one_after_the_other_are_spread_too() -> None:
    async def body(started: goish.Chan[int]) -> None:
        await started.send(threading.get_ident())
        await gate.recv_ok()

    async with goish.parallel.Executor(workers=3) as ex:
        gate: goish.Chan[None] = chan()
        started: goish.Chan[int] = chan()
        counts: collections.Counter[int] = collections.Counter()
        for _ in range(9):
            ex.go_thread(body, started)
            counts[await started.recv()] += 1
            await all_idle(ex)
        gate.close()
    assert sorted(counts.values()) == [3, 3, 3]


async def test_what_a_body_starts_counts_as_its_workers() -> None:
    async def child() -> None:
        group.done()
        await gate.recv_ok()

    async def parent() -> int:
        for _ in range(50):
            go(child)
        await gate.recv_ok()
        return threading.get_ident()

    async with goish.parallel.Executor(workers=2) as ex:
        gate: goish.Chan[None] = chan()
        group = goish.WaitGroup()
        group.add(50)
        first = ex.go_thread(parent)
        await group.wait()
        others = []
        for _ in range(10):
            await all_idle(ex)
            others.append(await ex.go_thread(this_thread_async))
        gate.close()
        assert await first not in others


async def test_a_started_goroutine_stays_on_its_worker(rng: Any) -> None:
    async def body() -> set[int]:
        seen = set()
        for _ in range(20):
            seen.add(threading.get_ident())
            await sleep(rng.random() / 1000)
        return seen

    assert all(len(seen) == 1 for seen in await asyncio.gather(*[go_thread(body) for _ in range(20)]))


async def test_current_goroutine_and_worker_are_known(who: Any) -> None:
    def body() -> tuple[Any, Any]:
        return current_goroutine(), current_worker()

    async def body_async() -> tuple[Any, Any]:
        return body()

    assert current_worker() is None
    for one in (body, body_async):
        g = go_thread(one)
        running, worker = await g
        assert running is g
        assert worker is not None and worker.name.startswith("goish-")


def test_threads_see_no_goroutine_afterwards() -> None:
    assert current_goroutine() is None
    assert go_thread(int).result_blocking(timeout=PATIENCE) == 0
    assert current_goroutine() is None and current_worker() is None


# ── contexts ──

VAR: contextvars.ContextVar[str] = contextvars.ContextVar("VAR", default="unset")


async def test_the_context_is_a_copy_of_the_callers(who: Any) -> None:
    def read_and_set() -> str:
        before = VAR.get()
        VAR.set("by the worker")
        return before

    async def read_and_set_async() -> str:
        return read_and_set()

    VAR.set("by the caller")
    for body in (read_and_set, read_and_set_async):
        assert await go_thread(body) == "by the caller"
    assert VAR.get() == "by the caller"


async def test_an_explicit_context_is_used() -> None:
    context = contextvars.Context()
    await go_thread.options(context=context)(VAR.set, "within")
    assert context[VAR] == "within"
    with pytest.raises(TypeError, match=r"contextvars\.Context"):
        go_thread.options(context={})  # type: ignore[arg-type]


def test_recycled_workers_keep_nothing_and_do_not_multiply() -> None:
    goish.set_workers(2)
    go_thread(int).result_blocking(timeout=PATIENCE)

    def body(i: int) -> str:
        before = VAR.get()
        VAR.set(f"call {i}")
        return before

    async def body_async(i: int) -> str:
        return body(i)

    for i in range(5000):
        for one in (body, body_async):
            assert contextvars.Context().run(go_thread, one, i).result_blocking(timeout=PATIENCE) == "unset"
    assert goish.parallel.default_executor().statistics().workers <= 6


def test_recycled_workers_let_go_of_contexts() -> None:
    class Thing:
        pass

    held: contextvars.ContextVar[Thing] = contextvars.ContextVar("held")
    alive: weakref.WeakSet[Thing] = weakref.WeakSet()

    def body() -> None:
        held.set(thing := Thing())
        alive.add(thing)

    async def body_async() -> None:
        body()

    threads = threading.active_count()
    for one in (body, body_async) * 5000:
        go_thread(one).result_blocking(timeout=PATIENCE)
    until(lambda: gc.collect() >= 0 and not alive)
    assert threading.active_count() <= threads + 6


async def test_a_call_keeps_nothing_alive_afterwards(who: Any) -> None:
    class Thing:
        pass

    def body(thing: Thing) -> None:
        pass

    async def body_async(thing: Thing) -> None:
        pass

    for one in (body, body_async):
        thing = Thing()
        gone = weakref.ref(thing)
        g = go_thread(one, thing)
        del thing
        await g
        gc.collect()
        until(lambda gone=gone: gone() is None)


# ── cancelling ──


async def test_a_call_that_waits_for_a_worker_is_cancelled_at_once() -> None:
    hold = threading.Event()
    busy = [go_thread(hold.wait) for _ in range(2)]
    g = go_thread(int)
    assert g.state == "new"
    assert g.cancel("no more")
    assert g.cancelled()
    with pytest.raises(asyncio.CancelledError, match="no more"):
        await g
    assert not g.cancel()
    hold.set()
    await goish.wait_all(*busy)


async def test_a_coroutine_on_a_worker_is_cancelled() -> None:
    started = threading.Event()

    async def body() -> None:
        started.set()
        await chan().recv()

    g = go_thread(body)
    while not started.is_set():
        await asyncio.sleep(0.001)
    g.cancel("enough")
    with pytest.raises(asyncio.CancelledError, match="enough"):
        await g


async def test_a_function_looks_whether_it_was_cancelled() -> None:
    started = threading.Event()

    def body() -> None:
        started.set()
        while True:
            check_cancel()

    g = go_thread(body)
    while not started.is_set():
        await asyncio.sleep(0.001)
    assert g.cancel("enough")
    with pytest.raises(asyncio.CancelledError, match="enough"):
        await g
    assert g.cancelled()


async def test_a_function_that_does_not_look_ends_as_if_nothing_were() -> None:
    hold = threading.Event()
    g = go_thread(hold.wait)
    while g.state == "new":
        await asyncio.sleep(0.001)
    g.cancel()
    hold.set()
    assert await g is True


def _receive() -> Any:
    return chan().recv_blocking()


def _receive_ok() -> Any:
    return chan().recv_ok_blocking()


def _receive_with_timeout() -> Any:
    return chan().recv_blocking(timeout=PATIENCE)


def _send() -> Any:
    chan().send_blocking(1)


def _select() -> Any:
    a, b = chan(), chan()
    return goish.select_blocking(a.recv(), b.send(1))


def _select_with_a_timer() -> Any:
    return goish.select_blocking(chan().recv(), goish.after(PATIENCE).recv())


def _iterate() -> Any:
    return list(chan())


def _wait() -> Any:
    group = goish.WaitGroup()
    group.add(1)
    group.wait_blocking()


def _wait_for_goroutine(sync: Any) -> Any:
    token = goish.CancelToken()
    other = go_thread(token.done().recv_ok_blocking)
    try:
        return sync(other)
    finally:
        token.cancel()


def _result() -> Any:
    return _wait_for_goroutine(lambda g: g.result_blocking(timeout=None))


def _sync() -> Any:
    return _wait_for_goroutine(goish.parallel.sync)


def _sync_any() -> Any:
    return _wait_for_goroutine(goish.parallel.sync_any)


def _with_goroutines() -> Any:
    token = goish.CancelToken()

    async def child() -> None:
        await token.done().recv_ok()

    go(child)
    try:
        return chan().recv_blocking()
    finally:
        token.cancel()


BLOCKED = [
    _receive,
    _receive_ok,
    _receive_with_timeout,
    _send,
    _select,
    _select_with_a_timer,
    _iterate,
    _wait,
    _result,
    _sync,
    _sync_any,
    _with_goroutines,
]


async def blocked(n: int = 1) -> None:
    while goish.parallel.default_executor().statistics().blocked < n:
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("body", BLOCKED, ids=lambda body: body.__name__.strip("_"))
async def test_a_cancel_wakes_a_function_that_is_blocked_in_goish(body: Any, caplog: pytest.LogCaptureFixture) -> None:
    g = go_thread(body)
    await blocked()
    assert g.cancel("enough")
    with pytest.raises(asyncio.CancelledError, match="enough"):
        await g
    assert g.cancelled()
    until(lambda: goish.num_goroutine() - (asyncio.current_task() is goish.current_goroutine()) == 0)
    assert parked_threads() == frozenset() and not caplog.text


@pytest.mark.parametrize("body", BLOCKED, ids=lambda body: body.__name__.strip("_"))
async def test_a_cancel_before_a_blocking_call_is_raised_by_it(body: Any) -> None:
    go_on = threading.Event()

    def late() -> Any:
        go_on.wait()
        return body()

    g = go_thread(late)
    while g.state == "new":
        await asyncio.sleep(0.001)
    g.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await g


async def test_a_cancel_is_told_once_and_cleaning_up_may_block() -> None:
    ends: goish.Chan[str] = chan()

    def body() -> None:
        try:
            chan().recv_blocking()
        finally:
            ends.send_blocking("cleaned up")

    g = go_thread(body)
    await blocked()
    g.cancel()
    assert await ends.recv() == "cleaned up"
    with pytest.raises(asyncio.CancelledError):
        await g


@pytest.mark.parametrize("selects", [False, True])
async def test_what_happened_before_the_cancel_is_delivered_and_the_cancel_comes_with_the_next_call(
    selects: bool,
) -> None:
    """Whatever the order: each value is received once, or left with the sender."""
    for _ in range(300):
        await one_round_of_send_against_cancel(selects)


async def one_round_of_send_against_cancel(selects: bool) -> None:
    values: goish.Chan[int] = chan()
    got: list[int] = []

    def body() -> None:
        while True:
            got.append(goish.select_blocking(values.recv())[1] if selects else values.recv_blocking())

    g = go_thread(body)
    sent = 0
    while True:
        try:
            async with asyncio.timeout(0.001 if sent >= 3 else PATIENCE):  # the cancel may come before any of the next
                await values.send(sent)
        except TimeoutError:
            break
        sent += 1
        if sent == 3:
            threading.Thread(target=g.cancel).start()
    with pytest.raises(asyncio.CancelledError):
        await g
    assert got == list(range(sent))


async def test_a_scope_whose_body_fails_ends_calls_that_are_blocked() -> None:
    def body() -> None:
        with goish.parallel.sync_scope():
            go_thread(_receive)
            raise LookupError("of the body")

    with pytest.raises(LookupError, match="of the body"):
        await go_thread(body)


async def test_a_cancelled_scope_outlives_none_of_its_calls() -> None:
    inner: list[Goroutine[Any]] = []

    def body() -> None:
        with goish.parallel.sync_scope():
            inner.extend(go_thread(_receive) for _ in range(3))

    g = go_thread(body)
    await blocked(4)
    g.cancel()
    with pytest.raises(asyncio.CancelledError):
        await g
    assert all(one.done() for one in inner)


async def test_a_cancel_reaches_the_call_that_a_function_runs_while_it_waits_for_it() -> None:
    goish.set_workers(1)
    seen: list[Any] = []

    def nested(depth: int) -> Any:
        seen.append(threading.get_ident())
        return goish.parallel.sync(goish.parallel.spawn(nested, depth - 1)) if depth else _receive()

    g = go_thread(nested, 20)
    while len(seen) < 21 or not goish.parallel.default_executor().statistics().blocked:
        await asyncio.sleep(0.001)
    g.cancel("enough")
    with pytest.raises(asyncio.CancelledError, match="enough"):
        await g
    assert await go_thread(int) == 0


async def test_a_cancelled_parallel_loop_ends_its_pieces() -> None:
    never: goish.Chan[Any] = chan()
    g = go_thread(goish.parallel.parallel_for, lambda _: never.recv_blocking(), range(4), grain=1)
    await blocked(2)
    g.cancel()
    with pytest.raises(asyncio.CancelledError):
        await g
    assert len(never) == 0


def test_workers_that_wait_for_jobs_hold_up_no_end_of_a_program(caplog: pytest.LogCaptureFixture) -> None:
    jobs: goish.Chan[int] = chan()

    async def main() -> None:
        for _ in range(3):
            go_thread(list, jobs)
        await blocked(3)

    goish.run(main, grace=PATIENCE)
    assert goish.num_goroutine() == 0 and not caplog.text


async def test_check_cancel_tells_a_goroutine_too() -> None:
    async def body() -> str:
        try:
            check_cancel()
        except asyncio.CancelledError:
            return "told"
        return "not told"

    assert await go(body) == "not told"

    async def itself() -> str:
        g = current_goroutine()
        assert g is not None
        g.cancel()
        return await body()

    assert await go(itself) == "told"
    check_cancel()  # nowhere: nothing


async def test_a_cancelled_awaiter_leaves_the_call_alone() -> None:
    hold = threading.Event()
    g = go_thread(hold.wait)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(g), 0.01)
    hold.set()
    assert await g is True


# ── panics and ends ──


def raising(error: type[BaseException]) -> Any:
    def body() -> None:
        raise error("there")

    return body


def raising_async(error: type[BaseException]) -> Any:
    async def body() -> None:
        raise error("there")

    return body


def raising_in_a_child(error: type[BaseException]) -> Any:
    async def child() -> None:
        raise error("there")

    async def body() -> None:
        go(child)
        await sleep(PATIENCE)

    return body


@pytest.mark.parametrize("body", [raising, raising_in_a_child])
@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_a_panic_on_a_worker_ends_the_program(body: Any, loop: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        kept = go_thread(body(LookupError)) if body is raising_in_a_child else None
        if kept is None:
            go_thread(body(LookupError))
        await sleep(PATIENCE)

    with pytest.raises(goish.Panic) as caught:
        goish.run(main, loop=loop)
    assert isinstance(caught.value.__cause__, LookupError)
    text = capsys.readouterr().err
    assert "panic: LookupError: there" in text and "created by" in text


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("body", [raising, raising_async, raising_in_a_child])
@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_the_end_of_the_program_raised_on_a_worker_ends_it_at_once(
    body: Any, error: Any, held: bool, loop: Any
) -> None:
    async def main() -> None:
        held_until_the_end = go_thread(body(error))
        if not held:
            del held_until_the_end
        await sleep(PATIENCE)
        raise AssertionError("too late")

    with pytest.raises(error, match="there"):
        goish.run(main, loop=loop)


def test_a_panic_on_a_worker_reaches_the_programs_own_listener() -> None:
    heard: list[Any] = []

    async def main() -> None:
        go_thread(raising(LookupError))
        while not heard:
            await sleep(0.001)

    goish.run(main, on_panic=lambda g, exc: heard.append((type(g), type(exc), threading.get_ident())))
    assert heard == [(Goroutine, LookupError, threading.get_ident())]


def test_without_a_program_the_log_tells_of_a_panic(caplog: pytest.LogCaptureFixture) -> None:
    go_thread(raising(LookupError))
    until(lambda: "failed and nobody awaited it" in caplog.text)
    until(lambda: "LookupError: there" in caplog.text)


def test_what_a_program_leaves_on_workers_is_cancelled() -> None:
    seen: list[str] = []
    started: goish.Chan[str] = chan(3)

    def looks() -> None:
        started.send_blocking("plain")
        try:
            while True:
                check_cancel()
        finally:
            seen.append("plain")

    async def waits(name: str) -> None:
        await started.send(name)
        try:
            await sleep(PATIENCE)
        finally:
            seen.append(name)

    async def parent() -> None:
        go(waits, "child")
        await waits("parent")

    async def main() -> None:
        go_thread(looks)
        go_thread(parent)
        assert sorted([await started.recv() for _ in range(3)]) == ["child", "parent", "plain"]

    goish.run(main, grace=PATIENCE)
    assert sorted(seen) == ["child", "parent", "plain"]
    assert goish.num_goroutine() == 0


def test_what_cannot_be_cancelled_is_named(caplog: pytest.LogCaptureFixture) -> None:
    hold = threading.Event()

    async def main() -> None:
        g = go_thread.options(name="stubborn")(hold.wait)
        while g.state == "new":
            await sleep(0.001)

    goish.run(main, grace=0.05)
    assert "stubborn" in caplog.text
    hold.set()


def test_another_programs_calls_are_left_alone() -> None:
    hold = threading.Event()
    mine = go_thread(hold.wait)

    async def main() -> None:
        await go_thread(int)

    goish.run(main)
    assert not mine.done()
    hold.set()
    assert mine.result_blocking(timeout=PATIENCE) is True


# ── deadlocks ──


def test_idle_workers_hide_no_deadlock() -> None:
    async def main() -> None:
        await goish.wait_all(go_thread(int), go_thread(this_thread_async))
        await chan().recv()

    with pytest.raises(goish.DeadlockError):
        goish.run(main)


@pytest.mark.parametrize("loop", REAL_LOOPS)
@pytest.mark.parametrize("left", ["task", "timer", "after"])
def test_what_a_call_has_left_on_its_workers_loop_may_wake_somebody(left: str, loop: Any) -> None:
    # Its goroutine is over; the task, or timer, that it has left there is not.
    late = 0.2  # much longer than the detector takes
    kept: list[Any] = []

    async def later(ch: goish.Chan[Any]) -> None:
        await asyncio.sleep(late)
        await ch.send("woken")

    async def leave() -> goish.RecvChan[Any]:
        ch: goish.Chan[Any] = chan(1)
        if left == "after":
            return goish.after(late)
        if left == "task":
            kept.append(asyncio.Task(later(ch), loop=asyncio.get_running_loop()))
        else:
            asyncio.get_running_loop().call_later(late, ch.try_send, "woken")
        return ch

    async def main() -> Any:
        return await (await go_thread(leave)).recv()

    assert goish.run(main, loop=loop)


def test_what_a_goroutine_of_a_plain_call_has_made_by_after_fires_when_that_is_over() -> None:
    async def make() -> goish.RecvChan[float]:
        return goish.after(0.05)

    def begin() -> goish.RecvChan[float]:
        return go(make()).result_blocking(timeout=PATIENCE)

    async def main() -> float:
        return await (await go_thread(begin)).recv()

    assert goish.run(main) > 0


def test_a_deadlock_with_a_blocked_worker_is_one() -> None:
    never: goish.Chan[None] = chan()

    async def main() -> None:
        go_thread(int)
        await go_thread(never.recv_ok_blocking)

    with pytest.raises(goish.DeadlockError, match=r"goroutine \d+ \[chan receive\]:\n  created by .*\.main at "):
        goish.run(main)
    assert goish.num_goroutine() == 0


def test_a_call_that_runs_may_wake_somebody() -> None:
    go_on = threading.Event()

    async def main() -> str:
        results: goish.Chan[str] = chan()
        timer = threading.Timer(0.2, go_on.set)  # much longer than the detector takes
        timer.start()

        def body() -> None:
            go_on.wait()
            timer.join()
            results.send_blocking("woken")

        go_thread(body)
        return await results.recv()

    assert goish.run(main) == "woken"


# ── failed, and held ──


@pytest.mark.parametrize("start", [go_thread, goish.parallel.spawn, goish.parallel.submit])
def test_a_plain_call_that_failed_and_is_held_is_told_of(
    start: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panics, "REMIND_AFTER", 0.01)
    held = start(divmod, 1, 0)
    until(lambda: "failed and nobody has awaited it so far" in caplog.text)
    until(lambda: "ZeroDivisionError" in caplog.text)  # the other may be of an earlier test
    with pytest.raises(ZeroDivisionError):
        goish.parallel.sync(held)


def test_one_that_was_seen_to_is_not_told_of(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    until(lambda: not panics._reminding)
    seen_to = threading.Event()
    monkeypatch.setattr(panics, "REMIND_AFTER", 0.0)
    monkeypatch.setattr(panics, "_wait", lambda _: seen_to.wait(PATIENCE))
    held = [goish.parallel.submit(divmod, 1, 0) for _ in range(20)]
    for one in held:
        with pytest.raises(ZeroDivisionError):
            goish.parallel.sync(one)
    seen_to.set()
    until(lambda: not panics._reminding)
    assert not caplog.records


# ── without the GIL ──


@pytest.mark.skipif(not FREE_THREADED, reason="this Python has the GIL")
def test_goish_does_not_bring_the_gil_back() -> None:
    program = "import sys, goish; assert not sys._is_gil_enabled()"
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=ENDS)


async def test_a_call_is_begun_on_a_worker_whose_goroutines_are_always_ready() -> None:
    """Nobody else could take it: the pool has one worker."""
    over: list[bool] = []

    async def spins() -> int:
        end = time.monotonic() + PATIENCE
        while not over and time.monotonic() < end:
            await goish.gosched()
        return len(over)

    async def ends_it() -> None:
        over.append(True)

    async with goish.parallel.Executor(workers=1) as ex:
        spinner = ex.go_thread(spins)
        await ex.go_thread(ends_it)
        assert await spinner == 1
