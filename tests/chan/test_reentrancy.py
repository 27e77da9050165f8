"""Rule 22: user code that runs within an operation may use the same channel: finalizers, hooks, signal handlers.

And user code that has no business there never runs: nothing compares, hashes or inspects the values that travel.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import itertools
import signal
from collections.abc import Callable, Generator
from typing import Any

import pytest
from alarms import alarms
from helpers import outcome, settle, waiting

from goish import Chan, PriorityChan, SendOnClosed, chan, go, gosched, select, try_select

Spawn = Callable[..., Any]


class Finalizer:
    """Calls ``act`` when it is freed; remembers what that raised."""

    def __init__(self, act: Callable[[], object], failures: list[BaseException]) -> None:
        self.act = act
        self.failures = failures

    def __del__(self) -> None:
        try:
            self.act()
        except BaseException as exc:
            self.failures.append(exc)


def acts_on(ch: Chan[Any]) -> dict[str, Callable[[], object]]:
    calls = itertools.count()
    return {
        "try_send": lambda: ch.try_send("from __del__"),
        "try_recv_ok": lambda: ch.try_recv_ok(),
        "try_recv_many": lambda: ch.try_recv_many(),
        "try_select": lambda: try_select(ch.recv(), ch.send("from __del__")),
        "close": lambda: ch.close_once(),
        "statistics": lambda: ch.statistics(),
        "collect": lambda: next(calls) % 8 or gc.collect(0),  # without the GIL that is a collection of the whole heap
    }


ACTS = list(acts_on(chan(1)))


# ── values whose finalizers use the channel that drops them ──


@pytest.mark.parametrize("act", ACTS)
async def test_a_dropped_value_may_use_the_channel_that_drops_it(spawn: Spawn, act: str) -> None:
    """Rule 22: dropped to make room, withdrawn by a cancel, received and forgotten, or refused."""
    failures: list[BaseException] = []
    for overflow in ("drop_oldest", "drop_newest"):
        ch: Chan[Any] = chan(2, overflow=overflow)
        do = tolerant(acts_on(ch)[act])
        for _ in range(20):
            with contextlib.suppress(SendOnClosed):
                await ch.send(Finalizer(do, failures))
            with contextlib.suppress(SendOnClosed):
                ch.try_send(Finalizer(do, failures))
        ch.try_recv_many()
    for capacity in (0, 1):
        ch = chan(capacity)
        do = tolerant(acts_on(ch)[act])

        async def sender(ch: Chan[Any] = ch, do: Callable[[], object] = do) -> None:
            with contextlib.suppress(SendOnClosed):
                await ch.send(Finalizer(do, failures))

        senders = [spawn(sender) for _ in range(10)]
        await settle()
        for s in senders[::2]:
            s.cancel()
        ch.try_recv_ok()
        ch.try_recv_many()
        ch.close_once()
        await settle()
        assert waiting(ch) == (0, 0)
    assert failures == []


def tolerant(act: Callable[[], object]) -> Callable[[], object]:
    """Sending on a closed channel is no failure here."""

    def do() -> None:
        with contextlib.suppress(SendOnClosed):
            act()

    return do


def test_a_channel_that_dies_may_be_used_by_its_values() -> None:
    """Rule 22: values that hold a view of the channel they lie in, freed by the collector."""
    failures: list[BaseException] = []
    for act in ACTS:
        ch: Chan[Any] = chan(4)
        for _ in range(3):
            ch.try_send(Finalizer(tolerant(acts_on(ch)[act]), failures))
        ch.try_recv_ok()
        del ch
        gc.collect()
    assert failures == []


# ── the collector at every allocation ──


@contextlib.contextmanager
def eager_collector() -> Generator[None]:
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@pytest.mark.parametrize("act", [act for act in ACTS if act != "close"])
async def test_the_collector_may_use_the_channel_that_is_being_used(spawn: Spawn, act: str) -> None:
    """Rule 22: at any allocation within an operation, garbage is freed whose finalizer uses the same channel."""
    failures: list[BaseException] = []
    n = 100
    ch: Chan[Any] = chan(2)
    do = tolerant(acts_on(ch)[act])

    def litter() -> None:
        garbage: list[Any] = [Finalizer(do, failures)]
        garbage.append(garbage)

    async def user(i: int) -> None:
        for _ in range(n):
            litter()
            if i % 2:
                await select(ch.recv(), ch.send(i), over.recv())
            else:
                ch.try_send_many([i, i])
                ch.try_recv_many(3)
                litter()
                try_select(ch.send(i), ch.recv())
            litter()
            await gosched()

    over: Chan[None] = chan()
    with eager_collector():
        users = [spawn(user, i) for i in range(4)]
        for u in users[::2]:
            await u
        over.close()
        for u in users[1::2]:
            await u
        gc.collect()
    assert failures == []
    statistics = ch.statistics()
    assert statistics.senders_waiting == statistics.receivers_waiting == 0
    assert statistics.buffered <= 2


# ── hooks ──


@pytest.mark.parametrize("act", ACTS)
async def test_on_undelivered_may_use_its_channel(spawn: Spawn, act: str) -> None:
    """Rule 22: it is called when the operation is over."""
    seen = []

    def hook(value: Any) -> None:
        seen.append(value)
        if len(seen) < 50:
            tolerant(acts_on(ch)[act])()

    ch: Chan[Any] = chan(1, overflow="drop_oldest", on_undelivered=hook)
    for i in range(10):
        with contextlib.suppress(SendOnClosed):
            await ch.send(i)
    assert seen
    assert seen[0] == 0


async def test_an_on_undelivered_that_fails_harms_nobody(spawn: Spawn, caplog: pytest.LogCaptureFixture) -> None:
    """Rule 22: its exception is logged, the sender does not notice."""

    def hook(value: int) -> None:
        raise ZeroDivisionError(value)

    ch: Chan[int] = chan(1, overflow="drop_oldest", on_undelivered=hook)
    assert await ch.send(1) is False
    assert await ch.send(2) is True
    assert ch.try_recv_ok() == (2, True)
    assert "ZeroDivisionError" in caplog.text


# ── signals ──


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
async def test_a_signal_handler_may_use_the_channels_that_are_being_used(spawn: Spawn) -> None:
    """Rule 22: a thousand times a second, between any two instructions, the handler sends and receives."""
    ch: Chan[int] = chan(3)
    mailbox: Chan[int] = chan(1, overflow="drop_oldest")
    calls = 0

    def handler() -> None:
        nonlocal calls
        calls += 1
        ch.try_send(-calls)
        mailbox.try_send(calls)
        ch.try_recv_ok()

    async def user(i: int) -> None:
        while calls < 30:
            await select(ch.recv(), ch.send(i))
            ch.try_send(i)
            ch.try_recv_many(2)
            await gosched()

    async def reader() -> int:
        most = 0  # the handler interrupts itself too, so a smaller value may come after a greater one
        while most < 30:
            most = max(most, await mailbox.recv())
        return most

    with alarms(handler):
        r = spawn(reader)
        users = [spawn(user, i) for i in range(4)]
        assert await r >= 30
    ch.close()
    for u in users:
        with contextlib.suppress(SendOnClosed):
            await u
    assert waiting(ch) == (0, 0)


# ── values are not looked at ──


class Evil:
    """Takes offence at everything."""

    def offended(self, *args: object) -> Any:
        raise AssertionError("somebody looked at a value")

    __eq__ = __ne__ = __lt__ = __gt__ = __le__ = __ge__ = offended
    __hash__ = __bool__ = __len__ = __repr__ = __str__ = __iter__ = __call__ = __getattr__ = offended


async def test_values_are_never_looked_at(spawn: Spawn) -> None:
    """Rule 22: no __eq__, __hash__, __bool__ or __repr__ of a value runs on its way through a channel."""
    for capacity in (0, 2):
        evil = Evil()
        ch: Chan[Any] = chan(capacity)
        r = spawn(ch_recv, ch)
        await settle()
        assert ch.try_send(evil)
        assert (await r) is evil
        s = spawn(ch_send, ch, evil)
        await settle()
        assert ch.peek_item() is evil
        repr(ch)
        assert (await select(ch.recv()))[1] is evil
        await s
        assert await select(ch.send(evil), default=True) is not None
        assert len(ch.try_recv_many()) == (capacity > 0)
    heap: PriorityChan[Any] = PriorityChan(4)
    for _ in range(4):
        await heap.send(evil, priority=1.0)
    for _ in range(4):
        assert (await heap.recv()) is evil


async def ch_recv(ch: Chan[Any]) -> Any:
    return await ch.recv()


async def ch_send(ch: Chan[Any], value: Any) -> None:
    await ch.send(value)


# ── waking ──


async def test_a_done_callback_may_use_the_channel(spawn: Spawn) -> None:
    """Rule 22: called through the loop, never within the operation that ends the wait."""
    ch: Chan[str] = chan()
    log: list[object] = []
    op: asyncio.Future[Any] = asyncio.ensure_future(ch.recv())
    op.add_done_callback(lambda op: log.append((op.result(), ch.try_send("more"), ch.close_once())))
    await settle()
    assert ch.try_send("it")
    assert log == []
    await settle()
    assert log == [("it", False, True)]


async def test_closing_twice_from_those_who_are_woken_is_one_close(spawn: Spawn) -> None:
    """Rule 22: everybody who is woken by a close closes everything again."""
    channels: list[Chan[int]] = [chan() for _ in range(5)]

    async def closer(i: int) -> int:
        await outcome(channels[i].recv())
        return sum(ch.close_once() for ch in channels)

    closers = [spawn(closer, i % 5) for i in range(50)]
    await settle()
    channels[0].close()
    assert sum([await c for c in closers]) == 4


async def test_a_goroutine_may_start_others_from_a_finalizer() -> None:
    """Rule 22: also while the runtime frees another goroutine."""
    failures: list[BaseException] = []
    started: list[Any] = []

    async def body(finalizer: object) -> None:
        await gosched()

    async def child() -> None:
        await gosched()

    for _ in range(10):
        go(body, Finalizer(lambda: started.append(go(child)), failures))
    await settle(20)
    gc.collect()
    assert failures == []
    assert len(started) == 10
    for g in started:
        await g


def test_an_argument_may_use_the_goroutine_that_could_not_begin(run: Any) -> None:
    """Rule 22: it is freed as the goroutine ends, for which all of this is true by then."""
    context = contextvars.copy_context()  # which is entered already
    failures: list[BaseException] = []
    seen: list[object] = []

    async def body(finalizer: object) -> None:
        pass

    def use() -> None:
        g = started[0]
        g.add_done_callback(seen.append)
        seen.extend([g.get_name(), g.cancel(), g.done(), type(g.exception())])

    async def main() -> None:
        started.append(go.options(context=context, name="unlucky")(body, Finalizer(use, failures)))
        with pytest.raises(RuntimeError, match="already entered"):
            await started[0]
        await settle()

    started: list[Any] = []
    context.run(run, main)
    assert failures == []
    assert seen == ["unlucky", False, True, RuntimeError, *started]
