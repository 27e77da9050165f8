"""What is written wrongly with threads is refused at once, in a sentence that says what to write instead."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import pytest
from parties import PATIENCE, until

import goish
from goish import chan, ended, go, go_thread, select
from goish.errors import PoolFull, PoolShutdown
from goish.parallel import (
    AdoptedExecutor,
    Executor,
    adopt,
    parallel_for,
    parallel_map,
    parallel_reduce,
    spawn,
    submit,
    sync,
    sync_scope,
)


@pytest.fixture
def elsewhere() -> Generator[concurrent.futures.Executor]:
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        yield executor


async def fetch(n: int) -> int:
    return n


# ── what is called ──


@pytest.mark.parametrize("verb", [go_thread, spawn, submit])
def test_who_gives_the_result_instead_of_the_function_is_told_so(verb: Any) -> None:
    name = "go_thread" if verb is go_thread else verb.__name__
    with pytest.raises(TypeError, match=rf"{name}\(fn, x\), not {name}\(fn\(x\)\)"):
        verb(pow(2, 3))


def test_who_gives_the_result_to_an_executor_or_to_sync_is_told_the_verb(
    elsewhere: concurrent.futures.Executor,
) -> None:
    for ex in (Executor(workers=1), adopt(elsewhere)):
        for name in ("spawn", "submit", "go_thread"):
            with pytest.raises(TypeError, match=rf"{name}\(fn, x\), not {name}\(fn\(x\)\)"):
                getattr(ex, name)(pow(2, 3))
    with pytest.raises(TypeError, match=r"sync\(\) takes what spawn\(\), submit\(\), go_thread\(\) or go\(\) returned"):
        sync(3)  # type: ignore[arg-type]


def test_no_function_at_all_is_said_of_go_thread() -> None:
    for verb in (go_thread, Executor(workers=1).go_thread):
        with pytest.raises(TypeError, match=r"go_thread\(\) needs a positional argument: a function"):
            verb()  # type: ignore[call-overload]


def test_go_where_no_loop_runs_is_told_of_go_thread() -> None:
    with pytest.raises(RuntimeError, match=r"goish\.run\(main\).* go_thread\(fn, \.\.\.\)"):
        go(fetch, 1)


def numbers() -> Generator[int]:
    yield 1


async def later_numbers() -> AsyncGenerator[int]:
    yield 1


class Numbers:
    def generate(self) -> Generator[int]:
        yield 1


@pytest.mark.parametrize("verb", [go_thread, spawn, submit])
@pytest.mark.parametrize("fn", [numbers, later_numbers, Numbers().generate, functools.partial(numbers)])
def test_a_generator_function_is_refused_as_its_body_would_run_elsewhere(verb: Any, fn: Any) -> None:
    with pytest.raises(TypeError, match="generator function, whose body would run where it is iterated"):
        verb(fn)


async def test_a_function_may_give_a_generator_that_it_has_made() -> None:
    made = await go_thread(lambda: numbers())
    assert list(made) == [1]


@pytest.mark.parametrize("verb", [go_thread, spawn, submit])
async def test_a_call_that_gives_an_operation_fails_as_nobody_would_await_it(verb: Any) -> None:
    for fn, args in ((goish.sleep, (0,)), (chan().recv, ()), (lambda: chan().send(1), ())):
        with pytest.raises(TypeError, match=r"gives an operation: await it .* ch\.recv_blocking\(\)"):
            await verb(fn, *args)


@pytest.mark.parametrize("verb", [go_thread, spawn, submit])
def test_a_stop_iteration_arrives_as_an_error_and_not_as_a_result(verb: Any) -> None:
    """PEP 479: an await that raised it would return, and so would a generator that syncs."""

    def stop() -> None:
        raise StopIteration(5)

    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"stop\(\) raised StopIteration") as caught:
            await verb(stop)
        assert isinstance(caught.value.__cause__, StopIteration)

    goish.run(main)
    with pytest.raises(RuntimeError, match=r"stop\(\) raised StopIteration"):
        sync(verb(stop))


# ── what is returned ──


@pytest.mark.parametrize("verb", [spawn, submit])
def test_a_flow_var_that_is_taken_for_a_future_says_what_it_has(verb: Any) -> None:
    fv = verb(int)
    for name in ("result", "exception"):
        with pytest.raises(
            AttributeError, match=rf"{type(fv).__name__}' object has no attribute '{name}': sync\(x\), "
        ):
            getattr(fv, name)
    for name in ("done", "add_done_callback"):
        with pytest.raises(AttributeError, match=r"is_ready\(\); as_goroutine\(x\)"):
            getattr(fv, name)
    with pytest.raises(AttributeError, match=r"has no attribute .other.$") as caught:
        _ = fv.other
    assert (caught.value.name, caught.value.obj) == ("other", fv)
    assert not hasattr(fv, "result")
    assert sync(fv) == 0


def test_flow_vars_are_made_by_spawn() -> None:
    with pytest.raises(TypeError, match=r"spawn\(fn\)"):
        goish.parallel.FlowVar()


WAITS: list[Callable[..., Any]] = [goish.wait_all, goish.wait_any, goish.parallel.sync_all, goish.parallel.sync_any]


@pytest.mark.parametrize("wait", WAITS)
def test_a_list_of_handles_is_answered_by_the_star(wait: Any) -> None:
    async def awaited(handles: Any) -> None:
        await wait(handles)

    fv = spawn(int)
    with pytest.raises(TypeError, match=rf"or asyncio futures; got \[.* of type list: {wait.__name__}\(\*handles\)"):
        goish.run(awaited, [fv]) if wait in WAITS[:2] else wait([fv])
    assert sync(fv) == 0


async def test_a_coroutine_is_answered_by_go() -> None:
    coro = fetch(1)
    with pytest.raises(TypeError, match=r"go\(coro\) starts a coroutine"):
        await goish.wait_all(coro)  # type: ignore[call-overload]
    assert await coro == 1


async def test_a_future_of_a_thread_is_answered_by_wrap_future(elsewhere: concurrent.futures.Executor) -> None:
    future = elsewhere.submit(int)
    with pytest.raises(TypeError, match=r"asyncio\.wrap_future\(future\)"):
        await goish.wait_any(future)  # type: ignore[arg-type]
    assert await goish.wait_any(asyncio.wrap_future(future)) == (0, 0)


async def test_select_of_a_handle_is_answered_by_ended() -> None:
    g, fv, task = go_thread(int), spawn(int), asyncio.ensure_future(fetch(1))
    for handle in (g, fv, task):
        with pytest.raises(TypeError, match=r"is ended\(it\)"):
            await select(handle)  # type: ignore[call-overload]
        assert (await select(ended(handle)))[0] == 0
    await goish.wait_all(g, fv, task)


# ── on which executor ──


@pytest.mark.parametrize("given", ["x", 4, threading.Thread(), concurrent.futures.ThreadPoolExecutor(1)])
def test_what_is_no_executor_is_refused_by_loops_and_scopes(given: Any) -> None:
    """An executor of others that nobody has adopted would be left idle, and the loop run on the default one."""
    uses: list[Callable[[], Any]] = [
        lambda: parallel_for(abs, [1], executor=given),
        lambda: parallel_map(abs, [1], executor=given),
        lambda: parallel_reduce(max, [1], executor=given),
        lambda: sync_scope(given),
    ]
    for use in uses:
        with pytest.raises(TypeError, match=r"executor is an Executor, adopt\(\.\.\.\) of .* got .* of type "):
            use()


def test_an_executor_that_is_shut_down_takes_nothing() -> None:
    ex = Executor(workers=1)
    ex.shutdown()
    for use in (
        ex.prestart,
        ex.__enter__,
        lambda: ex.set_workers(2),
        lambda: parallel_for(abs, [], executor=ex),
    ):
        with pytest.raises(PoolShutdown, match=r"is shut down and takes no more work; make another Executor"):
            use()
    with pytest.raises(PoolShutdown):
        asyncio.run(ex.__aenter__())  # type: ignore[arg-type]
    assert ex.workers == 1


def test_a_scope_gives_work_to_its_executor_by_all_three_verbs(elsewhere: concurrent.futures.Executor) -> None:
    ran: list[str] = []

    def name() -> str:
        thread = threading.current_thread().name
        ran.append(thread)
        return thread

    with Executor(workers=1, name="mine") as ex, sync_scope(ex) as scope:
        assert scope.submit(name).sync().startswith("mine")
        assert scope.go_thread(name).result_blocking(timeout=PATIENCE).startswith("mine")
        scope.spawn(name)
    with sync_scope(adopt(elsewhere)) as scope:
        for verb in (scope.spawn, scope.submit, scope.go_thread):
            verb(name)
    with sync_scope() as scope:
        for verb in (scope.spawn, scope.submit, scope.go_thread):
            verb(name)
    assert len(ran) == 9
    assert sum(thread.startswith("mine") for thread in ran) in (2, 3)  # a spawned call may run where it is waited for
    assert sum(thread.startswith("ThreadPool") for thread in ran) == 3


def test_a_scope_and_an_adopted_executor_show_what_programs_call_and_nothing_else() -> None:
    assert {name for name in dir(sync_scope) if name[0] != "_"} == {"go_thread", "spawn", "submit"}
    assert {name for name in dir(AdoptedExecutor) if name[0] != "_"} == {
        "go_thread",
        "is_shutdown",
        "shutdown",
        "spawn",
        "submit",
        "workers",
    }


def test_who_has_too_few_threads_is_told_what_to_do() -> None:
    never: goish.Chan[None] = chan()
    with Executor(workers=1, max_threads=1) as ex:
        blocked = ex.submit(never.recv_ok_blocking)
        until(lambda: ex.statistics().blocked == 1)
        with pytest.raises(PoolFull, match=r"be async def.*Executor\(max_threads=\.\.\.\)"):
            ex.submit(int)
        never.close()
        sync(blocked)


# ── calls on the executor of others ──


def crunch(hold: threading.Event, running: threading.Event) -> str:
    running.set()
    hold.wait(PATIENCE)
    return "crunched"


def test_a_call_of_others_is_shown_by_the_name_of_its_function(elsewhere: concurrent.futures.Executor) -> None:
    hold, running = threading.Event(), threading.Event()
    ex = adopt(elsewhere)
    handles = [ex.go_thread(crunch, hold, running), ex.spawn(crunch, hold, running), ex.submit(time.sleep, 0)]
    try:
        assert [("crunch()" in repr(handle), "sleep()" in repr(handle)) for handle in handles[:2]] == [
            (True, False)
        ] * 2
    finally:
        hold.set()
    assert goish.parallel.sync_all(*handles) == ("crunched", "crunched", None)


def test_a_call_of_others_that_runs_cannot_be_cancelled_and_says_so() -> None:
    hold, running = threading.Event(), threading.Event()
    with adopt(concurrent.futures.ThreadPoolExecutor(1)) as ex:
        runs = ex.go_thread(crunch, hold, running)
        waits = ex.go_thread(int)
        try:
            assert running.wait(PATIENCE)
            assert (runs.cancel(), waits.cancel()) == (False, True)
        finally:
            hold.set()
        assert runs.result_blocking(timeout=PATIENCE) == "crunched"
        assert waits.cancelled()
        assert runs.cancel() is False
