"""asyncio on its own event loop; uvloop_.py and eager_.py run the same coroutines elsewhere.

asyncio has no rendezvous, no close before 3.13 and no select.  The nearest that an asyncio programmer would write:
a queue of one, an event, and `asyncio.wait` over one getter task per queue that lives on until its queue delivers.
"""

from __future__ import annotations

import asyncio
from asyncio import Queue, create_task
from collections.abc import Iterable
from functools import partial
from time import perf_counter, process_time

from benchmarks import echo, programs, trees
from benchmarks.measure import AsyncWorkload, Result, bind, per_item, rss, since
from benchmarks.rivals import asyncio_locks
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


async def put_range(queue: Queue[int], n: int) -> None:
    for i in range(n):
        await queue.put(i)


async def get_count(queue: Queue[int], n: int) -> None:
    for _ in range(n):
        await queue.get()


async def join(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Wait for all; faster than `gather` and `TaskGroup` when there are many."""
    for task in tasks:
        await task


async def spawn_join(n: int) -> Result:
    counter = 0

    async def increment() -> None:
        nonlocal counter
        counter += 1

    start = perf_counter()
    await join([create_task(increment()) for _ in range(n)])
    result = since(start, n)
    assert counter == n
    return result


async def parked(n: int) -> Result:
    async def park(event: asyncio.Event) -> None:
        await event.wait()

    before = rss()
    start = perf_counter()
    event = asyncio.Event()
    tasks = [create_task(park(event)) for _ in range(n)]
    await asyncio.sleep(0)
    grown = rss() - before
    event.set()
    await join(tasks)
    return since(start, n) | {"bytes": grown / n}


async def pingpong(n: int) -> Result:
    ping: Queue[int] = Queue(1)
    pong: Queue[int] = Queue(1)

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


async def prodcons(maxsize: int, n: int) -> Result:
    queue: Queue[int] = Queue(maxsize)
    start = perf_counter()
    producer = create_task(put_range(queue, n))
    await get_count(queue, n)
    await producer
    return since(start, n)


async def mpmc(n: int) -> Result:
    queue: Queue[int] = Queue(MPMC_BUFFER)
    share = n // MPMC_PAIRS
    start = perf_counter()
    await asyncio.gather(*[work(queue, share) for _ in range(MPMC_PAIRS) for work in (put_range, get_count)])
    return since(start, share * MPMC_PAIRS)


async def channels(n: int) -> Result:
    before = rss()
    start = perf_counter()
    kept: list[Queue[int]] = [Queue(1) for _ in range(n)]
    result = since(start, n)
    return result | {"bytes": (rss() - before) / len(kept)}


async def fanin(n: int) -> Result:
    whole = draining = 0.0
    rounds = fanin_rounds(n)
    for _ in range(rounds):
        began = perf_counter()
        queue: Queue[int] = Queue(FANIN_BUFFER)
        senders = [create_task(put_range(queue, 1)) for _ in range(n)]
        await asyncio.sleep(0)
        start = perf_counter()
        await get_count(queue, n)
        await join(senders)
        draining += perf_counter() - start
        whole += perf_counter() - began
    return per_item(whole, n * rounds) | per_item(draining, n * rounds, "drain_ns")


async def cancel_storm(order: str, n: int) -> Result:
    queue: Queue[int] = Queue(1)
    queue.put_nowait(0)
    senders = [create_task(put_range(queue, 1)) for _ in range(n)]
    await asyncio.sleep(0)
    victims = [senders[i] for i in cancel_order(order, n)]
    start = perf_counter()
    for task in victims:
        task.cancel()
    await asyncio.gather(*victims, return_exceptions=True)
    result = since(start, n)
    assert all(task.cancelled() for task in victims)
    return result


async def select(width: int, n: int) -> Result:
    queues: list[Queue[int]] = [Queue(1) for _ in range(width)]
    targets = picks(width, n)

    async def produce() -> None:
        for i in targets:
            await queues[i].put(i)

    start = perf_counter()
    producer = create_task(produce())
    getters = {create_task(queue.get()): queue for queue in queues}
    received = 0
    while received < n:
        done, _ = await asyncio.wait(getters, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            queue = getters.pop(task)
            assert queues[task.result()] is queue
            getters[create_task(queue.get())] = queue
        received += len(done)
    await producer
    return since(start, n)


async def ring(n: int) -> Result:
    laps = n // RING_NODES
    queues: list[Queue[int]] = [Queue(1) for _ in range(RING_NODES)]

    async def node(left: Queue[int], right: Queue[int]) -> None:
        for _ in range(laps):
            await right.put(await left.get())

    start = perf_counter()
    nodes = [create_task(node(queues[i], queues[i + 1])) for i in range(RING_NODES - 1)]
    for lap in range(laps):
        await queues[0].put(lap)
        await queues[-1].get()
    await join(nodes)
    return since(start, laps * RING_NODES)


async def sieve(n: int) -> Result:
    async def generate(out: Queue[int]) -> None:
        candidate = 2
        while True:
            await out.put(candidate)
            candidate += 1

    async def strain(prime: int, source: Queue[int], out: Queue[int]) -> None:
        while True:
            candidate = await source.get()
            if candidate % prime:
                await out.put(candidate)

    start = perf_counter()
    source: Queue[int] = Queue(1)
    tasks = [create_task(generate(source))]
    prime = 0
    for _ in range(n):
        prime = await source.get()
        out: Queue[int] = Queue(1)
        tasks.append(create_task(strain(prime, source, out)))
        source = out
    seconds = perf_counter() - start
    return per_item(seconds, sieve_hops(prime))


async def skynet(n: int) -> Result:
    async def node(first: int, leaves: int) -> int:
        if leaves == 1:
            return first
        share = leaves // SKYNET_CHILDREN
        return sum(await asyncio.gather(*[node(first + i * share, share) for i in range(SKYNET_CHILDREN)]))

    leaves = skynet_leaves(n)
    start = perf_counter()
    total = await create_task(node(0, leaves))
    result = since(start, leaves)
    assert total == leaves * (leaves - 1) // 2
    return result


async def sleepers(n: int) -> Result:
    async def nap(seconds: float) -> None:
        await asyncio.sleep(seconds)

    durations = naps(n)
    start = process_time()
    await join([create_task(nap(seconds)) for seconds in durations])
    return per_item(process_time() - start, n, "cpu_ns")


async def fairness(n: int) -> Result:
    server = echo.EchoServer()
    client = echo.Client(await server.listen(), n)
    await server.started.wait()
    queue: Queue[int] = Queue(1)
    spin = echo.Spin()
    while spin.goes_on(server.finished):
        await queue.put(1)
        await queue.get()
    return spin.result() | client.result()


COROUTINES: dict[str, AsyncWorkload] = {
    "spawn_join": spawn_join,
    "parked": parked,
    "pingpong": pingpong,
    "prodcons_1": partial(prodcons, 1),
    "prodcons_1024": partial(prodcons, 1024),
    "prodcons_unbounded": partial(prodcons, 0),
    "mpmc": mpmc,
    "channels": channels,
    "fanin_1k": fanin,
    "fanin_10k": fanin,
    "fanin_100k": fanin,
    "fanin_1m": fanin,
    "cancel_newest": partial(cancel_storm, "newest"),
    "cancel_random": partial(cancel_storm, "random"),
    "select_4": partial(select, 4),
    "select_100": partial(select, 100),
    "ring": ring,
    "sieve": sieve,
    "skynet": skynet,
    "sleepers": sleepers,
    "fairness": fairness,
    **asyncio_locks.COROUTINES,
    **trees.COROUTINES,
    **programs.STREAMS,
}

WORKLOADS = bind(lambda workload, n: asyncio.run(workload(n)), COROUTINES)
