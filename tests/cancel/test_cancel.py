"""Rules 1, 2, 3, 18 and 19: a commit wins over a cancel, and nobody is left in doubt whether an operation happened.

Everything that races here does so within one turn of the loop, where the order is ours: no test waits for luck.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from helpers import assert_conserved, in_one_callback, outcome, settle, turn, until, waiting

import goish
from goish import Chan, SendOnClosed, after, chan, gosched, select, sleep

Spawn = Callable[..., Any]
CAPACITIES = [0, 1, 3]


async def by_recv(ch: Chan[Any]) -> Any:
    return await ch.recv()


async def by_recv_ok(ch: Chan[Any]) -> Any:
    return (await ch.recv_ok())[0]


async def by_recv_info(ch: Chan[Any]) -> Any:
    return (await ch.recv_info()).value


async def by_anext(ch: Chan[Any]) -> Any:
    return await anext(aiter(ch))


async def by_loop(ch: Chan[Any]) -> Any:
    async for value in ch:
        return value


async def by_recv_many(ch: Chan[Any]) -> Any:
    (value,) = await ch.recv_many(5)
    return value


async def by_select(ch: Chan[Any]) -> Any:
    return (await select(chan().recv(), ch.recv(), None))[1]


RECEIVES = [by_recv, by_recv_ok, by_recv_info, by_anext, by_loop, by_recv_many, by_select]


def by_name(fn: Any) -> str:
    return getattr(fn, "__name__", str(fn))


# ── rule 1: what was handed over is not lost ──


@pytest.mark.parametrize("capacity", CAPACITIES)
@pytest.mark.parametrize("receive", RECEIVES, ids=by_name)
async def test_a_value_handed_to_a_receiver_survives_its_cancel(
    spawn: Spawn, capacity: int, receive: Callable[[Chan[Any]], Awaitable[Any]]
) -> None:
    """Rule 1: hand-off, then cancel in the same tick: the value is returned and the cancel comes at the next wait."""
    ch: Chan[str] = chan(capacity)
    got: list[object] = []

    async def receiver() -> None:
        got.append(await receive(ch))
        got.append(await outcome(gosched()))
        got.append(await outcome(ch.recv()))

    r = spawn(receiver)
    await settle()
    assert ch.try_send("it")
    r.cancel()
    await settle()

    assert got[0] == "it"
    assert got[1:].count(asyncio.CancelledError) == 1, got
    if not r.done():
        r.cancel()
    await settle()
    assert waiting(ch) == (0, 0)


@pytest.mark.parametrize("receive", RECEIVES, ids=by_name)
async def test_a_receiver_cancelled_before_the_hand_off_takes_nothing(
    spawn: Spawn, receive: Callable[[Chan[Any]], Awaitable[Any]]
) -> None:
    """Rule 1: cancel, then send in the same tick: the cancelled one is no receiver any more, the next one is."""
    ch: Chan[str] = chan()
    first, second = spawn(receive, ch), spawn(receive, ch)
    await settle()
    assert waiting(ch) == (0, 2)
    first.cancel()
    assert ch.try_send("it")
    assert not ch.try_send("too much")
    await settle()
    assert first.cancelled()
    assert await second == "it"


async def test_a_cancel_that_lost_is_dropped_with_its_goroutine(spawn: Spawn) -> None:
    """Rule 1: whoever ends without waiting again ends regularly."""
    ch: Chan[str] = chan()
    r = spawn(by_recv, ch)
    await settle()
    ch.try_send("it")
    r.cancel()
    assert await r == "it"
    assert not r.cancelled()


async def test_a_cancel_before_the_first_step_runs_nothing(spawn: Spawn) -> None:
    """Rule 1: a receiver cancelled before it has started leaves the value where it is."""
    ch: Chan[str] = chan(1)
    ch.try_send("it")
    r = spawn(by_recv, ch)
    r.cancel()
    await settle()
    assert r.cancelled()
    assert ch.try_recv_ok() == ("it", True)


async def test_a_value_is_not_lost_to_a_receiver_that_was_closed_on(spawn: Spawn) -> None:
    """Rule 1: hand-off, close and cancel in one tick: the hand-off was first."""
    ch: Chan[str] = chan()
    r = spawn(by_recv_ok, ch)
    await settle()
    ch.try_send("it")
    ch.close()
    r.cancel()
    assert await r == "it"


class Storm:
    """Senders, receivers and selects that come, wait and are cancelled at random; every value is accounted for."""

    def __init__(self, spawn: Spawn, rng: random.Random, capacity: int, channels: int = 1) -> None:
        self.spawn = spawn
        self.rng = rng
        self.undelivered: list[int] = []
        self.channels = [chan(capacity, on_undelivered=self.undelivered.append) for _ in range(channels)]
        self.alive: list[Any] = []
        self.issued = 0
        self.received: list[int] = []
        self.back: list[int] = []  # not sent, their owner knows

    async def rounds(self, n: int) -> None:
        acts = [self.send, self.receive, self.receive, self.select, self.cancel, self.try_send, self.try_recv_ok]
        for _ in range(n):
            for _ in range(self.rng.randrange(1, 4)):
                self.rng.choice(acts)()
            for _ in range(self.rng.randrange(3)):
                await turn()
            self.alive = [handle for handle in self.alive if not handle.done()]
        await self.finish()

    async def finish(self) -> None:
        for handle in self.alive:
            handle.cancel()
        await until(lambda: all(handle.done() for handle in self.alive))
        for ch in self.channels:
            self.received += ch.try_recv_many()
            assert tuple(ch.statistics())[2:] == (0, 0, False)
        assert_conserved(range(self.issued), self.received, self.back, self.undelivered)

    def value(self) -> int:
        self.issued += 1
        return self.issued - 1

    def channel(self) -> Chan[int]:
        return self.rng.choice(self.channels)

    def send(self) -> None:
        async def sender(ch: Chan[int]) -> None:
            await ch.send(self.value())  # cancelled, the value goes to the hook

        self.alive.append(self.spawn(sender, self.channel()))

    def receive(self) -> None:
        async def receiver(ch: Chan[int]) -> None:
            while True:
                self.received.append(await ch.recv())

        self.alive.append(self.spawn(receiver, self.channel()))

    def select(self) -> None:
        async def selector(at: int, to: Chan[int]) -> None:
            value = self.value()
            cases: list[Any] = [ch.recv() for ch in self.channels]
            cases.insert(at, to.send(value))
            try:
                i, got, ok = await select(*cases)
            except asyncio.CancelledError:
                self.back.append(value)
                raise
            assert ok
            if i != at:
                self.received.append(got)
                self.back.append(value)

        self.alive.append(self.spawn(selector, self.rng.randrange(len(self.channels) + 1), self.channel()))

    def cancel(self) -> None:
        if self.alive:
            self.rng.choice(self.alive).cancel()

    def try_send(self) -> None:
        value = self.value()
        if not self.channel().try_send(value):
            self.back.append(value)

    def try_recv_ok(self) -> None:
        match self.channel().try_recv_ok():
            case (value, True):
                self.received.append(value)


@pytest.mark.parametrize("capacity", CAPACITIES)
async def test_no_value_is_lost_or_doubled_in_a_storm_of_cancels(
    spawn: Spawn, rng: random.Random, capacity: int
) -> None:
    """Rule 1: sent = received + left in the channel + undelivered, whatever is cancelled when."""
    await Storm(spawn, rng, capacity).rounds(2000)


@pytest.mark.slow
@pytest.mark.parametrize("capacity", CAPACITIES)
async def test_no_value_is_lost_or_doubled_in_a_long_storm(spawn: Spawn, rng: random.Random, capacity: int) -> None:
    """Rule 1: the same, for long: on all loops, in all roles, more than 10^5 rounds."""
    await Storm(spawn, rng, capacity).rounds(20_000)


# ── rule 2: a sender knows whether it sent ──


async def test_a_cancelled_sender_leaves_no_value(spawn: Spawn) -> None:
    """Rule 2: cancelled before anybody took it, the value is withdrawn and later senders keep their order."""
    ch: Chan[int] = chan()

    async def sender(value: int) -> None:
        await ch.send(value)

    senders = []
    for value in range(4):
        senders.append(spawn(sender, value))
        await settle()
    senders[1].cancel()
    assert waiting(ch) == (3, 0)
    assert ch.try_recv_many() == [0, 2, 3]
    await settle()
    assert [s.cancelled() for s in senders] == [False, True, False, False]


async def test_a_cancelled_sender_leaves_no_value_in_a_full_buffer(spawn: Spawn) -> None:
    """Rule 2: the place of a cancelled sender is not filled."""
    undelivered: list[int] = []
    ch: Chan[int] = chan(1, on_undelivered=undelivered.append)
    ch.try_send(0)

    async def sender(value: int) -> None:
        await ch.send(value)

    first = spawn(sender, 1)
    await settle()
    spawn(sender, 2)
    await settle()
    first.cancel()
    assert undelivered == [1]
    assert ch.try_recv_ok() == (0, True)
    assert ch.try_recv_many() == [2]
    await settle()


@pytest.mark.parametrize("capacity", CAPACITIES)
async def test_a_sender_whose_value_was_taken_returns_normally(spawn: Spawn, capacity: int) -> None:
    """Rule 2: taken, then cancelled in the same tick: send returns, and the cancel comes at the next wait."""
    ch: Chan[int] = chan(capacity)
    log: list[object] = []
    while ch.try_send(0):
        pass

    async def sender() -> None:
        log.append(await ch.send(1))
        log.append(await outcome(chan().recv()))

    s = spawn(sender)
    await settle()
    ch.try_recv_ok()
    s.cancel()
    await settle()
    assert log == [True, asyncio.CancelledError]
    assert s.done()


@pytest.mark.parametrize("capacity", CAPACITIES)
async def test_a_producer_that_retries_after_a_cancel_sends_everything_once(
    spawn: Spawn, rng: random.Random, capacity: int
) -> None:
    """Rule 2: every id arrives exactly once, in order, when a cancelled send is simply done again."""
    n = 500
    ch: Chan[int] = chan(capacity)
    received = []

    async def producer() -> None:
        this: Any = asyncio.current_task()
        for i in range(n):
            while True:
                try:
                    await ch.send(i)
                    break
                except asyncio.CancelledError:
                    this.uncancel()
        ch.close()

    async def canceller() -> None:
        while not p.done():
            p.cancel()
            for _ in range(rng.randrange(3)):
                await turn()

    p = spawn(producer)
    c = spawn(canceller)
    async for value in ch:
        received.append(value)
        if rng.random() < 0.5:
            await turn()
    await c
    assert received == list(range(n))


async def test_the_value_of_a_cancelled_send_reaches_the_hook(spawn: Spawn) -> None:
    """Rule 2: also if the cancel is older than the send."""
    undelivered: list[str] = []
    a: Chan[str] = chan()
    b: Chan[str] = chan(on_undelivered=undelivered.append)

    async def worker() -> None:
        await a.recv()
        await b.send("it")

    w = spawn(worker)
    await settle()
    a.try_send("go on")
    w.cancel()
    await settle()
    assert w.cancelled()
    assert undelivered == ["it"]


async def test_the_value_of_a_send_cancelled_before_its_turn_reaches_the_hook(spawn: Spawn) -> None:
    """Rule 2: a sender that has done many sends in a row lets others run first; cancelled there, it has not sent."""
    n = 300
    undelivered: list[int] = []
    ch: Chan[int] = chan(n, on_undelivered=undelivered.append)
    entered = []

    async def sender() -> None:
        for i in range(n):
            entered.append(i)
            await ch.send(i)

    s = spawn(sender)
    while not entered:
        await gosched()
    s.cancel()
    await settle()
    assert_conserved(entered, ch.try_recv_many(), undelivered)


# ── rule 3: a cancelled select ──


async def test_a_cancelled_select_leaves_no_registration(spawn: Spawn) -> None:
    """Rule 3: nobody waits on any of its channels afterwards, and none of its values was sent."""
    a, b, c = chan(), chan(2), chan()

    async def selector() -> None:
        await select(a.recv(), b.recv(), c.send(1), a.send(2))

    s = spawn(selector)
    await settle()
    assert (waiting(a), waiting(b), waiting(c)) == ((1, 1), (0, 1), (1, 0))
    s.cancel()
    assert (waiting(a), waiting(b), waiting(c)) == ((0, 0), (0, 0), (0, 0))
    assert not c.try_recv_ok()
    assert not a.try_send(0)
    await settle()
    assert s.cancelled()


async def test_a_claimed_select_returns_its_case_although_cancelled(spawn: Spawn) -> None:
    """Rule 3: decided, then cancelled in the same tick: it happened, and select says so."""
    a, b = chan(), chan()
    log: list[object] = []

    async def selector() -> None:
        log.append(await select(a.recv(), b.send("out")))
        log.append(await outcome(chan().recv()))

    decisions: list[tuple[Callable[[], Any], object]] = [
        (lambda: a.try_send("in"), (0, "in", True)),
        (lambda: b.try_recv_ok(), (1, None, True)),
    ]
    for decide, expected in decisions:
        s = spawn(selector)
        await settle()
        assert decide()
        s.cancel()
        await settle()
        assert log == [expected, asyncio.CancelledError]
        assert (waiting(a), waiting(b)) == ((0, 0), (0, 0))
        log.clear()


async def test_the_cases_of_a_cancelled_select_serve_the_next(spawn: Spawn) -> None:
    """Rule 3: nothing has happened to them."""
    a, b = chan(), chan()
    cases = [a.recv(), b.send("out")]

    async def selector() -> object:
        return await select(*cases)

    first = spawn(selector)
    await settle()
    first.cancel()
    await settle()
    second = spawn(selector)
    await settle()
    assert b.try_recv_ok() == ("out", True)
    assert await second == (1, None, True)


@pytest.mark.parametrize("capacity", CAPACITIES)
async def test_cancelled_selects_lose_nothing_in_a_storm(spawn: Spawn, rng: random.Random, capacity: int) -> None:
    """Rule 3: conservation as in rule 1, and empty queues afterwards, with selects over three channels."""
    await Storm(spawn, rng, capacity, channels=3).rounds(1000)


# ── rule 18: timeouts are atomic ──

MICROSECOND = 1e-6


async def by_timeout(op: Callable[[], Any], seconds: float) -> Any:
    async with asyncio.timeout(seconds):
        return await op()


async def by_wait_for(op: Callable[[], Any], seconds: float) -> Any:
    return await asyncio.wait_for(op(), seconds)


async def by_after(op: Callable[[], Any], seconds: float) -> Any:
    index, value, _ = await select(op(), after(seconds).recv())
    if index == 1:
        raise TimeoutError
    return value


async def by_move_on_after(op: Callable[[], Any], seconds: float) -> Any:
    with anyio.move_on_after(seconds):
        return await op()
    raise TimeoutError


TIMEOUTS = [by_timeout, by_wait_for, by_after, by_move_on_after]
SWEEP = range(-20, 21)  # microseconds around the hand-off


@pytest.mark.parametrize("capacity", [0, 1])
@pytest.mark.parametrize("timed", TIMEOUTS, ids=by_name)
async def test_a_receive_with_a_timeout_happened_or_did_not(virtual: Any, timed: Any, capacity: int) -> None:
    """Rule 18: with the deadline swept over the hand-off, recv returns the value or it can still be received."""
    for early in SWEEP:
        ch: Chan[str] = chan(capacity)

        async def sender(ch: Chan[str] = ch) -> bool:
            await sleep(1.0)
            return ch.try_send("it")

        s = virtual.spawn(sender)
        result = await outcome(timed(ch.recv, 1.0 + early * MICROSECOND))
        sent = await s
        left = ch.try_recv_ok()
        assert result in ("it", TimeoutError), early
        assert sent == (result == "it" or bool(left)), early
        assert not (result == "it" and left), early
        assert waiting(ch) == (0, 0)


@pytest.mark.parametrize("capacity", [0, 1])
@pytest.mark.parametrize("timed", TIMEOUTS, ids=by_name)
async def test_a_send_with_a_timeout_happened_or_did_not(virtual: Any, timed: Any, capacity: int) -> None:
    """Rule 18: the same for a send: either it returns, or nobody ever receives the value."""
    for early in SWEEP:
        ch: Chan[str] = chan(capacity)
        while ch.try_send("earlier"):
            pass

        async def receiver(ch: Chan[str] = ch) -> list[str]:
            await sleep(1.0)
            return ch.try_recv_many()

        r = virtual.spawn(receiver)
        result = await outcome(timed(lambda ch=ch: ch.send("it"), 1.0 + early * MICROSECOND))
        received = await r + ch.try_recv_many()
        assert result in (None, True, TimeoutError), early
        assert ("it" in received) == (result is not TimeoutError), early
        assert waiting(ch) == (0, 0)


async def test_a_timeout_long_after_the_hand_off_changes_nothing(virtual: Any) -> None:
    """Rule 18: the ends of the sweep are what everybody expects."""
    for seconds, expected in [(0.5, TimeoutError), (1.5, "it")]:
        ch: Chan[str] = chan(1)

        async def sender(ch: Chan[str] = ch) -> None:
            await sleep(1.0)
            await ch.send("it")

        s = virtual.spawn(sender)
        assert await outcome(by_timeout(ch.recv, seconds)) == expected
        await s


@pytest.mark.parametrize("capacity", CAPACITIES)
@pytest.mark.parametrize("timed", TIMEOUTS, ids=by_name)
async def test_no_value_is_lost_or_doubled_in_a_storm_of_timeouts(
    virtual: Any, rng: random.Random, timed: Any, capacity: int
) -> None:
    """Rule 18: deadlines and hand-offs fall on the same instants, and each value is in one place all the same."""
    n = 200
    undelivered: list[int] = []
    ch: Chan[int] = chan(capacity, on_undelivered=undelivered.append)
    ids = iter(range(n))
    tried: list[int] = []
    received: list[int] = []

    async def sender() -> None:
        for value in ids:
            await sleep(rng.randrange(4))
            tried.append(value)
            try:
                await timed(lambda value=value: ch.send(value), rng.randrange(1, 4))
            except TimeoutError:
                if timed is by_after:  # the case of a select: not sent, and its owner's again
                    undelivered.append(value)

    async def receiver() -> None:
        while True:
            try:
                received.append(await timed(ch.recv, rng.randrange(1, 4)))
            except TimeoutError:
                await sleep(rng.randrange(2))

    receivers = [virtual.spawn(receiver) for _ in range(3)]
    for s in [virtual.spawn(sender) for _ in range(3)]:
        await s
    await sleep(10)
    for r in receivers:
        r.cancel()
    await settle()
    assert len(tried) == n
    assert_conserved(tried, received, ch.try_recv_many(), undelivered)
    assert received
    assert waiting(ch) == (0, 0)


# ── rule 19: cancels are counted right ──
#
# The worker is given a value and a cancel in the same turn of the loop, the cancel coming from {task.cancel,
# asyncio.timeout, a failing sibling in a TaskGroup}; then it {waits again, finishes, leaves the scope and waits}.


def given_and_cancelled(w: Any, ch: Chan[str]) -> Callable[[], None]:
    def act() -> None:
        assert ch.try_send("it")
        w.cancel()

    return act


async def test_cancelled_directly_then_waiting_again(spawn: Spawn) -> None:
    """Rule 19: task.cancel x parks again: cancelled there; one cancel is counted."""
    ch: Chan[str] = chan()
    log: list[object] = []

    async def worker() -> None:
        this: Any = asyncio.current_task()
        log.append(await ch.recv())
        log.append(this.cancelling())
        try:
            await ch.recv()
        finally:
            log.append(this.cancelling())

    w = spawn(worker)
    await settle()
    await in_one_callback(given_and_cancelled(w, ch))
    assert w.cancelled()
    assert log == ["it", 1, 1]


async def test_cancelled_directly_then_finishing(spawn: Spawn) -> None:
    """Rule 19: task.cancel x finishes: it was not cancelled."""
    ch: Chan[str] = chan()
    w = spawn(by_recv, ch)
    await settle()
    await in_one_callback(given_and_cancelled(w, ch))
    assert w.done()
    assert not w.cancelled()
    assert w.result() == "it"


async def test_cancelled_directly_then_taking_the_cancel_back(spawn: Spawn) -> None:
    """Rule 19: task.cancel x leaves scope: whoever takes the cancel back is not troubled by it later."""
    ch: Chan[str] = chan()
    log: list[object] = []

    async def worker() -> None:
        this: Any = asyncio.current_task()
        log.append(await ch.recv())
        log.append(this.uncancel())
        await gosched()
        await turn()
        log.append(await ch.recv())

    w = spawn(worker)
    await settle()
    await in_one_callback(given_and_cancelled(w, ch))
    assert log == ["it", 0]
    assert ch.try_send("more")
    await w
    assert log == ["it", 0, "more"]


class Expiring:
    """An asyncio.timeout that expires when told to, in the same turn as a hand-off, but before the receiver runs."""

    def __init__(self) -> None:
        self.scope = asyncio.timeout(None)

    def with_value(self, ch: Chan[str]) -> Callable[[], None]:
        def act() -> None:
            self.scope.reschedule(0.0)  # calls back in the next turn, and so before the receiver
            assert ch.try_send("it")

        return act


async def test_timed_out_then_waiting_again(spawn: Spawn) -> None:
    """Rule 19: timeout x parks again: the second wait times out, and nothing of it is left outside of the block."""
    ch: Chan[str] = chan()
    log: list[object] = []
    expiring = Expiring()

    async def worker() -> None:
        this: Any = asyncio.current_task()
        try:
            async with expiring.scope:
                log.append(await ch.recv())
                await ch.recv()
        except TimeoutError:
            log.append(this.cancelling())
        log.append(await ch.recv())

    w = spawn(worker)
    await settle()
    await in_one_callback(expiring.with_value(ch))
    assert log == ["it", 0]
    assert ch.try_send("more")
    await w
    assert log == ["it", 0, "more"]


async def test_timed_out_then_finishing(spawn: Spawn) -> None:
    """Rule 19: timeout x finishes: the value is returned."""
    ch: Chan[str] = chan()
    expiring = Expiring()

    async def worker() -> str:
        async with expiring.scope:
            return await ch.recv()

    w = spawn(worker)
    await settle()
    await in_one_callback(expiring.with_value(ch))
    assert w.done()
    assert w.result() == "it"
    assert w.cancelling() == 0


async def test_timed_out_then_leaving_the_scope(spawn: Spawn) -> None:
    """Rule 19: timeout x leaves scope: no cancel is pending outside (on 3.11 and 3.12 a naive re-arm would be)."""
    ch: Chan[str] = chan()
    log: list[object] = []
    expiring = Expiring()

    async def worker() -> None:
        this: Any = asyncio.current_task()
        async with expiring.scope:
            log.append(await ch.recv())
        log.append(this.cancelling())
        for _ in range(3):
            await gosched()
            await turn()
        log.append(await ch.recv())

    w = spawn(worker)
    await settle()
    await in_one_callback(expiring.with_value(ch))
    assert log == ["it", 0]
    await until(lambda: waiting(ch) == (0, 1))
    assert ch.try_send("more")
    await w
    assert log == ["it", 0, "more"]


async def group_then(spawn: Spawn, inside: bool, after_it: bool) -> tuple[list[object], Any, Chan[str]]:
    """A sibling in the worker's TaskGroup fails, and before the group cancels the worker it is given a value."""
    ch: Chan[str] = chan()
    log: list[object] = []
    loop = asyncio.get_running_loop()
    fail = loop.create_future()

    async def sibling() -> None:
        await fail
        loop.call_soon(ch.try_send, "it")  # in the next turn, right before the group hears of the failure
        raise LookupError

    async def worker() -> None:
        this: Any = asyncio.current_task()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(sibling())
                log.append(await ch.recv())
                if inside:
                    await ch.recv()
        except* LookupError:
            log.append(this.cancelling())
        if after_it:
            for _ in range(3):
                await gosched()
                await turn()
            log.append(await ch.recv())

    w = spawn(worker)
    await settle()
    fail.set_result(None)
    await settle()
    return log, w, ch


async def test_cancelled_by_a_sibling_then_waiting_again(spawn: Spawn) -> None:
    """Rule 19: TaskGroup sibling x parks again."""
    log, w, _ = await group_then(spawn, inside=True, after_it=False)
    await w
    assert log == ["it", 0]


async def test_cancelled_by_a_sibling_then_finishing(spawn: Spawn) -> None:
    """Rule 19: TaskGroup sibling x finishes."""
    log, w, _ = await group_then(spawn, inside=False, after_it=False)
    await w
    assert log == ["it", 0]
    assert not w.cancelled()


async def test_cancelled_by_a_sibling_then_leaving_the_scope(spawn: Spawn) -> None:
    """Rule 19: TaskGroup sibling x leaves scope: the group takes its cancel back, so no wait outside is cancelled."""
    log, w, ch = await group_then(spawn, inside=False, after_it=True)
    assert log == ["it", 0]
    await until(lambda: waiting(ch) == (0, 1))
    assert ch.try_send("more")
    await w
    assert log == ["it", 0, "more"]


@pytest.mark.parametrize("direct", [False, True])
async def test_a_close_that_came_before_the_cancel_counts(spawn: Spawn, direct: bool) -> None:
    """Rules 1 and 13: a sender woken by close and cancelled in the same tick learns of the close and has its value."""
    ch: Chan[str] = chan()
    log: list[object] = []

    async def sender() -> None:
        try:
            if direct:
                await ch.send("it")
            else:
                await select(ch.send("it"))
        except SendOnClosed as exc:
            log.append(exc.value)

    s = spawn(sender)
    await settle()
    ch.close()
    s.cancel()
    await settle()
    assert log == ["it"]
    assert not s.cancelled()


async def test_a_goroutine_can_be_cancelled_again_after_a_cancel_it_survived() -> None:
    """Rule 19: the counter goes up with each cancel and down with each uncancel."""
    ch: Chan[str] = chan()
    log: list[object] = []

    async def stubborn() -> None:
        this: Any = asyncio.current_task()
        for _ in range(3):
            log.append(await outcome(ch.recv()))
            log.append(this.cancelling())

    g = goish.go(stubborn)
    for _ in range(3):
        await settle()
        g.cancel()
    await g
    assert log == [asyncio.CancelledError, 1, asyncio.CancelledError, 2, asyncio.CancelledError, 3]
