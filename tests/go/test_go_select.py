"""What Go's tests ask of select: the properties that src/runtime/chan_test.go and test/chan/*select*.go check.

Not here: that the choice is uniform for any number of cases, which is more than Go's tests ask.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

import pytest
from helpers import assert_conserved, settle, until, waiting

from goish import EMPTY, NIL, Chan, SendOnClosed, WaitGroup, chan, go, gosched, select, try_select

if TYPE_CHECKING:
    from conftest import Driver

Spawn = Callable[..., Any]


# ── chan_test.go: TestNonblockSelectRace, TestNonblockSelectRace2 ──
#
# At every instant one of the two channels is ready, though never the same one: a select that looks at one after another
# may find neither.


async def ready_elsewhere_by_a_value(first: Chan[int], second: Chan[int]) -> None:
    await second.send(1)


async def ready_elsewhere_by_close(first: Chan[int], second: Chan[int]) -> None:
    second.close()


READY_ELSEWHERE = [(ready_elsewhere_by_a_value, 1), (ready_elsewhere_by_close, 0)]


@pytest.mark.parametrize(("make_ready", "capacity"), READY_ELSEWHERE)
async def test_default_is_not_taken_while_one_or_the_other_is_ready(
    run: Driver, make_ready: Callable[[Chan[int], Chan[int]], Awaitable[None]], capacity: int
) -> None:
    taken = []

    async def look(first: Chan[int], second: Chan[int]) -> None:
        index, _, _ = await select(first.recv(), second.recv(), default=True)
        taken.append(index)

    for _ in range(10_000):
        first, second = chan(1), chan(capacity)
        await first.send(1)
        looker = go(look, first, second)
        await make_ready(first, second)
        await select(first.recv(), default=True)
        await looker
    assert len(taken) == 10_000
    assert -1 not in taken


@pytest.mark.usefixtures("impatient_threads")
@pytest.mark.parametrize("by_close", [False, True])
def test_default_is_not_taken_on_another_thread_either(by_close: bool) -> None:
    pairs = [(chan(1), chan(0 if by_close else 1)) for _ in range(100_000)]
    for first, _ in pairs:
        first.try_send(1)
    taken = []

    def look() -> None:
        taken.extend([try_select(first.recv(), second.recv())[0] for first, second in pairs])

    there = threading.Thread(target=look)
    there.start()
    for first, second in pairs:
        if by_close:
            second.close()
        else:
            assert second.try_send(1)
        first.try_recv_ok()
    there.join()
    assert len(taken) == len(pairs)
    assert -1 not in taken


# ── chan_test.go: TestSelfSelect ──


@pytest.mark.parametrize("capacity", [0, 10])
async def test_select_that_sends_and_receives_on_one_channel_meets_only_others(run: Driver, capacity: int) -> None:
    ch = chan(capacity)
    wg = WaitGroup()

    async def meet(me: int) -> None:
        for i in range(1000):
            send, recv = ch.send(me), ch.recv()
            cases = (send, recv) if me == 0 or i % 2 == 0 else (recv, send)
            index, value, _ = await select(*cases)
            if cases[index] is recv and capacity == 0:
                assert value != me, "received its own value"

    wg.go(meet, 0)
    wg.go(meet, 1)
    await wg.wait()
    assert waiting(ch) == (0, 0)


# ── chan_test.go: TestSelectStress ──


async def test_plain_operations_and_selects_mix_on_four_channels(run: Driver) -> None:
    rounds = 10_000
    channels = [chan(0), chan(0), chan(2), chan(3)]
    sent: list[int] = []
    received: list[int] = []
    wg = WaitGroup()

    async def send(ch: Chan[int], base: int) -> None:
        for i in range(rounds):
            await ch.send(base + i)
            sent.append(base + i)

    async def recv(ch: Chan[int]) -> None:
        for _ in range(rounds):
            received.append(await ch.recv())

    async def select_some(case: Callable[[Chan[int], int], Any], done: Callable[[int, Any], None]) -> None:
        left = [rounds] * len(channels)
        for i in range(rounds * len(channels)):
            cases = [case(ch, i) if left[k] else None for k, ch in enumerate(channels)]
            index, value, ok = await select(*cases)
            assert ok
            left[index] -= 1
            done(i, value)
        assert left == [0] * len(channels)

    for k, ch in enumerate(channels):
        wg.go(send, ch, (k + 1) * 1_000_000)
        wg.go(recv, ch)
    wg.go(select_some, lambda ch, i: ch.send(i), lambda i, _: sent.append(i))
    wg.go(select_some, lambda ch, _: ch.recv(), lambda _, value: received.append(value))
    await wg.wait()
    assert_conserved(sent, received)
    assert len(sent) == 2 * rounds * len(channels)
    assert all(len(ch) == 0 and waiting(ch) == (0, 0) for ch in channels)


# ── chan_test.go: TestSelectFairness, TestPseudoRandomSend ──


async def test_two_ready_cases_among_four_are_taken_equally_often(run: Driver) -> None:
    trials, ten_sigma = 10_000, 500
    ready = [chan(trials + 1), chan(trials + 1)]
    never = [chan(), chan()]
    for k, ch in enumerate(ready):
        assert ch.try_send_many([k] * (trials + 1))
    out, done = chan(), chan()

    async def pick() -> None:
        while True:
            _, value, _ = await select(never[0].recv(), never[1].recv(), ready[0].recv(), ready[1].recv())
            index, _, _ = await select(out.send(value), done.recv())
            if index == 1:
                return

    picker = go(pick)
    counts = [0, 0]
    for _ in range(trials):
        counts[await out.recv()] += 1
    done.close()
    await picker
    assert abs(counts[0] - trials // 2) < ten_sigma


@pytest.mark.parametrize("capacity", [0, 100])
async def test_select_between_two_sends_on_one_channel_takes_both(run: Driver, capacity: int) -> None:
    n = 100
    ch = chan(capacity)
    received = []

    async def receive() -> None:
        for _ in range(n):
            await gosched()
            received.append(await ch.recv())

    receiver = go(receive)
    for _ in range(n):
        await select(ch.send(0), ch.send(1))
    await receiver
    assert min(received.count(0), received.count(1)) > n // 10


# ── chan_test.go: TestSelectDuplicateChannel ──


async def test_select_with_a_channel_twice_leaves_the_other_waiters_in_its_queue(spawn: Spawn) -> None:
    c, d, e = chan(), chan(), chan()
    got = []

    async def chooser() -> None:
        await select(c.recv(), c.recv(), d.recv())
        await e.send(9)

    async def receiver() -> None:
        got.append(await c.recv())

    spawn(chooser)
    await until(lambda: waiting(d) == (0, 1))
    other = spawn(receiver)
    await until(lambda: waiting(c) == (0, 3))
    await d.send(7)
    assert await e.recv() == 9
    assert waiting(c) == (0, 1)
    await c.send(8)
    await other
    assert got == [8]


# ── test/chan/doubleselect.go ──


@pytest.mark.parametrize("capacity", [0, 1])
async def test_one_value_offered_on_four_channels_is_received_once(spawn: Spawn, capacity: int) -> None:
    n = 10_000
    channels = [chan(capacity) for _ in range(4)]
    joined = chan()
    wg = WaitGroup()

    async def offer() -> None:
        for i in range(n):
            await select(*(ch.send(i) for ch in channels))
        for ch in channels:
            ch.close()

    async def forward(ch: Chan[int]) -> None:
        async for value in ch:
            await joined.send(value)
        wg.done()

    async def end() -> None:
        await wg.wait()
        joined.close()

    wg.add(4)
    spawn(offer)
    for ch in channels:
        spawn(forward, ch)
    spawn(end)
    assert sorted([value async for value in joined]) == list(range(n))


# ── test/chan/select.go ──


async def test_each_operand_is_evaluated_once_and_in_order_also_of_disabled_cases() -> None:
    order = []

    def channel(name: str, ch: Chan[Any]) -> Chan[Any]:
        order.append(name)
        return ch

    def value(name: str) -> str:
        order.append(name)
        return name

    full, empty, ready = chan(), chan(), chan(1)
    index, _, _ = await select(
        channel("c1", full).send(value("v1")),
        channel("c2", empty).recv(),
        channel("c3", NIL).send(value("v3")),
        channel("c4", NIL).recv(),
        channel("c5", ready).send(value("v5")),
    )
    assert index == 4
    assert order == ["c1", "v1", "c2", "c3", "v3", "c4", "c5", "v5"]
    assert ready.try_recv_ok() == ("v5", True)


async def test_cases_are_disabled_by_nil_as_their_work_is_done(spawn: Spawn) -> None:
    ins = [chan(), chan()]
    got: list[int] = []

    async def produce(ch: Chan[int], values: range) -> None:
        for i in values:
            await ch.send(i)
        ch.close()

    spawn(produce, ins[0], range(100))
    spawn(produce, ins[1], range(100, 120))
    while any(ch is not NIL for ch in ins):
        index, value, ok = await select(*(ch.recv() for ch in ins))
        if ok:
            got.append(value)
        else:
            ins[index] = NIL
    assert sorted(got) == list(range(120))


# ── test/chan/select3.go: what waits for ever, what never waits, what raises ──

CLOSED = chan()
CLOSED.close()


def never_to_be_chosen() -> Any:
    return chan().recv()


async def self_meeting() -> None:
    ch = chan()
    await select(ch.send(1), ch.recv())


async def self_meeting_of_the_same_select_twice() -> None:
    ch = chan()
    await select(ch.recv(), ch.send(1), ch.send(2), ch.recv())


async def nil_range() -> None:
    async for _ in NIL:
        raise AssertionError


WAIT_FOR_EVER: dict[str, Callable[[], Awaitable[Any]]] = {
    "send on nil": lambda: NIL.send(7),
    "receive from nil": lambda: NIL.recv(),
    "receive from nil with ok": lambda: NIL.recv_ok(),
    "range over nil": nil_range,
    "receive from an empty channel": lambda: chan().recv(),
    "receive from an empty buffered channel": lambda: chan(10).recv(),
    "send on an unbuffered channel": lambda: chan().send(7),
    "select of nothing": lambda: select(),
    "select of None": lambda: select(None, None),
    "select of NIL": lambda: select(NIL),
    "select receiving from nil": lambda: select(NIL.recv()),
    "select sending on nil": lambda: select(NIL.send(7)),
    "select both ways on nil": lambda: select(NIL.recv(), NIL.send(7)),
    "select receiving from an empty channel": lambda: select(chan().recv()),
    "select sending on an unbuffered channel": lambda: select(chan().send(7)),
    "select of things not ready": lambda: select(chan().recv(), chan().send(7), NIL.recv(), None),
    "select that sees itself": self_meeting,
    "select that sees itself often": self_meeting_of_the_same_select_twice,
}


@pytest.mark.parametrize("wait", WAIT_FOR_EVER.values(), ids=WAIT_FOR_EVER)
async def test_waits_for_ever(run: Driver, wait: Callable[[], Awaitable[Any]]) -> None:
    async def waiter() -> None:
        await wait()

    g = go(waiter)
    await settle()
    assert g.state == "waiting"
    g.cancel()
    await settle()
    assert g.cancelled()


def with_values(*values: object, capacity: int = 10, closed: bool = False) -> Chan[Any]:
    ch = chan(capacity)
    assert ch.try_send_many(values)
    if closed:
        ch.close()
    return ch


NEVER_WAIT: dict[str, tuple[Callable[[], Awaitable[Any]], Any]] = {
    "send with room": (lambda: chan(10).send(7), False),
    "receive what is buffered": (lambda: with_values(7).recv(), 7),
    "receive from a closed channel": (lambda: CLOSED.recv_ok(), (None, False)),
    "receive what is buffered in a closed channel": (lambda: with_values(7, closed=True).recv_ok(), (7, True)),
    "default for a nil receive": (lambda: select(NIL.recv(), default=True), (-1, None, False)),
    "default for a nil send": (lambda: select(NIL.send(7), default=True), (-1, None, False)),
    "default for nothing": (lambda: select(default=True), (-1, None, False)),
    "default for an empty channel": (lambda: select(chan().recv(), default=True), (-1, None, False)),
    "default for a full channel": (lambda: select(chan().send(7), default=True), (-1, None, False)),
    "select sending with room": (lambda: select(chan(10).send(7), default=True), (0, None, True)),
    "select receiving what is buffered": (lambda: select(with_values(7).recv(), default=True), (0, 7, True)),
    "select receiving from a closed channel": (lambda: select(CLOSED.recv()), (0, None, False)),
    "select receiving from a closed channel with default": (
        lambda: select(CLOSED.recv(), default=True),
        (0, None, False),
    ),
    "select of a closed channel among others": (
        lambda: select(None, never_to_be_chosen(), CLOSED.recv_ok(), NIL.recv()),
        (2, None, False),
    ),
}


@pytest.mark.parametrize(("op", "result"), NEVER_WAIT.values(), ids=NEVER_WAIT)
async def test_never_waits(run: Driver, op: Callable[[], Awaitable[Any]], result: object) -> None:
    async def stepped_once() -> Any:
        return await op()

    coro = stepped_once()
    with pytest.raises(StopIteration) as stopped:
        coro.send(None)
    assert stopped.value.value == result


RAISE: dict[str, Callable[[], Awaitable[Any]]] = {
    "send on a closed channel": lambda: CLOSED.send(7),
    "select sending on a closed channel": lambda: select(CLOSED.send(7)),
    "select sending on a closed channel with default": lambda: select(CLOSED.send(7), default=True),
    "select sending on a closed channel among others": lambda: select(never_to_be_chosen(), CLOSED.send(7), NIL.recv()),
    "select sending on a closed buffered channel": lambda: select(with_values(1, closed=True).send(7)),
}


@pytest.mark.parametrize("op", RAISE.values(), ids=RAISE)
async def test_raises_at_once_and_hands_the_value_back(op: Callable[[], Awaitable[Any]]) -> None:
    with pytest.raises(SendOnClosed) as caught:
        await op()
    assert caught.value.value == 7


# ── test/chan/select6.go: an aborted select is taken out of its queues, those behind it are not ──


async def test_receivers_queued_behind_an_aborted_select_are_served(spawn: Spawn) -> None:
    c1, c2, c3 = chan(), chan(), chan()
    served = []

    async def recv(name: str) -> None:
        await c1.recv()
        served.append(name)

    async def chooser() -> None:
        index, _, _ = await select(c1.recv(), c2.recv())
        assert index == 1
        await c3.send(True)
        await c1.recv()
        served.append("chooser")

    spawn(recv, "before")
    await until(lambda: waiting(c1) == (0, 1))
    spawn(chooser)
    await until(lambda: waiting(c1) == (0, 2))
    spawn(recv, "behind")
    await until(lambda: waiting(c1) == (0, 3))
    await c2.send(True)
    await c3.recv()
    for _ in range(3):
        await c1.send(True)
    await settle()
    assert served == ["before", "behind", "chooser"]


async def test_senders_queued_behind_an_aborted_select_are_served(spawn: Spawn) -> None:
    c1, c2, c3 = chan(), chan(), chan()

    async def send(value: str) -> None:
        await c1.send(value)

    async def chooser() -> None:
        index, _, _ = await select(c1.send("never"), c2.recv())
        assert index == 1
        await c3.send(True)
        await c1.send("chooser")

    spawn(send, "before")
    await until(lambda: waiting(c1) == (1, 0))
    spawn(chooser)
    await until(lambda: waiting(c1) == (2, 0))
    spawn(send, "behind")
    await until(lambda: waiting(c1) == (3, 0))
    await c2.send(True)
    await c3.recv()
    assert [await c1.recv() for _ in range(3)] == ["before", "behind", "chooser"]


# ── test/chan/select7.go: every way to send meets every way to receive ──


async def recv_plain(ch: Chan[int]) -> int:
    return await ch.recv()


async def recv_alone(ch: Chan[int]) -> int:
    _, value, _ = await select(ch.recv())
    return int(value)


async def recv_or_other(ch: Chan[int]) -> int:
    index, value, _ = await select(never_to_be_chosen(), ch.recv())
    assert index == 1
    return int(value)


async def send_plain(ch: Chan[int]) -> None:
    await ch.send(1)


async def send_alone(ch: Chan[int]) -> None:
    await select(ch.send(1))


async def send_or_other(ch: Chan[int]) -> None:
    index, _, _ = await select(ch.send(1), never_to_be_chosen())
    assert index == 0


SENDERS = [send_plain, send_alone, send_or_other]
RECEIVERS = [recv_plain, recv_alone, recv_or_other]


@pytest.mark.parametrize("capacity", [0, 1, 10])
@pytest.mark.parametrize("send", SENDERS)
@pytest.mark.parametrize("recv", RECEIVERS)
async def test_every_way_to_send_meets_every_way_to_receive(
    run: Driver,
    send: Callable[[Chan[int]], Coroutine[Any, Any, None]],
    recv: Callable[[Chan[int]], Coroutine[Any, Any, int]],
    capacity: int,
) -> None:
    ch = chan(capacity)
    receiver = go(recv, ch)
    await settle()
    sender = go(send, ch)
    assert await receiver == 1
    await sender

    sender = go(send, ch)
    await settle()
    receiver = go(recv, ch)
    assert await receiver == 1
    await sender
    assert ch.try_recv_ok() is EMPTY
    assert waiting(ch) == (0, 0)


# ── two selects that meet, offering each other's wish in opposite order ──


async def test_selects_that_want_the_opposite_of_each_other_meet_once_per_round(spawn: Spawn) -> None:
    a, b = chan(), chan()
    rounds = 10_000
    sent: list[Any] = []
    received: list[Any] = []
    wg = WaitGroup()

    async def meet(me: str, out: Chan[Any], into: Chan[Any], sending_first: bool) -> None:
        for i in range(rounds):
            send, recv = out.send((me, i)), into.recv()
            cases = (send, recv) if sending_first else (recv, send)
            index, value, _ = await select(*cases)
            if cases[index] is send:
                sent.append((me, i))
            else:
                received.append(value)
        wg.done()

    wg.add(2)
    spawn(meet, "x", a, b, True)
    spawn(meet, "y", b, a, False)
    await wg.wait()
    assert_conserved(sent, received)
    assert len(sent) == rounds


@pytest.mark.usefixtures("impatient_threads")
def test_selects_on_different_threads_meet_once_per_round(run: Driver) -> None:
    a, b = chan(), chan()
    rounds = 2000
    sent: list[Any] = []
    received: list[Any] = []

    async def meet(me: int, out: Chan[Any], into: Chan[Any]) -> None:
        for i in range(rounds):
            send, recv = out.send((me, i)), into.recv()
            cases = (send, recv) if i % 2 else (recv, send)
            index, value, _ = await select(*cases)
            if cases[index] is send:
                sent.append((me, i))
            else:
                received.append(value)

    # Who sends on a receives from b, and the other way round: each select of a thread takes one of another thread.
    sides = [(a, b), (b, a), (a, b), (b, a)]
    threads = [
        threading.Thread(target=run, args=(meet, me, out, into), kwargs={"deadlock": "off"})
        for me, (out, into) in enumerate(sides)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_conserved(sent, received)
    assert len(sent) == rounds * len(sides) // 2
    assert waiting(a) == waiting(b) == (0, 0)
