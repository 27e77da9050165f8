"""Streams and threads: stages on workers, on executors of others, and consumers without an event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import multiprocessing
import os
import threading
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from helpers import outcome
from hypothesis import given, settings
from hypothesis import strategies as st

import goish
from goish import chan, check_cancel, run, streams
from goish.errors import SyncOnLoop
from goish.parallel import Executor, adopt
from goish.streams import pipeline

pytestmark = pytest.mark.usefixtures("two_workers")


class Wrong(Exception):
    pass


def square(n: int) -> int:
    return n * n


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 99), max_size=60), st.integers(1, 4), st.integers(0, 9))
def test_a_stage_on_threads_does_what_a_list_does(values: list[int], workers: int, capacity: int) -> None:
    async def main() -> None:
        ordered = streams.stage(square, workers=workers, kind="thread", capacity=capacity)
        assert await streams.collect(pipeline(values, ordered)) == [n * n for n in values]
        unordered = streams.stage(square, workers=workers, kind="thread", ordered=False, capacity=capacity)
        assert Counter(await streams.collect(pipeline(values, unordered))) == Counter(n * n for n in values)

    run(main)


async def test_calls_on_threads_are_on_threads_and_no_more_than_workers(run: Any) -> None:
    here = threading.get_ident()
    lock, running, most = threading.Lock(), 0, 0

    def work(n: int) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        check_cancel()
        with lock:
            running -= 1
        return threading.get_ident() != here

    assert all(await streams.collect(pipeline(range(50), streams.stage(work, workers=2, kind="thread"))))
    assert most <= 2


async def test_a_coroutine_function_runs_on_the_loops_of_workers(run: Any) -> None:
    here = threading.get_ident()

    async def work(n: int) -> bool:
        await asyncio.sleep(0)
        return threading.get_ident() != here

    assert all(await streams.collect(pipeline(range(9), streams.stage(work, workers=3, kind="thread"))))


@pytest.mark.parametrize("ordered", [True, False])
async def test_an_error_on_a_thread_comes_behind_the_results_before_it(ordered: bool, run: Any) -> None:
    def work(n: int) -> int:
        if n == 37:
            raise Wrong
        return n

    found: list[int] = []
    with pytest.raises(Wrong):  # noqa: PT012
        async for n in pipeline(range(100), streams.stage(work, kind="thread", ordered=ordered)):
            found.append(n)
    assert found == list(range(37))


async def test_a_consumer_that_leaves_cancels_the_calls_and_waits_for_them(run: Any) -> None:
    begun, log = threading.Event(), []

    def work(n: int) -> None:
        begun.set()
        try:
            while True:
                check_cancel()
        finally:
            log.append(n)

    async def consume() -> None:
        await streams.collect(pipeline([1], streams.stage(work, kind="thread")))

    consumer = goish.go(consume)
    await asyncio.to_thread(begun.wait)
    consumer.cancel()
    assert await outcome(consumer) is asyncio.CancelledError
    assert log == [1]


async def test_a_stage_takes_the_workers_of_an_executor(run: Any) -> None:
    with concurrent.futures.ThreadPoolExecutor(1, "theirs") as pool:
        async with Executor(workers=1, name="ours") as ours:
            for executor, name in ((adopt(pool), "theirs"), (ours, "ours")):
                stage = streams.stage(lambda n: threading.current_thread().name, executor=executor)
                assert all(name in found for found in await streams.collect(pipeline(range(5), stage)))


async def test_a_stage_runs_in_processes(run: Any) -> None:
    spawn = multiprocessing.get_context("spawn")  # a fork beside threads may find a lock taken
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
        stage = streams.stage(pid_and, executor=adopt(pool))
        found = await streams.collect(pipeline(range(5), stage))
    assert [n for _, n in found] == list(range(5))
    assert os.getpid() not in {pid for pid, _ in found}


def pid_and(n: int) -> tuple[int, int]:
    return os.getpid(), n


# ── consumers on threads ──


async def forever() -> AsyncIterator[int]:
    for n in itertools.count():
        yield n
        await asyncio.sleep(0)


def test_a_thread_without_a_loop_iterates_a_stream() -> None:
    assert list(pipeline(range(9), streams.stage(square, workers=2))) == [n * n for n in range(9)]
    found = []
    for n in pipeline(forever()):
        found.append(n)
        if n == 3:
            break
    assert found == [0, 1, 2, 3]


def test_an_error_is_raised_in_the_thread() -> None:
    def fail(n: int) -> int:
        if n == 5:
            raise Wrong
        return n

    found = []
    with pytest.raises(Wrong):  # noqa: PT012
        for n in pipeline(range(9), streams.map(fail)):
            found.append(n)
    assert found == [0, 1, 2, 3, 4]


async def test_for_on_the_thread_of_a_loop_is_refused(run: Any) -> None:
    with pytest.raises(SyncOnLoop, match="async for"):
        list(pipeline([1]))


async def test_a_thread_and_a_loop_share_a_stream_each_with_its_run(run: Any) -> None:
    stream = pipeline(range(50), streams.stage(square, workers=2))
    in_thread = goish.go_thread(list, stream)
    assert await streams.collect(stream) == await in_thread == [n * n for n in range(50)]


async def test_a_cancelled_thread_ends_its_run(run: Any) -> None:
    first = chan(1)

    def consume() -> None:
        for n in pipeline(forever()):
            first.try_send(n)

    consumer = goish.go_thread(consume)
    await first.recv()
    consumer.cancel()
    assert await outcome(consumer) is asyncio.CancelledError
