"""goish's locks, groups, contexts and timers; goish_.py runs them."""

from __future__ import annotations

from time import perf_counter, process_time

from benchmarks.measure import AsyncWorkload, Result, Workloads, per_item, since
from benchmarks.pairs import lock_pair, permit_pair, signal_pair
from benchmarks.workloads import (
    CONTEXT_DEPTH,
    FLIGHT_CALLERS,
    GROUP_LIMIT,
    HANDOFF_PARTIES,
    PERMITS,
    SUBSCRIBER_BUFFER,
    SUBSCRIBERS,
    WRITER_SHARE,
    short_naps,
)
from goish import WaitGroup, context, go, gosched, singleflight, sleep
from goish.errgroup import Group
from goish.semaphore import Weighted
from goish.sync import Broadcast, Cond, Mutex, RWMutex, Subscription


async def mutex(n: int) -> Result:
    mu = Mutex()
    start = perf_counter()
    for _ in range(n):
        async with mu:
            pass
    return since(start, n)


async def mutex_handoff(n: int) -> Result:
    """All wait before the first gets it; from then on each hands it to the one behind."""
    mu, group, share = Mutex(), WaitGroup(), n // HANDOFF_PARTIES

    async def work() -> None:
        for _ in range(share):
            async with mu:
                pass

    await mu.lock()
    for _ in range(HANDOFF_PARTIES):
        group.go(work)
    await gosched()
    start = perf_counter()
    mu.unlock()
    await group.wait()
    return since(start, share * HANDOFF_PARTIES)


async def rwmutex(n: int) -> Result:
    rw, group, share = RWMutex(), WaitGroup(), n // HANDOFF_PARTIES
    reading = rw.rlocker()

    async def work() -> None:
        for i in range(share):
            if i % WRITER_SHARE:
                async with reading:
                    await gosched()
            else:
                async with rw:
                    await gosched()

    start = perf_counter()
    for _ in range(HANDOFF_PARTIES):
        group.go(work)
    await group.wait()
    return since(start, share * HANDOFF_PARTIES)


async def semaphore(n: int) -> Result:
    permits = Weighted(PERMITS)
    start = perf_counter()
    for _ in range(n):
        async with permits:
            pass
    return since(start, n)


async def semaphore_handoff(n: int) -> Result:
    permits, group, share = Weighted(PERMITS), WaitGroup(), n // HANDOFF_PARTIES

    async def work() -> None:
        for _ in range(share):
            async with permits:
                pass

    await permits.acquire(PERMITS)
    for _ in range(HANDOFF_PARTIES):
        group.go(work)
    await gosched()
    start = perf_counter()
    permits.release(PERMITS)
    await group.wait()
    return since(start, share * HANDOFF_PARTIES)


async def cond(n: int) -> Result:
    condition, group = Cond(Mutex()), WaitGroup()
    turn = 0

    async def player(mine: int) -> None:
        nonlocal turn
        for _ in range(n // 2):
            async with condition:
                while turn != mine:
                    await condition.wait()
                turn = 1 - mine
                condition.signal()

    start = perf_counter()
    group.go(player, 0)
    group.go(player, 1)
    await group.wait()
    return since(start, n // 2 * 2)


async def errgroup(n: int) -> Result:
    counter = 0

    async def member() -> None:
        nonlocal counter
        await gosched()
        counter += 1

    start = perf_counter()
    async with Group(limit=GROUP_LIMIT) as group:
        for _ in range(n):
            await group.go(member)
    result = since(start, n)
    assert counter == n
    return result


async def context_leaves(n: int) -> Result:
    root, cancel = context.with_cancel(context.background())
    parent = root
    for _ in range(CONTEXT_DEPTH - 2):
        parent, _ = context.with_cancel(parent)
    began = perf_counter()
    leaves = [context.with_cancel(parent)[0] for _ in range(n)]
    made = perf_counter() - began
    start = perf_counter()
    cancel()
    result = since(start, n)
    assert all(leaf.err() is not None for leaf in leaves)
    return result | per_item(made, n, "make_ns")


async def context_goroutines(n: int) -> Result:
    root, cancel = context.with_cancel(context.background())
    parent = root
    for _ in range(CONTEXT_DEPTH - 2):
        parent, _ = context.with_cancel(parent)
    group, begun = WaitGroup(), 0

    async def wait() -> None:
        nonlocal begun
        leaf, leave = context.with_cancel(parent)
        begun += 1
        await leaf.done().wait_closed()
        leave()

    for _ in range(n):
        group.go(wait)
    await gosched()
    assert begun == n
    start = perf_counter()
    cancel()
    await group.wait()
    return since(start, n)


async def sleepers_1m(n: int) -> Result:
    async def nap(seconds: float) -> None:
        await sleep(seconds)

    durations = short_naps(n)
    start = process_time()
    group = WaitGroup()
    for seconds in durations:
        group.go(nap, seconds)
    await group.wait()
    return per_item(process_time() - start, n, "cpu_ns")


async def broadcast(n: int) -> Result:
    values = n // SUBSCRIBERS
    source = Broadcast[int](SUBSCRIBER_BUFFER)
    group = WaitGroup()

    async def subscriber(subscription: Subscription[int]) -> None:
        for _ in range(values):
            await subscription.recv()

    for _ in range(SUBSCRIBERS):
        group.go(subscriber, source.subscribe())
    await gosched()
    start = perf_counter()
    for value in range(values):
        await source.send(value)
    await group.wait()
    return since(start, values * SUBSCRIBERS)


async def single_flight(n: int) -> Result:
    flights = singleflight.Group()

    async def fetch(key: int) -> int:
        await gosched()
        return key

    async def call(key: int) -> None:
        assert await flights.do(key, fetch, key) == key

    start = perf_counter()
    for key in range(n // FLIGHT_CALLERS):
        for g in [go(call, key) for _ in range(FLIGHT_CALLERS)]:
            await g
    return since(start, n // FLIGHT_CALLERS * FLIGHT_CALLERS)


def mutex_threads(n: int) -> Result:
    return lock_pair(Mutex(), n)


def semaphore_threads(n: int) -> Result:
    first, second = Weighted(1), Weighted(1)
    assert second.try_acquire()
    return permit_pair(first.acquire_blocking, first.release, second.acquire_blocking, second.release, n)


def cond_threads(n: int) -> Result:
    mu = Mutex()
    condition = Cond(mu)
    return signal_pair(mu, condition.wait_blocking, condition.signal, n)


COROUTINES: dict[str, AsyncWorkload] = {
    "mutex": mutex,
    "mutex_handoff": mutex_handoff,
    "rwmutex": rwmutex,
    "cond": cond,
    "semaphore": semaphore,
    "semaphore_handoff": semaphore_handoff,
    "errgroup": errgroup,
    "context_leaves": context_leaves,
    "context_goroutines": context_goroutines,
    "sleepers_1m": sleepers_1m,
    "broadcast": broadcast,
    "singleflight": single_flight,
}

THREADS: Workloads = {
    "mutex_threads": mutex_threads,
    "semaphore_threads": semaphore_threads,
    "cond_threads": cond_threads,
}
