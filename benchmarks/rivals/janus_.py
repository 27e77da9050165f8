"""janus on uvloop: its asyncio side only, and only where many tasks meet one queue; elsewhere it is asyncio."""

from __future__ import annotations

import asyncio
from asyncio import create_task
from functools import partial
from time import perf_counter

import uvloop
from janus import AsyncQueue, Queue

from benchmarks.measure import Result, bind, per_item, since
from benchmarks.rivals.asyncio_ import join
from benchmarks.workloads import FANIN_BUFFER, MPMC_BUFFER, MPMC_PAIRS, fanin_rounds


async def put_range(queue: AsyncQueue[int], n: int) -> None:
    for i in range(n):
        await queue.put(i)


async def get_count(queue: AsyncQueue[int], n: int) -> None:
    for _ in range(n):
        await queue.get()


async def prodcons(maxsize: int, n: int) -> Result:
    queue: Queue[int] = Queue(maxsize)
    start = perf_counter()
    producer = create_task(put_range(queue.async_q, n))
    await get_count(queue.async_q, n)
    await producer
    result = since(start, n)
    await queue.aclose()
    return result


async def mpmc(n: int) -> Result:
    queue: Queue[int] = Queue(MPMC_BUFFER)
    share = n // MPMC_PAIRS
    start = perf_counter()
    await asyncio.gather(*[work(queue.async_q, share) for _ in range(MPMC_PAIRS) for work in (put_range, get_count)])
    result = since(start, share * MPMC_PAIRS)
    await queue.aclose()
    return result


async def fanin(n: int) -> Result:
    whole = draining = 0.0
    rounds = fanin_rounds(n)
    for _ in range(rounds):
        began = perf_counter()
        queue: Queue[int] = Queue(FANIN_BUFFER)
        senders = [create_task(put_range(queue.async_q, 1)) for _ in range(n)]
        await asyncio.sleep(0)
        start = perf_counter()
        await get_count(queue.async_q, n)
        await join(senders)
        draining += perf_counter() - start
        whole += perf_counter() - began
        await queue.aclose()
    return per_item(whole, n * rounds) | per_item(draining, n * rounds, "drain_ns")


WORKLOADS = bind(
    lambda workload, n: uvloop.run(workload(n)),
    {
        "prodcons_1": partial(prodcons, 1),
        "prodcons_1024": partial(prodcons, 1024),
        "prodcons_unbounded": partial(prodcons, 0),
        "mpmc": mpmc,
        "fanin_1k": fanin,
        "fanin_10k": fanin,
        "fanin_100k": fanin,
        "fanin_1m": fanin,
    },
)
