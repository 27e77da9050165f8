"""gevent: greenlets, `Channel` for a rendezvous and `SimpleQueue` for a buffer.

Left out: select, which gevent has for sockets only; fan-ins of 100 000 and more, where a value costs the more the more
senders there are.  A waiting greenlet keeps some 8 KiB, so no million of them.  `parked` waits for an event.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter, process_time
from typing import TypeAlias

import gevent
from gevent.event import Event
from gevent.queue import Channel, SimpleQueue
from gevent.server import StreamServer
from gevent.socket import socket

from benchmarks import echo
from benchmarks.measure import Result, Workloads, per_item, rss, since
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

Queue: TypeAlias = Channel | SimpleQueue


def put_range(queue: Queue, n: int) -> None:
    for i in range(n):
        queue.put(i)


def get_count(queue: Queue, n: int) -> None:
    for _ in range(n):
        queue.get()


def spawn_join(n: int) -> Result:
    counter = 0

    def increment() -> None:
        nonlocal counter
        counter += 1

    start = perf_counter()
    gevent.joinall([gevent.spawn(increment) for _ in range(n)])
    result = since(start, n)
    assert counter == n
    return result


def parked(n: int) -> Result:
    before = rss()
    start = perf_counter()
    event = Event()
    greenlets = [gevent.spawn(event.wait) for _ in range(n)]
    gevent.sleep(0)
    grown = rss() - before
    event.set()
    gevent.joinall(greenlets)
    return since(start, n) | {"bytes": grown / n}


def pingpong(n: int) -> Result:
    ping, pong = Channel(), Channel()

    def answer() -> None:
        for _ in range(n):
            pong.put(ping.get())

    start = perf_counter()
    gevent.spawn(answer)
    for i in range(n):
        ping.put(i)
        pong.get()
    return since(start, n)


def prodcons(make: Callable[[], Queue], n: int) -> Result:
    queue = make()
    start = perf_counter()
    producer = gevent.spawn(put_range, queue, n)
    get_count(queue, n)
    producer.join()
    return since(start, n)


def mpmc(n: int) -> Result:
    queue = SimpleQueue(MPMC_BUFFER)
    share = n // MPMC_PAIRS
    start = perf_counter()
    gevent.joinall([gevent.spawn(work, queue, share) for _ in range(MPMC_PAIRS) for work in (put_range, get_count)])
    return since(start, share * MPMC_PAIRS)


def channels(n: int) -> Result:
    before = rss()
    start = perf_counter()
    kept = [Channel() for _ in range(n)]
    result = since(start, n)
    return result | {"bytes": (rss() - before) / len(kept)}


def fanin(n: int) -> Result:
    whole = draining = 0.0
    rounds = fanin_rounds(n)
    for _ in range(rounds):
        began = perf_counter()
        queue = SimpleQueue(FANIN_BUFFER)
        senders = [gevent.spawn(put_range, queue, 1) for _ in range(n)]
        gevent.sleep(0)
        start = perf_counter()
        get_count(queue, n)
        gevent.joinall(senders)
        draining += perf_counter() - start
        whole += perf_counter() - began
    return per_item(whole, n * rounds) | per_item(draining, n * rounds, "drain_ns")


def cancel_storm(order: str, n: int) -> Result:
    channel = Channel()
    senders = [gevent.spawn(put_range, channel, 1) for _ in range(n)]
    gevent.sleep(0)
    victims = [senders[i] for i in cancel_order(order, n)]
    start = perf_counter()
    gevent.killall(victims)
    result = since(start, n)
    assert channel.balance == 0
    return result


def ring(n: int) -> Result:
    laps = n // RING_NODES
    chans = [Channel() for _ in range(RING_NODES)]

    def node(left: Queue, right: Queue) -> None:
        for _ in range(laps):
            right.put(left.get())

    start = perf_counter()
    for i in range(RING_NODES - 1):
        gevent.spawn(node, chans[i], chans[i + 1])
    for lap in range(laps):
        chans[0].put(lap)
        chans[-1].get()
    return since(start, laps * RING_NODES)


def sieve(n: int) -> Result:
    def generate(out: Queue) -> None:
        candidate = 2
        while True:
            out.put(candidate)
            candidate += 1

    def strain(prime: int, source: Queue, out: Queue) -> None:
        while True:
            candidate = source.get()
            if candidate % prime:
                out.put(candidate)

    start = perf_counter()
    source = Channel()
    greenlets = [gevent.spawn(generate, source)]
    prime = 0
    for _ in range(n):
        prime = source.get()
        out = Channel()
        greenlets.append(gevent.spawn(strain, prime, source, out))
        source = out
    seconds = perf_counter() - start
    gevent.killall(greenlets)
    return per_item(seconds, sieve_hops(prime))


def skynet(n: int) -> Result:
    def node(parent: Queue, first: int, leaves: int) -> None:
        if leaves == 1:
            parent.put(first)
            return
        children = SimpleQueue()
        share = leaves // SKYNET_CHILDREN
        for i in range(SKYNET_CHILDREN):
            gevent.spawn(node, children, first + i * share, share)
        parent.put(sum(children.get() for _ in range(SKYNET_CHILDREN)))

    leaves = skynet_leaves(n)
    start = perf_counter()
    root = SimpleQueue()
    gevent.spawn(node, root, 0, leaves)
    total = root.get()
    result = since(start, leaves)
    assert total == leaves * (leaves - 1) // 2
    return result


def sleepers(n: int) -> Result:
    durations = naps(n)
    start = process_time()
    gevent.joinall([gevent.spawn(gevent.sleep, seconds) for seconds in durations])
    return per_item(process_time() - start, n, "cpu_ns")


def fairness(n: int) -> Result:
    started, finished = Event(), Event()

    def serve(connection: socket, _address: tuple[str, int]) -> None:
        while data := connection.recv(64):
            connection.sendall(data)
            if data == echo.PING:
                started.set()
        finished.set()

    server = StreamServer(("127.0.0.1", 0), serve)
    server.start()
    client = echo.Client(server.server_port, n)
    started.wait()
    queue = SimpleQueue(1)
    spin = echo.Spin()
    while spin.goes_on(finished.is_set()):
        queue.put(1)
        queue.get()
    return spin.result() | client.result()


WORKLOADS: Workloads = {
    "spawn_join": spawn_join,
    "parked": parked,
    "pingpong": pingpong,
    "prodcons_0": partial(prodcons, Channel),
    "prodcons_1": partial(prodcons, partial(SimpleQueue, 1)),
    "prodcons_1024": partial(prodcons, partial(SimpleQueue, 1024)),
    "prodcons_unbounded": partial(prodcons, SimpleQueue),
    "mpmc": mpmc,
    "channels": channels,
    "fanin_1k": fanin,
    "fanin_10k": fanin,
    "cancel_newest": partial(cancel_storm, "newest"),
    "cancel_random": partial(cancel_storm, "random"),
    "ring": ring,
    "sieve": sieve,
    "skynet": skynet,
    "sleepers": sleepers,
    "fairness": fairness,
}
