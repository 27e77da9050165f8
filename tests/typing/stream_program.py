"""What type checkers say of streams: checked by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import assert_type

from goish import Chan, RecvChan, SendChan, streams
from goish.streams import Flow, Stream, pipeline


async def fetch(url: str) -> bytes:
    return url.encode()


async def pairs(values: AsyncIterator[int]) -> AsyncIterator[tuple[int, int]]:
    async for first in values:
        yield first, await anext(values)


def even(n: int) -> bool:
    return n % 2 == 0


async def count(out: SendChan[int], n: int) -> None:
    await out.send(n)


@streams.produce
async def numbers(n: int) -> AsyncIterator[int]:
    yield n


async def program(urls: list[str], ch: Chan[int]) -> None:
    pages = pipeline(urls, streams.stage(fetch, workers=3), streams.map(len), streams.filter(even), pairs)
    assert_type(pages, Stream[tuple[int, int]])
    async for page in pages:
        assert_type(page, tuple[int, int])
    assert_type(pipeline(ch, streams.map(even), streams.take(2)), Stream[bool])
    assert_type(pipeline(ch, streams.batch(2), streams.flatten(), streams.window(2)), Stream[tuple[int, ...]])
    async with pipeline(ch, streams.batch(3, 0.5)) as flow:
        assert_type(flow, Flow[list[int]])
        assert_type(flow.receiver, RecvChan[list[int]])
        assert_type(await anext(flow), list[int])
    assert_type(await streams.collect(numbers(3)), list[int])
    assert_type(await streams.collect(streams.produce(count, 3)), list[int])
    assert_type(streams.merge(urls, ["a"]), Stream[str])
    assert_type(streams.zip(urls, ch), Stream[tuple[str, int]])
    assert_type(await streams.gather(fetch("a"), fetch("b"), limit=1), list[bytes])
    assert_type(await streams.amap(fetch, urls), list[bytes])
    assert_type(streams.as_completed([fetch("a")]), Stream[bytes])
    assert_type(await streams.reduce(ch, max, 0), int)
    async with streams.dup(ch) as (left, _):
        assert_type(await anext(left), int)
    numbers("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pipeline(urls, streams.filter(even))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
