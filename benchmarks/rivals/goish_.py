"""goish, on uvloop where it is installed; the programs of asyncio on a loop whose tasks are goroutines."""

from __future__ import annotations

import asyncio
import math
from functools import partial
from time import perf_counter, process_time

import goish
from benchmarks import echo, programs, trees
from benchmarks.measure import AsyncWorkload, Result, bind, per_item, rss, since
from benchmarks.rivals import goish_locks
from benchmarks.workloads import (
    FANIN_BUFFER,
    MPMC_BUFFER,
    MPMC_PAIRS,
    RING_NODES,
    SKYNET_CHILDREN,
    cancel_order,
    fanin_rounds,
    naps,
    picks,
    sieve_hops,
    skynet_leaves,
)
from goish import Chan, WaitGroup, chan, go, gosched, select


async def send_range(ch: Chan[int], n: int) -> None:
    for i in range(n):
        await ch.send(i)


async def recv_count(ch: Chan[int], n: int) -> None:
    for _ in range(n):
        await ch.recv()


async def spawn_join(n: int) -> Result:
    counter = 0

    async def increment() -> None:
        nonlocal counter
        counter += 1

    start = perf_counter()
    group = WaitGroup()
    for _ in range(n):
        group.go(increment)
    await group.wait()
    result = since(start, n)
    assert counter == n
    return result


async def parked(n: int) -> Result:
    async def park(ch: Chan[int]) -> None:
        await ch.recv_ok()

    before = rss()
    start = perf_counter()
    ch: Chan[int] = chan()
    group = WaitGroup()
    for _ in range(n):
        group.go(park, ch)
    await gosched()
    assert ch.statistics().receivers_waiting == n
    grown = rss() - before
    ch.close()
    await group.wait()
    return since(start, n) | {"bytes": grown / n}


async def pingpong(n: int) -> Result:
    ping: Chan[int] = chan()
    pong: Chan[int] = chan()

    async def answer() -> None:
        for _ in range(n):
            await pong.send(await ping.recv())

    start = perf_counter()
    go(answer)
    for i in range(n):
        await ping.send(i)
        await pong.recv()
    return since(start, n)


async def prodcons(capacity: float, n: int) -> Result:
    ch: Chan[int] = chan(capacity)
    start = perf_counter()
    go(send_range, ch, n)
    await recv_count(ch, n)
    return since(start, n)


async def mpmc(n: int) -> Result:
    ch: Chan[int] = chan(MPMC_BUFFER)
    share = n // MPMC_PAIRS
    start = perf_counter()
    group = WaitGroup()
    for _ in range(MPMC_PAIRS):
        group.go(send_range, ch, share)
        group.go(recv_count, ch, share)
    await group.wait()
    return since(start, share * MPMC_PAIRS)


async def channels(n: int) -> Result:
    before = rss()
    start = perf_counter()
    kept = [chan() for _ in range(n)]
    result = since(start, n)
    return result | {"bytes": (rss() - before) / len(kept)}


async def fanin(n: int) -> Result:
    whole = draining = 0.0
    rounds = fanin_rounds(n)
    for _ in range(rounds):
        began = perf_counter()
        ch: Chan[int] = chan(FANIN_BUFFER)
        group = WaitGroup()
        for _ in range(n):
            group.go(send_range, ch, 1)
        await gosched()
        assert ch.statistics().senders_waiting == n - FANIN_BUFFER
        start = perf_counter()
        await recv_count(ch, n)
        await group.wait()
        draining += perf_counter() - start
        whole += perf_counter() - began
    return per_item(whole, n * rounds) | per_item(draining, n * rounds, "drain_ns")


async def cancel_storm(order: str, n: int) -> Result:
    ch: Chan[int] = chan()
    group = WaitGroup()
    senders = [group.go(send_range, ch, 1) for _ in range(n)]
    await gosched()
    assert ch.statistics().senders_waiting == n
    victims = [senders[i] for i in cancel_order(order, n)]
    start = perf_counter()
    for g in victims:
        g.cancel()
    await group.wait()
    result = since(start, n)
    assert ch.statistics().senders_waiting == 0
    return result


async def produce(chans: list[Chan[int]], targets: list[int]) -> None:
    for i in targets:
        await chans[i].send(i)


async def select_built_once(width: int, n: int) -> Result:
    chans: list[Chan[int]] = [chan() for _ in range(width)]
    targets = picks(width, n)
    start = perf_counter()
    go(produce, chans, targets)
    cases = [ch.recv() for ch in chans]
    for _ in range(n):
        index, value, _ = await select(*cases)
        assert index == value
    return since(start, n)


async def select_fresh(width: int, n: int) -> Result:
    chans: list[Chan[int]] = [chan() for _ in range(width)]
    targets = picks(width, n)
    start = perf_counter()
    go(produce, chans, targets)
    for _ in range(n):
        index, value, _ = await select(*[ch.recv() for ch in chans])
        assert index == value
    return since(start, n)


async def ring(n: int) -> Result:
    laps = n // RING_NODES
    chans: list[Chan[int]] = [chan() for _ in range(RING_NODES)]

    async def node(left: Chan[int], right: Chan[int]) -> None:
        for _ in range(laps):
            await right.send(await left.recv())

    start = perf_counter()
    for i in range(RING_NODES - 1):
        go(node, chans[i], chans[i + 1])
    for lap in range(laps):
        await chans[0].send(lap)
        await chans[-1].recv()
    return since(start, laps * RING_NODES)


async def sieve(n: int) -> Result:
    async def generate(out: Chan[int]) -> None:
        candidate = 2
        while True:
            await out.send(candidate)
            candidate += 1

    async def strain(prime: int, source: Chan[int], out: Chan[int]) -> None:
        while True:
            candidate = await source.recv()
            if candidate % prime:
                await out.send(candidate)

    start = perf_counter()
    source: Chan[int] = chan()
    go(generate, source)
    prime = 0
    for _ in range(n):
        prime = await source.recv()
        out: Chan[int] = chan()
        go(strain, prime, source, out)
        source = out
    seconds = perf_counter() - start
    return per_item(seconds, sieve_hops(prime))


async def skynet(n: int) -> Result:
    async def node(parent: Chan[int], first: int, leaves: int) -> None:
        if leaves == 1:
            await parent.send(first)
            return
        children: Chan[int] = chan()
        share = leaves // SKYNET_CHILDREN
        for i in range(SKYNET_CHILDREN):
            go(node, children, first + i * share, share)
        total = 0
        for _ in range(SKYNET_CHILDREN):
            total += await children.recv()
        await parent.send(total)

    leaves = skynet_leaves(n)
    start = perf_counter()
    root: Chan[int] = chan()
    go(node, root, 0, leaves)
    total = await root.recv()
    result = since(start, leaves)
    assert total == leaves * (leaves - 1) // 2
    return result


async def sleepers(n: int) -> Result:
    async def nap(seconds: float) -> None:
        await goish.sleep(seconds)

    durations = naps(n)
    start = process_time()
    group = WaitGroup()
    for seconds in durations:
        group.go(nap, seconds)
    await group.wait()
    return per_item(process_time() - start, n, "cpu_ns")


async def fairness(n: int) -> Result:
    server = echo.EchoServer()
    client = echo.Client(await server.listen(), n)
    await server.started.wait()
    ch: Chan[int] = chan(1)
    spin = echo.Spin()
    while spin.goes_on(server.finished):
        await ch.send(1)
        await ch.recv()
    return spin.result() | client.result()


def as_tasks(workload: AsyncWorkload, n: int) -> Result:
    with asyncio.Runner(loop_factory=goish.new_event_loop) as runner:
        return runner.run(workload(n))


_PRIMITIVES = bind(
    lambda workload, n: goish.run(workload(n)),
    {
        "spawn_join": spawn_join,
        "parked": parked,
        "pingpong": pingpong,
        "prodcons_0": partial(prodcons, 0),
        "prodcons_1": partial(prodcons, 1),
        "prodcons_1024": partial(prodcons, 1024),
        "prodcons_unbounded": partial(prodcons, math.inf),
        "mpmc": mpmc,
        "channels": channels,
        "fanin_1k": fanin,
        "fanin_10k": fanin,
        "fanin_100k": fanin,
        "fanin_1m": fanin,
        "cancel_newest": partial(cancel_storm, "newest"),
        "cancel_random": partial(cancel_storm, "random"),
        "select_4": partial(select_built_once, 4),
        "select_4_fresh": partial(select_fresh, 4),
        "select_100": partial(select_built_once, 100),
        "select_100_fresh": partial(select_fresh, 100),
        "ring": ring,
        "sieve": sieve,
        "skynet": skynet,
        "sleepers": sleepers,
        "fairness": fairness,
        **goish_locks.COROUTINES,
    },
)

_PROGRAMS = bind(as_tasks, trees.COROUTINES | programs.STREAMS | programs.HTTP)

WORKLOADS = {**_PRIMITIVES, **goish_locks.THREADS, **_PROGRAMS}
