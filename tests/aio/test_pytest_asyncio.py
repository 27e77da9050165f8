"""go(), channels and select work in tests that pytest-asyncio runs, without any help from goish."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from goish import Chan, WaitGroup, after, chan, current_goroutine, go, select

pytestmark = pytest.mark.asyncio


async def squares(source: Chan[int], sink: Chan[int]) -> None:
    async for i in source:
        await sink.send(i * i)
    sink.close()


@pytest_asyncio.fixture
async def service() -> AsyncIterator[tuple[Chan[int], Chan[int]]]:
    """A goroutine that serves the test and ends with it."""
    source, sink = chan(), chan()
    g = go(squares, source, sink)
    yield source, sink
    source.close_once()
    await g


async def test_goroutine_of_a_fixture_serves_the_test(service: tuple[Chan[int], Chan[int]]) -> None:
    source, sink = service
    for i in range(10):
        await source.send(i)
        assert await sink.recv() == i * i


async def test_test_itself_is_a_task_and_uses_everything() -> None:
    assert isinstance(asyncio.current_task(), asyncio.Task)
    assert current_goroutine() is None
    ch, wg = chan(), WaitGroup()

    async def produce(n: int) -> None:
        await ch.send(n)

    for i in range(5):
        wg.go(produce, i)
    got = set()
    for _ in range(5):
        index, value, ok = await select(ch.recv(), after(60.0).recv())
        assert (index, ok) == (0, True)
        got.add(value)
    await wg.wait()
    assert got == set(range(5))


async def test_goroutines_that_a_test_leaves_are_cancelled_with_its_loop() -> None:
    go(squares, chan(), chan())
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_timeouts_of_asyncio_work_on_operations() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await chan().recv()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(go(squares, chan(), chan()), 0.001)
