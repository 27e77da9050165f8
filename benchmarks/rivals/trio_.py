"""trio: memory channels and nurseries.

Left out: select, which trio does not have.
"""

from __future__ import annotations

import math
from contextlib import suppress
from functools import partial
from time import perf_counter, process_time

import trio
from trio import CancelScope, MemoryReceiveChannel, MemorySendChannel, open_memory_channel, open_nursery

from benchmarks import echo
from benchmarks.measure import Result, bind, per_item, rss, since
from benchmarks.rivals import trio_locks
from benchmarks.workloads import (
    FANIN_BUFFER,
    MPMC_BUFFER,
    MPMC_PAIRS,
    RING_NODES,
    SKYNET_CHILDREN,
    cancel_order,
    fanin_rounds,
    naps,
    sieve_hops,
    skynet_leaves,
)


async def send_range(send: MemorySendChannel[int], n: int) -> None:
    for i in range(n):
        await send.send(i)


async def recv_count(recv: MemoryReceiveChannel[int], n: int) -> None:
    for _ in range(n):
        await recv.receive()


async def until_sending(send: MemorySendChannel[int], senders: int) -> None:
    while send.statistics().tasks_waiting_send < senders:
        await trio.lowlevel.checkpoint()


async def spawn_join(n: int) -> Result:
    counter = 0

    async def increment() -> None:
        nonlocal counter
        counter += 1

    start = perf_counter()
    async with open_nursery() as nursery:
        for _ in range(n):
            nursery.start_soon(increment)
    result = since(start, n)
    assert counter == n
    return result


async def parked(n: int) -> Result:
    async def park(recv: MemoryReceiveChannel[int]) -> None:
        with suppress(trio.EndOfChannel):
            await recv.receive()

    before = rss()
    start = perf_counter()
    send, recv = open_memory_channel[int](0)
    async with open_nursery() as nursery:
        for _ in range(n):
            nursery.start_soon(park, recv)
        while recv.statistics().tasks_waiting_receive < n:
            await trio.lowlevel.checkpoint()
        grown = rss() - before
        send.close()
    return since(start, n) | {"bytes": grown / n}


async def pingpong(n: int) -> Result:
    ping_send, ping_recv = open_memory_channel[int](0)
    pong_send, pong_recv = open_memory_channel[int](0)

    async def answer() -> None:
        for _ in range(n):
            await pong_send.send(await ping_recv.receive())

    start = perf_counter()
    async with open_nursery() as nursery:
        nursery.start_soon(answer)
        for i in range(n):
            await ping_send.send(i)
            await pong_recv.receive()
    return since(start, n)


async def prodcons(capacity: float, n: int) -> Result:
    send, recv = open_memory_channel[int](capacity)
    start = perf_counter()
    async with open_nursery() as nursery:
        nursery.start_soon(send_range, send, n)
        await recv_count(recv, n)
    return since(start, n)


async def mpmc(n: int) -> Result:
    send, recv = open_memory_channel[int](MPMC_BUFFER)
    share = n // MPMC_PAIRS
    start = perf_counter()
    async with open_nursery() as nursery:
        for _ in range(MPMC_PAIRS):
            nursery.start_soon(send_range, send, share)
            nursery.start_soon(recv_count, recv, share)
    return since(start, share * MPMC_PAIRS)


async def channels(n: int) -> Result:
    before = rss()
    start = perf_counter()
    kept = [open_memory_channel[int](0) for _ in range(n)]
    result = since(start, n)
    return result | {"bytes": (rss() - before) / len(kept)}


async def fanin(n: int) -> Result:
    whole = draining = 0.0
    rounds = fanin_rounds(n)
    for _ in range(rounds):
        began = perf_counter()
        send, recv = open_memory_channel[int](FANIN_BUFFER)
        async with open_nursery() as nursery:
            for _ in range(n):
                nursery.start_soon(send_range, send, 1)
            await until_sending(send, n - FANIN_BUFFER)
            start = perf_counter()
            await recv_count(recv, n)
        draining += perf_counter() - start
        whole += perf_counter() - began
    return per_item(whole, n * rounds) | per_item(draining, n * rounds, "drain_ns")


async def cancel_storm(order: str, n: int) -> Result:
    send, recv = open_memory_channel[int](0)
    scopes = [CancelScope() for _ in range(n)]

    async def sender(scope: CancelScope) -> None:
        with scope:
            await send.send(0)

    async with open_nursery() as nursery:
        for scope in scopes:
            nursery.start_soon(sender, scope)
        await until_sending(send, n)
        victims = [scopes[i] for i in cancel_order(order, n)]
        start = perf_counter()
        for scope in victims:
            scope.cancel()
    result = since(start, n)
    assert recv.statistics().tasks_waiting_send == 0
    return result


async def ring(n: int) -> Result:
    laps = n // RING_NODES
    pairs = [open_memory_channel[int](0) for _ in range(RING_NODES)]

    async def node(left: MemoryReceiveChannel[int], right: MemorySendChannel[int]) -> None:
        for _ in range(laps):
            await right.send(await left.receive())

    start = perf_counter()
    async with open_nursery() as nursery:
        for i in range(RING_NODES - 1):
            nursery.start_soon(node, pairs[i][1], pairs[i + 1][0])
        for lap in range(laps):
            await pairs[0][0].send(lap)
            await pairs[-1][1].receive()
    return since(start, laps * RING_NODES)


async def sieve(n: int) -> Result:
    async def generate(out: MemorySendChannel[int]) -> None:
        candidate = 2
        while True:
            await out.send(candidate)
            candidate += 1

    async def strain(prime: int, source: MemoryReceiveChannel[int], out: MemorySendChannel[int]) -> None:
        while True:
            candidate = await source.receive()
            if candidate % prime:
                await out.send(candidate)

    start = perf_counter()
    async with open_nursery() as nursery:
        send, source = open_memory_channel[int](0)
        nursery.start_soon(generate, send)
        prime = 0
        for _ in range(n):
            prime = await source.receive()
            send, recv = open_memory_channel[int](0)
            nursery.start_soon(strain, prime, source, send)
            source = recv
        seconds = perf_counter() - start
        nursery.cancel_scope.cancel()
    return per_item(seconds, sieve_hops(prime))


async def skynet(n: int) -> Result:
    async def node(parent: MemorySendChannel[int], first: int, leaves: int) -> None:
        if leaves == 1:
            await parent.send(first)
            return
        send, recv = open_memory_channel[int](SKYNET_CHILDREN)
        share = leaves // SKYNET_CHILDREN
        total = 0
        async with open_nursery() as nursery:
            for i in range(SKYNET_CHILDREN):
                nursery.start_soon(node, send, first + i * share, share)
            for _ in range(SKYNET_CHILDREN):
                total += await recv.receive()
        await parent.send(total)

    leaves = skynet_leaves(n)
    start = perf_counter()
    send, recv = open_memory_channel[int](0)
    async with open_nursery() as nursery:
        nursery.start_soon(node, send, 0, leaves)
        total = await recv.receive()
    result = since(start, leaves)
    assert total == leaves * (leaves - 1) // 2
    return result


async def sleepers(n: int) -> Result:
    durations = naps(n)
    start = process_time()
    async with open_nursery() as nursery:
        for seconds in durations:
            nursery.start_soon(trio.sleep, seconds)
    return per_item(process_time() - start, n, "cpu_ns")


async def fairness(n: int) -> Result:
    started = trio.Event()
    finished = False

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal finished
        async for data in stream:
            await stream.send_all(data)
            if data == echo.PING:
                started.set()
        finished = True

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    send, recv = open_memory_channel[int](1)
    async with open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        client = echo.Client(listeners[0].socket.getsockname()[1], n)
        await started.wait()
        spin = echo.Spin()
        while spin.goes_on(finished):
            await send.send(1)
            await recv.receive()
        nursery.cancel_scope.cancel()
    return spin.result() | client.result()


WORKLOADS = bind(
    trio.run,
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
        "cancel_newest": partial(cancel_storm, "newest"),
        "cancel_random": partial(cancel_storm, "random"),
        "ring": ring,
        "sieve": sieve,
        "skynet": skynet,
        "sleepers": sleepers,
        "fairness": fairness,
        **trio_locks.COROUTINES,
    },
)
