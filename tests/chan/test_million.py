"""A million of everything: sums and orders are right, nothing is quadratic, recursive or left behind.

Run with ``--million``. No time is measured: what does not scale is stopped by the hang guard.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import pytest
from helpers import until, waiting

from goish import Chan, ChanClosed, Goroutine, WaitGroup, chan, go, gosched, num_goroutine, select, sleep

if TYPE_CHECKING:
    from conftest import Driver

pytestmark = pytest.mark.million

MILLION = 1_000_000


async def send(ch: Chan[Any], value: Any) -> None:
    await ch.send(value)


async def recv(ch: Chan[Any]) -> Any:
    return await ch.recv()


def start(n: int, fn: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
    """Starts ``fn(*args, i)`` for each i below ``n``."""
    for i in range(n):
        go(fn, *args, i)


async def test_a_million_goroutines_send_to_one_receiver(run: Driver) -> None:
    ch = chan()
    start(MILLION, send, ch)
    total = 0
    for _ in range(MILLION):
        total += await ch.recv()
    assert total == MILLION * (MILLION - 1) // 2
    await until(lambda: num_goroutine() == 1)


async def test_a_million_goroutines_are_started_and_joined(run: Driver) -> None:
    async def work(i: int) -> int:
        return i

    gs = [go(work, i) for i in range(MILLION)]
    total = 0
    for g in gs:
        total += await g
    assert total == MILLION * (MILLION - 1) // 2


async def test_a_wait_group_waits_for_a_million(run: Driver) -> None:
    wg = WaitGroup()
    done = 0

    async def work() -> None:
        nonlocal done
        await gosched()
        done += 1

    for _ in range(MILLION):
        wg.go(work)
    await wg.wait()
    assert done == MILLION


async def test_a_hundred_thousand_producers_feed_one_consumer_each_in_its_order(run: Driver) -> None:
    producers, values = 100_000, 10
    ch = chan(1024)
    wg = WaitGroup()

    async def produce(me: int) -> None:
        for i in range(values):
            await ch.send((me, i))

    async def close_after_all() -> None:
        await wg.wait()
        ch.close()

    for me in range(producers):
        wg.go(produce, me)
    go(close_after_all)
    received = [0] * producers
    async for me, i in ch:
        assert received[me] == i
        received[me] += 1
    assert received == [values] * producers


async def test_a_million_requests_bring_the_channel_for_their_reply(run: Driver) -> None:
    requests = chan(64)
    wg = WaitGroup()
    total = 0

    async def serve() -> None:
        async for number, reply in requests:
            await reply.send(2 * number)

    async def ask(number: int) -> None:
        nonlocal total
        reply = chan()
        await requests.send((number, reply))
        answer = await reply.recv()
        total += answer

    server = go(serve)
    for number in range(MILLION):
        wg.go(ask, number)
    await wg.wait()
    requests.close()
    await server
    assert total == MILLION * (MILLION - 1)


async def test_a_million_senders_park_on_a_small_channel_and_are_drained_in_order(run: Driver) -> None:
    ch = chan(1)
    start(MILLION, send, ch)
    await until(lambda: waiting(ch) == (MILLION - 1, 0))
    assert len(ch) == 1
    for i in range(MILLION):
        assert await ch.recv() == i
    assert waiting(ch) == (0, 0)
    await until(lambda: num_goroutine() == 1)


async def test_a_million_parked_senders_are_taken_in_one_batch(run: Driver) -> None:
    ch = chan()
    start(MILLION, send, ch)
    await until(lambda: waiting(ch) == (MILLION, 0))
    assert len(ch) == 0
    assert ch.try_recv_many() == list(range(MILLION))
    await until(lambda: num_goroutine() == 1)


async def test_a_million_parked_receivers_are_served_in_order(run: Driver) -> None:
    ch = chan()
    order = chan(math.inf)

    async def receive(me: int) -> None:
        order.try_send((me, await ch.recv()))

    start(MILLION, receive)
    await until(lambda: waiting(ch) == (0, MILLION))
    for i in range(MILLION):
        assert await ch.send(i) is False
    await until(lambda: len(order) == MILLION)
    assert all(me == value for me, value in order.try_recv_many())


async def test_close_wakes_a_million_receivers_once_each(run: Driver) -> None:
    ch = chan()
    woken = 0

    async def receive() -> None:
        nonlocal woken
        with pytest.raises(ChanClosed):
            await ch.recv()
        woken += 1

    for _ in range(MILLION):
        go(receive)
    await until(lambda: waiting(ch) == (0, MILLION))
    ch.close()
    assert waiting(ch) == (0, 0)
    await until(lambda: num_goroutine() == 1)
    assert woken == MILLION


async def test_a_million_parked_goroutines_are_cancelled_from_the_middle_outwards(run: Driver) -> None:
    ch = chan()
    gs = [go(recv, ch) for _ in range(MILLION)]
    await until(lambda: waiting(ch) == (0, MILLION))
    for i in sorted(range(MILLION), key=lambda i: abs(i - MILLION // 2)):
        gs[i].cancel()
    assert waiting(ch) == (0, 0)
    await until(lambda: num_goroutine() == 1)
    assert all(g.cancelled() for g in gs)


async def test_a_million_selects_wait_on_two_common_channels(run: Driver) -> None:
    left, right = chan(), chan()
    counts = [0, 0]

    async def choose() -> None:
        index, _, _ = await select(left.recv(), right.recv())
        counts[index] += 1

    for _ in range(MILLION):
        go(choose)
    await until(lambda: waiting(left) == waiting(right) == (0, MILLION))
    for _ in range(MILLION // 2):
        await left.send(None)
        await right.send(None)
    await until(lambda: num_goroutine() == 1)
    assert counts == [MILLION // 2, MILLION // 2]
    assert waiting(left) == waiting(right) == (0, 0)


async def test_a_value_passes_through_a_relay_of_a_million(run: Driver) -> None:
    async def relay(left: Chan[int], right: Chan[int]) -> None:
        await left.send(await right.recv() + 1)

    first = right = chan()
    for _ in range(MILLION):
        left, right = right, chan()
        go(relay, left, right)
    await right.send(0)
    assert await first.recv() == MILLION


async def test_a_chain_of_a_million_awaits_is_resolved_from_one_end(run: Driver) -> None:
    async def link(before: Goroutine[int]) -> int:
        return await before + 1

    gate = chan()
    g: Goroutine[int] = go(recv, gate)
    for _ in range(MILLION):
        g = go(link, g)
    await gosched()
    await gate.send(0)
    assert await g == MILLION


async def test_a_cancel_passes_along_a_chain_of_a_million_awaits(run: Driver) -> None:
    async def link(before: Goroutine[int]) -> int:
        try:
            return await before + 1
        except asyncio.CancelledError:
            return 1

    g: Goroutine[int] = go(recv, chan())
    first = g
    for _ in range(MILLION):
        g = go(link, g)
    await gosched()
    first.cancel()
    assert await g == MILLION


async def test_a_million_sleepers_wake(run: Driver) -> None:
    woken = 0

    async def sleeper(i: int) -> None:
        nonlocal woken
        await sleep(0.001 * (i % 1000))
        woken += 1

    start(MILLION, sleeper)
    await until_num_goroutine(1)
    assert woken == MILLION


async def until_num_goroutine(n: int) -> None:
    while num_goroutine() > n:
        await sleep(0.01)


@pytest.mark.parametrize("parked", [False, True])
async def test_a_million_nested_channels_are_dropped(run: Driver, parked: bool) -> None:
    ch = chan(1)
    for _ in range(MILLION):
        outer = chan(1)
        outer.try_send([ch] if parked else ch)
        ch = outer
    del ch, outer


def test_a_million_goroutines_left_at_the_end_of_main_are_ended(run: Driver) -> None:
    ended = 0

    async def body() -> None:
        nonlocal ended
        try:
            await chan().recv()
        finally:
            ended += 1

    async def main() -> None:
        for _ in range(MILLION):
            go(body)
        await gosched()

    run(main, grace=math.inf)
    assert ended == MILLION
