"""asyncio's locks, groups and timers; the coroutines are run by asyncio_.py, uvloop_.py and eager_.py.

asyncio has no lock for readers and writers, no limit of a group, no broadcast and no single flight. The nearest that
an asyncio programmer would write: a semaphore inside the tasks of a `TaskGroup`, a queue for each subscriber, a dict
of tasks.
"""

from __future__ import annotations

import asyncio
from asyncio import create_task, sleep
from time import perf_counter, process_time

from benchmarks.measure import AsyncWorkload, Result, per_item, since
from benchmarks.workloads import (
    CONTEXT_DEPTH,
    FLIGHT_CALLERS,
    GROUP_LIMIT,
    HANDOFF_PARTIES,
    PERMITS,
    SUBSCRIBER_BUFFER,
    SUBSCRIBERS,
    short_naps,
)


async def mutex(n: int) -> Result:
    lock = asyncio.Lock()
    start = perf_counter()
    for _ in range(n):
        async with lock:
            pass
    return since(start, n)


async def handoffs(lock: asyncio.Lock | asyncio.Semaphore, held: int, n: int) -> Result:
    """All wait before the first gets it; from then on each hands it to the one behind."""
    share = n // HANDOFF_PARTIES

    async def work() -> None:
        for _ in range(share):
            async with lock:
                pass

    for _ in range(held):
        await lock.acquire()
    tasks = [create_task(work()) for _ in range(HANDOFF_PARTIES)]
    await sleep(0)
    start = perf_counter()
    for _ in range(held):
        lock.release()
    for task in tasks:
        await task
    return since(start, share * HANDOFF_PARTIES)


async def mutex_handoff(n: int) -> Result:
    return await handoffs(asyncio.Lock(), 1, n)


async def semaphore(n: int) -> Result:
    permits = asyncio.Semaphore(PERMITS)
    start = perf_counter()
    for _ in range(n):
        async with permits:
            pass
    return since(start, n)


async def semaphore_handoff(n: int) -> Result:
    return await handoffs(asyncio.Semaphore(PERMITS), PERMITS, n)


async def cond(n: int) -> Result:
    condition = asyncio.Condition()
    turn = 0

    async def player(mine: int) -> None:
        nonlocal turn
        for _ in range(n // 2):
            async with condition:
                while turn != mine:
                    await condition.wait()
                turn = 1 - mine
                condition.notify()

    start = perf_counter()
    first, second = create_task(player(0)), create_task(player(1))
    await first
    await second
    return since(start, n // 2 * 2)


async def errgroup(n: int) -> Result:
    permits = asyncio.Semaphore(GROUP_LIMIT)
    counter = 0

    async def member() -> None:
        nonlocal counter
        async with permits:
            await sleep(0)
            counter += 1

    start = perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(n):
            group.create_task(member())
    result = since(start, n)
    assert counter == n
    return result


async def context_goroutines(n: int) -> Result:
    """Groups in groups; the innermost has all the tasks, which wait, and the outermost is cancelled."""

    async def wait() -> None:
        await asyncio.Event().wait()

    async def nested(depth: int, ready: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            if depth > 1:
                group.create_task(nested(depth - 1, ready))
            else:
                for _ in range(n):
                    group.create_task(wait())
                await sleep(0)
                ready.set()

    ready = asyncio.Event()
    root = create_task(nested(CONTEXT_DEPTH, ready))
    await ready.wait()
    start = perf_counter()
    root.cancel()
    await asyncio.wait([root])
    return since(start, n)


async def sleepers_1m(n: int) -> Result:
    async def nap(seconds: float) -> None:
        await sleep(seconds)

    durations = short_naps(n)
    start = process_time()
    for task in [create_task(nap(seconds)) for seconds in durations]:
        await task
    return per_item(process_time() - start, n, "cpu_ns")


async def broadcast(n: int) -> Result:
    values = n // SUBSCRIBERS
    queues: list[asyncio.Queue[int]] = [asyncio.Queue(SUBSCRIBER_BUFFER) for _ in range(SUBSCRIBERS)]

    async def subscriber(queue: asyncio.Queue[int]) -> None:
        for _ in range(values):
            await queue.get()

    tasks = [create_task(subscriber(queue)) for queue in queues]
    await sleep(0)
    start = perf_counter()
    for value in range(values):
        for queue in queues:
            await queue.put(value)
    for task in tasks:
        await task
    return since(start, values * SUBSCRIBERS)


async def singleflight(n: int) -> Result:
    flights: dict[int, asyncio.Task[int]] = {}

    async def fetch(key: int) -> int:
        await sleep(0)
        return key

    async def call(key: int) -> None:
        flight = flights.get(key)
        if flight is None:
            flight = flights[key] = create_task(fetch(key))
            flight.add_done_callback(lambda _: flights.pop(key))
        assert await asyncio.shield(flight) == key

    start = perf_counter()
    for key in range(n // FLIGHT_CALLERS):
        for task in [create_task(call(key)) for _ in range(FLIGHT_CALLERS)]:
            await task
    return since(start, n // FLIGHT_CALLERS * FLIGHT_CALLERS)


COROUTINES: dict[str, AsyncWorkload] = {
    "mutex": mutex,
    "mutex_handoff": mutex_handoff,
    "cond": cond,
    "semaphore": semaphore,
    "semaphore_handoff": semaphore_handoff,
    "errgroup": errgroup,
    "context_goroutines": context_goroutines,
    "sleepers_1m": sleepers_1m,
    "broadcast": broadcast,
    "singleflight": singleflight,
}
