"""aiochan on uvloop.

Left out: what parks more than 1024 on one channel (its limit), and cancelling, which its channels do not know.
"""

from __future__ import annotations

import asyncio
import math
from asyncio import create_task
from functools import partial
from time import perf_counter

import uvloop
from aiochan import Chan, select
from aiochan.buffers import FixedLengthBuffer

from benchmarks import echo
from benchmarks.measure import Result, bind, per_item, rss, since
from benchmarks.rivals.asyncio_ import join
from benchmarks.workloads import (
    FANIN_BUFFER,
    MPMC_BUFFER,
    MPMC_PAIRS,
    RING_NODES,
    fanin_rounds,
    picks,
    sieve_hops,
)


async def put_range(ch: Chan, n: int) -> None:
    for i in range(n):
        await ch.put(i)


async def get_count(ch: Chan, n: int) -> None:
    for _ in range(n):
        await ch.get()


async def pingpong(n: int) -> Result:
    ping, pong = Chan(), Chan()

    async def answer() -> None:
        for _ in range(n):
            await pong.put(await ping.get())

    start = perf_counter()
    task = create_task(answer())
    for i in range(n):
        await ping.put(i)
        await pong.get()
    await task
    return since(start, n)


async def prodcons(capacity: float | None, n: int) -> Result:
    ch = Chan() if capacity is None else Chan(FixedLengthBuffer(capacity))
    start = perf_counter()
    producer = create_task(put_range(ch, n))
    await get_count(ch, n)
    await producer
    return since(start, n)


async def mpmc(n: int) -> Result:
    ch = Chan(MPMC_BUFFER)
    share = n // MPMC_PAIRS
    start = perf_counter()
    await asyncio.gather(*[work(ch, share) for _ in range(MPMC_PAIRS) for work in (put_range, get_count)])
    return since(start, share * MPMC_PAIRS)


async def channels(n: int) -> Result:
    before = rss()
    start = perf_counter()
    kept = [Chan() for _ in range(n)]
    result = since(start, n)
    return result | {"bytes": (rss() - before) / len(kept)}


async def fanin(n: int) -> Result:
    whole = draining = 0.0
    rounds = fanin_rounds(n)
    for _ in range(rounds):
        began = perf_counter()
        ch = Chan(FANIN_BUFFER)
        senders = [create_task(put_range(ch, 1)) for _ in range(n)]
        await asyncio.sleep(0)
        start = perf_counter()
        await get_count(ch, n)
        await join(senders)
        draining += perf_counter() - start
        whole += perf_counter() - began
    return per_item(whole, n * rounds) | per_item(draining, n * rounds, "drain_ns")


async def select_from(width: int, n: int) -> Result:
    chans = [Chan() for _ in range(width)]
    targets = picks(width, n)

    async def produce() -> None:
        for i in targets:
            await chans[i].put(i)

    start = perf_counter()
    producer = create_task(produce())
    for _ in range(n):
        value, ch = await select(*chans)
        assert chans[value] is ch
    await producer
    return since(start, n)


async def ring(n: int) -> Result:
    laps = n // RING_NODES
    chans = [Chan() for _ in range(RING_NODES)]

    async def node(left: Chan, right: Chan) -> None:
        for _ in range(laps):
            await right.put(await left.get())

    start = perf_counter()
    nodes = [create_task(node(chans[i], chans[i + 1])) for i in range(RING_NODES - 1)]
    for lap in range(laps):
        await chans[0].put(lap)
        await chans[-1].get()
    await join(nodes)
    return since(start, laps * RING_NODES)


async def sieve(n: int) -> Result:
    async def generate(out: Chan) -> None:
        candidate = 2
        while True:
            await out.put(candidate)
            candidate += 1

    async def strain(prime: int, source: Chan, out: Chan) -> None:
        while True:
            candidate = await source.get()
            if candidate % prime:
                await out.put(candidate)

    start = perf_counter()
    source = Chan()
    tasks = [create_task(generate(source))]
    prime = 0
    for _ in range(n):
        prime = await source.get()
        out = Chan()
        tasks.append(create_task(strain(prime, source, out)))
        source = out
    seconds = perf_counter() - start
    return per_item(seconds, sieve_hops(prime))


async def fairness(n: int) -> Result:
    server = echo.EchoServer()
    client = echo.Client(await server.listen(), n)
    await server.started.wait()
    ch = Chan(1)
    spin = echo.Spin()
    while spin.goes_on(server.finished):
        await ch.put(1)
        await ch.get()
    return spin.result() | client.result()


WORKLOADS = bind(
    lambda workload, n: uvloop.run(workload(n)),
    {
        "pingpong": pingpong,
        "prodcons_0": partial(prodcons, None),
        "prodcons_1": partial(prodcons, 1),
        "prodcons_1024": partial(prodcons, 1024),
        "prodcons_unbounded": partial(prodcons, math.inf),
        "mpmc": mpmc,
        "channels": channels,
        "fanin_1k": fanin,
        "select_4": partial(select_from, 4),
        "select_4_fresh": partial(select_from, 4),
        "select_100": partial(select_from, 100),
        "select_100_fresh": partial(select_from, 100),
        "ring": ring,
        "sieve": sieve,
        "fairness": fairness,
    },
)
