"""Tests that anyio's pytest plugin runs on loops of goish: they and their fixtures are goroutines."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import goish
from goish import Chan, Goroutine, chan, current_goroutine, go, select

var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="none")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": goish.new_event_loop}


@pytest.fixture
async def squares() -> AsyncIterator[tuple[Chan[int], Chan[int]]]:
    """A task that serves the test and ends with it."""
    source, sink = chan(), chan()

    async def serve() -> None:
        async for i in source:
            await sink.send(i * i)

    async with anyio.create_task_group() as group:
        group.start_soon(serve)
        yield source, sink
        source.close()


@pytest.mark.anyio
async def test_fixture_serves_the_test(squares: tuple[Chan[int], Chan[int]]) -> None:
    source, sink = squares
    for i in range(10):
        await source.send(i)
        assert await sink.recv() == i * i


@pytest.mark.anyio
async def test_test_and_all_it_starts_are_goroutines() -> None:
    seen: list[Any] = []

    async def child() -> None:
        seen.append(current_goroutine())
        assert asyncio.current_task() is seen[-1]

    async with anyio.create_task_group() as group:
        group.start_soon(child)
    await asyncio.create_task(child())
    await go(child)
    assert isinstance(asyncio.current_task(), Goroutine)
    assert [type(g) for g in seen] == [Goroutine] * 3


@pytest.mark.anyio
async def test_failures_scopes_and_selects_work() -> None:
    async def failing() -> None:
        raise LookupError("x")

    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012
        async with anyio.create_task_group() as group:
            group.start_soon(failing)
            await select(chan().recv())
    assert [type(exc) for exc in caught.value.exceptions] == [LookupError]
    with anyio.move_on_after(0.001) as scope:
        await chan().recv()
    assert scope.cancelled_caught


@pytest.mark.anyio
async def test_goroutines_that_a_test_leaves_are_cancelled_with_its_loop() -> None:
    go(forever)
    asyncio.get_running_loop().create_task(forever())
    await anyio.lowlevel.checkpoint()


async def forever() -> None:
    await chan().recv()
