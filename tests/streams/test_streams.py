"""Streams: what lists do, in order, bounded, lazy; and no goroutine is left behind, whatever way a stream ends.

Each test runs in goroutines, in asyncio tasks and mixed, on both loops.
Not here: stages on threads (test_streams_threads.py), bad input (test_streams_input.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import logging
import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from helpers import outcome, settle, turn, until
from hypothesis import given, settings
from hypothesis import strategies as st

import goish
from goish import Chan, SendChan, after, chan, go, gosched, num_goroutine, run, select, streams
from goish.streams import pipeline

Spawn = Callable[..., Any]


async def agen(values: Any) -> AsyncIterator[Any]:
    for value in values:
        await asyncio.sleep(0)
        yield value


async def same(value: Any) -> Any:
    await gosched()
    return value


async def none_left() -> None:
    base = own_goroutines()
    await until(lambda: num_goroutine() <= base)


def own_goroutines() -> int:
    """The test itself, where it is a goroutine."""
    return int(goish.current_goroutine() is not None)


# ── what lists do ──


def full_channel(values: list[int]) -> Chan[int]:
    ch = Chan[int](max(1, len(values)))
    ch.try_send_many(values)
    ch.close()
    return ch


async def send_all(out: SendChan[int], values: list[int]) -> None:
    for value in values:
        await out.send(value)


SOURCES: dict[str, Callable[[list[int]], Any]] = {
    "list": lambda values: values,
    "iterator": iter,
    "async generator": agen,
    "channel": full_channel,
    "stream": lambda values: pipeline(values, streams.buffer(2)),
    "produce": lambda values: streams.produce(send_all, values),
    "producer": lambda values: streams.produce(agen)(values),
}


def windows(values: list[Any], n: int) -> list[Any]:
    return [tuple(values[i : i + n]) for i in range(len(values) - n + 1)]


def batches(values: list[Any], n: int) -> list[Any]:
    return [values[i : i + n] for i in range(0, len(values), n)]


async def is_odd_slowly(source: AsyncIterator[int]) -> AsyncIterator[int]:
    async for n in source:
        await gosched()
        if n % 2:
            yield n


async def add_one(n: int) -> int:
    await gosched()
    return n + 1


# Each: how it is made from a number, and what it does to a list. Values stay whole numbers.
STAGES: dict[str, tuple[Callable[[int], Any], Callable[[list[int], int], list[int]]]] = {
    "map": (lambda n: streams.map(lambda v: v + n), lambda vs, n: [v + n for v in vs]),
    "map async": (lambda n: streams.map(add_one), lambda vs, n: [v + 1 for v in vs]),
    "filter": (lambda n: streams.filter(lambda v: v % (n + 1)), lambda vs, n: [v for v in vs if v % (n + 1)]),
    "take": (streams.take, lambda vs, n: vs[:n]),
    "drop": (streams.drop, lambda vs, n: vs[n:]),
    "take_while": (
        lambda n: streams.take_while(lambda v: v < 10 * n),
        lambda vs, n: list(itertools.takewhile(lambda v: v < 10 * n, vs)),
    ),
    "drop_while": (
        lambda n: streams.drop_while(lambda v: v > n),
        lambda vs, n: list(itertools.dropwhile(lambda v: v > n, vs)),
    ),
    "batch": (
        lambda n: lambda source: pipeline(source, streams.batch(n + 1), streams.map(sum)),
        lambda vs, n: [sum(batch) for batch in batches(vs, n + 1)],
    ),
    "batch and flatten": (
        lambda n: lambda source: pipeline(source, streams.batch(n + 1, 0.0), streams.flatten()),
        lambda vs, n: vs,
    ),
    "window": (
        lambda n: lambda source: pipeline(source, streams.window(n + 1), streams.map(sum)),
        lambda vs, n: [sum(window) for window in windows(vs, n + 1)],
    ),
    "scan": (
        lambda n: streams.scan(lambda a, b: a + b, n),
        lambda vs, n: list(itertools.accumulate(vs, initial=n))[1:],
    ),
    "distinct": (
        lambda n: streams.distinct(lambda v: v % (n + 2)),
        lambda vs, n: (
            list({v % (n + 2): v for v in reversed(vs)}.values())[::-1]
            and [v for i, v in enumerate(vs) if v % (n + 2) not in {u % (n + 2) for u in vs[:i]}]
        ),
    ),
    "group_by": (
        lambda n: (
            lambda source: pipeline(source, streams.group_by(lambda v: v // (n + 1)), streams.map(lambda g: len(g[1])))
        ),
        lambda vs, n: [len(list(group)) for _, group in itertools.groupby(vs, lambda v: v // (n + 1))],
    ),
    "buffer": (lambda n: streams.buffer(n + 1), lambda vs, n: vs),
    "stage": (lambda n: streams.stage(same, workers=n + 1, capacity=n), lambda vs, n: vs),
    "stage of any number": (lambda n: streams.stage(same, workers=math.inf, capacity=n), lambda vs, n: vs),
    "stage of a lambda": (lambda n: streams.stage(lambda v: same(v), workers=n + 1), lambda vs, n: vs),
    "function": (lambda n: is_odd_slowly, lambda vs, n: [v for v in vs if v % 2]),
}

CAPACITIES = st.integers(0, 5)
VALUES = st.lists(st.integers(0, 30), max_size=25)
CHAINS = st.lists(st.tuples(st.sampled_from(sorted(STAGES)), st.integers(0, 4)), max_size=4)


@settings(max_examples=120, deadline=None)
@given(VALUES, st.sampled_from(sorted(SOURCES)), CHAINS)
def test_stages_do_to_a_stream_what_lists_do(values: list[int], source: str, chain: list[tuple[str, int]]) -> None:
    expected = values
    for name, n in chain:
        expected = STAGES[name][1](expected, n)

    async def main() -> None:
        stages = [STAGES[name][0](n) for name, n in chain]
        assert await streams.collect(pipeline(SOURCES[source](values), *stages)) == expected
        assert num_goroutine() == 1

    run(main)


@settings(max_examples=30, deadline=None)
@given(st.lists(VALUES, max_size=4), CAPACITIES, st.sampled_from(sorted(SOURCES)))
def test_merge_gives_all_values_each_source_in_order(lists: list[list[int]], capacity: int, source: str) -> None:
    async def main() -> None:
        numbered = [[(i, value) for value in values] for i, values in enumerate(lists)]
        merged = await streams.collect(streams.merge(*map(SOURCES[source], numbered), capacity=capacity))  # type: ignore[arg-type]
        assert [[found for found in merged if found[0] == i] for i in range(len(lists))] == numbered
        assert len(merged) == sum(map(len, lists))

    run(main)


@settings(max_examples=30, deadline=None)
@given(st.lists(VALUES, max_size=4), st.sampled_from(sorted(SOURCES)))
def test_zip_is_that_of_lists(lists: list[list[int]], source: str) -> None:
    async def main() -> None:
        sources = [SOURCES[source](values) for values in lists]
        assert await streams.collect(streams.zip(*sources)) == list(zip(*lists, strict=False))
        assert num_goroutine() == 1
        again = streams.zip(*[SOURCES[source](values) for values in lists], strict=True)
        if len(set(map(len, lists))) > 1:
            with pytest.raises(ValueError, match="than those before it"):
                await streams.collect(again)
        else:
            assert await streams.collect(again) == list(zip(*lists, strict=True))

    run(main)


@settings(max_examples=30, deadline=None)
@given(VALUES, CAPACITIES, st.integers(1, 4))
def test_dup_split_and_distribute_lose_and_double_nothing(values: list[int], capacity: int, n: int) -> None:
    async def main() -> None:
        async with streams.dup(agen(values), n, capacity=capacity) as flows:
            assert await streams.gather(*map(streams.collect, flows)) == [values] * n
        async with streams.distribute(values, n, capacity=capacity) as parts:
            found = await streams.gather(*map(streams.collect, parts))
        assert Counter(itertools.chain(*found)) == Counter(values)
        async with streams.split(values, lambda v: v > 9, capacity=capacity) as (high, low):
            assert await streams.gather(streams.collect(high), streams.collect(low)) == [
                [v for v in values if v > 9],
                [v for v in values if v <= 9],
            ]
        assert num_goroutine() == 1

    run(main)


@settings(max_examples=30, deadline=None)
@given(VALUES, st.integers(1, 5), CAPACITIES)
def test_an_unordered_stage_gives_each_result_once(values: list[int], workers: int, capacity: int) -> None:
    async def main() -> None:
        stage = streams.stage(jittery, workers=workers, ordered=False, capacity=capacity)
        assert Counter(await streams.collect(pipeline(values, stage))) == Counter(values)
        ordered = streams.stage(jittery, workers=workers, capacity=capacity)
        assert await streams.collect(pipeline(values, ordered)) == values

    run(main)


async def jittery(value: int) -> int:
    for _ in range(random.randrange(4)):
        await gosched()
    return value


async def test_combine_latest_gives_the_latest_of_each() -> None:
    a, b = Chan[str](), Chan[int]()
    async with streams.combine_latest(a, b) as flow:
        await a.send("x")
        await a.send("y")
        await b.send(1)
        assert await anext(flow) == ("y", 1)
        await b.send(2)
        assert await anext(flow) == ("y", 2)
        a.close()
        await b.send(3)
        assert await anext(flow) == ("y", 3)
        b.close()
        assert [pair async for pair in flow] == []


async def test_merge_gives_what_comes_first() -> None:
    slow, quick = chan(), chan()
    async with streams.merge(slow, quick) as flow:
        for i in range(5):
            await quick.send(i)
            assert await anext(flow) == i
        await slow.send("at last")
        assert await anext(flow) == "at last"


async def test_reduce_and_collect() -> None:
    assert await streams.reduce(agen([1, 2, 3]), lambda total, n: total + n, 10) == 16
    assert await streams.reduce([], max, 7) == 7
    assert await streams.collect(agen("ab")) == ["a", "b"]


async def test_a_stream_of_nothing_ends() -> None:
    for stream in (
        streams.merge(),
        streams.zip(),
        streams.combine_latest(),
        pipeline([]),
        pipeline("abc", streams.take(0)),
    ):
        assert await streams.collect(stream) == []  # type: ignore[arg-type]


async def test_a_stage_that_returns_a_pipeline_is_a_stage() -> None:
    def first_squares(source: Any) -> Any:
        return pipeline(source, streams.map(lambda n: n * n), streams.buffer(1), streams.take(3))

    assert await streams.collect(pipeline(itertools.count(), streams.buffer(3), first_squares)) == [0, 1, 4]
    await none_left()


# ── laziness ──


async def test_nothing_runs_before_a_stream_is_iterated() -> None:
    begun: list[str] = []

    async def produce(out: SendChan[int]) -> None:
        begun.append("producer")
        await out.send(1)

    stream = pipeline(streams.produce(produce), streams.stage(same, workers=3))
    merged = streams.merge(stream, stream)
    await settle()
    assert begun == [] and num_goroutine() == own_goroutines()
    assert await streams.collect(merged) == [1, 1]
    assert begun == ["producer"] * 2


async def test_an_iterable_is_not_read_ahead_by_stages_that_wait_for_nothing() -> None:
    numbers = itertools.count()
    stages = (streams.map(lambda n: n + 1), streams.filter(lambda n: n % 2), streams.window(2), streams.take(3))
    assert await streams.collect(pipeline(numbers, *stages)) == [(1, 3), (3, 5), (5, 7)]
    assert next(numbers) == 7


async def test_a_channel_keeps_what_was_not_asked_for() -> None:
    ch = chan(10)
    await ch.send_many(range(10))
    assert await streams.collect(pipeline(ch, streams.map(lambda n: n), streams.take(3))) == [0, 1, 2]
    async for n in pipeline(ch):
        assert n == 3
        break
    assert await ch.recv() == 4
    assert not ch.closed


async def test_a_stream_runs_anew_each_time() -> None:
    stream = pipeline([1, 2], streams.stage(same))
    assert [await streams.collect(stream), await streams.collect(stream)] == [[1, 2], [1, 2]]
    async with stream as one, stream as other:
        assert (await anext(one), await anext(other), await anext(one)) == (1, 1, 2)
    await none_left()


async def test_a_stream_that_never_waits_lets_others_run(spawn: Spawn) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await gosched()

    counter = spawn(count)
    async for _ in pipeline(range(10_000), streams.filter(lambda n: n % 10 == 0)):
        pass
    counter.cancel()
    assert turns > 20


# ── bounds ──


async def test_a_hop_holds_no_more_than_its_capacity(run: Any) -> None:
    for capacity in (0, 1, 2, 3, 7, 16):
        read = itertools.count()
        async with streams.produce(agen, read, capacity=capacity) as flow:
            for taken in range(1, 20):
                await anext(flow)
                await settle(3 * capacity + 3)
                ahead = next(read) - taken  # which takes one itself, the next time
                assert ahead <= capacity + 1 + taken, "one is in the hands of the producer"


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_stage_runs_as_many_calls_as_it_has_workers(ordered: bool) -> None:
    running = most = 0

    async def work(n: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await settle(2)
        running -= 1
        return n

    for workers in (1, 2, 5):
        most = 0
        await streams.collect(pipeline(range(30), streams.stage(work, workers=workers, ordered=ordered)))
        assert most == workers
    most = 0
    await streams.collect(pipeline(range(30), streams.stage(work, workers=math.inf, ordered=ordered)))
    assert most == 30


async def test_an_ordered_stage_does_not_run_ahead_of_a_slow_call_without_end() -> None:
    begun: list[int] = []
    held = asyncio.Event()

    async def work(n: int) -> int:
        begun.append(n)
        if n == 0:
            await held.wait()
        return n

    async with pipeline(itertools.count(), streams.stage(work, workers=3, capacity=4)) as flow:
        first = go(outcome, anext(flow))
        await settle(50)
        assert len(begun) == 3 + 4
        held.set()
        assert await first == 0
        assert [await anext(flow) for _ in range(20)] == list(range(1, 21))


async def test_batches_come_in_time(virtual: Any) -> None:
    async def slowly() -> AsyncIterator[int]:
        for n in range(7):
            if n:
                await asyncio.sleep(0.4 if n < 4 else 5)
            yield n

    assert await streams.collect(pipeline(slowly(), streams.batch(3, 1.0))) == [[0, 1, 2], [3], [4], [5], [6]]
    assert await streams.collect(pipeline(slowly(), streams.batch(3, 100))) == [[0, 1, 2], [3, 4, 5], [6]]


# ── errors ──


class Wrong(Exception):
    pass


def failing_at(i: int) -> Callable[[int], int]:
    def fail(n: int) -> int:
        if n == i:
            raise Wrong(n)
        return n

    return fail


def slow_failing_at(i: int) -> Callable[[int], Any]:
    async def fail(n: int) -> int:
        await gosched()
        return failing_at(i)(n)

    return fail


async def failing_source(i: int) -> AsyncIterator[int]:
    for n in range(30):
        yield failing_at(i)(n)


FAILING: dict[str, Callable[[int], Any]] = {
    "source": failing_source,
    "producer": lambda i: streams.produce(failing_source, i),
    "plain": lambda i: pipeline(range(30), streams.map(failing_at(i))),
    "iterable": lambda i: map(failing_at(i), range(30)),
    "buffered": lambda i: pipeline(range(30), streams.map(failing_at(i)), streams.buffer(50)),
    "map": lambda i: pipeline(range(30), streams.map(slow_failing_at(i))),
    "workers": lambda i: pipeline(range(30), streams.stage(slow_failing_at(i), workers=4)),
    "any number": lambda i: pipeline(range(30), streams.stage(slow_failing_at(i), workers=math.inf)),
    "unbuffered": lambda i: pipeline(range(30), streams.stage(slow_failing_at(i), workers=2, capacity=0)),
    "function": lambda i: pipeline(failing_source(i), is_each),
}


async def is_each(source: AsyncIterator[int]) -> AsyncIterator[int]:
    async for n in source:
        yield n


@pytest.mark.parametrize("kind", FAILING)
async def test_an_error_comes_behind_what_was_before_it(kind: str, run: Any) -> None:
    stages = (None, streams.map(same), streams.stage(same, workers=3), streams.buffer(5), is_each)
    for i, stage in itertools.product((0, 1, 29), stages):
        found: list[int] = []
        with pytest.raises(Wrong, match=str(i)):  # noqa: PT012
            async for n in pipeline(FAILING[kind](i), *([stage] if stage else [])):
                found.append(n)
        assert found == list(range(i))
        assert num_goroutine() == own_goroutines(), "the run has ended with the error"


async def test_an_error_of_an_unordered_stage_cancels_its_siblings() -> None:
    ended: list[str] = []

    async def work(n: int) -> int:
        if n == 2:
            raise Wrong
        try:
            await chan().recv()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return n

    with pytest.raises(Wrong):
        await streams.collect(pipeline(range(9), streams.stage(work, workers=3, ordered=False)))
    assert ended == ["cancelled"] * 2


async def test_an_error_ends_merge_zip_and_combine_latest() -> None:
    for joined in (streams.merge, streams.zip, streams.combine_latest):
        forever = streams.produce(agen, itertools.count())
        with pytest.raises(Wrong):
            await streams.collect(joined(forever, failing_source(3)))  # type: ignore[operator]
        assert num_goroutine() == own_goroutines()


async def test_an_error_is_raised_in_each_flow_of_a_fork(caplog: pytest.LogCaptureFixture) -> None:
    async with streams.dup(failing_source(2)) as flows:
        for flow in flows:
            assert [await anext(flow), await anext(flow)] == [0, 1]
            with pytest.raises(Wrong):
                await anext(flow)
    async with streams.distribute(failing_source(1), 2) as (one, other):
        assert await anext(one) == 0
        assert await outcome(anext(other)) is Wrong
        assert await outcome(anext(one)) is Wrong
    assert caplog.messages == []


async def test_an_error_that_no_receiver_got_to_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async for n in pipeline(FAILING["buffered"](3)):
        await settle()
        assert n == 0
        break
    await until(lambda: "Wrong(3)" in caplog.text)


async def test_an_error_of_cleaning_up_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def source() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise Wrong("in finally")

    async with pipeline(source()) as flow:
        await anext(flow)
        await turn()
    assert "in finally" in caplog.text
    assert caplog.records[0].levelno == logging.ERROR


async def test_a_cancel_of_a_stage_is_seen_by_the_consumer() -> None:
    async def give_up(n: int) -> int:
        raise asyncio.CancelledError

    for stage in (
        streams.map(give_up),
        streams.stage(give_up, workers=2),
        streams.stage(give_up, workers=2, ordered=False),
    ):
        assert await outcome(streams.collect(pipeline([1, 2], stage))) is asyncio.CancelledError
        await none_left()


# ── no goroutine is left ──


def long_pipelines() -> Iterator[Any]:
    def forever() -> Any:
        return streams.produce(agen, itertools.count())

    yield pipeline(forever())
    yield pipeline(itertools.count(), streams.map(same), streams.buffer(3))
    yield pipeline(forever(), streams.stage(same, workers=3), streams.batch(2, 1.0), streams.flatten())
    yield pipeline(forever(), streams.stage(same, workers=3, ordered=False), streams.map(lambda n: n))
    yield pipeline(forever(), streams.stage(same, workers=2, capacity=0), is_each, is_each)
    yield streams.merge(forever(), itertools.count(), pipeline(forever(), is_each))
    yield streams.zip(forever(), pipeline(forever(), streams.map(same)))
    yield streams.combine_latest(forever(), pipeline([1], streams.stage(same)))
    yield pipeline(forever(), streams.stage(same, workers=math.inf, ordered=False))


LONG = range(len(list(long_pipelines())))


def long_pipeline(i: int) -> Any:
    return list(long_pipelines())[i]


@pytest.mark.parametrize("i", LONG)
async def test_no_goroutine_is_left_by_a_block_that_ends(i: int, run: Any) -> None:
    for taken in (0, 1, 20):
        async with long_pipeline(i) as flow:
            for _ in range(taken):
                await anext(flow)
        assert num_goroutine() == own_goroutines(), "none, at once"
    with pytest.raises(Wrong):  # noqa: PT012
        async with long_pipeline(i) as flow:
            async for _ in flow:
                raise Wrong
    assert num_goroutine() == own_goroutines()


@pytest.mark.parametrize("i", LONG)
async def test_no_goroutine_is_left_by_a_break(i: int, run_foreign: Any) -> None:
    async for _ in long_pipeline(i):
        break
    await none_left()
    iterator = aiter(long_pipeline(i))
    await anext(iterator)
    await iterator.aclose()  # type: ignore[attr-defined]
    assert num_goroutine() == own_goroutines()


@pytest.mark.parametrize("i", LONG)
async def test_no_goroutine_is_left_by_a_consumer_that_is_garbage(i: int, run_foreign: Any) -> None:
    iterator = aiter(long_pipeline(i))
    await anext(iterator)
    ring = [iterator]
    ring.append(ring)  # type: ignore[arg-type]
    del iterator, ring
    gc.collect()
    await none_left()


@pytest.mark.parametrize("i", LONG)
async def test_take_cancels_what_stands_before_it(i: int, run: Any) -> None:
    assert len(await streams.collect(pipeline(long_pipeline(i), streams.take(3)))) == 3
    assert num_goroutine() == own_goroutines()


@pytest.mark.parametrize("i", LONG)
async def test_no_goroutine_is_left_by_a_cancel_at_any_await(i: int, spawn: Spawn) -> None:
    async def consume(by_block: bool) -> None:
        if by_block:
            async with long_pipeline(i) as flow:
                async for _ in flow:
                    await asyncio.sleep(0)
        else:
            async for _ in long_pipeline(i):
                await asyncio.sleep(0)

    for turns, by_block in itertools.product([*range(10), 25], (False, True)):
        consumer = spawn(consume, by_block)
        for _ in range(turns):
            await turn()
        consumer.cancel()
        assert await outcome(consumer) is asyncio.CancelledError
        if by_block:
            assert num_goroutine() == own_goroutines()
        await none_left()


async def test_an_early_end_of_one_source_stops_what_stands_before_it() -> None:
    """While the others go on."""
    closed: list[str] = []

    async def source() -> AsyncIterator[int]:
        try:
            for n in itertools.count():
                yield n
        finally:
            closed.append("source")

    forever = chan()
    async with streams.merge(pipeline(source(), streams.map(same), streams.take(2)), forever) as flow:
        assert [await anext(flow), await anext(flow)] == [0, 1]
        await until(lambda: closed)


async def test_a_block_waits_until_its_producer_has_cleaned_up() -> None:
    log: list[str] = []

    async def produce(out: SendChan[int]) -> None:
        try:
            while True:
                await out.send(1)
        finally:
            await settle()
            log.append("cleaned up")

    async with streams.produce(produce) as flow:
        await anext(flow)
    assert log == ["cleaned up"]


async def test_a_generator_that_swallows_its_cancel_is_closed() -> None:
    async def stubborn() -> AsyncIterator[int]:
        for n in itertools.count():
            with contextlib.suppress(asyncio.CancelledError):
                yield n

    async with pipeline(stubborn()) as flow:
        await anext(flow)
        await settle()
    assert num_goroutine() == own_goroutines()


async def test_a_cancel_within_a_generator_is_its_own() -> None:
    """What it has yielded before arrives."""

    async def ticks() -> AsyncIterator[int]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.001):
                for n in range(10**6):
                    yield n
        yield -1

    found = []
    async for n in pipeline(ticks()):
        found.append(n)
        await asyncio.sleep(0.002 if n == 0 else 0)
    assert found == [*range(len(found) - 1), -1]


async def test_a_cancel_while_the_block_waits_for_the_end_is_raised_behind_it(spawn: Spawn) -> None:
    let_go = asyncio.Event()

    async def produce(out: SendChan[int]) -> None:
        try:
            await out.send(1)
            await chan().recv()
        finally:
            await let_go.wait()

    async def consume() -> None:
        async with streams.produce(produce) as flow:
            await anext(flow)

    consumer = spawn(consume)
    await settle()
    consumer.cancel()
    await settle()
    assert not consumer.done()
    let_go.set()
    assert await outcome(consumer) is asyncio.CancelledError


async def test_a_timeout_around_a_yield_is_the_producers_own() -> None:
    """PEP 789: in an async generator that the consumer itself iterates it would cancel the consumer."""

    async def ticks() -> AsyncIterator[int]:
        async with asyncio.timeout(0.001):
            for n in itertools.count():
                yield n
                await asyncio.sleep(0)

    async def consume() -> None:
        async for _ in pipeline(ticks()):
            await asyncio.sleep(0.002)

    with pytest.raises(TimeoutError):
        await consume()


# ── flows ──


async def test_a_flow_is_a_case_of_select() -> None:
    async with pipeline(agen(range(20)), streams.stage(same, workers=3)) as flow:
        assert await anext(flow) == 0
        found = []
        while True:
            _, value, ok = await select(flow.receiver.recv(), after(60).recv())
            if not ok:
                break
            found.append(value)
    assert found == list(range(1, 20))


async def test_a_flow_may_be_read_both_ways() -> None:
    async with pipeline(range(100), streams.map(lambda n: n)) as flow:
        found = []
        async for n in flow:
            found.append(n)
            if n % 7 == 3:
                found.append(await flow.receiver.recv())
    assert found == list(range(100))


async def test_an_error_that_closes_the_receiver_is_raised_at_the_end_of_the_block() -> None:
    with pytest.raises(Wrong):
        async with pipeline(failing_source(3)) as flow:
            assert [n async for n in flow.receiver] == [0, 1, 2]
    with pytest.raises(LookupError):  # noqa: PT012
        async with pipeline(failing_source(0)) as flow:
            assert [n async for n in flow.receiver] == []
            raise LookupError


async def test_several_share_a_receiver(spawn: Spawn) -> None:
    async with pipeline(range(50), streams.map(same)) as flow:
        receiver = flow.receiver
        parts = [spawn(streams.collect, receiver) for _ in range(4)]
        assert sorted(itertools.chain(*[await part for part in parts])) == list(range(50))


async def test_a_flow_that_is_left_holds_up_no_other() -> None:
    async with streams.dup(range(100), 2, capacity=1) as (left, right):
        assert await anext(left) == 0
        await left.aclose()
        assert [n async for n in left] == []
        assert await streams.collect(right) == list(range(100))
    async with streams.dup(streams.produce(agen, itertools.count()), 2) as flows:
        for flow in flows:
            await flow.aclose()
        await none_left()


# ── producers ──


async def test_produce_is_a_decorator_of_both_forms() -> None:
    @streams.produce
    async def counted(n: int) -> AsyncIterator[int]:
        for i in range(n):
            yield i

    @streams.produce(capacity=0)
    async def sent(out: SendChan[int], n: int) -> None:
        for i in range(n):
            await out.send(i)

    class Shelf:
        books = ("a", "b")

        @streams.produce
        async def each(self) -> AsyncIterator[str]:
            for book in self.books:
                yield book

        @streams.produce
        async def sent(self, out: SendChan[str], suffix: str) -> None:
            for book in self.books:
                await out.send(book + suffix)

    assert await streams.collect(counted(3)) == [0, 1, 2]
    assert await streams.collect(sent(n=3)) == [0, 1, 2]
    assert await streams.collect(Shelf().each()) == ["a", "b"]
    assert await streams.collect(Shelf().sent("!")) == ["a!", "b!"]
    assert counted.__name__ == "counted"


# ── many calls at a time ──


async def test_gather_gives_results_in_order_and_bounds_how_many_run() -> None:
    running = most = 0

    async def work(n: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await settle(1 + n % 3)
        running -= 1
        return n

    assert await streams.gather(*map(work, range(20)), limit=4) == list(range(20))
    assert most == 4
    assert await streams.amap(work, agen(range(20)), limit=3) == list(range(20))
    assert await streams.gather(*map(work, range(20))) == list(range(20))
    assert most == 20
    assert sorted(await streams.collect(streams.as_completed(map(work, range(20)), limit=2))) == list(range(20))


async def test_gather_cancels_and_begins_no_more_when_one_fails() -> None:
    begun: list[int] = []

    async def work(n: int) -> None:
        begun.append(n)
        if n == 1:
            raise Wrong
        await chan().recv()

    with pytest.raises(Wrong):
        await streams.gather(*map(work, range(10)), limit=2)
    assert begun == [0, 1]
    assert num_goroutine() == own_goroutines()


async def test_as_completed_that_is_left_closes_what_was_not_begun() -> None:
    async for n in streams.as_completed([same(n) for n in range(10)], limit=2):
        assert n in (0, 1)
        break
    await none_left()


async def test_gather_takes_handles(spawn: Spawn) -> None:
    handles = [spawn(same, n) for n in range(3)]
    assert await streams.gather(*handles, same(3)) == [0, 1, 2, 3]


def test_a_run_that_ends_with_its_loop_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Its goroutines are cancelled before it is closed, and nothing has failed."""

    async def main() -> None:
        iterator = aiter(pipeline(agen(range(9)), streams.stage(same, workers=2), streams.batch(2)))
        await anext(iterator)
        kept.append(iterator)

    kept: list[Any] = []
    asyncio.run(main())
    assert caplog.messages == []
