"""Tasks of the factory that await each other in a ring: a cancel of one ends, and ends them all.

asyncio's own tasks end in RecursionError there.
Not here: a task that awaits itself, which is refused (test_awaiting.py); goroutines of go(), to which none is passed.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from helpers import LOOPS, REAL_LOOPS, settle

import goish

Task = asyncio.Task[Any]
Wait = Callable[[Task], Awaitable[Any]]


@pytest.fixture(params=REAL_LOOPS)
def runner(request: pytest.FixtureRequest) -> Any:
    def run(main: Callable[[], Any]) -> Any:
        def factory() -> asyncio.AbstractEventLoop:
            loop = LOOPS[request.param]()
            loop.set_task_factory(goish.task_factory)  # type: ignore[arg-type]
            return loop

        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main())

    return run


async def directly(task: Task) -> None:
    await task


async def by_gather(task: Task) -> None:
    await asyncio.gather(task)


async def by_nested_gather(task: Task) -> None:
    await asyncio.gather(asyncio.gather(task), asyncio.sleep(0))


async def by_wait_for(task: Task) -> None:
    await asyncio.wait_for(task, 3600)


async def by_shield(task: Task) -> None:
    await asyncio.shield(task)


async def by_wait(task: Task) -> None:
    await asyncio.wait([task])


WAITS: list[Wait] = [directly, by_gather, by_nested_gather, by_wait_for, by_shield, by_wait]
any_wait = pytest.mark.parametrize("wait", WAITS, ids=lambda fn: fn.__name__)


def make_ring(length: int, wait: Callable[[int], Wait]) -> list[Task]:
    ring: list[Task] = []

    async def member(i: int) -> None:
        await asyncio.sleep(0)
        await wait(i)(ring[(i + 1) % length])

    ring += [asyncio.create_task(member(i)) for i in range(length)]
    return ring


@any_wait
@pytest.mark.parametrize("length", [2, 3, 10, 2000])
@pytest.mark.parametrize("where", ["in the ring", "before the ring"])
def test_a_cancel_in_a_ring_ends_all_of_it(runner: Any, wait: Wait, length: int, where: str) -> None:
    async def main() -> None:
        ring = make_ring(length, lambda _: wait)
        outside = asyncio.create_task(directly(ring[0]))
        await settle(10)
        assert (outside if where == "before the ring" else ring[0]).cancel("the end")
        await asyncio.wait([*ring, outside])
        # What awaits by asyncio.wait hears no cancel of what it awaits: it returns.
        assert outside.cancelled()
        assert wait is by_wait or all(task.cancelled() for task in ring)

    runner(main)


@pytest.mark.parametrize("length", [2, 3, 7])
def test_each_task_of_a_ring_counts_the_cancel_once(runner: Any, length: int) -> None:
    async def main() -> None:
        ring = make_ring(length, lambda i: by_gather if i % 2 else directly)
        await settle(10)
        ring[-1].cancel()
        counted = [task.cancelling() for task in ring]
        await asyncio.wait(ring)
        assert max(counted) == 1

    runner(main)


def test_the_message_of_the_cancel_reaches_the_ring(runner: Any) -> None:
    async def main() -> None:
        heard: list[str] = []
        ring: list[Task] = []

        async def member(i: int) -> None:
            try:
                await asyncio.gather(ring[1 - i])
            except asyncio.CancelledError as exc:
                heard.append(str(exc))
                raise

        ring += [asyncio.create_task(member(i)) for i in range(2)]
        await settle()
        ring[0].cancel("why")
        await asyncio.wait(ring)
        assert heard == ["why", "why"]

    runner(main)


def test_a_ring_that_closes_while_a_cancel_is_on_its_way_ends(runner: Any) -> None:
    """The last task of the ring is cancelled before it comes to its await."""

    async def main() -> None:
        ring: list[Task] = []

        async def first() -> None:
            await ring[1]

        async def second() -> None:
            ring[1].cancel()
            await ring[0]

        ring += [asyncio.create_task(first()), asyncio.create_task(second())]
        await asyncio.wait(ring)
        assert all(task.cancelled() for task in ring)

    runner(main)


def test_a_task_that_has_left_the_ring_is_not_woken_by_what_it_awaited(runner: Any) -> None:
    async def main() -> None:
        ring: list[Task] = []
        log: list[str] = []

        async def survivor() -> None:
            try:
                await asyncio.gather(ring[1])
            except asyncio.CancelledError:
                log.append("cancelled")
            await asyncio.get_running_loop().create_future()
            log.append("woken by something else")

        async def other() -> None:
            await asyncio.gather(ring[0])

        ring += [asyncio.create_task(survivor()), asyncio.create_task(other())]
        await settle()
        ring[0].cancel()
        await settle(20)
        assert log == ["cancelled"]
        ring[0].cancel()
        await asyncio.wait(ring)

    runner(main)


def test_a_long_chain_of_gathers_is_cancelled_to_its_end(runner: Any) -> None:
    async def main() -> None:
        async def link(task: Task | None) -> None:
            await (asyncio.gather(task) if task else asyncio.get_running_loop().create_future())

        chain: list[Task] = []
        for _ in range(3000):
            chain.append(asyncio.create_task(link(chain[-1] if chain else None)))
        await settle(10)
        chain[-1].cancel()
        await asyncio.wait(chain)
        assert all(task.cancelled() for task in chain)

    runner(main)


def test_nothing_is_logged_of_a_ring_that_was_cancelled(runner: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        ring = make_ring(4, lambda _: by_gather)
        await settle(10)
        ring[0].cancel()
        await asyncio.wait(ring)

    runner(main)
    assert caplog.records == []


@pytest.mark.skipif(not hasattr(signal, "raise_signal"), reason="no signals")
def test_ctrl_c_ends_a_main_that_is_in_a_ring(runner: Any) -> None:
    async def main() -> None:
        this: Any = asyncio.current_task()
        other = asyncio.create_task(directly(this))
        asyncio.get_running_loop().call_later(0.01, signal.raise_signal, signal.SIGINT)
        await other

    with pytest.raises(KeyboardInterrupt):
        runner(main)
