"""What is freed, when, and how: nests without recursion, cycles by the collector, large buffers once they are empty.

Not here: who must not be collected (test_waiters.py), values that the channel drops (test_reentrancy.py).
"""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
import textwrap
import tracemalloc
import weakref
from collections.abc import Callable, Generator
from typing import Any

import pytest
from helpers import ENDS, outcome, settle

from goish import EMPTY, Chan, Goroutine, Op, PriorityChan, chan, go, select

# ── nests: recursion would overflow the C stack, so each is freed in a process of its own ──

NESTS = {
    "results of goroutines": """
        async def nested():
            g = None
            for _ in range(DEPTH):
                g = go(give, g)
                await gosched()
            return g
    """,
    "goroutines awaiting goroutines": """
        async def nested():
            g = go(give, None)
            for _ in range(DEPTH):
                g = go(join, g)
            return g
    """,
    "results and joins by turns": """
        async def nested():
            g = None
            for _ in range(DEPTH):
                g = go(give, go(give, g))
                await g
            return g
    """,
    "ops with goroutines": """
        async def nested():
            ch = chan()
            g = None
            for _ in range(DEPTH):
                g = go(give, ch.send(g))
                await gosched()
            return g
    """,
    "values of sends": """
        async def nested():
            ch, op = chan(), None
            for _ in range(DEPTH):
                op = ch.send(op)
            return op
    """,
    "values of sends with a priority": """
        async def nested():
            ch, op = PriorityChan(), None
            for _ in range(DEPTH):
                op = ch.send(op, priority=1.0)
            return op
    """,
    "cases of selects": """
        async def nested():
            ch, op = chan(), None
            for _ in range(DEPTH):
                op = select(ch.send(op), ch.recv())
            return op
    """,
    "targets of ops": """
        async def nested():
            op = None
            for _ in range(DEPTH):
                ch = chan(1)
                ch.try_send(op)
                op = ch.recv()
            return op
    """,
    "channels in channels": """
        async def nested():
            inner = None
            for _ in range(DEPTH):
                ch = chan(1)
                ch.try_send(inner)
                inner = ch
            return inner
    """,
    "views in priority channels": """
        async def nested():
            inner = None
            for _ in range(DEPTH):
                ch = PriorityChan(1)
                ch.try_send(inner)
                inner = ch.receiver
            return inner
    """,
    "hooks of channels": """
        async def nested():
            inner = print
            for _ in range(DEPTH):
                inner = chan(1, on_undelivered=inner.try_send if inner is not print else inner)
            return inner
    """,
}

FREED = """
DEPTH = 50_000

async def give(value):
    return value

async def join(g):
    await g

async def main():
    nest = await nested()
    if isinstance(nest, Goroutine):
        await nest
    await gosched()
    del nest
    await gosched()
    assert num_goroutine() == 1
    print("freed", flush=True)

threading.stack_size(512 * 1024)  # on which recursion overflows soon
thread = threading.Thread(target=run, args=(main,))
thread.start()
thread.join()
print("done")
"""


@pytest.mark.parametrize("nest", NESTS)
def test_a_deep_nest_is_freed_without_recursion(nest: str) -> None:
    code = "import threading\nfrom goish import *\n" + textwrap.dedent(NESTS[nest]) + FREED
    done = subprocess.run([sys.executable, "-Wignore", "-c", code], capture_output=True, text=True, timeout=ENDS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "freed\ndone\n", "")


# ── cycles ──


class Holder:
    """Holds whatever is put on it; a weak reference tells when it is gone."""

    def __init__(self) -> None:
        self.ch: Chan[Any] = chan(1, on_undelivered=self.undelivered)
        self.held: Any = None

    def undelivered(self, value: object) -> None:
        pass


@pytest.fixture
def born() -> Generator[Callable[[], Holder]]:
    """Makes holders, of which none is left at the end."""
    holders: list[weakref.ref[Holder]] = []

    def make() -> Holder:
        holder = Holder()
        holders.append(weakref.ref(holder))
        return holder

    yield make
    for _ in range(3):
        gc.collect()
    assert holders
    left = [ref() for ref in holders if ref() is not None]
    assert left == []


async def received(holder: Holder) -> None:
    """An op that had to wait and got its value."""
    ch: Chan[Any] = chan(on_undelivered=holder.undelivered)
    holder.held = ch.recv()
    g = go(awaiting, holder.held)
    await settle()
    ch.try_send(1)
    assert await g == 1


async def sent(holder: Holder) -> None:
    ch: Chan[Any] = chan(on_undelivered=holder.undelivered)
    holder.held = ch.send(holder)
    g = go(awaiting, holder.held)
    await settle()
    assert ch.try_recv_ok() == (holder, True)
    await g


async def selected(holder: Holder) -> None:
    ch: Chan[Any] = chan(on_undelivered=holder.undelivered)
    holder.held = select(ch.recv(), holder.ch.recv())
    g = go(awaiting, holder.held)
    await settle()
    ch.try_send(1)
    assert await g == (0, 1, True)


async def cases_kept(holder: Holder) -> None:
    ch: Chan[Any] = chan(on_undelivered=holder.undelivered)
    holder.held = [ch.recv(), holder.ch.recv()]
    g = go(awaiting, select(*holder.held))
    await settle()
    ch.try_send(1)
    assert await g == (0, 1, True)


async def cancelled(holder: Holder) -> None:
    holder.held = holder.ch.recv()
    g = go(awaiting, holder.held)
    await settle()
    g.cancel()
    await outcome(g)


async def op_cancelled(holder: Holder) -> None:
    holder.held = holder.ch.recv()
    g = go(awaiting, holder.held)
    await settle()
    assert holder.held.cancel()
    await outcome(g)


async def closed(holder: Holder) -> None:
    holder.held = holder.ch.recv()
    g = go(awaiting, holder.held)
    await settle()
    holder.ch.close()
    await outcome(g)


async def closed_by_hand(holder: Holder) -> None:
    holder.held = holder.ch.recv()
    g = go(awaiting, holder.held)
    await settle()
    g.get_coro().close()  # type: ignore[union-attr]
    await outcome(g)


async def joined(holder: Holder) -> None:
    holder.held = go(give, holder)
    assert await holder.held is holder


async def never_awaited(holder: Holder) -> None:
    holder.held = [holder.ch.recv(), holder.ch.send(holder), select(holder.ch.send(holder))]


async def awaiting(op: Op[Any] | Goroutine[Any]) -> Any:
    return await op


async def give(value: Any) -> Any:
    return value


async def awaiting_goroutine() -> None:
    await go(give, None)


KEPT = [
    received,
    sent,
    selected,
    cases_kept,
    cancelled,
    op_cancelled,
    closed,
    closed_by_hand,
    joined,
    never_awaited,
]


@pytest.mark.parametrize("use", KEPT, ids=lambda use: use.__name__)
def test_an_op_that_is_kept_after_its_await_is_seen_by_the_collector(
    born: Callable[[], Holder], run: Any, use: Callable[[Holder], Any]
) -> None:
    """object -> op -> channel -> hook of the object: a cycle like any other once nobody waits."""

    async def main() -> None:
        for _ in range(5):
            await use(born())

    run(main)


@pytest.mark.parametrize("use", KEPT, ids=lambda use: use.__name__)
def test_a_kept_op_that_a_task_awaited_is_seen_by_the_collector(
    born: Callable[[], Holder], run_foreign: Any, use: Callable[[Holder], Any]
) -> None:
    async def main() -> None:
        for _ in range(5):
            await use(born())

    run_foreign(main)
    run_foreign(awaiting_goroutine)  # another loop: of the closed one nothing is kept


def put_itself(holder: Holder) -> None:
    holder.ch.try_send(holder)


def put_its_channel(holder: Holder) -> None:
    holder.ch.try_send(holder.ch)


def put_a_view(holder: Holder) -> None:
    holder.ch.try_send((holder.ch.sender, holder.ch.receiver))


def put_into_a_wrapped_ring(holder: Holder) -> None:
    holder.held = chan(8)
    for i in range(6):
        holder.held.try_send(i)
    for _ in range(6):
        holder.held.try_recv_ok()
    for _ in range(5):
        holder.held.try_send(holder)


def put_into_a_heap(holder: Holder) -> None:
    holder.held = PriorityChan()
    for priority in (3, 1, 2):
        holder.held.try_send(holder, priority=priority)


def put_into_a_ring_of_another(holder: Holder) -> None:
    between: list[Chan[Any]] = [chan(2) for _ in range(50)]
    for ch, following in itertools.pairwise(between):
        ch.try_send(following)
    between[-1].try_send(holder)
    holder.held = between[0]


def put_and_closed(holder: Holder) -> None:
    holder.ch.try_send(holder)
    holder.ch.close()


def put_an_op(holder: Holder) -> None:
    holder.ch.try_send(holder.ch.send(holder))


PUT = [
    put_itself,
    put_its_channel,
    put_a_view,
    put_into_a_wrapped_ring,
    put_into_a_heap,
    put_into_a_ring_of_another,
    put_and_closed,
    put_an_op,
]


@pytest.mark.parametrize("put", PUT, ids=lambda put: put.__name__)
def test_a_cycle_through_what_is_buffered_is_collected(
    born: Callable[[], Holder], put: Callable[[Holder], None]
) -> None:
    for _ in range(5):
        put(born())


def test_what_is_buffered_in_a_channel_that_is_held_is_not_collected() -> None:
    ch: Chan[Any] = chan(3)
    for _ in range(3):
        holder = Holder()
        holder.held = ch
        ch.try_send(holder)
    del holder
    gc.collect()
    assert [value.held is ch for value in ch.try_recv_many()] == [True] * 3


# ── large buffers ──

MANY = 80_000  # a ring of 1 MiB
LITTLE = 256 * 1024  # what the rest of the process may do meanwhile


@pytest.fixture
def grown() -> Generator[Callable[[], int]]:
    """How many bytes are in use that were not before the test."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    yield lambda: tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()


def one_by_one(ch: Chan[Any]) -> None:
    while ch.try_recv_ok() is not EMPTY:
        pass


def in_batches(ch: Chan[Any]) -> None:
    while ch.try_recv_many(1000):
        pass


def all_at_once(ch: Chan[Any]) -> None:
    assert len(ch.try_recv_many()) == MANY


def after_the_close(ch: Chan[Any]) -> None:
    ch.close()
    while ch.try_recv_ok() != (None, False):
        pass


@pytest.mark.parametrize("make", [chan, PriorityChan], ids=["ring", "heap"])
@pytest.mark.parametrize(
    "drain", [one_by_one, in_batches, all_at_once, after_the_close], ids=lambda drain: drain.__name__
)
def test_a_large_buffer_gives_its_memory_back_when_it_is_empty(
    grown: Callable[[], int], make: Callable[[float], Chan[Any]], drain: Callable[[Chan[Any]], None]
) -> None:
    ch = make(float("inf"))
    value = object()
    for _ in range(3):
        for _ in range(MANY):
            ch.try_send(value)
        assert grown() > LITTLE
        drain(ch)
        assert grown() < LITTLE
        if ch.closed:
            break


@pytest.mark.parametrize("make", [chan, PriorityChan], ids=["ring", "heap"])
def test_a_large_buffer_is_freed_with_its_channel(grown: Callable[[], int], make: Callable[[float], Chan[Any]]) -> None:
    ch = make(float("inf"))
    for _ in range(MANY):
        ch.try_send(b"")
    assert grown() > LITTLE
    del ch
    assert grown() < LITTLE


async def test_a_large_buffer_emptied_by_receivers_gives_its_memory_back(run: Any, grown: Callable[[], int]) -> None:
    ch: Chan[Any] = chan(float("inf"))
    before = grown()  # the loop itself may be large
    for _ in range(MANY):
        await ch.send(None)
    assert grown() - before > LITTLE
    for _ in range(MANY):
        await ch.recv()
    assert grown() - before < LITTLE


def test_a_channel_that_holds_nothing_has_no_buffer(grown: Callable[[], int]) -> None:
    """However large its capacity."""
    channels = [chan(1_000_000) for _ in range(100)]
    assert grown() < LITTLE
    del channels
