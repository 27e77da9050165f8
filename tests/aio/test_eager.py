"""Tasks of goish.task_factory that start eagerly: up to their first wait in the midst of whoever makes them.

Most tests run with asyncio.Task too, which is the control (citizens.py), on a Python that has eager tasks (3.12).
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from citizens import CONTROL, FACTORY, awaiting, citizens, fail, forever, give
from helpers import LOOPS, REAL_LOOPS, turn

import goish
from goish import chan, go, gosched

if TYPE_CHECKING:
    from citizens import Citizen

drive = citizens(CONTROL, FACTORY) if sys.version_info >= (3, 12) else citizens(FACTORY)
var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="none")
on_both_loops = pytest.mark.parametrize("loop", REAL_LOOPS)
LONG = 3600.0


def here() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def eager(drive: Citizen, coro: Any, **options: Any) -> Any:
    """A task that starts at once, of the kind that is driven."""
    if drive.kind == FACTORY:
        return goish.task_factory(here(), coro, eager_start=True, **options)
    options["eager_start"] = True  # since 3.12
    return asyncio.Task(coro, loop=here(), **options)


async def test_eager_one_runs_up_to_its_first_wait_at_once(drive: Citizen) -> None:
    future, log = here().create_future(), []

    async def body() -> str:
        log.append("begun")
        await future
        log.append("went on")
        return "over"

    task = eager(drive, body(), name="eager one")
    assert log == ["begun"]
    assert task.get_name() == "eager one"
    assert task in asyncio.all_tasks()
    assert not task.done()
    future.set_result(None)
    assert await task == "over"
    assert log == ["begun", "went on"]


async def test_eager_one_that_never_waits_is_done_at_once(drive: Citizen) -> None:
    called: list[Any] = []
    given, failed = eager(drive, give(5)), eager(drive, fail(ValueError("x")))
    assert given.done() and given.result() == 5
    assert failed.done() and isinstance(failed.exception(), ValueError)
    assert not {given, failed} & asyncio.all_tasks()
    given.add_done_callback(called.append)
    assert called == []
    await turn()
    assert called == [given]
    assert await given == 5
    with pytest.raises(ValueError, match="x"):
        await failed


ENDS: dict[str, Callable[[], Any]] = {
    "waits": forever,
    "yields": lambda: asyncio.sleep(0),
    "returns": give,
    "fails": lambda: fail(ValueError("x")),
    "is cancelled": lambda: fail(asyncio.CancelledError()),
}


@pytest.mark.parametrize("end", ENDS)
async def test_eager_start_gives_the_current_task_back(drive: Citizen, end: str) -> None:
    this = asyncio.current_task()
    seen: list[Any] = []

    async def body() -> None:
        seen.append(asyncio.current_task())
        await ENDS[end]()

    task = eager(drive, body())
    assert asyncio.current_task() is this
    running: Any = goish.current_goroutine()
    assert running is (this if drive.kind == FACTORY else None)
    assert seen == [task]
    await asyncio.sleep(0)
    await gosched()
    assert asyncio.current_task() is this
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() or task.exception() is None or end == "fails"


@pytest.mark.parametrize("end", ENDS)
@on_both_loops
def test_eager_start_inside_a_real_task_and_inside_go_gives_the_current_one_back(loop: str, end: str) -> None:
    """A foreign task is current by asyncio's own doing; if it were lost, its next step would be refused."""
    heard: list[Any] = []

    async def body() -> Any:
        seen.append(asyncio.current_task())
        await ENDS[end]()

    async def starter() -> None:
        this: Any = asyncio.current_task()
        for _ in range(3):
            tasks.append(goish.task_factory(here(), body(), eager_start=True))
            assert asyncio.current_task() is this
            await asyncio.sleep(0)
            assert asyncio.current_task() is this
            await gosched()
            async with asyncio.timeout(LONG):
                await turn()
            assert asyncio.current_task() is this

    async def main() -> None:
        here().set_exception_handler(lambda _, context: heard.append(context))
        await asyncio.Task(starter(), loop=here())
        await go(starter)
        await asyncio.wait_for(goish.task_factory(here(), starter(), eager_start=True), LONG)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert seen == tasks
        for task in tasks:
            assert task.cancelled() or task.exception() is None or end == "fails"

    tasks: list[Any] = []
    seen: list[Any] = []
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())
    assert heard == []


async def test_eager_start_from_a_callback_leaves_nobody_current(drive: Citizen) -> None:
    seen: list[Any] = []
    done = here().create_future()

    def callback() -> None:
        try:
            seen.append(asyncio.current_task())
            tasks.append(eager(drive, turn()))
            seen.append(asyncio.current_task())
            done.set_result(None)
        except BaseException as exc:
            done.set_exception(exc)

    tasks: list[Any] = []
    here().call_soon(callback)
    await done
    assert seen == [None, None]
    await tasks[0]


async def test_eager_ones_nest(drive: Citizen) -> None:
    async def body(depth: int) -> Any:
        this = asyncio.current_task()
        if depth:
            child = eager(drive, body(depth - 1))
            assert asyncio.current_task() is this
            return 1 + await child
        await turn()
        return 0

    assert await eager(drive, body(20)) == 20


async def test_eager_one_runs_in_its_own_context(drive: Citizen) -> None:
    async def body() -> str:
        before = var.get()
        var.set("inside")
        await turn()
        return before + ", " + var.get()

    context = contextvars.copy_context()
    context.run(var.set, "given")
    var.set("ours")
    tasks = [eager(drive, body()), eager(drive, body(), context=context)]
    assert var.get() == "ours"
    assert [await task for task in tasks] == ["ours, inside", "given, inside"]
    assert context[var] == "inside"
    assert var.get() == "ours"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
async def test_eager_one_that_ends_the_program_does_so_at_once(drive: Citizen, error: Any) -> None:
    this = asyncio.current_task()
    with pytest.raises(error):
        eager(drive, fail(error()))
    assert asyncio.current_task() is this
    await turn()
    assert asyncio.current_task() is this
    gc.collect()
    drive.heard.clear()  # asyncio tells of it once more


@on_both_loops
def test_eager_start_on_a_loop_that_does_not_run_begins_with_the_loop(loop: str) -> None:
    ran: list[int] = []

    async def body() -> int:
        ran.append(1)
        return 5

    a_loop = LOOPS[loop]()
    try:
        task = goish.task_factory(a_loop, body(), eager_start=True)
        assert ran == []
        assert a_loop.run_until_complete(task) == 5
    finally:
        a_loop.close()


@on_both_loops
def test_program_may_be_eager_altogether(loop: str) -> None:
    """As with asyncio.eager_task_factory."""

    def eager_task_factory(loop: Any, coro: Any, **options: Any) -> Any:  # of which uvloop says eager_start=None
        return goish.task_factory(loop, coro, **{**options, "eager_start": True})

    async def main() -> None:
        order: list[str] = []

        async def child(name: str) -> str:
            order.append(name)
            await turn()
            return name

        async with asyncio.TaskGroup() as group:
            first = group.create_task(child("a"))
            order.append("after a")
            second = group.create_task(child("b"))
        assert (first.result(), second.result()) == ("a", "b")
        assert order == ["a", "after a", "b"]
        both: Any = await asyncio.gather(child("c"), give("d"))
        assert both == ["c", "d"]
        ch = chan()
        receiver = asyncio.create_task(awaiting(ch.recv()))
        assert ch.try_send("e"), "it waits already"
        assert await receiver == "e"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.gather(forever(), forever())
        with pytest.raises(ExceptionGroup):  # noqa: PT012
            async with asyncio.TaskGroup() as group:
                group.create_task(forever())
                group.create_task(fail(ValueError("x")))

    def new_loop() -> asyncio.AbstractEventLoop:
        a_loop = LOOPS[loop]()
        a_loop.set_task_factory(eager_task_factory)
        return a_loop

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())
