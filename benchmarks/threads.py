"""Threads: handing a call to a worker, taking its result, and handing values from thread to thread.

``python -m benchmarks.threads``: each row is the best and the median of some rounds; the rivals of a row take turns, so
that a disturbance of the machine meets all of them.
"""

from __future__ import annotations

import asyncio
import queue
import statistics
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import perf_counter
from typing import Any

import goish
from goish import Executor, chan, go_thread, spawn, submit, sync

ROUNDS = 5
CALLS = 5_000
ITEMS = 50_000
WORK = 200_000  # additions in a call that computes
SHARES = 8

Row = dict[str, Callable[[], float]]  # rival -> seconds for one item


def nothing() -> None:
    pass


def compute(n: int = WORK) -> int:
    return sum(i & 3 for i in range(n))


async def nothing_async() -> None:
    pass


# ── a call and its result ──


def in_a_loop(body: Callable[[Callable[[], Awaitable[Any]]], Any], call: Any) -> float:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        make = (lambda: loop.run_in_executor(POOL, nothing)) if call is None else call
        await body(make)
        began = perf_counter()
        await body(make)
        return (perf_counter() - began) / CALLS

    return goish.run(main)


async def one_by_one(call: Callable[[], Awaitable[Any]]) -> None:
    for _ in range(CALLS):
        await call()


async def all_at_once(call: Callable[[], Awaitable[Any]]) -> None:
    for handle in [call() for _ in range(CALLS)]:
        await handle


def on_a_thread(call: Callable[[], object]) -> float:
    call()
    began = perf_counter()
    for _ in range(CALLS):
        call()
    return (perf_counter() - began) / CALLS


def computing(run: Callable[[], object]) -> float:
    began = perf_counter()
    run()
    return (perf_counter() - began) / SHARES


def on_goish(workers: int) -> None:
    with Executor(workers=workers).run_in_background() as ex:
        goish.sync_all(*[ex.go_thread(compute) for _ in range(SHARES)])


def on_thread_pool(workers: int) -> None:
    with ThreadPoolExecutor(workers) as ex:
        list(ex.map(lambda _: compute(), range(SHARES)))


POOL = ThreadPoolExecutor(2)


# ── from thread to loop ──


def goish_handoff(capacity: int) -> float:
    async def main() -> float:
        values = chan(capacity)

        def produce() -> None:
            for i in range(ITEMS):
                values.send_blocking(i)
            values.close()

        began = perf_counter()
        threading.Thread(target=produce).start()
        count = 0
        async for _ in values:
            count += 1
        assert count == ITEMS
        return (perf_counter() - began) / ITEMS

    return goish.run(main)


def janus_handoff(capacity: int) -> float:
    import janus

    async def main() -> float:
        values: Any = janus.Queue(capacity)

        def produce() -> None:
            for i in range(ITEMS):
                values.sync_q.put(i)

        began = perf_counter()
        threading.Thread(target=produce).start()
        for _ in range(ITEMS):
            await values.async_q.get()
        seconds = (perf_counter() - began) / ITEMS
        await values.aclose()
        return seconds

    return goish.run(main)


def culsans_handoff(capacity: int) -> float:
    import culsans

    async def main() -> float:
        values: Any = culsans.Queue(capacity)

        def produce() -> None:
            for i in range(ITEMS):
                values.sync_put(i)

        began = perf_counter()
        threading.Thread(target=produce).start()
        for _ in range(ITEMS):
            await values.async_get()
        return (perf_counter() - began) / ITEMS

    return goish.run(main)


def queue_handoff(capacity: int) -> float:
    """From thread to thread: the standard library has nothing that joins a thread and a loop."""
    values: queue.Queue[int] = queue.Queue(capacity)

    def produce() -> None:
        for i in range(ITEMS):
            values.put(i)

    began = perf_counter()
    threading.Thread(target=produce).start()
    for _ in range(ITEMS):
        values.get()
    return (perf_counter() - began) / ITEMS


def handoffs(capacity: int) -> Row:
    # A queue of capacity 0 is unbounded to the others: 1 is the nearest to a rendezvous.
    rivals = {"janus": janus_handoff, "culsans": culsans_handoff, "queue.Queue": queue_handoff}
    row: Row = {"goish": lambda: goish_handoff(capacity)}
    return row | {name: lambda handoff=handoff: handoff(capacity or 1) for name, handoff in rivals.items()}


TABLE: dict[str, Row] = {
    "await one call after another": {
        "go_thread": lambda: in_a_loop(one_by_one, lambda: go_thread(nothing)),
        "go_thread, async def": lambda: in_a_loop(one_by_one, lambda: go_thread(nothing_async)),
        "run_in_executor": lambda: in_a_loop(one_by_one, None),
    },
    "await many calls": {
        "go_thread": lambda: in_a_loop(all_at_once, lambda: go_thread(nothing)),
        "go_thread, async def": lambda: in_a_loop(all_at_once, lambda: go_thread(nothing_async)),
        "run_in_executor": lambda: in_a_loop(all_at_once, None),
    },
    "a thread takes a result": {
        "sync(spawn)": lambda: on_a_thread(lambda: sync(spawn(nothing))),
        "sync(submit)": lambda: on_a_thread(lambda: sync(submit(nothing))),
        "ThreadPoolExecutor": lambda: on_a_thread(lambda: POOL.submit(nothing).result()),
    },
    "compute, 1 worker": {
        "go_thread": lambda: computing(lambda: on_goish(1)),
        "ThreadPoolExecutor": lambda: computing(lambda: on_thread_pool(1)),
    },
    "compute, 2 workers": {
        "go_thread": lambda: computing(lambda: on_goish(2)),
        "ThreadPoolExecutor": lambda: computing(lambda: on_thread_pool(2)),
    },
    "thread to loop, unbuffered": handoffs(0),
    "thread to loop, buffer of 1024": handoffs(1024),
}


def measure(row: Row) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {rival: [] for rival in row}
    for _ in range(ROUNDS):
        for rival, run in row.items():
            with suppress(ModuleNotFoundError):
                seconds[rival].append(run())
    return {rival: times for rival, times in seconds.items() if times}


def main() -> None:
    print(f"Python {sys.version.split()[0]}, GIL {getattr(sys, '_is_gil_enabled', lambda: True)()}; us per item\n")
    for name, row in TABLE.items():
        print(f"{name:32}{'best':>10}{'median':>10}")
        for rival, times in measure(row).items():
            print(f"  {rival:30}{min(times) * 1e6:10.2f}{statistics.median(times) * 1e6:10.2f}")


if __name__ == "__main__":
    main()
