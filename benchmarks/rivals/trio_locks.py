"""trio's locks, nurseries and cancel scopes; trio_.py runs them.

A `CapacityLimiter` stands for the limit of a group, a memory channel for each subscriber of a broadcast, a cancel scope
for a context.
"""

from __future__ import annotations

from time import perf_counter, process_time

import trio
from trio import CancelScope, MemoryReceiveChannel, open_memory_channel, open_nursery
from trio.lowlevel import checkpoint

from benchmarks.measure import AsyncWorkload, Result, per_item, since
from benchmarks.workloads import (
    CONTEXT_DEPTH,
    GROUP_LIMIT,
    HANDOFF_PARTIES,
    PERMITS,
    SUBSCRIBER_BUFFER,
    SUBSCRIBERS,
    short_naps,
)


async def mutex(n: int) -> Result:
    lock = trio.Lock()
    start = perf_counter()
    for _ in range(n):
        async with lock:
            pass
    return since(start, n)


async def handoffs(lock: trio.Lock | trio.Semaphore, held: int, n: int) -> Result:
    """All wait before the first gets it; from then on each hands it to the one behind."""
    share = n // HANDOFF_PARTIES

    async def work() -> None:
        for _ in range(share):
            async with lock:
                pass

    for _ in range(held):
        await lock.acquire()
    async with open_nursery() as nursery:
        for _ in range(HANDOFF_PARTIES):
            nursery.start_soon(work)
        while lock.statistics().tasks_waiting < HANDOFF_PARTIES:
            await checkpoint()
        start = perf_counter()
        for _ in range(held):
            lock.release()
    return since(start, share * HANDOFF_PARTIES)


async def mutex_handoff(n: int) -> Result:
    return await handoffs(trio.Lock(), 1, n)


async def semaphore(n: int) -> Result:
    permits = trio.Semaphore(PERMITS)
    start = perf_counter()
    for _ in range(n):
        async with permits:
            pass
    return since(start, n)


async def semaphore_handoff(n: int) -> Result:
    return await handoffs(trio.Semaphore(PERMITS), PERMITS, n)


async def cond(n: int) -> Result:
    condition = trio.Condition()
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
    async with open_nursery() as nursery:
        nursery.start_soon(player, 0)
        nursery.start_soon(player, 1)
    return since(start, n // 2 * 2)


async def errgroup(n: int) -> Result:
    limiter = trio.CapacityLimiter(GROUP_LIMIT)
    counter = 0

    async def member() -> None:
        nonlocal counter
        async with limiter:
            await checkpoint()
            counter += 1

    start = perf_counter()
    async with open_nursery() as nursery:
        for _ in range(n):
            nursery.start_soon(member)
    result = since(start, n)
    assert counter == n
    return result


async def context_goroutines(n: int) -> Result:
    """Scopes in scopes; the innermost has all the tasks, each in its own, and the outermost is cancelled."""
    begun = 0

    async def wait() -> None:
        nonlocal begun
        with CancelScope():
            begun += 1
            await trio.sleep_forever()

    async def nested(depth: int) -> None:
        with CancelScope():
            if depth > 1:
                await nested(depth - 1)
            else:
                async with open_nursery() as nursery:
                    for _ in range(n):
                        nursery.start_soon(wait)

    async with open_nursery() as nursery:
        nursery.start_soon(nested, CONTEXT_DEPTH)
        while begun < n:
            await checkpoint()
        start = perf_counter()
        nursery.cancel_scope.cancel()
    return since(start, n)


async def sleepers_1m(n: int) -> Result:
    durations = short_naps(n)
    start = process_time()
    async with open_nursery() as nursery:
        for seconds in durations:
            nursery.start_soon(trio.sleep, seconds)
    return per_item(process_time() - start, n, "cpu_ns")


async def broadcast(n: int) -> Result:
    values = n // SUBSCRIBERS
    pairs = [open_memory_channel[int](SUBSCRIBER_BUFFER) for _ in range(SUBSCRIBERS)]

    async def subscriber(receive: MemoryReceiveChannel[int]) -> None:
        for _ in range(values):
            await receive.receive()

    async with open_nursery() as nursery:
        for _, receive in pairs:
            nursery.start_soon(subscriber, receive)
        await checkpoint()
        start = perf_counter()
        for value in range(values):
            for send, _ in pairs:
                await send.send(value)
    return since(start, values * SUBSCRIBERS)


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
}
