"""goish.task_factory and goish.new_event_loop: what asks the loop for a task gets a goroutine and does not notice.

Most tests run with asyncio.Task too, which is the control (citizens.py).
Not here: the attributes of a task (test_task_surface.py).
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import os
import subprocess
import sys
import textwrap
import threading
import warnings
import weakref
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from citizens import CONTROL, FACTORY, awaiting, citizens, fail, forever, give
from helpers import ENDS, LOOPS, REAL_LOOPS, settle, turn

import goish
from goish import Goroutine, chan, go, gosched

if TYPE_CHECKING:
    from citizens import Citizen

drive = citizens(CONTROL, FACTORY)
var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="none")
on_both_loops = pytest.mark.parametrize("loop", REAL_LOOPS)
LONG = 3600.0


def with_factory(loop: str, factory: Any = goish.task_factory) -> Callable[[], asyncio.AbstractEventLoop]:
    def new_loop() -> asyncio.AbstractEventLoop:
        a_loop = LOOPS[loop]()
        a_loop.set_task_factory(factory)
        return a_loop

    return new_loop


def here() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


# ── the loop ──


def test_new_event_loop_is_uvloops_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    import uvloop

    loop = goish.new_event_loop()
    assert isinstance(loop, uvloop.Loop)
    assert loop.get_task_factory() is goish.task_factory
    loop.close()
    monkeypatch.setitem(sys.modules, "uvloop", None)
    loop = goish.new_event_loop()
    assert isinstance(loop, asyncio.BaseEventLoop)
    assert loop.get_task_factory() is goish.task_factory
    loop.close()


def test_new_event_loop_is_no_current_loop() -> None:
    loop = goish.new_event_loop()
    assert asyncio._get_running_loop() is None
    loop.close()


async def every_way_to_a_task() -> set[type]:
    loop = here()
    made = {type(asyncio.current_task())}
    tasks: list[Any] = [
        asyncio.create_task(give()),
        loop.create_task(give()),
        asyncio.ensure_future(give()),
    ]
    async with asyncio.TaskGroup() as group:
        tasks.append(group.create_task(give()))
    seen: list[Any] = []

    async def child() -> None:
        seen.append(asyncio.current_task())

    await asyncio.gather(child(), child())
    await asyncio.wait_for(asyncio.shield(child()), LONG)
    for first in asyncio.as_completed([child()]):
        await first
    async with anyio.create_task_group() as scope:
        scope.start_soon(child)
    await asyncio.gather(*tasks)
    return made | {type(task) for task in tasks + seen}


def run_by_runner(new_loop: Any) -> Any:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(every_way_to_a_task())


def run_by_goish(new_loop: Any) -> Any:
    return goish.run(every_way_to_a_task, loop=new_loop)


def run_by_anyio(new_loop: Any) -> Any:
    return anyio.run(every_way_to_a_task, backend_options={"loop_factory": new_loop})


def run_by_hand(new_loop: Any) -> Any:
    loop = new_loop()
    try:
        return loop.run_until_complete(every_way_to_a_task())
    finally:
        loop.close()


@pytest.mark.parametrize("new_loop", [goish.new_event_loop, *map(with_factory, REAL_LOOPS)])
@pytest.mark.parametrize("run", [run_by_runner, run_by_goish, run_by_anyio, run_by_hand])
def test_every_task_of_the_program_is_a_goroutine(run: Any, new_loop: Any) -> None:
    assert run(new_loop) == {Goroutine}
    goish.new_event_loop().close()


@on_both_loops
def test_factory_may_be_taken_away_again(loop: str) -> None:
    async def main() -> list[type]:
        tasks = [asyncio.create_task(give(1))]
        here().set_task_factory(None)
        tasks.append(asyncio.create_task(give(2)))
        here().set_task_factory(goish.task_factory)
        tasks.append(asyncio.create_task(give(3)))
        assert await asyncio.gather(*tasks) == [1, 2, 3]
        return [type(task) for task in tasks]

    with asyncio.Runner(loop_factory=with_factory(loop)) as runner:
        assert runner.run(main()) == [Goroutine, asyncio.Task, Goroutine]


@pytest.mark.parametrize("scope", ["function", "module"])
def test_pytest_asyncio_runs_tests_on_it(tmp_path: Path, scope: str) -> None:
    (tmp_path / "conftest.py").write_text(
        textwrap.dedent("""
        import asyncio, goish
        def pytest_asyncio_loop_factories(config, item):
            return {"goish": goish.new_event_loop, "asyncio": asyncio.SelectorEventLoop}
        """)
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent(f"""
        import asyncio, contextvars, goish, pytest, pytest_asyncio
        pytestmark = pytest.mark.asyncio(loop_scope="{scope}")
        var = contextvars.ContextVar("var")

        @pytest_asyncio.fixture(loop_scope="{scope}")
        async def background():
            ch = goish.chan()
            async def serve():
                async for reply in ch:
                    reply.set_result(type(asyncio.current_task()))
            task = asyncio.create_task(serve())
            var.set("of the fixture")
            yield ch
            ch.close()
            await task

        @pytest.mark.asyncio(loop_scope="{scope}", loop_factories=["goish"])
        async def test_goroutine(background):
            reply = asyncio.get_running_loop().create_future()
            await background.send(reply)
            assert await reply is goish.Goroutine
            assert type(asyncio.current_task()) is goish.Goroutine
            assert var.get() == "of the fixture"

        async def test_both(background):
            asyncio.create_task(asyncio.sleep(3600))  # left behind
            assert await asyncio.wait_for(asyncio.sleep(0, 5), 1) == 5

        @pytest.mark.asyncio(loop_scope="{scope}", loop_factories=["goish"])
        async def test_failing():
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(3600))
                raise LookupError("on purpose")
        """)
    )
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "--rootdir", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=ENDS,
        check=False,
    )
    assert "1 failed, 3 passed" in result.stdout, result.stdout + result.stderr
    assert "on purpose" in result.stdout


# ── options ──


async def test_name_context_and_defaults(drive: Citizen) -> None:
    async def body() -> Any:
        var.set("inside " + var.get())
        return var.get()

    context = contextvars.copy_context()
    context.run(var.set, "given")
    var.set("ours")
    named = asyncio.create_task(body(), name="fetcher", context=context)
    plain = asyncio.create_task(body())
    assert named.get_name() == "fetcher"
    assert plain.get_name().startswith("Task-")
    assert asyncio.create_task(give(), name=17).get_name() == "17"  # type: ignore[arg-type]
    assert await named == "inside given"
    assert await plain == "inside ours"
    assert context[var] == "inside given"
    assert var.get() == "ours"


async def test_names_are_numbered(drive: Citizen) -> None:
    names = [asyncio.create_task(give()).get_name() for _ in range(3)]
    numbers = [int(name.removeprefix("Task-")) for name in names]
    assert numbers == sorted(set(numbers))
    await settle()


@on_both_loops
def test_unknown_options_are_accepted(loop: str) -> None:
    """Python passes on what it does not know, and the next one will know more."""

    async def main() -> None:
        made = goish.task_factory(here(), give(5), name=None, context=None, eager_start=None, invented=1, other="x")
        assert await made == 5
        async with asyncio.TaskGroup() as group:
            group.create_task(give(), name="x", context=contextvars.copy_context())
        if sys.version_info >= (3, 14):
            assert await asyncio.create_task(give(6), eager_start=True) == 6

    with asyncio.Runner(loop_factory=with_factory(loop)) as runner:
        runner.run(main())


async def test_context_must_be_one(drive: Citizen) -> None:
    coro = give()
    if drive.kind == FACTORY:
        with pytest.raises(TypeError, match="context"):
            goish.task_factory(here(), coro, context={})  # type: ignore[arg-type]
    coro.close()


async def test_body_does_not_run_before_create_task_returns(drive: Citizen) -> None:
    order = []

    async def body(i: int) -> None:
        order.append(i)

    tasks = [asyncio.create_task(body(i)) for i in range(10)]
    assert order == []
    await asyncio.gather(*tasks)
    assert order == [*range(10)]


# ── exceptions that nobody retrieves ──


async def test_exception_that_nobody_retrieves_is_logged_once_when_the_task_dies(drive: Citizen) -> None:
    error = ValueError("x")
    task = asyncio.create_task(fail(error), name="forlorn")
    await settle()
    gc.collect()
    assert drive.heard == [], "somebody may still ask"
    shown = repr(task)
    del task
    await settle()
    gc.collect()
    (context,) = drive.heard
    assert context["message"] == "Task exception was never retrieved"
    assert context["exception"] is error
    assert repr(context["future"]) == shown
    drive.heard.clear()


async def test_exception_that_is_seen_is_not_logged(drive: Citizen) -> None:
    seen: list[Callable[[Any], object]] = [
        lambda task: task.exception(),
        lambda task: asyncio.gather(task, return_exceptions=True),
        lambda task: task.add_done_callback(lambda task: task.exception()),
    ]
    for see in seen:
        task = asyncio.create_task(fail(ValueError("x")))
        await settle()
        see(task)
        await settle()
        del task
        gc.collect()
    given, cancelled, exited = asyncio.create_task(give()), asyncio.create_task(forever()), asyncio.create_task(give())
    cancelled.cancel()
    await settle()
    del given, cancelled, exited
    gc.collect()
    assert drive.heard == []


@on_both_loops
@pytest.mark.parametrize("on_panic", ["crash", "log"])
def test_exception_of_a_task_is_no_panic(loop: str, on_panic: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> str:
        for _ in range(2):
            asyncio.create_task(fail(ValueError("x")))  # noqa: RUF006
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            gc.collect()
        return "main went on"

    assert goish.run(main, loop=with_factory(loop), on_panic=on_panic) == "main went on"
    assert caplog.text.count("Task exception was never retrieved") == 2
    assert "panic:" not in caplog.text


@on_both_loops
def test_exception_of_a_task_that_outlives_its_loop_is_logged_too(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> Any:
        task = asyncio.create_task(fail(ValueError("x")))
        await asyncio.sleep(0)
        return task

    with asyncio.Runner(loop_factory=with_factory(loop)) as runner:
        task = runner.run(main())
    assert caplog.records == []
    del task
    gc.collect()
    assert caplog.text.count("Task exception was never retrieved") == 1


async def test_exception_handler_that_fails_harms_nobody(drive: Citizen, caplog: pytest.LogCaptureFixture) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("the handler itself")

    handler = here().get_exception_handler()
    here().set_exception_handler(failing)
    task = asyncio.create_task(fail(ValueError("x")))
    await settle()
    del task
    gc.collect()
    await settle()
    here().set_exception_handler(handler)
    assert "the handler itself" in caplog.text


async def test_cycle_of_a_failed_task_is_collected_and_logged_once(drive: Citizen) -> None:
    task: Any = asyncio.create_task(fail(ValueError("x")))
    task.cycle = [task]
    ref = weakref.ref(task)
    await settle()
    del task
    gc.collect()
    assert len(drive.heard) == 1
    drive.heard.clear()  # it has the task; from 3.15 on, the weak reference is cleared no sooner than the task goes
    gc.collect()
    assert ref() is None


async def test_handler_may_keep_the_dying_task(drive: Citizen) -> None:
    kept: list[Any] = []
    handler = here().get_exception_handler()
    here().set_exception_handler(lambda _, context: kept.append(context["future"]))
    asyncio.create_task(fail(ValueError("x")))  # noqa: RUF006
    await settle()
    gc.collect()
    assert len(kept) == 1
    assert isinstance(kept[0].exception(), ValueError)
    kept.clear()
    gc.collect()
    here().set_exception_handler(handler)
    assert kept == []


# ── whom a cancel reaches ──


async def test_cancel_passes_to_the_awaited_task(drive: Citizen) -> None:
    """asyncio's rule, through any number of tasks, with its message."""
    innermost = asyncio.create_task(forever())
    middle = asyncio.create_task(awaiting(innermost))
    outer = asyncio.create_task(awaiting(middle))
    await settle()
    assert outer.cancel("all of you")
    await settle()
    assert (innermost.cancelled(), middle.cancelled(), outer.cancelled()) == (True, True, True)
    assert (innermost.cancelling(), middle.cancelling(), outer.cancelling()) == (1, 1, 1)
    with pytest.raises(asyncio.CancelledError) as caught:
        await outer
    assert caught.value.args == ("all of you",)


async def test_cancel_before_the_first_step_does_not_reach_what_it_would_await(drive: Citizen) -> None:
    inner = asyncio.create_task(forever())
    outer = asyncio.create_task(awaiting(inner))
    outer.cancel()
    await settle()
    assert outer.cancelled()
    assert not inner.done()
    inner.cancel()
    await settle()


async def test_cancel_while_it_runs_reaches_the_task_it_awaits_next(drive: Citizen) -> None:
    inner = asyncio.create_task(forever())

    async def body() -> None:
        this: Any = asyncio.current_task()
        this.cancel()
        await inner

    outer = asyncio.create_task(body())
    await settle()
    assert outer.cancelled()
    assert inner.cancelled()


async def test_inner_task_may_refuse_the_cancel_for_both(drive: Citizen) -> None:
    async def stubborn() -> str:
        try:
            await forever()
        except asyncio.CancelledError:
            await turn()
        return "refused"

    inner = asyncio.create_task(stubborn())
    outer = asyncio.create_task(awaiting(inner))
    await settle()
    assert outer.cancel()
    assert await outer == "refused"
    assert await inner == "refused"
    assert outer.cancelling() == 1


async def test_cancel_of_the_inner_task_is_told_to_the_outer_and_cancels_it_not(drive: Citizen) -> None:
    inner = asyncio.create_task(forever())

    async def body() -> Any:
        try:
            await inner
        except asyncio.CancelledError:
            this: Any = asyncio.current_task()
            await turn()
            return this.cancelling()

    outer = asyncio.create_task(body())
    await settle()
    inner.cancel()
    assert await outer == 0


async def test_cancel_stops_at_a_shield(drive: Citizen) -> None:
    inner = asyncio.create_task(forever())

    async def body() -> None:
        await asyncio.shield(inner)

    outer = asyncio.create_task(body())
    await settle()
    outer.cancel()
    await settle()
    assert outer.cancelled()
    assert not inner.done()
    inner.cancel()
    await settle()


@on_both_loops
def test_cancel_passes_to_tasks_and_not_to_goroutines_whoever_awaits(loop: str) -> None:
    """It is the awaited one that decides: a task can be cancelled by its awaiters, a goroutine of go() cannot."""

    async def main() -> None:
        starts: dict[str, Callable[[Any], Any]] = {
            "factory": asyncio.create_task,
            "go": go,
            "foreign": lambda coro: asyncio.Task(coro, loop=here()),
        }
        for outer_kind, start_outer in starts.items():
            for inner_kind, start_inner in starts.items():
                inner = start_inner(forever())
                outer = start_outer(awaiting(inner))
                await settle()
                outer.cancel()
                await settle()
                assert outer.cancelled(), (outer_kind, inner_kind)
                assert inner.cancelled() == (inner_kind != "go"), (outer_kind, inner_kind)
                inner.cancel()
                await settle()

    with asyncio.Runner(loop_factory=with_factory(loop)) as runner:
        runner.run(main())


async def test_two_awaiters_of_one_task_go_down_together(drive: Citizen) -> None:
    inner = asyncio.create_task(forever())
    first, second = asyncio.create_task(awaiting(inner)), asyncio.create_task(awaiting(inner))
    await settle()
    first.cancel()
    await settle()
    assert (inner.cancelled(), first.cancelled(), second.cancelled()) == (True, True, True)


async def test_wait_for_cancels_the_task_that_is_late_and_waits_for_its_end(drive: Citizen) -> None:
    log = []

    async def slow() -> None:
        log.append("began")
        try:
            await forever()
        finally:
            await turn()
            log.append("cleaned")

    task = asyncio.create_task(slow())
    await settle()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(task, 0.001)
    assert task.cancelled()
    assert log == ["began", "cleaned"]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(slow(), 0.001)
    assert log in (["began", "cleaned"] * 2, ["began", "cleaned"]), "on a slow machine uvloop's timer may be first"


async def test_timeout_around_a_task_cancels_it(drive: Citizen) -> None:
    task = asyncio.create_task(forever())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await task
    await settle()
    assert task.cancelled()
    this: Any = asyncio.current_task()
    assert this.cancelling() == 0


async def test_cancel_before_the_first_step_closes_the_coroutine_unrun(drive: Citizen) -> None:
    ran: list[int] = []

    async def body() -> None:
        ran.append(1)

    coro = body()
    task = asyncio.create_task(coro)
    assert task.cancel()
    await settle()
    assert task.cancelled()
    assert ran == []
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        await coro


async def test_cancel_that_comes_with_its_last_step_counts(drive: Citizen) -> None:
    """asyncio's rule: a task that cancels itself and then returns was cancelled."""

    async def body() -> str:
        this: Any = asyncio.current_task()
        this.cancel("at last")
        return "lost"

    task = asyncio.create_task(body())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


# ── the end of the loop ──


@on_both_loops
def test_shutdown_of_asyncio_cancels_tasks_also_those_that_never_began(loop: str) -> None:
    log: list[str] = []

    async def body() -> None:
        log.append("began")
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            log.append("cleaned")

    async def main() -> None:
        tasks.extend(asyncio.create_task(body()) for _ in range(3))

    tasks: list[Any] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with asyncio.Runner(loop_factory=with_factory(loop)) as runner:
            runner.run(main())
            tasks.extend(runner.get_loop().create_task(body()) for _ in range(3))
        gc.collect()
    assert [task.cancelled() for task in tasks] == [True] * 6
    assert log == ["began"] * 3 + ["cleaned"] * 3, "and the others never"
    assert goish.num_goroutine() == 0


@on_both_loops
def test_shutdown_of_asyncio_tells_of_a_task_that_fails_in_its_cleanup(loop: str) -> None:
    heard: list[Any] = []

    async def body() -> None:
        try:
            await forever()
        finally:
            raise LookupError("in cleanup")

    async def main() -> None:
        here().set_exception_handler(lambda _, context: heard.append(context))
        tasks.append(asyncio.create_task(body()))
        await settle()

    tasks: list[Any] = []
    with asyncio.Runner(loop_factory=with_factory(loop)) as runner:
        runner.run(main())
    assert [type(context["exception"]) for context in heard] == [LookupError]
    assert heard[0]["message"] == "unhandled exception during asyncio.run() shutdown"
    assert heard[0]["task"] is tasks[0]


@on_both_loops
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_leaves_the_runner_and_the_others_are_cancelled(loop: str, error: Any) -> None:
    log: list[str] = []

    async def other() -> None:
        try:
            await forever()
        finally:
            log.append("cleaned")

    async def main() -> None:
        others.append(asyncio.create_task(other()))
        await asyncio.sleep(0)
        asyncio.create_task(fail(error("x")))  # noqa: RUF006
        await forever()

    others: list[Any] = []
    with pytest.raises(error), asyncio.Runner(loop_factory=with_factory(loop)) as runner:
        runner.run(main())
    assert others[0].cancelled()
    assert log == ["cleaned"]
    with asyncio.Runner(loop_factory=with_factory(loop)) as runner:
        assert runner.run(give(5)) == 5


@on_both_loops
def test_closed_loop_takes_no_task(loop: str) -> None:
    a_loop = with_factory(loop)()
    a_loop.close()
    for make in (a_loop.create_task, functools.partial(goish.task_factory, a_loop)):
        coro = give()
        with pytest.raises(RuntimeError, match="closed"):
            make(coro)
        coro.close()
    assert goish.num_goroutine() == 0


@on_both_loops
def test_tasks_of_a_loop_that_was_closed_under_them_end_with_their_finally_blocks(loop: str) -> None:
    log: list[str] = []

    async def body() -> None:
        try:
            await forever()
        finally:
            log.append("finally")

    a_loop = with_factory(loop)()
    tasks = [a_loop.create_task(body()) for _ in range(2)]
    a_loop.run_until_complete(asyncio.sleep(0))
    tasks.append(a_loop.create_task(body()))
    a_loop.close()
    with asyncio.Runner(loop_factory=with_factory(loop)) as runner:
        runner.run(give())
    assert log == ["finally"] * 2
    assert all(task.cancelled() for task in tasks)
    assert goish.num_goroutine() == 0


@on_both_loops
def test_tasks_may_be_made_before_the_loop_runs_and_from_callbacks(loop: str) -> None:
    a_loop = with_factory(loop)()
    made: list[Any] = []
    done: list[str] = []

    async def body(name: str) -> str:
        await asyncio.sleep(0)
        await gosched()
        done.append(name)
        return name

    def callback(name: str) -> None:
        assert asyncio.current_task() is None
        made.append(asyncio.create_task(body(name)))

    async def main() -> list[str]:
        while len(made) < 5:
            await asyncio.sleep(0.001)
        names: list[str] = await asyncio.gather(*made)
        return names

    try:
        made.append(a_loop.create_task(body("before")))
        a_loop.call_soon(callback, "call_soon")
        a_loop.call_later(0.001, callback, "call_later")
        a_loop.call_soon_threadsafe(callback, "threadsafe")
        made[0].add_done_callback(lambda _: callback("done callback"))
        expected = ["before", "call_later", "call_soon", "done callback", "threadsafe"]
        assert sorted(a_loop.run_until_complete(main())) == expected
        assert sorted(done) == expected
    finally:
        a_loop.close()


@on_both_loops
def test_loop_may_stop_and_go_on(loop: str) -> None:
    """Tasks that wait meanwhile neither run nor get lost."""
    a_loop = with_factory(loop)()
    log: list[int] = []

    async def body() -> None:
        for i in range(3):
            log.append(i)
            await asyncio.sleep(0.001)

    try:
        task = a_loop.create_task(body())
        while not task.done():
            a_loop.call_soon(a_loop.stop)
            a_loop.run_forever()
            assert asyncio.current_task(a_loop) is None
        assert log == [0, 1, 2]
    finally:
        a_loop.close()


# ── bad input ──


async def test_only_coroutines_become_tasks(drive: Citizen) -> None:
    made: list[Any] = [5, None, here().create_future(), give, chan().recv(), asyncio.current_task()]
    for junk in made:
        with pytest.raises(TypeError, match="a coroutine was expected, got"):
            here().create_task(junk)


async def test_coroutine_that_is_over_fails_its_task(drive: Citizen) -> None:
    coro = give()
    await coro
    task = asyncio.create_task(coro)
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        await task


async def test_coroutine_that_waits_elsewhere_fails_its_task(drive: Citizen) -> None:
    coro, gate = awaiting(chan().recv()), chan()

    async def elsewhere() -> None:
        await coro

    first = asyncio.create_task(elsewhere())
    await settle()
    task = asyncio.create_task(awaiting(gate.recv()))
    second = asyncio.create_task(awaiting(coro))
    with pytest.raises(RuntimeError, match="coroutine is being awaited already"):
        await second
    first.cancel()
    await gate.send(1)
    assert await task == 1
    await settle()
    assert first.cancelled()


async def test_coroutine_that_runs_fails_its_task(drive: Citizen) -> None:
    box: list[Any] = []

    async def body() -> Any:
        return await asyncio.gather(asyncio.create_task(awaiting(box[0])), return_exceptions=True)

    box.append(body())
    (error,) = await asyncio.create_task(box[0])
    assert isinstance(error, RuntimeError)


async def test_two_tasks_of_one_coroutine_run_it_once(drive: Citizen) -> None:
    ran: list[int] = []

    async def body() -> int:
        ran.append(1)
        return 5

    coro = body()
    first, second = asyncio.create_task(coro), asyncio.create_task(coro)
    assert await first == 5
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        await second
    assert ran == [1]


async def test_task_that_awaits_itself_is_told(drive: Citizen) -> None:
    async def itself() -> None:
        this: Any = asyncio.current_task()
        await this

    with pytest.raises(RuntimeError, match="Task cannot await on itself"):
        await asyncio.create_task(itself())


class Rubbish:
    def __init__(self, value: object) -> None:
        self.value = value

    def __await__(self) -> Generator[Any]:
        yield self.value


async def test_task_that_yields_rubbish_is_told_where_it_does(drive: Citizen) -> None:
    """And may go on: the error is raised at the await."""

    async def body(value: Any) -> str:
        with pytest.raises(RuntimeError) as caught:
            await Rubbish(value)
        await turn()
        await gosched()
        return str(caught.value)

    assert "got bad yield: 5" in await asyncio.create_task(body(5))
    assert "got bad yield: 'x'" in await asyncio.create_task(body("x"))
    generator = (i for i in [1])
    assert "yield was used instead of yield from" in await asyncio.create_task(body(generator))
    assert "yield was used instead of yield from" in await asyncio.create_task(body(here().create_future()))


async def test_done_task_takes_no_cancel_and_stays_as_it_is(drive: Citizen) -> None:
    task = asyncio.create_task(give(5))
    await task
    assert task.cancel("too late") is False
    await settle()
    assert (task.result(), task.cancelled(), task.cancelling()) == (5, False, 0)


async def test_task_of_another_loop_is_refused_while_it_runs_and_told_when_it_is_over(drive: Citizen) -> None:
    """As asyncio has it: whoever waited would not be cancelled, nor woken safely."""
    started, gates = threading.Event(), []

    async def body() -> int:
        gates.append(asyncio.Event())
        started.set()
        await gates[0].wait()
        return 5

    async def elsewhere() -> None:
        tasks.append(asyncio.create_task(body()))
        await tasks[0]

    def run() -> None:
        with asyncio.Runner(loop_factory=drive.new_loop) as runner:
            runner.run(elsewhere())

    tasks: list[Any] = []
    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert started.wait(100)
        waiter = asyncio.create_task(awaiting(tasks[0]))
        await settle()
        refused = waiter.done()
    finally:
        tasks[0].get_loop().call_soon_threadsafe(gates[0].set)
        thread.join()
    error: Any = (await asyncio.gather(waiter, return_exceptions=True))[0]
    assert refused, "it waits"
    assert isinstance(error, RuntimeError) and "different loop" in str(error)
    assert await awaiting(tasks[0]) == 5


# ── beside goroutines of go() ──


async def test_tasks_start_in_the_order_in_which_they_were_made_and_so_do_goroutines(drive: Citizen) -> None:
    """Each kind in its own queue: tasks in that of the loop, goroutines in the run queue."""
    order: list[int] = []

    async def body(i: int) -> None:
        order.append(i)

    async def make() -> None:
        tasks.extend(go(body, i) if i % 2 else asyncio.create_task(body(i)) for i in range(6))

    for start in (asyncio.create_task, go):
        tasks: list[Any] = []
        order.clear()
        await start(make())
        await asyncio.wait(tasks)
        assert [i for i in order if i % 2] == [1, 3, 5]
        assert [i for i in order if not i % 2] == [0, 2, 4]
