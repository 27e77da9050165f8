"""parallel_for, parallel_map, parallel_reduce."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import gc
import operator
import signal
import threading
import time
from collections.abc import Generator
from typing import Any

import pytest
from parties import PATIENCE, until

import goish
from goish import go_thread
from goish.errors import PoolShutdown, SyncOnLoop
from goish.parallel import Executor, adopt, parallel_for, parallel_map, parallel_reduce


@pytest.fixture(params=[1, 3])
def executor(request: pytest.FixtureRequest) -> Generator[Executor]:
    with Executor(workers=request.param) as ex:
        yield ex


@pytest.mark.parametrize("n", [0, 1, 2, 7, 1000])
@pytest.mark.parametrize("grain", [None, 1, 3, 5000])
def test_the_results_are_those_of_a_loop(executor: Executor, n: int, grain: int | None) -> None:
    seen: list[int] = []
    assert parallel_map(operator.neg, range(n), grain=grain, executor=executor) == [-i for i in range(n)]
    parallel_for(seen.append, iter(range(n)), grain=grain, executor=executor)
    assert sorted(seen) == list(range(n))
    words = [str(i) for i in range(n)]
    joined = parallel_reduce(operator.add, words, initial="", grain=grain, executor=executor)
    assert joined == "".join(words)  # in order, though in pieces
    assert parallel_reduce(operator.add, range(n), map=str, initial=">", grain=grain, executor=executor) == ">" + joined


def test_reducing_nothing_needs_an_initial_value() -> None:
    with pytest.raises(TypeError, match="initial"):
        parallel_reduce(operator.add, [])
    assert parallel_reduce(operator.add, [], initial=5) == 5


def test_workers_take_part() -> None:
    meet = threading.Barrier(3, timeout=PATIENCE)
    with Executor(workers=2) as ex:
        parallel_for(lambda _: meet.wait(), range(3), grain=1, executor=ex)


def test_a_piece_is_of_grain_items_at_most(executor: Executor) -> None:
    assert parallel_map(lambda _: goish.current_goroutine(), range(20), grain=20, executor=executor) == [None] * 20
    pieces = parallel_map(lambda _: goish.current_goroutine(), range(20), grain=1, executor=executor)
    assert len(set(pieces)) == 20


def test_the_first_error_is_raised_and_the_rest_left_out(executor: Executor) -> None:
    seen: list[int] = []

    def body(i: int) -> None:
        seen.append(i)
        if i == 3:
            raise LookupError(i)

    for loop in (parallel_for, parallel_map):
        seen.clear()
        with pytest.raises(LookupError, match="3"):
            loop(body, range(100_000), executor=executor)
        assert len(seen) < 100_000
    until(lambda: goish.num_goroutine() == 0)  # a worker may be about to note the end of what it ran


def test_loops_may_nest(executor: Executor) -> None:
    def row(i: int) -> list[int]:
        return parallel_map(lambda j: i * j, range(10), grain=1, executor=executor)

    assert parallel_map(row, range(10), grain=1, executor=executor) == [[i * j for j in range(10)] for i in range(10)]


@pytest.mark.parametrize("loop", [parallel_for, parallel_map])
async def test_on_a_loop_it_is_awaited_by_go_thread(loop: Any) -> None:
    with pytest.raises(SyncOnLoop, match=rf"await go_thread\({loop.__name__}, ...\)"):
        loop(abs, [1])
    await go_thread(loop, abs, [1])
    until(lambda: goish.num_goroutine() <= 1)


@pytest.mark.parametrize("grain", [0, -1, True, 1.5, "3"])
def test_a_grain_is_a_whole_number(grain: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="grain is"):
        parallel_map(abs, [1], grain=grain)


# ── coroutine functions ──


async def fetch(n: int) -> int:
    return n


class Fetcher:
    async def __call__(self, n: int) -> int:
        return n


@pytest.mark.parametrize("fn", [fetch, functools.partial(fetch), Fetcher()])
def test_a_coroutine_function_is_refused_before_anything_runs(fn: Any) -> None:
    with adopt(concurrent.futures.ThreadPoolExecutor(1)) as others:
        for options in ({}, {"executor": others}):
            for loop in (parallel_for, parallel_map):
                with pytest.raises(TypeError, match=rf"{loop.__name__}\(\) takes plain functions .*wait_all\(\*\[go\("):
                    loop(fn, range(3), **options)  # type: ignore[operator]
            with pytest.raises(TypeError, match=r"parallel_reduce\(\) takes plain functions"):
                parallel_reduce(operator.add, range(3), map=fn, **options)


def test_a_function_that_gives_coroutines_is_refused_and_nothing_is_left(executor: Executor) -> None:
    made: list[Any] = []

    def body(n: int) -> Any:
        coro = fetch(n)
        made.append(coro)
        return coro

    for loop in (parallel_for, parallel_map):
        with pytest.raises(TypeError, match=rf"{loop.__name__}\(\) .* returns coroutines: await wait_all"):
            loop(body, range(3), grain=1, executor=executor)
    with pytest.raises(TypeError, match=r"returns coroutines"):
        parallel_reduce(operator.add, range(3), map=body, grain=1, executor=executor)
    for coro in made:
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            coro.send(None)


@pytest.mark.parametrize("loop", [parallel_for, parallel_map])
def test_what_cannot_be_called_is_refused(loop: Any) -> None:
    with pytest.raises(TypeError, match="got 5 of type int"):
        loop(5, [])


# ── a bounded executor ──


def slow_square(n: int) -> int:
    time.sleep(0.0001)
    return n * n


@pytest.mark.parametrize("on_full", ["raise", "block", "run"])
@pytest.mark.parametrize(("workers", "max_pending"), [(1, 1), (2, 1), (4, 2), (4, 4)])
def test_a_full_executor_is_no_reason_to_fail(workers: int, max_pending: int, on_full: Any) -> None:
    """How a loop is cut in pieces is its own matter: one that nobody takes is done where the loop is."""
    squares = [n * n for n in range(200)]
    with Executor(workers=workers, max_pending=max_pending, on_full=on_full) as ex:
        for grain in (None, 1, 7):
            seen: list[int] = []
            assert parallel_map(slow_square, range(200), grain=grain, executor=ex) == squares
            parallel_for(seen.append, range(200), grain=grain, executor=ex)
            assert sorted(seen) == list(range(200))
            words = parallel_reduce(operator.add, range(200), map=str, grain=grain, executor=ex)
            assert words == "".join(map(str, range(200)))


def test_a_full_executor_holds_no_loop_up() -> None:
    """Nor does `on_full="block"`: its only worker and the only place in its queue are taken for all the time."""
    hold, begun = threading.Event(), threading.Event()
    with Executor(workers=1, max_pending=1, on_full="block") as ex:
        ex.spawn(lambda: (begun.set(), hold.wait(PATIENCE)))
        assert begun.wait(PATIENCE)
        ex.spawn(int)
        try:
            assert parallel_map(operator.neg, range(50), grain=1, executor=ex) == [-n for n in range(50)]
            assert ex.statistics().pending == 1
        finally:
            hold.set()


def test_an_error_on_a_full_executor_comes_out_once() -> None:
    """And the pieces that were under way are waited for: none is left that panics."""

    def body(n: int) -> None:
        slow_square(n)
        if n % 10 == 3:
            raise LookupError(n)

    with Executor(workers=2, max_pending=1) as ex:
        for grain in (None, 1):
            before = goish.debug.panics()
            with pytest.raises(LookupError):
                parallel_for(body, range(100), grain=grain, executor=ex)
            until(lambda: ex.statistics().running == 0)
            gc.collect()
            assert goish.debug.panics() == before
    gc.collect()
    assert goish.debug.panics() == before  # the workers have let go of all


@pytest.mark.parametrize("cancel", [False, True])
@pytest.mark.parametrize("options", [{}, {"max_pending": 1}])
def test_a_shutdown_in_the_midst_comes_out_once(options: dict[str, int], cancel: bool) -> None:
    """Each piece that is cut further then fails in the same way, and none of them is a panic."""
    ex = Executor(workers=2, **options)
    before = goish.debug.panics()

    def body(n: int) -> int:
        if n >= 5 and not ex.is_shutdown():
            ex.shutdown(wait=False, cancel=cancel)
        return slow_square(n)

    with pytest.raises((PoolShutdown, asyncio.CancelledError)):
        parallel_map(lambda n: parallel_map(body, range(n), grain=1, executor=ex), range(100), grain=1, executor=ex)
    ex.shutdown()
    gc.collect()
    assert goish.debug.panics() == before


def test_ctrl_c_leaves_no_piece_that_panics() -> None:
    main = threading.get_ident()
    begun, waits, hold = threading.Event(), threading.Event(), threading.Event()
    before = goish.debug.panics()

    def body(_: int) -> None:
        if threading.get_ident() == main:
            assert begun.wait(PATIENCE)
            waits.set()  # now, or in a moment
            return
        begun.set()
        assert waits.wait(PATIENCE)
        time.sleep(0.05)
        signal.pthread_kill(main, signal.SIGINT)  # not interrupt_main(), which interrupts no wait
        assert hold.wait(PATIENCE)
        raise LookupError

    with Executor(workers=1) as ex:
        with pytest.raises(KeyboardInterrupt):
            parallel_for(body, range(2), grain=1, executor=ex)
        hold.set()
    gc.collect()
    assert goish.debug.panics() == before


# ── cancelling ──


@pytest.mark.parametrize("loop", [parallel_for, parallel_map, parallel_reduce])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_cancel_ends_the_loop_after_the_items_under_way(loop: Any, workers: int) -> None:
    """Not after the pieces that they are of."""
    own, others = threading.Event(), threading.Event()
    begun: list[Any] = []

    def body(n: int) -> int:
        me = goish.current_goroutine()
        begun.append(me)
        assert (own if me is loops else others).wait(PATIENCE)
        return n

    with Executor(workers=workers) as ex:
        call = (
            functools.partial(parallel_reduce, max, range(1000), map=body)
            if loop is parallel_reduce
            else functools.partial(loop, body, range(1000))
        )
        started = threading.Event()
        loops = ex.go_thread(lambda: started.wait(PATIENCE) and call(grain=100, executor=ex))
        started.set()
        until(lambda: len(begun) == workers and loops in begun)
        assert loops.cancel("enough")
        own.set()
        until(lambda: ex.statistics().pending == 0)  # what has not begun is cancelled, once the loop knows
        others.set()
        with pytest.raises(asyncio.CancelledError, match="enough"):
            loops.result_blocking(timeout=PATIENCE)
        assert len(begun) == workers
