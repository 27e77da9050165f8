"""Timers and deadlines whose loop ends: a waiter on another loop is served all the same."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from helpers import LOOPS, REAL_LOOPS, settle
from parties import PATIENCE

from goish import chan, context, go, select, time

SOON = 0.3
on_each_loop = pytest.mark.parametrize("loop", REAL_LOOPS)


async def for_value(timer: Any) -> None:
    await timer.c.recv()


async def for_value_in_select(timer: Any) -> None:
    await select(timer.c.recv(), chan().recv())


async def for_done(made: Any) -> None:
    await made[0].done().recv_ok()


async def for_closed(made: Any) -> None:
    await made[0].done().wait_closed()


async def in_block(made: Any) -> None:
    with contextlib.suppress(TimeoutError):
        async with context.scope(made[0]):
            await chan().recv()


async def as_goroutine(made: Any) -> None:
    async def wait() -> None:
        await chan().recv()

    with contextlib.suppress(asyncio.CancelledError):
        await go.options(ctx=made[0])(wait)


async def as_child(made: Any) -> None:
    with contextlib.suppress(TimeoutError):
        async with context.fail_after(60, ctx=context.with_cancel(made[0])[0]):
            await chan().recv()


def deadline() -> Any:
    return context.with_timeout(context.background(), SOON)


CASES: list[tuple[Callable[[], Any], Callable[[Any], Awaitable[None]]]] = [
    (lambda: time.Timer(SOON), for_value),
    (lambda: time.Ticker(SOON), for_value_in_select),
    (deadline, for_done),
    (deadline, for_closed),
    (deadline, in_block),
    (deadline, as_goroutine),
    (deadline, as_child),
]


@on_each_loop
@pytest.mark.parametrize(("make", "wait"), CASES, ids=[wait.__name__ for _, wait in CASES])
def test_a_waiter_outlives_the_loop_of_its_timer(loop: str, make: Any, wait: Any) -> None:
    made, waits = threading.Event(), threading.Event()
    box: list[Any] = []

    async def first() -> None:
        box.append(make())
        made.set()
        await asyncio.to_thread(waits.wait)

    async def second() -> None:
        task = asyncio.ensure_future(wait(box[0]))
        await settle()
        waits.set()
        await asyncio.to_thread(other.join)
        await asyncio.wait_for(task, PATIENCE)

    other = threading.Thread(target=_run, args=(loop, first))
    other.start()
    assert made.wait(PATIENCE)
    _run(loop, second)


def _run(loop: str, main: Any) -> None:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())


@on_each_loop
def test_a_hook_outlives_the_loop_of_its_deadline(loop: str) -> None:
    called = chan(1)

    async def main() -> None:
        ctx, _ = context.with_timeout(context.background(), SOON)
        context.after_func(ctx, called.try_send, "called")

    _run(loop, main)
    assert called.recv_blocking(timeout=PATIENCE) == "called"


@on_each_loop
def test_a_timer_of_a_loop_that_has_stopped_goes_by_that_of_its_waiter(loop: str) -> None:
    stopped = LOOPS[loop]()

    async def make() -> Any:
        return time.Timer(0.001), context.with_timeout(context.background(), 0.001)

    async def wait(timer: Any, made: Any) -> None:
        await asyncio.wait_for(timer.c.recv(), PATIENCE)
        await asyncio.wait_for(made[0].done().recv_ok(), PATIENCE)

    timer, made = stopped.run_until_complete(make())
    try:
        _run(loop, lambda: wait(timer, made))
    finally:
        stopped.close()
