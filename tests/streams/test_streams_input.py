"""What is no source, no stage, no function, no number: told at the call, with what to write instead."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest

from goish import NIL, Chan, streams
from goish.streams import pipeline


async def fetch(n: int) -> int:
    return n


async def agen(n: int) -> Any:
    yield n


def plain(n: int) -> int:
    return n


def three(source: Any) -> Any:
    return 3


BAD: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a number": (lambda: pipeline(5), TypeError, "an iterable, an async iterable, a channel or a stream, got 5"),
    "a sender": (lambda: pipeline(Chan[int]().sender), TypeError, "nothing can be received"),
    "an async generator function": (lambda: pipeline(agen), TypeError, "call it"),
    "merge of a number": (lambda: streams.merge([1], 5), TypeError, "a source is"),
    "a coroutine function as a stage": (lambda: pipeline([1], fetch), TypeError, r"write streams\.map\(fetch\)"),
    "a number as a stage": (lambda: pipeline([1], 7), TypeError, r"a stage is what streams\.map\(fn\)"),
    "map of a number": (lambda: streams.map(3), TypeError, "takes a function of one value, got 3"),
    "map of an async generator": (lambda: streams.map(agen), TypeError, "is an async generator"),
    "filter by a coroutine function": (lambda: streams.filter(fetch), TypeError, r"have streams\.map await it"),
    "reduce by nothing": (lambda: asyncio.run(streams.reduce([1], None, 0)), TypeError, "takes a function"),
    "no workers": (lambda: streams.stage(fetch, workers=0), ValueError, "workers is 1 or more; got 0"),
    "half a worker": (lambda: streams.stage(fetch, workers=1.5), TypeError, "workers is a whole number"),
    "NaN workers": (lambda: streams.stage(fetch, workers=math.nan), TypeError, "workers is a whole number"),
    "another kind": (lambda: streams.stage(fetch, kind="process"), ValueError, 'kind is one of "go", "thread"'),
    "a negative capacity": (lambda: streams.stage(fetch, capacity=-1), ValueError, "capacity is 0 or more; got -1"),
    "capacity without end": (lambda: streams.merge([1], capacity=math.inf), TypeError, "capacity is a whole number"),
    "an executor that is none": (lambda: streams.stage(plain, executor=3), TypeError, "executor"),
    "kind go on an executor": (
        lambda: streams.stage(plain, ordered=1),
        TypeError,
        "ordered is True, False or None",
    ),
    "take a negative number": (lambda: streams.take(-1), ValueError, "n is 0 or more; got -1"),
    "drop a half": (lambda: streams.drop(0.5), TypeError, "n is a whole number, 0 or more"),
    "a batch of none": (lambda: streams.batch(0), ValueError, "n is 1 or more; got 0"),
    "a batch of a negative time": (lambda: streams.batch(3, -1.0), ValueError, "seconds is a number of seconds"),
    "a batch of NaN seconds": (lambda: streams.batch(3, math.nan), ValueError, "seconds is a number of seconds"),
    "a window of none": (lambda: streams.window(0), ValueError, "n is 1 or more"),
    "a buffer of none": (lambda: streams.buffer(0), ValueError, "n is 1 or more"),
    "two of nothing": (lambda: streams.dup([1], 0), ValueError, "n is 1 or more"),
    "produce of a number": (lambda: streams.produce(5), TypeError, "async generator function"),
    "produce of a producer": (lambda: streams.produce(streams.produce(agen)), TypeError, "call it"),
    "a limit of none": (lambda: asyncio.run(streams.gather(limit=0)), ValueError, "limit is 1 or more"),
    "gather of a list": (lambda: asyncio.run(streams.gather([])), TypeError, r"gather\(\*awaitables\) takes them"),  # type: ignore[arg-type]
    "as_completed of a number": (lambda: streams.as_completed([5]), TypeError, r"as_completed\(\) takes awaitables"),  # type: ignore[list-item]
    "gather of a number": (lambda: asyncio.run(streams.gather(fetch(1), 5)), TypeError, "awaitables"),
}


@pytest.mark.parametrize("what", BAD)
def test_it_is_refused_with_what_to_write_instead(what: str) -> None:
    call, error, message = BAD[what]
    with pytest.raises(error, match=message):
        call()


async def test_a_lambda_that_gives_a_coroutine_is_for_stage(run: Any) -> None:
    with pytest.raises(TypeError, match=r"streams\.stage"):
        await streams.collect(pipeline([1], streams.map(lambda n: fetch(n))))


async def test_a_function_of_one_value_as_a_stage_is_answered_by_map(run: Any) -> None:
    with pytest.raises(TypeError, match=r"has no len\(\)") as caught:
        await streams.collect(pipeline(["a"], len))  # type: ignore[arg-type]
    assert caught.value.__notes__ == ["len as a stage is given an async iterator; for each value: streams.map(fn)"]
    with pytest.raises(TypeError, match=r"str is no stage: it gave .*; for each value: streams\.map\(fn\)"):
        await streams.collect(pipeline(["a"], str))  # type: ignore[arg-type]


async def test_a_stage_function_that_gives_no_iterator_is_named(run: Any) -> None:
    with pytest.raises(TypeError, match="three is no stage: it gave 3"):
        await streams.collect(pipeline([1], three))
    with pytest.raises(TypeError, match="plain gave 3"):
        await streams.collect(streams.produce(plain, 3))


async def test_a_block_of_flows_is_entered_once(run: Any) -> None:
    fork = streams.dup([1])
    async with fork:
        pass
    with pytest.raises(RuntimeError, match="make another"):
        async with fork:
            pass


async def test_a_value_that_cannot_be_hashed_ends_distinct(run: Any) -> None:
    with pytest.raises(TypeError, match="unhashable"):
        await streams.collect(pipeline([[1]], streams.distinct()))


async def test_the_nil_channel_gives_nothing(run: Any) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await streams.collect(NIL)
