"""Executors: workers of one's own, bounded queues, shutting down, and those of others."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import copy
import gc
import logging
import os
import pickle
import random
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Coroutine, Generator
from typing import Any, ClassVar

import pytest
from parties import PATIENCE, until

import goish
from goish import go_thread
from goish._runtime.core import Nursery, all_goroutines
from goish.errors import PoolFull, PoolShutdown, SyncOnLoop
from goish.parallel import Executor, adopt, sync


@pytest.fixture
def hold() -> Generator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def occupy(ex: Executor, hold: threading.Event) -> Any:
    """A call that keeps a worker until ``hold`` is set."""
    running = threading.Event()

    def body() -> None:
        running.set()
        hold.wait()

    pending = ex.submit(body)
    assert running.wait(PATIENCE)
    return pending


# ── arguments ──


@pytest.mark.parametrize("name", ["workers", "max_pending", "max_threads"])
def test_a_number_is_one_or_more(name: str) -> None:
    for given in (0, -3):
        with pytest.raises(ValueError, match=f"{name} is 1 or more; got {given}"):
            Executor(**{name: given})
    for other in (True, 1.5, "2"):
        with pytest.raises(TypeError, match=f"{name} is a whole number"):
            Executor(**{name: other})


def test_other_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match='on_full is one of "raise", "block", "run"'):
        Executor(on_full="wait")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="name must be a str"):
        Executor(name=5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_threads is at least workers"):
        Executor(workers=3, max_threads=2)


@pytest.mark.parametrize("n", [0, True, "2", 2.5])
def test_set_workers_takes_a_whole_number(n: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="workers is"):
        goish.set_workers(n)


def test_by_default_there_are_as_many_workers_as_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Executor().workers == goish._threads.cpus.cpu_count() >= 1
    monkeypatch.setattr(goish._threads.cpus, "_cgroup_quota", lambda: 0.5)
    assert goish._threads.cpus.cpu_count() == 1


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_an_executor_cannot_be_copied(duplicate: Any) -> None:
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        duplicate(Executor())


# ── what runs where ──


def test_each_executor_has_threads_of_its_own() -> None:
    with Executor(workers=1, name="a") as a, Executor(workers=1, name="b") as b:
        names = [sync(ex.submit(lambda: threading.current_thread().name)) for ex in (a, b)]
    assert [name[0] for name in names] == ["a", "b"]


def test_no_more_than_workers_run_at_once() -> None:
    running = most = 0
    lock = threading.Lock()
    three = threading.Barrier(3)

    def body() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        three.wait(PATIENCE)
        with lock:
            running -= 1

    with Executor(workers=3) as ex:
        goish.parallel.sync_all(*[ex.submit(body) for _ in range(99)])
    assert most == 3


def test_the_number_of_workers_may_change() -> None:
    meet = threading.Barrier(3)
    with Executor(workers=1) as ex:
        ex.set_workers(3)
        assert sorted(goish.parallel.sync_all(*[ex.submit(meet.wait, PATIENCE) for _ in range(3)])) == [0, 1, 2]
        ex.set_workers(1)
        assert sync(ex.submit(int)) == 0


def test_threads_are_made_when_needed_or_in_the_background() -> None:
    with Executor(workers=3) as ex:
        assert ex.statistics().workers == 0
        sync(ex.submit(int))
        assert ex.statistics().workers == 1
    with Executor(workers=3).prestart() as ex:
        assert ex.statistics().workers == 3
        assert sync(ex.submit(int)) == 0


def test_submit_never_runs_on_the_thread_that_asks() -> None:
    with Executor(workers=1) as ex:

        def body() -> bool:
            return sync(ex.submit(threading.get_ident)) != threading.get_ident()

        assert sync(ex.submit(body))
        assert sync(ex.spawn(body))

        async def body_async() -> bool:
            async def thread() -> int:
                return threading.get_ident()

            return await ex.submit(thread) != threading.get_ident()

        assert sync(ex.submit(body_async))


def test_the_only_worker_there_may_be_leaves_what_it_submits_to_another() -> None:
    with Executor(workers=1, max_threads=1) as ex:

        def body() -> tuple[int, Any]:
            return threading.get_ident(), ex.submit(threading.get_ident)

        for _ in range(20):
            thread, pending = sync(ex.submit(body))
            assert pending.sync(timeout=PATIENCE) != thread
        until(lambda: ex.statistics().workers <= 2)


def test_stats_count_what_there_is(hold: threading.Event) -> None:
    with Executor(workers=1) as ex:
        occupy(ex, hold)
        waiting = [ex.spawn(int) for _ in range(3)]
        parked: goish.Chan[None] = goish.chan()

        async def park() -> None:
            await parked.recv()

        g = ex.go_thread(park)
        until(lambda: ex.statistics().goroutines == 1)
        stats = ex.statistics()
        assert (stats.workers, stats.pending, stats.running, stats.blocked) == (2, 3, 1, 0)
        assert goish.num_goroutine() == 5
        parked.close()
        hold.set()
        goish.parallel.sync_all(*waiting)
        with pytest.raises(goish.ChanClosed):
            g.result_blocking(timeout=PATIENCE)


# ── a full queue ──


def test_a_full_queue_raises(hold: threading.Event) -> None:
    with Executor(workers=1, max_pending=2) as ex:
        occupy(ex, hold)
        waiting = [ex.spawn(int), ex.submit(int)]
        for verb in (ex.spawn, ex.submit, ex.go_thread):
            with pytest.raises(PoolFull, match="max_pending=2"):
                verb(int)
        hold.set()
        goish.parallel.sync_all(*waiting)
        assert sync(ex.submit(int)) == 0


def test_a_full_queue_blocks_until_there_is_room(hold: threading.Event) -> None:
    with Executor(workers=1, max_pending=1, on_full="block") as ex:
        occupy(ex, hold)
        ex.submit(int)
        blocked: list[Any] = []
        thread = threading.Thread(target=lambda: blocked.append(ex.submit(int)))
        thread.start()
        thread.join(0.05)
        assert thread.is_alive()
        hold.set()
        thread.join(PATIENCE)
        assert sync(blocked[0]) == 0


def test_a_full_queue_blocks_no_loop(hold: threading.Event) -> None:
    async def main() -> None:
        with pytest.raises(PoolFull):
            ex.submit(int)

    with Executor(workers=1, max_pending=1, on_full="block") as ex:
        occupy(ex, hold)
        ex.submit(int)
        goish.run(main)
        hold.set()


def test_who_waits_for_room_can_be_cancelled_and_has_enqueued_nothing(hold: threading.Event) -> None:
    """The caller is a function on a worker of another executor; the room that comes later is for the next."""
    ran: list[str] = []
    with Executor(workers=2) as callers, Executor(workers=1, max_pending=1, on_full="block") as ex:
        occupy(ex, hold)
        ex.submit(ran.append, "first")
        cancelled = callers.go_thread(ex.submit, ran.append, "cancelled")
        until(lambda: cancelled.wait_reason is not None)
        waits = callers.go_thread(ex.submit, ran.append, "waits")
        until(lambda: waits.wait_reason is not None)
        assert cancelled.cancel("no more")
        with pytest.raises(asyncio.CancelledError, match="no more"):
            cancelled.result_blocking(timeout=PATIENCE)
        assert ex.statistics().pending == 1
        hold.set()
        sync(waits.result_blocking(timeout=PATIENCE))
        assert ran == ["first", "waits"]


def test_a_cancel_that_comes_with_the_room_leaves_it_to_the_next(rng: random.Random) -> None:
    """Whichever is first: each call was either enqueued and handed out, or cancelled, and nobody waits for ever."""
    for _ in range(100):
        ran: list[int] = []
        hold = threading.Event()
        with Executor(workers=3) as callers, Executor(workers=1, max_pending=1, on_full="block") as ex:
            occupy(ex, hold)
            ex.submit(int)
            waiting = [callers.go_thread(ex.submit, ran.append, i) for i in range(3)]
            until(lambda: all(g.wait_reason is not None for g in waiting))  # noqa: B023
            victim = rng.randrange(3)
            canceller = threading.Thread(target=waiting[victim].cancel)
            for act in rng.sample([canceller.start, hold.set], 2):
                act()
            canceller.join(PATIENCE)
            enqueued = []
            for i, g in enumerate(waiting):
                with contextlib.suppress(asyncio.CancelledError):
                    sync(g.result_blocking(timeout=PATIENCE), timeout=PATIENCE)
                    enqueued.append(i)
            assert sorted(ran) == enqueued
            assert {0, 1, 2} - {victim} <= set(enqueued)


def test_shutdown_wakes_all_who_wait_for_room(hold: threading.Event) -> None:
    with Executor(workers=4) as callers:
        ex = Executor(workers=1, max_pending=1, on_full="block")
        occupy(ex, hold)
        ex.submit(int)
        waiting = [callers.go_thread(ex.submit, int) for _ in range(4)]
        until(lambda: all(g.wait_reason is not None for g in waiting))
        ex.shutdown(wait=False)
        for g in waiting:
            with pytest.raises(PoolShutdown):
                g.result_blocking(timeout=PATIENCE)
        hold.set()
        ex.shutdown()


def test_room_for_many_wakes_many(hold: threading.Event) -> None:
    with Executor(workers=8) as callers, Executor(workers=1, max_pending=4, on_full="block") as ex:
        running = occupy(ex, hold)
        queued = [ex.submit(int) for _ in range(4)]
        waiting = [callers.go_thread(ex.submit, int) for _ in range(8)]
        until(lambda: all(g.wait_reason is not None for g in waiting))
        assert sum(pending.cancel() for pending in queued[:2]) == 2
        until(lambda: sum(g.done() for g in waiting) == 2)
        assert ex.statistics().pending == 4
        hold.set()
        goish.parallel.sync_all(running, *queued[2:], *(g.result_blocking(timeout=PATIENCE) for g in waiting))


def test_who_waits_for_room_while_a_call_runs_is_in_no_deadlock() -> None:
    go_on = threading.Event()

    async def main() -> None:
        ex.submit(go_on.wait)
        waiting = [callers.go_thread(ex.submit, int) for _ in range(3)]
        timer = threading.Timer(0.2, go_on.set)  # much longer than the detector takes
        timer.start()
        for g in waiting:
            assert await (await g) == 0
        timer.join()

    with Executor(workers=3) as callers, Executor(workers=1, max_pending=1, on_full="block") as ex:
        goish.run(main)


def test_a_coroutine_waits_for_room_by_a_thread_that_does(hold: threading.Event) -> None:
    """What the error on a loop says: the loop goes on meanwhile, and a cancel enqueues nothing."""
    ran: list[str] = []

    async def main() -> None:
        with pytest.raises(PoolFull, match=r"await go_thread\(executor.submit, fn, ...\)"):
            ex.go_thread(int)
        cancelled = go_thread(ex.submit, ran.append, "cancelled")
        waits = go_thread(ex.submit, ran.append, "waits")
        until(lambda: cancelled.wait_reason is not None and waits.wait_reason is not None)
        for _ in range(3):
            await goish.sleep(0)  # the loop runs
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        hold.set()
        await (await waits)

    with Executor(workers=1, max_pending=1, on_full="block") as ex:
        occupy(ex, hold)
        ex.submit(ran.append, "first")
        goish.run(main)
    assert ran == ["first", "waits"]


def test_a_loop_of_a_worker_is_not_blocked_either(hold: threading.Event) -> None:
    async def body() -> None:
        with pytest.raises(PoolFull, match="blocks no thread whose event loop runs"):
            ex.submit(int)

    with Executor(workers=1, max_pending=1, on_full="block") as ex, Executor(workers=1) as others:
        occupy(ex, hold)
        ex.submit(int)
        others.go_thread(body).result_blocking(timeout=PATIENCE)
        hold.set()


def test_a_full_queue_has_the_caller_run_it(hold: threading.Event) -> None:
    with Executor(workers=1, max_pending=1, on_full="run") as ex:
        occupy(ex, hold)
        ex.submit(int)
        fv = ex.spawn(threading.get_ident)
        assert fv.is_ready()
        assert sync(fv) == threading.get_ident()
        with pytest.raises(PoolFull):
            ex.submit(threading.get_ident)
        hold.set()


def test_a_refusal_says_why_on_full_run_does_not_apply(hold: threading.Event) -> None:
    """Not to choose what was chosen already."""

    async def waits() -> None:
        pass

    async def main() -> int:
        with pytest.raises(PoolFull, match=r"does not apply to submit.*await go_thread\(executor\.submit, fn"):
            ex.submit(int)
        with pytest.raises(PoolFull, match=r"whose event loop runs: await go_thread\(executor\.spawn, fn, \.\.\.\)"):
            ex.spawn(int)
        return await (await go_thread(ex.spawn, pow, 2, 3))  # as it says

    with Executor(workers=1, max_pending=1, on_full="run") as ex:
        occupy(ex, hold)
        ex.submit(int)
        with pytest.raises(PoolFull, match="does not apply to submit"):
            ex.submit(int)
        with pytest.raises(PoolFull, match="runs no coroutine function"):
            ex.spawn(waits)
        assert goish.run(main) == 8
        hold.set()


def test_workers_that_wait_for_room_in_their_own_queue_are_made_up_for() -> None:
    def fan_out(depth: int) -> int:
        return 1 if depth == 0 else sum(goish.parallel.sync_all(*[ex.spawn(fan_out, depth - 1) for _ in range(3)]))

    with Executor(workers=1, max_pending=1, on_full="block") as ex:
        assert sync(ex.submit(fan_out, 4)) == 81


def test_no_more_threads_than_max_threads() -> None:
    never: goish.Chan[None] = goish.chan()
    with Executor(workers=1, max_threads=3) as ex:
        blocked = [ex.submit(never.recv_blocking) for _ in range(3)]
        until(lambda: ex.statistics().blocked == 3)
        assert ex.statistics().workers == 3
        try:
            with pytest.raises(PoolFull, match=r"all 3 workers .* are blocked, .*max_threads=3"):
                ex.submit(int)
        finally:
            never.close()
        for pending in blocked:
            with pytest.raises(goish.ChanClosed):
                sync(pending)


# ── a cancel of what waits in the queue ──


def occupy_all(ex: Executor, hold: threading.Event) -> None:
    """Keeps a worker for functions and one for coroutines until ``hold`` is set."""
    running = threading.Event()

    async def body() -> None:
        running.set()
        hold.wait()

    occupy(ex, hold)
    ex.submit(body)
    assert running.wait(PATIENCE)


class OddFunction:
    """From some moment on, whatever is asked of it raises what nobody expects."""

    odd = False

    def __getattr__(self, name: str) -> Any:
        raise LookupError(name) if self.odd else AttributeError(name)

    def __call__(self) -> None:
        raise AssertionError("it was cancelled")


class OddCoroutine(Coroutine[Any, Any, None]):
    odd = False

    def __await__(self) -> Generator[Any, Any, None]:
        raise AssertionError("it was cancelled")

    send = throw = __await__

    def close(self) -> None:
        if self.odd:
            raise LookupError("close")


@pytest.mark.parametrize("make", [OddFunction, OddCoroutine])
def test_a_cancel_ends_a_queued_call_that_does_not_let_itself_be_closed(make: Any, hold: threading.Event) -> None:
    odd, ex = make(), Executor(workers=1)
    occupy_all(ex, hold)
    g = ex.go_thread(odd)
    waits = go_thread(g.result_blocking)
    until(lambda: waits.wait_reason is not None)
    odd.odd = True
    assert g.cancel("enough")
    odd.odd = False
    assert g.cancelled()
    with pytest.raises(asyncio.CancelledError, match="enough"):
        waits.result_blocking(timeout=PATIENCE)
    hold.set()
    ex.shutdown()


@pytest.mark.parametrize("kind", ["function", "coroutine function"])
def test_a_cancel_at_any_depth_of_a_recursion_ends_a_queued_call_or_leaves_it_queued(
    kind: str, hold: threading.Event
) -> None:
    async def five_async() -> int:
        return 5

    def five() -> int:
        return 5

    def at(depth: int, act: Any) -> Any:
        return at(depth - 1, act) if depth else act()

    limit = sys.getrecursionlimit()
    ex = Executor(workers=1)
    occupy_all(ex, hold)
    calls = []
    for depth in range(limit - 200, limit):
        g = ex.go_thread(five if kind == "function" else five_async)
        try:
            calls.append((g, at(depth, g.cancel)))
        except RecursionError:
            calls.append((g, False))
    assert {cancelled for _, cancelled in calls} == {True, False}
    assert all(g.state == ("done" if cancelled else "new") for g, cancelled in calls)
    hold.set()
    for g, cancelled in calls:
        if not cancelled:
            assert g.result_blocking(timeout=PATIENCE) == 5
    assert all(g.cancelled() == cancelled for g, cancelled in calls)
    ex.shutdown()


# ── shutting down ──


def test_after_shutdown_nothing_is_taken() -> None:
    ex = Executor()
    ex.shutdown()
    ex.shutdown()
    assert ex.is_shutdown()
    for verb in (ex.spawn, ex.submit, ex.go_thread):
        with pytest.raises(PoolShutdown, match="takes no more work"):
            verb(int)


def test_shutdown_waits_for_what_was_given(hold: threading.Event) -> None:
    done: list[int] = []

    async def later(i: int) -> None:
        await goish.sleep(0.01)
        done.append(i)

    with Executor(workers=2) as ex:
        for i in range(20):
            ex.go_thread(later, i)
            ex.submit(done.append, i)
    assert sorted(done) == sorted([*range(20), *range(20)])
    assert ex.statistics().workers == 0


def test_shutdown_may_cancel(hold: threading.Event) -> None:
    ex = Executor(workers=1)
    occupied = occupy(ex, hold)
    waiting = ex.submit(int)

    async def forever() -> None:
        await goish.sleep(PATIENCE)

    parked = ex.go_thread(forever)
    until(lambda: ex.statistics().goroutines == 1)
    ex.shutdown(wait=False, cancel=True)
    hold.set()
    ex.shutdown()
    for one in (waiting, parked):
        with pytest.raises(asyncio.CancelledError):
            sync(one)
    assert sync(occupied) is None


def test_a_failing_block_cancels() -> None:
    async def forever() -> None:
        await goish.sleep(PATIENCE)

    ex = Executor(workers=1)
    g = ex.go_thread(forever)
    with pytest.raises(LookupError), ex:
        raise LookupError
    assert g.cancelled()


async def test_shutdown_blocks_no_loop() -> None:
    ex = Executor(workers=1)
    with pytest.raises(SyncOnLoop, match="async with"):
        ex.shutdown()
    async with ex:
        assert await ex.submit(int) == 0
    assert ex.is_shutdown()
    assert ex.statistics().workers == 0


def test_a_worker_may_shut_its_executor_down() -> None:
    ex = Executor(workers=1)
    sync(ex.submit(ex.shutdown))
    ex.shutdown()
    assert ex.statistics().workers == 0


def test_two_workers_that_shut_their_executor_down_do_not_wait_for_each_other() -> None:
    ex = Executor(workers=2)
    both = threading.Barrier(2)

    def leave() -> None:
        both.wait(PATIENCE)
        ex.shutdown()

    for pending in [ex.submit(leave), ex.submit(leave)]:
        sync(pending, timeout=PATIENCE)
    ex.shutdown()
    assert ex.statistics().workers == 0


def test_a_worker_that_is_one_too_many_at_shutdown_leaves_too() -> None:
    # It comes back from a goish call while its place is taken and something waits: it sleeps, and nobody needs it.
    ex = Executor(workers=1)
    ch: goish.Chan[int] = goish.chan()
    gate, begun = threading.Event(), threading.Event()
    first = ex.submit(ch.recv_blocking)
    until(lambda: ex.statistics().blocked == 1)
    ex.submit(lambda: (begun.set(), gate.wait()))
    assert begun.wait(PATIENCE)
    ex.submit(int)
    end = threading.Thread(target=ex.shutdown, daemon=True)
    end.start()
    until(lambda: ex.is_shutdown())
    ch.send_blocking(1)
    assert sync(first, timeout=PATIENCE) == 1
    until(lambda: ex.statistics().idle == 1)
    gate.set()
    end.join(PATIENCE)
    assert not end.is_alive()


def test_the_threads_of_an_executor_that_nobody_holds_leave() -> None:
    ex = Executor(workers=2, name="forsaken")
    sync(ex.submit(int))
    ex.go_thread(asyncio.sleep, 0).result_blocking(timeout=PATIENCE)
    del ex
    gc.collect()
    until(lambda: not any(thread.name.startswith("forsaken") for thread in threading.enumerate()))


@pytest.mark.parametrize("awaited", [False, True], ids=["with", "async with"])
def test_shutdown_waits_for_threads_that_are_about_to_end(awaited: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a fork, or a look at the threads, is the next that may come."""
    ends = threading.Thread._delete  # type: ignore[attr-defined]
    monkeypatch.setattr(threading.Thread, "_delete", lambda thread: (time.sleep(0.05), ends(thread)))
    seen: list[threading.Thread] = []

    async def use() -> None:
        async with Executor(workers=1) as ex:
            await ex.go_thread(lambda: seen.append(threading.current_thread()))

    if awaited:
        asyncio.run(use())
    else:
        with Executor(workers=1) as ex:
            sync(ex.submit(lambda: seen.append(threading.current_thread())))
    assert [thread.is_alive() for thread in seen] == [False]


def test_shutdown_waits_for_a_thread_that_is_being_started(monkeypatch: pytest.MonkeyPatch) -> None:
    ex = Executor(workers=1, name="late")
    begun, gate, start = threading.Event(), threading.Event(), threading.Thread.start

    def late(thread: threading.Thread) -> None:
        if thread.name.startswith("late"):
            begun.set()
            assert gate.wait(PATIENCE)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", late)
    with concurrent.futures.ThreadPoolExecutor(2) as others:
        given = others.submit(ex.submit, int)
        assert begun.wait(PATIENCE)
        over = others.submit(ex.shutdown)
        until(lambda: ex.is_shutdown())
        concurrent.futures.wait([over], timeout=0.05)
        gate.set()
        over.result(PATIENCE)
        assert sync(given.result(PATIENCE)) == 0


def test_many_executors_leave_no_thread() -> None:
    before = set(threading.enumerate())
    for _ in range(50):
        with Executor(workers=2) as ex:
            assert sync(ex.submit(int)) == 0
    assert set(threading.enumerate()) <= before, "one of an earlier test may have ended meanwhile"


# ── those of others ──


def square(n: int) -> int:
    return n * n


def fail(n: int) -> None:
    raise LookupError(n)


def foreign_executors() -> Generator[Any]:
    yield pytest.param(lambda: concurrent.futures.ThreadPoolExecutor(2), id="threads")
    yield pytest.param(processes, id="processes")
    if hasattr(concurrent.futures, "InterpreterPoolExecutor"):
        yield pytest.param(lambda: concurrent.futures.InterpreterPoolExecutor(2), id="interpreters")


def processes() -> concurrent.futures.Executor:
    import multiprocessing

    return concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


@pytest.mark.parametrize("make", list(foreign_executors()))
def test_an_executor_of_others_is_used_as_ones_own(make: Any) -> None:
    with adopt(make()) as ex:
        assert sync(ex.spawn(pow, 3, 2)) == 9
        assert sync(ex.submit(pow, 3, exp=2)) == 9
        g = ex.go_thread(pow, 3, 2)
        assert g.result_blocking(timeout=PATIENCE) == g.result() == 9
        with pytest.raises(ZeroDivisionError):
            sync(ex.spawn(divmod, 1, 0))
        assert goish.parallel.parallel_map(abs, range(-9, 0), executor=ex) == list(range(9, 0, -1))
        assert goish.parallel.sync_all(ex.spawn(abs, -1), goish.parallel.spawn(abs, -2)) == (1, 2)

        async def main() -> list[int]:
            assert await ex.spawn(abs, -3) == 3
            assert await asyncio.wait_for(ex.go_thread(abs, -3), PATIENCE) == 3
            return await go_thread(goish.parallel.parallel_map, abs, [-1, -2], executor=ex)

        assert goish.run(main) == [1, 2]
    assert goish.num_goroutine() == 0


def test_an_adopted_executor_that_is_shut_down_says_so() -> None:
    with adopt(concurrent.futures.ThreadPoolExecutor(1)) as ex:
        assert sync(ex.spawn(int)) == 0
    for verb in (ex.spawn, ex.submit, ex.go_thread):
        with pytest.raises(PoolShutdown, match="is shut down and takes no more work") as caught:
            verb(int)
        assert type(caught.value.__cause__) is RuntimeError
    with pytest.raises(PoolShutdown):
        goish.parallel.parallel_map(abs, [-1], executor=ex)


def test_a_call_on_an_executor_of_others_is_cancelled_while_it_waits(hold: threading.Event) -> None:
    with adopt(concurrent.futures.ThreadPoolExecutor(1)) as ex:
        busy = ex.go_thread(hold.wait)
        waiting = ex.spawn(int)
        assert waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            sync(waiting)
        hold.set()
        assert busy.result_blocking(timeout=PATIENCE) is True


def test_another_executor_may_be_the_default_one() -> None:
    before = goish.parallel.default_executor()
    with Executor(workers=1, name="mine") as ex:
        goish.parallel.set_default_executor(ex)
        try:
            assert goish.parallel.default_executor() is ex
            for verb in (goish.parallel.spawn, goish.parallel.submit, go_thread):
                assert sync(verb(lambda: goish.runtime.current_worker().name), help="none").startswith("mine")  # type: ignore
        finally:
            goish.parallel.set_default_executor(before)
    assert goish.parallel.default_executor() is before
    with pytest.raises(TypeError, match=r"takes an Executor, adopt.* or None"):
        goish.parallel.set_default_executor(5)  # type: ignore[arg-type]
    with pytest.raises(PoolShutdown):
        goish.parallel.set_default_executor(ex)


@pytest.mark.parametrize(("workers", "error"), [(0, ValueError), (True, TypeError), ("2", TypeError)])
def test_workers_of_an_adopted_one_are_one_or_more(workers: Any, error: Any) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as ex, pytest.raises(error, match="workers is"):
        adopt(ex, workers=workers)


def test_only_an_executor_is_adopted() -> None:
    with pytest.raises(TypeError, match=r"adopt\(\) takes a concurrent\.futures\.Executor"):
        adopt(5)  # type: ignore[arg-type]


def test_dask_is_an_executor() -> None:
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 3, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        with distributed.Client(cluster) as client, adopt(client.get_executor()) as ex:
            assert ex.workers == 6
            assert sync(ex.spawn(pow, 3, 2)) == 9
            assert goish.parallel.parallel_map(abs, [-1, -2], executor=ex) == [1, 2]


@pytest.mark.skipif(sys.platform == "win32", reason="Ray needs more than a test gives it there")
def test_ray_is_an_executor() -> None:
    pytest.importorskip("ray")
    from ray.util.joblib import register_ray  # noqa: F401

    pytest.skip("Ray has no concurrent.futures.Executor of its own in this version")


class Elsewhere(concurrent.futures.Executor):
    """As Dask's: it runs threads, and its shutdown() knows no cancel_futures."""

    def __init__(self) -> None:
        self.inner = concurrent.futures.ThreadPoolExecutor(1)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self.inner.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True) -> None:  # type: ignore[override]
        self.inner.shutdown(wait)


def test_an_executor_that_knows_no_cancel_futures_can_be_shut_down(hold: threading.Event) -> None:
    with adopt(Elsewhere()) as ex:
        assert sync(ex.spawn(pow, 3, 2)) == 9
    ex = adopt(Elsewhere())
    first, second = ex.go_thread(hold.wait), ex.go_thread(int)
    ex.shutdown(wait=False, cancel=True)
    hold.set()
    with contextlib.suppress(asyncio.CancelledError):  # it may not have begun
        assert first.result_blocking(timeout=PATIENCE) is True
    with pytest.raises(asyncio.CancelledError):
        second.result_blocking(timeout=PATIENCE)
    until(lambda: goish.num_goroutine() == 0)  # who waits is told before it is counted off


class Eager(concurrent.futures.Executor):
    """It runs one call, the oldest, as soon as another is over."""

    def __init__(self) -> None:
        self.given: list[concurrent.futures.Future[Any]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.add_done_callback(self.begin)
        self.given.append(future)
        return future

    def begin(self, _: object = None) -> None:
        for future in self.given:
            if future.running() or (not future.done() and future.set_running_or_notify_cancel()):
                return


def test_a_shutdown_that_cancels_begins_nothing() -> None:
    theirs = Eager()
    ex = adopt(theirs)
    calls = [ex.go_thread(int) for _ in range(4)]
    ex.shutdown(cancel=True)
    theirs.given[0].set_result(0)
    assert [call.cancelled() for call in calls] == [False, True, True, True]


async def test_a_block_that_would_hold_up_the_loop_is_refused_before_it_begins() -> None:
    inner = concurrent.futures.ThreadPoolExecutor(1)
    for ex in (Executor(workers=1), adopt(inner)):
        with pytest.raises(SyncOnLoop, match="use `async with`"):
            with ex:
                raise AssertionError("entered")
        async with ex:
            assert await ex.spawn(pow, 3, 2) == 9


def test_adopted_executors_run_functions_of_others_only() -> None:
    async def body() -> None: ...

    with adopt(concurrent.futures.ThreadPoolExecutor(1)) as ex:
        for give in (ex.spawn, ex.submit, ex.go_thread):
            with pytest.raises(TypeError, match=r"runs plain functions .* go_thread\(fn\)"):
                give(body)
    with pytest.raises(TypeError, match="one of goish already"):
        adopt(goish.parallel.default_executor())  # type: ignore[arg-type]


def test_fewer_workers_are_fewer_threads() -> None:
    with Executor(workers=8).prestart() as ex:
        until(lambda: ex.statistics().idle == 8)
        ex.set_workers(2)
        until(lambda: ex.statistics().workers == 2)
        assert sync(ex.submit(int)) == 0


def test_a_call_whose_result_is_there_is_counted() -> None:
    with Executor(workers=2) as ex:
        for n in range(1, 200):
            sync(ex.submit(int))
            assert ex.statistics().finished == n


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_callback_that_is_told_of_an_end_finds_the_goroutine_counted_off(kind: str) -> None:
    gate: goish.Chan[None] = goish.chan()
    told: goish.Chan[tuple[int, int, int]] = goish.chan(1)

    def fail() -> None:
        gate.recv_ok_blocking()
        raise LookupError

    async def fail_async() -> None:
        await gate.recv_ok()
        raise LookupError

    def tell(_: object) -> None:
        statistics = ex.statistics()
        told.try_send((goish.num_goroutine(), statistics.running, statistics.goroutines))

    with Executor(workers=1) as ex:
        g = ex.go_thread(fail if kind == "def" else fail_async)
        assert Nursery(tell).adopt(g)
        gate.close()
        assert told.recv_blocking(PATIENCE) == (0, 0, 0)
        with pytest.raises(LookupError):
            g.result_blocking(timeout=PATIENCE)


# ── who has made a call ──


def here() -> int:
    """The line that calls this."""
    return sys._getframe(1).f_lineno


def failing(*_: Any) -> None:
    raise LookupError("on purpose")


@pytest.mark.parametrize("verb", ["spawn", "submit"])
def test_an_error_of_an_adopted_executor_names_the_line_of_the_caller(verb: str) -> None:
    with adopt(concurrent.futures.ThreadPoolExecutor(1)) as ex:
        line, fv = here(), getattr(ex, verb)(failing)
        with pytest.raises(LookupError) as caught:
            sync(fv)
    name = "test_an_error_of_an_adopted_executor_names_the_line_of_the_caller"
    assert caught.value.__notes__ == [f"goish: spawned by {name} at {__file__}:{line}"]


def test_the_creator_is_who_has_called_goish() -> None:
    with adopt(concurrent.futures.ThreadPoolExecutor(1)) as others, Executor(workers=1) as ex:
        created = [others.go_thread(int).created_by, ex.go_thread(int).created_by]
        with goish.parallel.sync_scope() as scope:
            fv = scope.spawn(int)
            created.append(goish.parallel.as_goroutine(fv).created_by)
    for by in created:
        assert by is not None
        assert by[0].co_filename == __file__


def test_the_pieces_of_a_parallel_loop_are_of_who_has_called_it() -> None:
    """On workers too, where a piece makes further ones."""
    seen: set[Any] = set()

    def look(_: int) -> None:
        seen.update(g.created_by for g in all_goroutines() if g.name != "main")

    with Executor(workers=2) as ex:
        first = here() + 1
        goish.parallel.parallel_for(look, range(64), grain=1, executor=ex)
    assert {by[0].co_filename for by in seen if by} == {__file__}
    assert {by[1] for by in seen if by} == {first}


def test_an_adopted_executor_has_as_many_workers_as_the_cluster() -> None:
    class Client:
        threads: ClassVar[dict[str, int]] = {"a": 3, "b": 4}

        def nthreads(self) -> dict[str, int]:
            return self.threads

    class Cluster(Elsewhere):
        _client = Client()

    with adopt(Cluster()) as ex:
        assert ex.workers == 7
        Client.threads["c"] = 1
        assert ex.workers == 8
    with adopt(concurrent.futures.ThreadPoolExecutor(3)) as ex:
        assert ex.workers == 3
    with adopt(concurrent.futures.ThreadPoolExecutor(3), workers=5) as ex:
        assert ex.workers == 5


# ── held by its verbs ──


def verbs_of(ex: Any) -> dict[str, Any]:
    return {
        "go_thread": ex.go_thread,
        "go_thread.options": ex.go_thread.options(name="mine"),
        "spawn": ex.spawn,
        "submit": ex.submit,
    }


@pytest.mark.parametrize("verb", ["go_thread", "go_thread.options", "spawn", "submit"])
@pytest.mark.parametrize("make", [Executor, lambda: adopt(concurrent.futures.ThreadPoolExecutor(1))])
def test_a_verb_holds_its_executor(make: Any, verb: str) -> None:
    give = verbs_of(make())[verb]
    gc.collect()
    assert sync(give(abs, -1)) == 1
    assert sync(verbs_of(make())[verb](abs, -2)) == 2
    with goish.parallel.sync_scope(make()) as scope:
        give = verbs_of(scope)[verb]
        gc.collect()
        result = give(abs, -3)
    assert sync(result) == 3


def test_a_verb_that_is_let_go_lets_its_executor_go() -> None:
    verb = Executor(workers=1, name="verb").go_thread
    assert verb(abs, -1).result_blocking(timeout=PATIENCE) == 1
    del verb
    gc.collect()
    until(lambda: not any(thread.name.startswith("verb") for thread in threading.enumerate()))


async def test_an_executor_that_is_left_by_an_exception_warns_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    async def leave(ex: Executor, begun: bool) -> None:
        async with ex:
            if begun:
                await ex.go_thread(int)
            raise ValueError("on purpose")

    for begun in (False, True):
        with pytest.raises(ValueError, match="on purpose"):
            await leave(Executor(workers=1), begun)
    gc.collect()
    assert not recwarn.list


# ── the default one may be one of others ──


@pytest.fixture
def others() -> Generator[Any]:
    before = goish.parallel.default_executor()
    with adopt(concurrent.futures.ThreadPoolExecutor(2, thread_name_prefix="others")) as ex:
        goish.parallel.set_default_executor(ex)
        yield ex
        goish.parallel.set_default_executor(before)


def thread_name(*_: object) -> str:
    return threading.current_thread().name


async def thread_name_async() -> str:
    return threading.current_thread().name


def test_an_adopted_executor_may_be_the_default_one(others: Any) -> None:
    assert goish.parallel.default_executor() is others
    names = [sync(verb(thread_name)) for verb in (goish.parallel.spawn, goish.parallel.submit, go_thread)]
    names += [go_thread.options(name="x")(thread_name).result_blocking(timeout=PATIENCE)]
    names += goish.parallel.parallel_map(thread_name, range(3))
    with goish.parallel.sync_scope() as scope:
        given = [verb(thread_name) for verb in (scope.spawn, scope.submit, scope.go_thread)]
    names += [sync(each) for each in given]
    ran: list[str] = []
    with goish.parallel.sync_scope():
        goish.parallel.spawn(lambda: ran.append(thread_name()))
    assert all(name.startswith("others") for name in names + ran)
    assert go_thread.options(name="x")(int).name == "x"


def test_beside_an_adopted_default_coroutine_functions_stay_with_goish(others: Any) -> None:
    for verb in (goish.parallel.spawn, goish.parallel.submit, go_thread):
        assert sync(verb(thread_name_async)).startswith("goish-")
    assert sync(go_thread(thread_name_async())).startswith("goish-")
    assert goish.parallel.default_executor() is others
    assert goish.parallel.sync_any(go_thread(pow, 2, 3)) == (0, 8)


def test_the_size_of_an_adopted_default_is_its_own_matter(others: Any) -> None:
    with pytest.raises(RuntimeError, match=r"set_workers.*<AdoptedExecutor"):
        goish.set_workers(2)


def test_an_adopted_default_that_is_shut_down_says_so(others: Any) -> None:
    others.shutdown()
    with pytest.raises(PoolShutdown):
        goish.parallel.spawn(int)
    with pytest.raises(PoolShutdown):
        goish.parallel.set_default_executor(others)
    assert "AdoptedExecutor" not in repr(goish.parallel.default_executor())


var: contextvars.ContextVar[int] = contextvars.ContextVar("var", default=0)


def read(*_: object) -> int:
    return var.get()


def test_an_adopted_executor_of_threads_carries_the_context() -> None:
    token = var.set(7)
    try:
        with adopt(concurrent.futures.ThreadPoolExecutor(2)) as ex:
            assert [sync(verb(read)) for verb in verbs_of(ex).values()] == [7] * 4
            assert goish.parallel.parallel_map(read, range(4), executor=ex) == [7] * 4
            assert ex.go_thread(read).get_context()[var] == 7
            context = contextvars.Context()
            assert ex.go_thread.options(context=context)(read).result_blocking(timeout=PATIENCE) == 0
            ex.go_thread(var.set, 8).result_blocking(timeout=PATIENCE)
            assert sync(ex.spawn(read)) == 7
    finally:
        var.reset(token)


def test_where_no_context_is_carried_none_is_taken() -> None:
    with adopt(processes()) as ex, pytest.raises(TypeError, match="takes no context="):
        ex.go_thread.options(context=contextvars.Context())(int)


def test_a_call_on_an_adopted_executor_may_have_a_name() -> None:
    with adopt(concurrent.futures.ThreadPoolExecutor(1)) as ex:
        with goish.parallel.sync_scope(ex) as scope:
            g = scope.go_thread.options(name="x")(int)
        assert (g.name, ex.go_thread.options(name="y")(int).name) == ("x", "y")


# ── how many ──


def test_the_number_of_processors_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    processors = [1]
    monkeypatch.setattr(goish._threads.executor, "cpu_count", lambda: processors[0])
    monkeypatch.setattr(goish._threads.executor, "LOOKS_AGAIN", 0.0)
    with Executor() as ex, Executor(workers=1) as fixed, Executor(max_threads=2) as limited, Executor() as said:
        said.set_workers(3)
        for number in (5, 2, 1):
            processors[0] = number
            for each in (ex, fixed, limited, said):
                sync(each.submit(int))
            until(lambda number=number: ex.workers == number)
            until(lambda number=number: limited.workers == min(number, 2))
            assert (fixed.workers, said.workers) == (1, 3)


def test_whoever_cannot_find_out_stays_with_what_it_was(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(goish._threads.executor, "LOOKS_AGAIN", 0.0)
    with Executor() as ex:
        before = ex.workers

        def fail() -> int:
            raise OSError("on purpose")

        monkeypatch.setattr(goish._threads.executor, "cpu_count", fail)
        assert sync(ex.submit(int)) == 0
        assert ex.workers == before
    assert "could not find out how many processors there are" in caplog.text


@pytest.mark.parametrize(("given", "told"), [("3", "3"), (" 2 ", "2"), ("", "as many as processors")])
def test_the_environment_says_how_many_workers_the_default_executor_has(given: str, told: str) -> None:
    program = """
        import goish
        workers = goish.parallel.default_executor().workers
        print("as many as processors" if workers == goish._threads.cpus.cpu_count() == 1009 else workers)
        """
    program = "from goish._threads import cpus\ncpus.cpu_count.__code__ = (lambda: 1009).__code__\n" + textwrap.dedent(
        program
    )
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, "GOISH_WORKERS": given}
    )
    assert process.stdout.strip() == told, process.stderr


@pytest.mark.parametrize("given", ["0", "-1", "two", "1.5", "²"])
def test_a_number_of_workers_that_is_none_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOISH_WORKERS", given)
    before = goish.parallel.default_executor()
    goish.parallel.set_default_executor(None)
    try:
        for use in (goish.parallel.default_executor, lambda: goish.parallel.spawn(int)):
            with pytest.raises(ValueError, match=f"GOISH_WORKERS is a whole number .* got '{given}'"):
                use()
    finally:
        goish.parallel.set_default_executor(before)


# ── who is it? ──


def test_no_module_of_the_package_is_taken_for_the_creator() -> None:
    source = "def give(verb, fn):\n    return verb(fn)\n"
    with Executor(workers=1) as ex:
        for i in range(20):
            names: dict[str, Any] = {}
            file = os.path.join(os.path.dirname(goish.__file__), f"module_{i}.py")
            exec(compile(source, file, "exec"), names)
            by = names["give"](ex.go_thread, int).created_by
            assert by is not None
            assert by[0].co_filename == __file__


def test_what_a_named_call_logs_can_be_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    def body() -> None:
        logging.info("here")

    async def body_async() -> None:
        logging.info("here")

    with Executor(workers=1, name="pool") as ex:
        for named in (ex.go_thread.options(name="cruncher"), ex.go_thread):
            named(body).result_blocking(timeout=PATIENCE)
        named = ex.go_thread.options(name="fetcher")
        named(body_async).result_blocking(timeout=PATIENCE)
    first, second, third = [record for record in caplog.records if record.getMessage() == "here"]
    assert (first.threadName, second.threadName) == ("pool-1/cruncher", "pool-1")
    assert getattr(third, "taskName", "fetcher") == "fetcher"
