"""A task that waits for what nothing leads to is destroyed by the collector, as asyncio's is, and the log says so.

Each test runs with asyncio.Task too, which is the control.
"""

from __future__ import annotations

import asyncio
import gc
import random
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from citizens import CONTROL, FACTORY, citizens
from helpers import FREE_THREADED, SEED, settle

import goish

if TYPE_CHECKING:
    from citizens import Citizen

drive = citizens(CONTROL, FACTORY)
pytestmark = pytest.mark.skipif(FREE_THREADED, reason="without the GIL a task lives until it ends")
LOST = "Task was destroyed but it is pending!"


class Waits:
    """Bodies that wait, and what becomes of them."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def for_nothing(self) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise

    async def by_gather(self) -> None:
        await asyncio.gather(self.for_nothing(), self.for_nothing())

    async def by_shield(self) -> None:
        await asyncio.shield(asyncio.create_task(self.for_nothing()))

    async def by_wait(self) -> None:
        await asyncio.wait([asyncio.create_task(self.for_nothing())])

    async def by_an_event(self) -> None:
        await asyncio.Event().wait()


def destroyed(drive: Citizen) -> list[str]:
    """What the log says. It has the tasks: from 3.15 on they, and the weak references to them, last as long as it."""
    messages = [context["message"] for context in drive.heard]
    drive.heard.clear()
    gc.collect()
    return messages


async def collect() -> None:
    gc.collect()
    await settle()


async def test_lost_task_is_destroyed_and_the_log_says_so(drive: Citizen) -> None:
    waits = Waits()
    lost = weakref.ref(asyncio.create_task(waits.for_nothing(), name="lost"))
    await settle()
    await collect()
    assert destroyed(drive) == [LOST]
    assert lost() is None
    assert waits.ended == ["GeneratorExit"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_lost_task_is_destroyed_by_a_call_of_the_collector_that_is_overdue(drive: Citizen) -> None:
    _, _, overdue = gc.get_threshold()
    lost = weakref.ref(asyncio.create_task(Waits().for_nothing()))
    await settle()
    for _ in range(overdue + 2):
        gc.collect(1)
    await collect()
    assert destroyed(drive) == [LOST]
    assert lost() is None


async def test_lost_task_is_destroyed_by_a_call_where_the_collector_never_begins_by_itself(drive: Citizen) -> None:
    thresholds = gc.get_threshold()
    lost = weakref.ref(asyncio.create_task(Waits().for_nothing()))
    await settle()
    gc.set_threshold(0)
    try:
        for _ in range(thresholds[2] + 2):
            gc.collect(1)
        await collect()
    finally:
        gc.set_threshold(*thresholds)
    assert destroyed(drive) == [LOST]
    assert lost() is None


@pytest.mark.parametrize("way", ["by_gather", "by_shield", "by_wait", "by_an_event"])
async def test_lost_task_is_destroyed_with_what_it_waits_by(drive: Citizen, way: str) -> None:
    waits = Waits()
    asyncio.create_task(getattr(waits, way)())  # noqa: RUF006
    await settle()
    await collect()
    assert set(destroyed(drive)) == {LOST}
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_task_that_somebody_holds_or_may_wake_goes_on(drive: Citizen) -> None:
    loop = asyncio.get_running_loop()
    first, second = loop.create_future(), loop.create_future()
    results: list[Any] = []

    async def twice(one: Any, other: Any) -> None:
        results.append(await one)
        await asyncio.sleep(0)
        results.append(await other)

    asyncio.create_task(twice(first, second))  # noqa: RUF006
    held = asyncio.create_task(twice(second, first))
    await settle()
    await collect()
    assert len(asyncio.all_tasks()) == 3
    first.set_result("first")
    await settle()
    await collect()
    second.set_result("second")
    await held
    await collect()
    assert sorted(results) == ["first", "first", "second", "second"]
    assert len(asyncio.all_tasks()) == 1
    assert destroyed(drive) == []


async def test_cancel_and_await_reach_a_task_that_was_given_up(drive: Citizen) -> None:
    waits = Waits()
    task = asyncio.create_task(waits.for_nothing())
    awaiting = asyncio.create_task(asyncio.wait([task]))
    await settle()
    await collect()
    assert task.cancel("now")
    await awaiting
    assert task.cancelled()
    assert waits.ended == ["CancelledError"]


async def test_destruction_is_not_logged_where_asyncio_does_not_want_it(drive: Citizen) -> None:
    task: Any = asyncio.create_task(Waits().for_nothing())
    task._log_destroy_pending = False
    await settle()
    del task
    await collect()
    assert len(asyncio.all_tasks()) == 1
    assert destroyed(drive) == []


async def test_task_that_the_exception_handler_keeps_never_runs_again(drive: Citizen) -> None:
    kept: list[Any] = []
    future = asyncio.get_running_loop().create_future()

    async def waits(future: Any) -> None:
        await future

    asyncio.get_running_loop().set_exception_handler(lambda _, context: kept.append(context["task"]))
    asyncio.create_task(waits(future))  # noqa: RUF006
    await settle()
    woken = weakref.ref(future)
    del future
    await collect()
    assert len(kept) == 1
    if woken() is not None:
        woken().set_result(None)
    await collect()
    assert len(asyncio.all_tasks() - {asyncio.current_task()}) <= 1  # of asyncio the kept one
    kept.clear()
    await collect()


def test_loop_that_closes_ends_tasks_that_were_given_up() -> None:
    waits = Waits()
    loop = goish.new_event_loop()
    held = [loop.create_task(waits.for_nothing()) for _ in range(3)]
    loop.run_until_complete(settle())
    gc.collect()
    loop.close()
    assert waits.ended == ["GeneratorExit"] * 3
    assert all(task.cancelled() for task in held)


async def test_goroutine_of_go_is_never_lost(drive: Citizen) -> None:
    waits = Waits()
    lost = weakref.ref(goish.go(waits.for_nothing))
    await settle()
    await collect()
    g = lost()
    assert g is not None and not waits.ended
    g.cancel()
    await settle()


async def test_tasks_that_wait_and_wake_under_a_collector_at_work_lose_nothing(
    drive: Citizen, request: pytest.FixtureRequest
) -> None:
    rng = random.Random(request.config.stash[SEED])
    loop = asyncio.get_running_loop()
    futures: list[Any] = [loop.create_future() for _ in range(20)]
    seen: list[int] = []

    async def wait(rounds: int) -> None:
        for _ in range(rounds):
            seen.append(await futures[rng.randrange(len(futures))])

    tasks = [asyncio.create_task(wait(5)) for _ in range(60)]
    for _ in range(20):
        asyncio.create_task(Waits().for_nothing())  # noqa: RUF006
    collections = 0
    while not all(task.done() for task in tasks):
        i = rng.randrange(len(futures))
        future, futures[i] = futures[i], loop.create_future()
        if collections < 10 and rng.random() < 0.1:  # each goes through the whole heap
            collections += 1
            gc.collect()
        future.set_result(i)
        await asyncio.sleep(0)
    assert len(seen) == 300
    await collect()
    assert destroyed(drive) == [LOST] * 20
    assert len(asyncio.all_tasks()) == 1
