"""aiologic on uvloop: locks, semaphores and conditions for tasks and threads alike.

Left out: groups, contexts and timers, which it does not have. The subscribers of `broadcast` have a `SimpleQueue` each.
"""

from __future__ import annotations

import asyncio
from asyncio import create_task
from time import perf_counter

import uvloop
from aiologic import Condition, Lock, Semaphore, SimpleQueue

from benchmarks.measure import AsyncWorkload, Result, Workloads, bind, since
from benchmarks.pairs import lock_pair, permit_pair, signal_pair
from benchmarks.workloads import HANDOFF_PARTIES, PERMITS, SUBSCRIBERS


async def mutex(n: int) -> Result:
    lock = Lock()
    start = perf_counter()
    for _ in range(n):
        async with lock:
            pass
    return since(start, n)


async def handoffs(lock: Lock | Semaphore, held: int, n: int) -> Result:
    """All wait before the first gets it; from then on each hands it to the one behind."""
    share = n // HANDOFF_PARTIES

    async def work() -> None:
        for _ in range(share):
            async with lock:
                pass

    for _ in range(held):
        await lock.async_acquire()
    tasks = [create_task(work()) for _ in range(HANDOFF_PARTIES)]
    await asyncio.sleep(0)
    start = perf_counter()
    for _ in range(held):
        lock.async_release()
    for task in tasks:
        await task
    return since(start, share * HANDOFF_PARTIES)


async def mutex_handoff(n: int) -> Result:
    return await handoffs(Lock(), 1, n)


async def semaphore(n: int) -> Result:
    permits = Semaphore(PERMITS)
    start = perf_counter()
    for _ in range(n):
        async with permits:
            pass
    return since(start, n)


async def semaphore_handoff(n: int) -> Result:
    return await handoffs(Semaphore(PERMITS), PERMITS, n)


async def cond(n: int) -> Result:
    condition = Condition(Lock())
    turn = 0

    async def player(mine: int) -> None:
        nonlocal turn
        for _ in range(n // 2):
            async with condition:
                while turn != mine:
                    await condition
                turn = 1 - mine
                condition.notify()

    start = perf_counter()
    first, second = create_task(player(0)), create_task(player(1))
    await first
    await second
    return since(start, n // 2 * 2)


async def broadcast(n: int) -> Result:
    values = n // SUBSCRIBERS
    queues: list[SimpleQueue[int]] = [SimpleQueue() for _ in range(SUBSCRIBERS)]

    async def subscriber(queue: SimpleQueue[int]) -> None:
        for _ in range(values):
            await queue.async_get()

    tasks = [create_task(subscriber(queue)) for queue in queues]
    await asyncio.sleep(0)
    start = perf_counter()
    for value in range(values):
        for queue in queues:
            queue.put(value)
        await asyncio.sleep(0)
    for task in tasks:
        await task
    return since(start, values * SUBSCRIBERS)


def mutex_threads(n: int) -> Result:
    return lock_pair(Lock(), n)


def semaphore_threads(n: int) -> Result:
    first, second = Semaphore(1), Semaphore(0)
    return permit_pair(first.green_acquire, first.green_release, second.green_acquire, second.green_release, n)


def cond_threads(n: int) -> Result:
    condition = Condition(Lock())
    return signal_pair(condition, condition.wait, condition.notify, n)


def run(workload: AsyncWorkload, n: int) -> Result:
    return uvloop.run(workload(n))


WORKLOADS: Workloads = {
    **bind(
        run,
        {
            "mutex": mutex,
            "mutex_handoff": mutex_handoff,
            "cond": cond,
            "semaphore": semaphore,
            "semaphore_handoff": semaphore_handoff,
            "broadcast": broadcast,
        },
    ),
    "mutex_threads": mutex_threads,
    "semaphore_threads": semaphore_threads,
    "cond_threads": cond_threads,
}
