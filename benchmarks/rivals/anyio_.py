"""anyio on its asyncio backend with uvloop: memory object streams and task groups.

Left out: select, which anyio does not have.
"""

from __future__ import annotations

import math
from contextlib import suppress
from functools import partial
from time import perf_counter, process_time

import anyio
from anyio import CancelScope, create_memory_object_stream, create_task_group
from anyio.abc import SocketAttribute, SocketStream
from anyio.lowlevel import checkpoint
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from benchmarks import echo
from benchmarks.measure import AsyncWorkload, Result, bind, per_item, rss, since
from benchmarks.rivals import anyio_locks
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


async def send_range(send: MemoryObjectSendStream[int], n: int) -> None:
    for i in range(n):
        await send.send(i)


async def recv_count(recv: MemoryObjectReceiveStream[int], n: int) -> None:
    for _ in range(n):
        await recv.receive()


async def until_sending(send: MemoryObjectSendStream[int], senders: int) -> None:
    while send.statistics().tasks_waiting_send < senders:
        await checkpoint()


async def spawn_join(n: int) -> Result:
    counter = 0

    async def increment() -> None:
        nonlocal counter
        counter += 1

    start = perf_counter()
    async with create_task_group() as group:
        for _ in range(n):
            group.start_soon(increment)
    result = since(start, n)
    assert counter == n
    return result


async def parked(n: int) -> Result:
    async def park(recv: MemoryObjectReceiveStream[int]) -> None:
        with suppress(anyio.EndOfStream):
            await recv.receive()

    before = rss()
    start = perf_counter()
    send, recv = create_memory_object_stream[int](0)
    async with create_task_group() as group:
        for _ in range(n):
            group.start_soon(park, recv)
        while recv.statistics().tasks_waiting_receive < n:
            await checkpoint()
        grown = rss() - before
        send.close()
    recv.close()
    return since(start, n) | {"bytes": grown / n}


async def pingpong(n: int) -> Result:
    ping_send, ping_recv = create_memory_object_stream[int](0)
    pong_send, pong_recv = create_memory_object_stream[int](0)

    async def answer() -> None:
        for _ in range(n):
            await pong_send.send(await ping_recv.receive())

    with ping_send, ping_recv, pong_send, pong_recv:
        start = perf_counter()
        async with create_task_group() as group:
            group.start_soon(answer)
            for i in range(n):
                await ping_send.send(i)
                await pong_recv.receive()
        return since(start, n)


async def prodcons(capacity: float, n: int) -> Result:
    send, recv = create_memory_object_stream[int](capacity)
    with send, recv:
        start = perf_counter()
        async with create_task_group() as group:
            group.start_soon(send_range, send, n)
            await recv_count(recv, n)
        return since(start, n)


async def mpmc(n: int) -> Result:
    send, recv = create_memory_object_stream[int](MPMC_BUFFER)
    share = n // MPMC_PAIRS
    with send, recv:
        start = perf_counter()
        async with create_task_group() as group:
            for _ in range(MPMC_PAIRS):
                group.start_soon(send_range, send, share)
                group.start_soon(recv_count, recv, share)
        return since(start, share * MPMC_PAIRS)


async def channels(n: int) -> Result:
    before = rss()
    start = perf_counter()
    kept = [create_memory_object_stream[int](0) for _ in range(n)]
    result = since(start, n) | {"bytes": (rss() - before) / n}
    for send, recv in kept:
        send.close()
        recv.close()
    return result


async def fanin(n: int) -> Result:
    whole = draining = 0.0
    rounds = fanin_rounds(n)
    for _ in range(rounds):
        began = perf_counter()
        send, recv = create_memory_object_stream[int](FANIN_BUFFER)
        with send, recv:
            async with create_task_group() as group:
                for _ in range(n):
                    group.start_soon(send_range, send, 1)
                await until_sending(send, n - FANIN_BUFFER)
                start = perf_counter()
                await recv_count(recv, n)
            draining += perf_counter() - start
            whole += perf_counter() - began
    return per_item(whole, n * rounds) | per_item(draining, n * rounds, "drain_ns")


async def cancel_storm(order: str, n: int) -> Result:
    send, recv = create_memory_object_stream[int](0)
    scopes = [CancelScope() for _ in range(n)]

    async def sender(scope: CancelScope) -> None:
        with scope:
            await send.send(0)

    with send, recv:
        async with create_task_group() as group:
            for scope in scopes:
                group.start_soon(sender, scope)
            await until_sending(send, n)
            victims = [scopes[i] for i in cancel_order(order, n)]
            start = perf_counter()
            for scope in victims:
                scope.cancel()
        result = since(start, n)
        assert send.statistics().tasks_waiting_send == 0
        return result


async def ring(n: int) -> Result:
    laps = n // RING_NODES
    pairs = [create_memory_object_stream[int](0) for _ in range(RING_NODES)]

    async def node(left: MemoryObjectReceiveStream[int], right: MemoryObjectSendStream[int]) -> None:
        with left, right:
            for _ in range(laps):
                await right.send(await left.receive())

    start = perf_counter()
    async with create_task_group() as group:
        for i in range(RING_NODES - 1):
            group.start_soon(node, pairs[i][1], pairs[i + 1][0])
        with pairs[0][0] as first, pairs[-1][1] as last:
            for lap in range(laps):
                await first.send(lap)
                await last.receive()
    return since(start, laps * RING_NODES)


async def sieve(n: int) -> Result:
    async def generate(out: MemoryObjectSendStream[int]) -> None:
        with out:
            candidate = 2
            while True:
                await out.send(candidate)
                candidate += 1

    async def strain(prime: int, source: MemoryObjectReceiveStream[int], out: MemoryObjectSendStream[int]) -> None:
        with source, out:
            while True:
                candidate = await source.receive()
                if candidate % prime:
                    await out.send(candidate)

    start = perf_counter()
    async with create_task_group() as group:
        send, source = create_memory_object_stream[int](0)
        group.start_soon(generate, send)
        prime = 0
        for _ in range(n):
            prime = await source.receive()
            send, recv = create_memory_object_stream[int](0)
            group.start_soon(strain, prime, source, send)
            source = recv
        seconds = perf_counter() - start
        group.cancel_scope.cancel()
    source.close()
    return per_item(seconds, sieve_hops(prime))


async def skynet(n: int) -> Result:
    async def node(parent: MemoryObjectSendStream[int], first: int, leaves: int) -> None:
        if leaves == 1:
            await parent.send(first)
            return
        send, recv = create_memory_object_stream[int](SKYNET_CHILDREN)
        share = leaves // SKYNET_CHILDREN
        total = 0
        with send, recv:
            async with create_task_group() as group:
                for i in range(SKYNET_CHILDREN):
                    group.start_soon(node, send, first + i * share, share)
                for _ in range(SKYNET_CHILDREN):
                    total += await recv.receive()
        await parent.send(total)

    leaves = skynet_leaves(n)
    start = perf_counter()
    send, recv = create_memory_object_stream[int](0)
    with send, recv:
        async with create_task_group() as group:
            group.start_soon(node, send, 0, leaves)
            total = await recv.receive()
    result = since(start, leaves)
    assert total == leaves * (leaves - 1) // 2
    return result


async def sleepers(n: int) -> Result:
    durations = naps(n)
    start = process_time()
    async with create_task_group() as group:
        for seconds in durations:
            group.start_soon(anyio.sleep, seconds)
    return per_item(process_time() - start, n, "cpu_ns")


async def fairness(n: int) -> Result:
    started = anyio.Event()
    finished = False

    async def serve(stream: SocketStream) -> None:
        nonlocal finished
        async with stream:
            async for data in stream:
                await stream.send(data)
                if data == echo.PING:
                    started.set()
        finished = True

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    send, recv = create_memory_object_stream[int](1)
    with send, recv:
        async with listener, create_task_group() as group:
            group.start_soon(listener.serve, serve)
            client = echo.Client(listener.extra(SocketAttribute.local_port), n)
            await started.wait()
            spin = echo.Spin()
            while spin.goes_on(finished):
                await send.send(1)
                await recv.receive()
            group.cancel_scope.cancel()
    return spin.result() | client.result()


def run(workload: AsyncWorkload, n: int) -> Result:
    return anyio.run(workload, n, backend_options={"use_uvloop": True})


WORKLOADS = bind(
    run,
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
        **anyio_locks.COROUTINES,
    },
)
