"""What the programs among Go's tests check: relays, sieves, workers, mixers, and the helpers of typeparam/chans.go."""

from __future__ import annotations

import heapq
import itertools
import threading
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any

import pytest
from helpers import assert_conserved, settle

from goish import NIL, Chan, RecvChan, SendChan, WaitGroup, chan, go, gosched, num_goroutine, select

if TYPE_CHECKING:
    from conftest import Driver

PRIMES_TO_97 = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97]


# ── test/chan/goroutines.go ──


async def relay(left: SendChan[int], right: RecvChan[int]) -> None:
    await left.send(await right.recv() + 1)


async def test_value_passes_through_ten_thousand_goroutines(run: Driver) -> None:
    first = right = chan()
    for _ in range(10_000):
        left, right = right, chan()
        go(relay, left.sender, right.receiver)
    await right.send(0)
    assert await first.recv() == 10_000


# ── test/chan/sieve1.go: a chain of filters ──


async def generate(ch: SendChan[int]) -> None:
    for i in itertools.count(2):
        await ch.send(i)


async def keep_undivided(source: RecvChan[int], sink: SendChan[int], prime: int) -> None:
    async for i in source:
        if i % prime:
            await sink.send(i)


async def sieve(primes: SendChan[int]) -> None:
    ch = chan()
    go(generate, ch.sender)
    while True:
        prime = await ch.recv()
        await primes.send(prime)
        rest = chan()
        go(keep_undivided, ch.receiver, rest.sender, prime)
        ch = rest


async def test_chain_of_filters_gives_the_primes(run: Driver) -> None:
    primes = chan()
    go(sieve, primes.sender)
    assert [await primes.recv() for _ in PRIMES_TO_97] == PRIMES_TO_97


# ── test/chan/sieve2.go: primes feed the merge of their multiples, which feeds the primes; a proxy keeps them apart ──


async def multiples(prime: int, sink: SendChan[int]) -> None:
    for i in itertools.count(prime):
        await sink.send(prime * i)


async def merge_multiples(primes: RecvChan[int], composites: SendChan[int]) -> None:
    heads: list[tuple[int, int, Chan[int]]] = []

    async def next_prime() -> int:
        prime = await primes.recv()
        ch = chan(10)
        go(multiples, prime, ch.sender)
        heapq.heappush(heads, (await ch.recv(), prime, ch))
        return prime * prime

    largest = await next_prime()
    last = 0
    while True:
        least, prime, ch = heads[0]
        if least >= largest:
            largest = await next_prime()
            continue
        heapq.heapreplace(heads, (await ch.recv(), prime, ch))
        if least != last:
            await composites.send(least)
            last = least


async def buffer_without_bound(source: RecvChan[int], sink: SendChan[int]) -> None:
    waiting: list[int] = []
    while True:
        out = sink.send(waiting[0]) if waiting else None
        index, value, _ = await select(source.recv(), out)
        if index == 0:
            waiting.append(value)
        else:
            waiting.pop(0)


async def lazy_sieve(out: SendChan[int]) -> None:
    to_merge, merged_from, composites = chan(), chan(10), chan(50)
    go(buffer_without_bound, to_merge.receiver, merged_from.sender)
    go(merge_multiples, merged_from.receiver, composites.sender)
    await to_merge.send(2)
    await to_merge.send(3)
    await out.send(2)
    await out.send(3)
    composite = await composites.recv()
    for i in itertools.count(4):
        if i < composite:
            await to_merge.send(i)
            await out.send(i)
        else:
            composite = await composites.recv()


async def test_lazy_sieve_with_a_cycle_of_channels_gives_the_primes(run: Driver) -> None:
    primes = chan()
    go(lazy_sieve, primes.sender)
    assert [await primes.recv() for _ in PRIMES_TO_97] == PRIMES_TO_97


# ── chan_test.go: TestMultiConsumer ──


async def test_many_workers_hand_on_every_item(run: Driver) -> None:
    workers, items = 23, 27_182
    primes = [2, 3, 7, 11, 13, 17, 19, 23, 27, 31]
    jobs, results = chan(workers * 3), chan(workers * 3)
    wg = WaitGroup()
    expected = 0

    async def work(own: int) -> None:
        async for job in jobs:
            if job == own:
                await gosched()
            await results.send(job)

    async def feed() -> None:
        nonlocal expected
        for _, job in zip(range(items), itertools.cycle(primes)):
            expected += job
            await jobs.send(job)
        jobs.close()
        await wg.wait()
        results.close()

    for _, own in zip(range(workers), itertools.cycle(primes)):
        wg.go(work, own)
    go(feed)
    got = [job async for job in results]
    assert len(got) == items
    assert sum(got) == expected


@pytest.mark.parametrize("capacity", [0, 1, 64])
def test_workers_on_the_loops_of_other_threads_hand_on_every_item(run: Driver, capacity: int) -> None:
    threads, workers, items = 3, 5, 3000
    jobs, results = chan(capacity), chan(capacity)
    left = threads * workers  # workers that still live; they end one by one, under the lock
    lock = threading.Lock()

    async def work() -> None:
        nonlocal left
        while True:
            index, job, ok = await select(jobs.recv(), NIL.recv())
            assert index == 0
            if not ok:
                break
            await results.send(job)
        with lock:
            left -= 1
            if left == 0:
                results.close()

    async def work_together() -> None:
        wg = WaitGroup()
        for _ in range(workers):
            wg.go(work)
        await wg.wait()

    async def feed() -> None:
        for job in range(items):
            await jobs.send(job)
        jobs.close()

    async def main() -> list[int]:
        go(feed)
        return [job async for job in results]

    others = [threading.Thread(target=run, args=(work_together,), kwargs={"deadlock": "off"}) for _ in range(threads)]
    for other in others:
        other.start()
    got = run(main, deadlock="off")
    for other in others:
        other.join()
    assert_conserved(range(items), got)


# ── ken/chan.go: single and multiple senders and receivers, alone or through one select ──


async def send_each(channels: list[Chan[int]], values: int) -> None:
    wg = WaitGroup()

    async def send(k: int, ch: Chan[int]) -> None:
        for i in range(values):
            await ch.send(k * values + i)
            if i % 7 == k:
                await gosched()

    for k, ch in enumerate(channels):
        wg.go(send, k, ch)
    await wg.wait()


async def send_by_select(channels: list[Chan[int]], values: int) -> None:
    left = [iter(range(k * values, (k + 1) * values)) for k in range(len(channels))]
    upcoming = [next(values_of, None) for values_of in left]
    while any(value is not None for value in upcoming):
        cases = [None if value is None else ch.send(value) for ch, value in zip(channels, upcoming, strict=True)]
        index, _, _ = await select(*cases)
        upcoming[index] = next(left[index], None)


async def recv_each(channels: list[Chan[int]], into: list[list[int]]) -> None:
    wg = WaitGroup()

    async def recv(ch: Chan[int], got: list[int]) -> None:
        async for value in ch:
            got.append(value)

    for ch, got in zip(channels, into, strict=True):
        wg.go(recv, ch, got)
    await wg.wait()


async def recv_by_select(channels: list[Chan[int]], into: list[list[int]]) -> None:
    open_channels = [*channels]
    while any(ch is not NIL for ch in open_channels):
        index, value, ok = await select(*(ch.recv() for ch in open_channels))
        if ok:
            into[index].append(value)
        else:
            open_channels[index] = NIL


@pytest.mark.parametrize("capacity", [0, 1, 10])
@pytest.mark.parametrize("send", [send_each, send_by_select])
@pytest.mark.parametrize("recv", [recv_each, recv_by_select])
async def test_each_channel_keeps_its_order_however_it_is_used(
    run: Driver, send: Callable[..., Any], recv: Callable[..., Any], capacity: int
) -> None:
    values = 100
    channels = [chan(capacity) for _ in range(4)]
    got: list[list[int]] = [[] for _ in channels]

    async def send_and_close() -> None:
        await send(channels, values)
        for ch in channels:
            ch.close()

    go(send_and_close)
    await recv(channels, got)
    assert got == [list(range(k * values, (k + 1) * values)) for k in range(len(channels))]


# ── ken/chan1.go ──


async def test_each_item_goes_to_one_of_the_receivers(run: Driver) -> None:
    items, receivers = 1000, 10
    held = Counter[int]()
    per_receiver = Counter[int]()
    ch = chan()
    wg = WaitGroup()

    async def receive(me: int) -> None:
        while True:
            _, value, ok = await select(ch.recv())
            if not ok:
                return
            per_receiver[me] += 1
            assert held[value] == 1, "received although nobody had sent it, or twice"
            held[value] = 2

    for me in range(receivers):
        wg.go(receive, me)
    for i in range(items):
        assert held[i] == 0
        held[i] = 1
        await ch.send(i)
    ch.close()
    await wg.wait()
    assert all(held[i] == 2 for i in range(items))
    assert len(per_receiver) == receivers
    assert sum(per_receiver.values()) == items


# ── typeparam/chans.go ──


async def read_all(ch: RecvChan[Any]) -> list[Any]:
    return [value async for value in ch]


def merge(first: RecvChan[Any], second: RecvChan[Any]) -> RecvChan[Any]:
    merged = chan()

    async def pump() -> None:
        sources: list[RecvChan[Any] | Chan[Any]] = [first, second]
        while any(source is not NIL for source in sources):
            index, value, ok = await select(*(source.recv() for source in sources))
            if ok:
                await merged.send(value)
            else:
                sources[index] = NIL
        merged.close()

    go(pump)
    return merged.receiver


def keep(source: RecvChan[Any], wanted: Callable[[Any], bool]) -> RecvChan[Any]:
    kept = chan()

    async def pump() -> None:
        async for value in source:
            if wanted(value):
                await kept.send(value)
        kept.close()

    go(pump)
    return kept.receiver


def sink() -> SendChan[Any]:
    ch = chan()

    async def swallow() -> None:
        async for _ in ch:
            pass

    go(swallow)
    return ch.sender


def source_of(values: Iterable[Any]) -> RecvChan[Any]:
    ch = chan()

    async def produce() -> None:
        for value in values:
            await ch.send(value)
        ch.close()

    go(produce)
    return ch.receiver


class Exclusive:
    """A value that one goroutine at a time may have."""

    def __init__(self, value: Any) -> None:
        self._ch = chan(1)
        self._ch.try_send(value)

    async def acquire(self) -> Any:
        return await self._ch.recv()

    def try_acquire(self) -> tuple[Any, bool]:
        return self._ch.try_recv_ok() or (None, False)

    def release(self, value: Any) -> None:
        assert self._ch.try_send(value), "released twice"


def ranger() -> tuple[Sender, Receiver]:
    """A pair whose sender learns that the receiver has gone, instead of waiting for ever."""
    ch, gone = chan(), chan()
    receiver = Receiver(ch, gone)
    weakref.finalize(receiver, gone.close_once)
    return Sender(ch, gone), receiver


class Sender:
    def __init__(self, ch: Chan[Any], gone: Chan[Any]) -> None:
        self._ch, self._gone = ch, gone

    async def send(self, value: Any) -> bool:
        index, _, _ = await select(self._ch.send(value), self._gone.recv())
        return index == 0

    def close(self) -> None:
        self._ch.close()


class Receiver:
    def __init__(self, ch: Chan[Any], gone: Chan[Any]) -> None:
        self._ch, self._gone = ch, gone

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._ch.receiver.__aiter__()

    async def next(self) -> tuple[Any, bool]:
        return await self._ch.recv_ok()


async def test_read_all_gives_everything_in_order() -> None:
    assert await read_all(source_of(range(5))) == list(range(5))


async def test_merge_gives_everything_of_both_and_ends_after_both() -> None:
    assert sorted(await read_all(merge(source_of([1, 3, 5]), source_of([2, 4, 6, 8])))) == [1, 2, 3, 4, 5, 6, 8]


async def test_filter_keeps_order_and_end() -> None:
    assert await read_all(keep(source_of(range(10)), lambda i: bool(i % 2 == 0))) == [0, 2, 4, 6, 8]


async def test_sink_takes_everything_and_ends_with_its_channel(run: Driver) -> None:
    others = num_goroutine()
    into = sink()
    for i in range(100):
        await into.send(i)
    into.close()
    await settle()
    assert num_goroutine() == others


async def test_exclusive_value_has_one_owner_at_a_time(spawn: Callable[..., Any]) -> None:
    counter = Exclusive([0])
    owners = 0

    async def work() -> None:
        nonlocal owners
        for _ in range(50):
            value = await counter.acquire()
            owners += 1
            assert owners == 1
            await gosched()
            value[0] += 1
            owners -= 1
            counter.release(value)

    for handle in [spawn(work) for _ in range(10)]:
        await handle
    value, ok = counter.try_acquire()
    assert (value, ok) == ([500], True)
    assert counter.try_acquire() == (None, False)


async def test_sender_of_a_ranger_learns_that_the_receiver_has_gone(run: Driver) -> None:
    sender, receiver = ranger()
    sent = []

    async def produce() -> None:
        for i in itertools.count():
            sent.append(await sender.send(i))
            if not sent[-1]:
                return

    g = go(produce)
    assert await receiver.next() == (0, True)
    assert await receiver.next() == (1, True)
    del receiver
    await g
    assert sent == [True, True, False]


async def test_receiver_of_a_ranger_sees_the_end(run: Driver) -> None:
    sender, receiver = ranger()

    async def produce() -> None:
        for i in range(3):
            assert await sender.send(i)
        sender.close()

    go(produce)
    assert [value async for value in receiver] == [0, 1, 2]
    assert await receiver.next() == (None, False)


# ── a server on a channel of channels ──


async def test_requests_carry_the_channel_for_their_reply(spawn: Callable[..., Any]) -> None:
    requests = chan()
    replies: list[int] = []

    async def serve() -> None:
        async for number, reply in requests:
            await reply.send(number * number)

    async def ask(number: int) -> None:
        reply = chan()
        await requests.send((number, reply.sender))
        replies.append(await reply.recv())

    server = spawn(serve)
    for client in [spawn(ask, i) for i in range(100)]:
        await client
    requests.close()
    await server
    assert_conserved([i * i for i in range(100)], replies)
