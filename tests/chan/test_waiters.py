"""Rules 20 and 21: waiting leaves nothing on quiet channels, leaving is cheap, and who waits is not lost."""

from __future__ import annotations

import asyncio
import gc
import random
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from helpers import FREE_THREADED, outcome, settle, turn, until, waiting

import goish
from goish import Chan, chan, go, select, sleep

Spawn = Callable[..., Any]


# ── rule 20: removal ──


async def select_beside_silence(rounds: int, spawn: Spawn) -> None:
    busy, silent, sink = chan(), chan(), chan()

    async def producer() -> None:
        for i in range(rounds):
            await busy.send(i)

    p = spawn(producer)
    most = 0
    for i in range(rounds):
        assert await select(busy.recv(), silent.recv(), sink.send(i)) == (0, i, True)
        senders, receivers = waiting(sink)[0], waiting(silent)[1]
        most = max(most, senders, receivers)
    await p
    assert most == 0
    assert (waiting(busy), waiting(silent), waiting(sink)) == ((0, 0), (0, 0), (0, 0))


async def test_nothing_stacks_up_on_quiet_channels(spawn: Spawn) -> None:
    """Rule 20: a select that was won elsewhere has left the silent channel when it returns."""
    await select_beside_silence(2000, spawn)


@pytest.mark.million
def test_nothing_stacks_up_on_quiet_channels_in_a_million_rounds(run: Any) -> None:
    """Rule 20: and the number of objects stays what it was."""

    async def main() -> None:
        await select_beside_silence(1000, run.spawn)
        gc.collect()
        before = len(gc.get_objects())
        await select_beside_silence(1_000_000, run.spawn)
        gc.collect()
        assert len(gc.get_objects()) <= before + 100

    run(main)


async def test_a_waiting_select_stands_once_at_each_channel(spawn: Spawn) -> None:
    """Rule 20: at most one entry on the silent channel, at any time."""
    busy, silent = chan(), chan()

    async def selector() -> None:
        while (await select(busy.recv(), silent.recv()))[0] == 0:
            pass

    s = spawn(selector)
    for i in range(200):
        await until(lambda: waiting(busy) == (0, 1))
        assert waiting(silent) == (0, 1)
        assert busy.try_send(i)
        assert waiting(silent)[1] <= 1
    await settle()
    assert silent.try_send("end")
    await s


async def cancel_in_any_order(n: int, spawn: Spawn, rng: random.Random) -> None:
    ch: Chan[int] = chan()
    waits = [spawn(lambda: outcome(ch.recv())) for _ in range(n)]
    await until(lambda: waiting(ch) == (0, n))
    order = list(range(n))
    rng.shuffle(order)
    for left, i in zip(range(n - 1, -1, -1), order, strict=True):
        waits[i].cancel()
        assert waiting(ch) == (0, left)
    await until(lambda: all(w.done() for w in waits))
    assert {w.result() for w in waits} == {asyncio.CancelledError}


async def test_waiters_leave_from_anywhere(spawn: Spawn, rng: random.Random) -> None:
    """Rule 20: cancelled in any order, each leaves the queue at once."""
    await cancel_in_any_order(2000, spawn, rng)


@pytest.mark.slow
async def test_leaving_a_long_queue_is_no_search(spawn: Spawn, rng: random.Random) -> None:
    """Rule 20: 10^5 in any order; with a search for each it would take many minutes."""
    await cancel_in_any_order(100_000, spawn, rng)


@pytest.mark.parametrize("kind", ["recv", "send", "select"])
async def test_a_wait_that_is_over_keeps_nothing_alive(spawn: Spawn, kind: str) -> None:
    """Rule 20: values, channels and ops are freed as soon as nobody uses them."""

    class Thing:
        pass

    async def use() -> weakref.ref[Any]:
        ch: Chan[Any] = chan()
        thing = Thing()
        ref = weakref.ref(thing)

        async def receiver() -> None:
            if kind == "recv":
                await ch.recv()
            else:
                await select(ch.recv(), ch.recv(), chan().recv())

        async def sender(value: Thing) -> None:
            await ch.send(value)

        if kind == "send":
            s = spawn(sender, thing)
            await settle()
            assert ch.try_recv_ok() == (thing, True)
        else:
            s = spawn(receiver)
            await settle()
            assert ch.try_send(thing)
        await s
        return ref

    ref = await use()
    await settle()
    assert ref() is None


async def test_a_buffer_keeps_no_value_it_has_given(spawn: Spawn) -> None:
    """Rule 20: slots of the ring are emptied."""

    class Thing:
        pass

    ch: Chan[Any] = chan(4)
    refs = []
    for _ in range(10):
        thing = Thing()
        refs.append(weakref.ref(thing))
        ch.try_send(thing)
        del thing
        ch.try_recv_ok()
    assert [ref() for ref in refs] == [None] * 10


async def test_a_channel_that_dies_frees_its_values() -> None:
    """Rule 20: what nobody can receive any more is not kept."""

    class Thing:
        pass

    ch: Chan[Any] = chan(4)
    ch.try_send(Thing())
    ref = weakref.ref(ch.peek_item())
    del ch
    assert ref() is None


# ── rule 21: who waits is not collected ──


class Marker:
    """A local of a parked goroutine; dies with it."""


def test_a_parked_goroutine_is_not_collected(run: Any) -> None:
    """Rule 21: all references dropped and collected, it lives, is counted, is told as a leak, and its finally runs."""
    markers: weakref.WeakSet[Marker] = weakref.WeakSet()
    ended = []

    async def lost(i: int) -> None:
        marker = Marker()
        markers.add(marker)
        try:
            await (chan().recv(), chan().send(i), select(chan().recv(), chan(1).recv()))[i % 3]
        finally:
            ended.append(i)

    async def main() -> None:
        for i in range(30):
            go(lost, i)
        await settle()
        for _ in range(3):
            gc.collect()
        assert len(markers) == 30
        assert goish.num_goroutine() == 31
        assert not ended
        assert FREE_THREADED or len(goish.debug.leaks()) == 30

    run(main)
    assert sorted(ended) == list(range(30))
    assert len(markers) == 0


def test_a_parked_goroutine_of_a_foreign_loop_is_not_collected(run_foreign: Any) -> None:
    """Rule 21: the same where asyncio.run ends the program."""
    ended = []

    async def lost() -> None:
        try:
            await chan().recv()
        finally:
            ended.append(1)

    async def main() -> None:
        for _ in range(30):
            go(lost)
        await settle()
        for _ in range(3):
            gc.collect()
        assert goish.num_goroutine() == 30
        assert not ended
        assert FREE_THREADED or len(goish.debug.leaks()) == 30

    run_foreign(main)
    assert len(ended) == 30


@pytest.mark.skipif(FREE_THREADED, reason="leaks() counts references, which takes the GIL")
async def test_only_the_lost_are_leaks() -> None:
    """Rule 21: whose channel somebody holds may still be woken; sleepers wake by themselves."""
    held: Chan[int] = chan()
    goroutines = [go(lambda: outcome(held.recv())), go(lambda: outcome(sleep(3600.0))), go(lambda: outcome(turn()))]
    go(lambda: outcome(chan().recv()))
    await settle()
    (lost,) = goish.debug.leaks()
    assert lost not in goroutines
    lost.cancel()
    for g in goroutines:
        g.cancel()
    await settle()


async def test_a_goroutine_that_has_ended_is_freed() -> None:
    """Rule 21: being a root ends with it, also when it is part of a cycle."""
    markers: weakref.WeakSet[Marker] = weakref.WeakSet()

    async def short() -> Marker:
        marker = Marker()
        markers.add(marker)
        await settle()
        return marker

    async def cyclic() -> None:
        me = goish.current_goroutine()
        marker = Marker()
        marker.me = me  # type: ignore[attr-defined]
        markers.add(marker)
        await settle()

    for _ in range(10):
        go(short)
        go(cyclic)
    await settle()
    assert len(markers) == 20
    await settle(30)
    gc.collect()
    assert len(markers) == 0
