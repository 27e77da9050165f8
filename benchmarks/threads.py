"""Threads: handing a call to a worker, taking its result, and handing values from thread to thread.

``python -m benchmarks.threads [word ...]``, with words: only the rows whose name has one of them. Each row is the best
and the median of some rounds; the rivals of a row take turns, so that a disturbance of the machine meets all of them.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import statistics
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import Any

import goish
from goish import chan, go_thread
from goish.parallel import Executor, spawn, submit, sync

ROUNDS = 5
CALLS = 5_000
ITEMS = 50_000
WORK = 500_000  # additions in a call that computes
SHARES = 8
STEPS = 500  # items through a pipeline
STEP = 4_000  # additions for each of them in a stage

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


def computing(run_all: Callable[[int], object]) -> float:
    """Seconds for one share; the pool has its workers before the clock starts."""
    run_all(1)
    began = perf_counter()
    run_all(WORK)
    return (perf_counter() - began) / SHARES


def on_goish(workers: int) -> float:
    with Executor(workers=workers).prestart() as ex:
        return computing(lambda n: goish.parallel.sync_all(*[ex.go_thread(compute, n) for _ in range(SHARES)]))


def on_executor(make: Callable[[int], concurrent.futures.Executor], workers: int) -> float:
    with make(workers) as ex:
        return computing(lambda n: list(ex.map(compute, [n] * SHARES)))


POOL = ThreadPoolExecutor(2)


# ── from thread to thread, a loop on one end, on both or on none ──


def goish_thread_to_loop(capacity: int) -> float:
    async def main() -> float:
        values = chan(capacity)
        began = perf_counter()
        threading.Thread(target=send_blocking, args=(values,)).start()
        await receive(values)
        return (perf_counter() - began) / ITEMS

    return goish.run(main)


def goish_loop_to_thread(capacity: int) -> float:
    values = chan(capacity)
    began = perf_counter()
    thread = threading.Thread(target=goish.run, args=(send, values))
    thread.start()
    receive_blocking(values)
    thread.join()
    return (perf_counter() - began) / ITEMS


def goish_thread_to_thread(capacity: int) -> float:
    values = chan(capacity)
    began = perf_counter()
    threading.Thread(target=send_blocking, args=(values,)).start()
    receive_blocking(values)
    return (perf_counter() - began) / ITEMS


def goish_loop_to_loop(capacity: int) -> float:
    values = chan(capacity)
    began = perf_counter()
    thread = threading.Thread(target=goish.run, args=(send, values))
    thread.start()
    goish.run(receive, values)
    thread.join()
    return (perf_counter() - began) / ITEMS


def send_blocking(values: Any) -> None:
    for i in range(ITEMS):
        values.send_blocking(i)
    values.close()


def receive_blocking(values: Any) -> None:
    assert sum(1 for _ in values) == ITEMS


async def send(values: Any) -> None:
    for i in range(ITEMS):
        await values.send(i)
    values.close()


async def receive(values: Any) -> None:
    count = 0
    async for _ in values:
        count += 1
    assert count == ITEMS


def janus_thread_to_loop(capacity: int) -> float:
    import janus

    async def main() -> float:
        values: Any = janus.Queue(capacity)
        began = perf_counter()
        threading.Thread(target=put, args=(values.sync_q.put,)).start()
        for _ in range(ITEMS):
            await values.async_q.get()
        seconds = (perf_counter() - began) / ITEMS
        await values.aclose()
        return seconds

    return goish.run(main)


def janus_loop_to_thread(capacity: int) -> float:
    import janus

    async def main() -> float:
        values: Any = janus.Queue(capacity)
        began = perf_counter()
        thread = threading.Thread(target=get, args=(values.sync_q.get,))
        thread.start()
        for i in range(ITEMS):
            await values.async_q.put(i)
        await asyncio.to_thread(thread.join)
        seconds = (perf_counter() - began) / ITEMS
        await values.aclose()
        return seconds

    return goish.run(main)


def culsans_thread_to_loop(capacity: int) -> float:
    import culsans

    async def main() -> float:
        values: Any = culsans.Queue(capacity)
        began = perf_counter()
        threading.Thread(target=put, args=(values.sync_put,)).start()
        for _ in range(ITEMS):
            await values.async_get()
        return (perf_counter() - began) / ITEMS

    return goish.run(main)


def culsans_loop_to_thread(capacity: int) -> float:
    import culsans

    values: Any = culsans.Queue(capacity)

    async def main() -> None:
        for i in range(ITEMS):
            await values.async_put(i)

    began = perf_counter()
    thread = threading.Thread(target=goish.run, args=(main,))
    thread.start()
    get(values.sync_get)
    thread.join()
    return (perf_counter() - began) / ITEMS


def culsans_thread_to_thread(capacity: int) -> float:
    import culsans

    values: Any = culsans.Queue(capacity)
    return put_and_get(values.sync_put, values.sync_get)


def queue_thread_to_thread(capacity: int) -> float:
    values: queue.Queue[int] = queue.Queue(capacity)
    return put_and_get(values.put, values.get)


def put_and_get(put_one: Callable[[int], object], get_one: Callable[[], object]) -> float:
    began = perf_counter()
    threading.Thread(target=put, args=(put_one,)).start()
    get(get_one)
    return (perf_counter() - began) / ITEMS


def put(put_one: Callable[[int], object]) -> None:
    for i in range(ITEMS):
        put_one(i)


def get(get_one: Callable[[], object]) -> None:
    for _ in range(ITEMS):
        get_one()


def handoffs(capacity: int, **rivals: Callable[[int], float]) -> Row:
    # A queue of capacity 0 is unbounded to the others: 1 is the nearest to a rendezvous.
    return {name: partial(handoff, capacity if name == "goish" else capacity or 1) for name, handoff in rivals.items()}


# ── how soon a loop hears of what a thread has sent ──


def wake_latency(timers: int, percentile: float) -> float:
    """Seconds from a thread's send to the loop's receive, while so many goroutines of the loop sleep 1 ms at a time."""

    async def main() -> float:
        sent = chan(1024)
        late: list[float] = []
        busy = [goish.go(tick) for _ in range(timers)]
        thread = threading.Thread(target=stamp, args=(sent,))
        thread.start()
        async for at in sent:
            late.append(perf_counter() - at)
        for g in busy:
            g.cancel()
        return statistics.quantiles(late, n=1000)[round(percentile * 1000) - 1]

    return goish.run(main)


async def tick() -> None:
    while True:
        await goish.sleep(0.001)


def stamp(sent: Any) -> None:
    for _ in range(1000):
        time.sleep(0.0005)
        sent.send_blocking(perf_counter())
    sent.close()


def callback_latency(timers: int, percentile: float) -> float:
    """The same of ``loop.call_soon_threadsafe``: a callback, and nobody who waits for it."""

    async def main() -> float:
        late: list[float] = []
        busy = [goish.go(tick) for _ in range(timers)]
        await asyncio.to_thread(call_back, asyncio.get_running_loop(), late)
        for g in busy:
            g.cancel()
        return statistics.quantiles(late, n=1000)[round(percentile * 1000) - 1]

    return goish.run(main)


def call_back(loop: asyncio.AbstractEventLoop, late: list[float]) -> None:
    for _ in range(1000):
        time.sleep(0.0005)
        loop.call_soon_threadsafe(lambda at: late.append(perf_counter() - at), perf_counter())


# ── threads beside a loop that always has something to run ──

TRIPS = 300
SPINS = 0.3  # seconds in which the steps of a busy goroutine are counted
FOUR_MS = 80_000  # additions

Body = Callable[[], Awaitable[Any]]
Step = Callable[[], Awaitable[object]]


async def spin(pause: Step, steps: list[int]) -> None:
    while True:
        steps[0] += 1
        await pause()


def sleep_0() -> Awaitable[None]:
    return asyncio.sleep(0)


async def goish_ping_pong() -> None:
    there, back = chan(), chan()
    goish.go(echo_on_loop, there, back)
    while True:
        await there.send(0)
        await back.recv()


async def echo_on_loop(there: Any, back: Any) -> None:
    async for value in there:
        await back.send(value)


async def asyncio_ping_pong() -> None:
    there: asyncio.Queue[int] = asyncio.Queue()
    back: asyncio.Queue[int] = asyncio.Queue()

    async def echo() -> None:
        while True:
            await back.put(await there.get())

    echoes = asyncio.create_task(echo())
    while not echoes.done():
        await there.put(0)
        await back.get()


def on_uvloop(main: Callable[[], Coroutine[Any, Any, float]]) -> float:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


async def times_of(step: Step, times: int) -> list[float]:
    took = []
    for _ in range(times):
        began = perf_counter()
        await step()
        took.append(perf_counter() - began)
    return took


def goish_trips(pick: Callable[[list[float]], float]) -> float:
    """Seconds from a loop to a thread and back, while a goroutine of the loop is always runnable."""

    async def main() -> float:
        there, back = chan(), chan()
        threading.Thread(target=echo_on_thread, args=(there, back)).start()
        busy = goish.go(spin, goish.gosched, [0])

        async def trip() -> None:
            await there.send(0)
            await back.recv()

        took = await times_of(trip, TRIPS)
        there.close()
        busy.cancel()
        return pick(took)

    return goish.run(main)


def echo_on_thread(there: Any, back: Any) -> None:
    for value in there:
        back.send_blocking(value)


def asyncio_trips(pick: Callable[[list[float]], float]) -> float:
    async def main() -> float:
        there: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        back: asyncio.Queue[int] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def echo() -> None:
            while (value := there.get()) is not None:
                loop.call_soon_threadsafe(back.put_nowait, value)

        async def trip() -> None:
            there.put(0)
            await back.get()

        threading.Thread(target=echo).start()
        busy = asyncio.create_task(spin(sleep_0, [0]))
        took = await times_of(trip, TRIPS)
        there.put(None)
        busy.cancel()
        return pick(took)

    return on_uvloop(main)


def goish_calls(busy: Body | None, n: int) -> float:
    """Seconds that a call takes on a worker, in the median, beside so busy a loop."""

    async def main() -> float:
        beside = goish.go(busy) if busy else None
        took = await times_of(lambda: go_thread(compute, n), TRIPS // 10)
        if beside:
            beside.cancel()
        return statistics.median(took)

    return goish.run(main, deadlock="off")


def executor_calls(busy: Body | None, n: int) -> float:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        beside = asyncio.ensure_future(busy()) if busy else None
        took = await times_of(lambda: loop.run_in_executor(POOL, compute, n), TRIPS // 10)
        if beside:
            beside.cancel()
        return statistics.median(took)

    return on_uvloop(main)


def goish_steps(beside: str) -> float:
    """Seconds for a step of a busy goroutine, alone, or beside a thread that waits or computes."""
    return goish.run(steps_of_busy, goish.gosched, beside)


def asyncio_steps(beside: str) -> float:
    return on_uvloop(lambda: steps_of_busy(sleep_0, beside))


async def steps_of_busy(pause: Step, beside: str) -> float:
    over: queue.SimpleQueue[None] = queue.SimpleQueue()
    threads = {"waits": over.get, "computes": partial(compute_until, over)}
    if beside in threads:
        threading.Thread(target=threads[beside]).start()
    steps = [0]
    busy: Any = asyncio.create_task(spin(pause, steps)) if pause is sleep_0 else goish.go(spin, pause, steps)
    await asyncio.sleep(SPINS)
    counted = steps[0]
    over.put(None)
    busy.cancel()
    return SPINS / counted


def compute_until(over: queue.SimpleQueue[None]) -> None:
    while over.empty():
        compute(1000)


# ── a pipeline that computes in each stage ──


def pipeline(workers: int) -> float:
    """Seconds per item of two stages with a channel between them, on one worker or on two."""
    with Executor(workers=workers).prestart() as ex:
        between = chan(64)
        began = perf_counter()
        if workers == 1:
            sync(ex.go_thread(both_stages))
        else:
            goish.parallel.sync_all(ex.go_thread(first_stage, between), ex.go_thread(second_stage, between))
        return (perf_counter() - began) / STEPS


def both_stages() -> None:
    for _ in range(STEPS):
        compute(STEP)
        compute(STEP)


def first_stage(out: Any) -> None:
    for _ in range(STEPS):
        out.send_blocking(compute(STEP))
    out.close()


def second_stage(values: Any) -> None:
    for _ in values:
        compute(STEP)


HANDOFFS: dict[str, dict[str, Callable[[int], float]]] = {
    "thread to loop": {
        "goish": goish_thread_to_loop,
        "janus": janus_thread_to_loop,
        "culsans": culsans_thread_to_loop,
    },
    "loop to thread": {
        "goish": goish_loop_to_thread,
        "janus": janus_loop_to_thread,
        "culsans": culsans_loop_to_thread,
    },
    "thread to thread": {
        "goish": goish_thread_to_thread,
        "culsans": culsans_thread_to_thread,
        "queue.Queue": queue_thread_to_thread,
    },
    "loop to loop": {"goish": goish_loop_to_loop},
}

RESULTS: dict[str, Row] = {
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
}

TWO_STAGES: Row = {"1 worker": partial(pipeline, 1), "2 workers": partial(pipeline, 2)}

COMPUTING: dict[str, Row] = {
    f"compute, {workers} worker{'s' * (workers > 1)}": {
        "go_thread": partial(on_goish, workers),
        "ThreadPoolExecutor": partial(on_executor, ThreadPoolExecutor, workers),
        "ProcessPoolExecutor": partial(on_executor, ProcessPoolExecutor, workers),
    }
    for workers in (1, 2)
}

HANDING_OFF: dict[str, Row] = {
    f"{way}, {size}": handoffs(capacity, **rivals)
    for size, capacity in (("unbuffered", 0), ("buffer of 1024", 1024))
    for way, rivals in HANDOFFS.items()
}

WAKING: dict[str, Row] = {
    f"wake a loop, {timers} timers": {
        f"{name}, {label}": partial(latency, timers, percentile)
        for label, percentile in (("median", 0.5), ("99th percentile", 0.99))
        for name, latency in (("goish", wake_latency), ("call_soon_threadsafe", callback_latency))
    }
    for timers in (0, 100)
}

BUSY: dict[str, Row] = {
    "round trip beside a busy goroutine": {
        f"{name}, {label}": partial(trips, pick)
        for label, pick in (("median", statistics.median), ("longest", max))
        for name, trips in (("goish", goish_trips), ("asyncio", asyncio_trips))
    },
    "4 ms on a worker": {
        "go_thread": partial(goish_calls, None, FOUR_MS),
        "go_thread, beside a ping-pong": partial(goish_calls, goish_ping_pong, FOUR_MS),
        "run_in_executor": partial(executor_calls, None, FOUR_MS),
        "run_in_executor, beside a ping-pong": partial(executor_calls, asyncio_ping_pong, FOUR_MS),
    },
    "a step of a busy goroutine": {
        f"{name}, {label}": partial(steps, beside)
        for label, beside in (("alone", "alone"), ("a thread waits", "waits"), ("a thread computes", "computes"))
        for name, steps in (("goish", goish_steps), ("asyncio", asyncio_steps))
    },
}

TABLE = RESULTS | COMPUTING | {"two stages": TWO_STAGES} | HANDING_OFF | WAKING | BUSY


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
        if not any(word in name for word in sys.argv[1:] or [""]):
            continue
        print(f"{name:40}{'best':>10}{'median':>10}")
        for rival, times in measure(row).items():
            print(f"  {rival:38}{min(times) * 1e6:10.2f}{statistics.median(times) * 1e6:10.2f}")


if __name__ == "__main__":
    main()
