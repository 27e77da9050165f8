"""Rules 4 to 7: select commits exactly one case, fairly, in one look, also against other selects."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from helpers import outcome, settle, turn, until, waiting

from goish import NIL, Chan, ChanFull, SendOnClosed, chan, gosched, select, try_select

Spawn = Callable[..., Any]

# By how many cases there are: what chi-square exceeds once in a million fair draws.
CHI_SQUARE = {2: 23.9, 3: 27.6, 4: 30.7, 7: 38.3}


def assert_uniform(draws: list[int], n: int) -> None:
    expected = len(draws) / n
    counts = Counter(draws)
    assert set(counts) <= set(range(n))
    chi_square = sum((counts[i] - expected) ** 2 / expected for i in range(n))
    assert chi_square < CHI_SQUARE[n], counts


def filled(*values: Any) -> Chan[Any]:
    ch: Chan[Any] = chan(max(len(values), 1))
    assert ch.try_send_many(values)
    return ch


# ── rule 4: exactly one, and the losers are untouched ──


async def test_only_one_of_two_ready_cases_is_consumed() -> None:
    """Rule 4: both buffers hold a value; each select takes one of them."""
    a: Chan[int] = chan(1)
    b: Chan[int] = chan(1)
    for i in range(2000):
        a.try_send(i)
        b.try_send(i)
        index, value, ok = await select(a.recv(), b.recv())
        assert (value, ok) == (i, True)
        assert (len(a), len(b)) == ((0, 1) if index == 0 else (1, 0))
        (b if index == 0 else a).try_recv_ok()


@pytest.mark.slow
async def test_only_one_of_two_ready_cases_is_ever_consumed() -> None:
    """Rule 4: 10^5 rounds."""
    a: Chan[int] = chan(2)
    b: Chan[int] = chan(2)
    for i in range(100_000):
        a.try_send(i)
        b.try_send(i)
        assert await select(a.recv(), b.recv()) in [(0, i, True), (1, i, True)]
        assert len(a) + len(b) == 1
        await select(a.recv(), b.recv())
        assert len(a) + len(b) == 0


async def test_a_losing_sender_is_not_woken(spawn: Spawn) -> None:
    """Rule 4: two senders wait on two unbuffered channels; select takes from one, the other does not notice."""
    channels = [chan(), chan()]

    async def sender(i: int) -> None:
        await channels[i].send(i)

    senders = [spawn(sender, i) for i in range(2)]
    await settle()
    index, value, ok = await select(*(ch.recv() for ch in channels))
    await settle()
    assert (value, ok) == (index, True)
    assert [s.done() for s in senders] == [index == 0, index == 1]
    assert waiting(channels[1 - index]) == (1, 0)
    assert channels[1 - index].try_recv_ok() == (1 - index, True)
    await settle()


async def test_a_losing_receiver_is_given_nothing(spawn: Spawn) -> None:
    """Rule 4: of two receivers, select sends to one."""
    channels = [chan(), chan()]
    receivers = [spawn(lambda ch=ch: outcome(ch.recv())) for ch in channels]
    await settle()
    index, value, ok = await select(*(ch.send("it") for ch in channels))
    await settle()
    assert (value, ok) == (None, True)
    assert receivers[index].result() == "it"
    assert not receivers[1 - index].done()
    assert channels[1 - index].try_send("other")
    await settle()


async def test_a_losing_send_reserves_no_slot() -> None:
    """Rule 4: buffers that lose are as empty as before."""
    a, b = chan(1), chan(1)
    index, _, _ = await select(a.send(0), b.send(1))
    assert [len(a), len(b)] == [index == 0, index == 1]


async def test_a_parked_select_is_woken_once(spawn: Spawn) -> None:
    """Rule 4: both peers come in the same tick; the second finds nobody."""
    a, b = chan(), chan()
    s = spawn(lambda: outcome(select(a.recv(), b.recv())))
    await settle()
    assert a.try_send("a")
    assert not b.try_send("b")
    assert not a.try_recv_ok()
    assert not b.try_recv_ok()
    assert await s == (0, "a", True)
    assert (waiting(a), waiting(b)) == ((0, 0), (0, 0))


async def test_a_select_that_was_decided_is_no_peer_of_later_waiters(spawn: Spawn) -> None:
    """Rule 4: until it has run its other cases may still stand in their queues, but nobody is served by them."""
    a, b = chan(), chan()
    s = spawn(lambda: outcome(select(a.recv(), b.recv(), b.send("no"))))
    await settle()
    a.try_send("a")
    assert try_select(b.send("x")) == (-1, None, False)
    assert try_select(b.recv()) == (-1, None, False)
    r = spawn(lambda: outcome(b.recv()))
    await settle()
    assert await s == (0, "a", True)
    assert b.try_send("b")
    assert await r == "b"


async def test_the_values_of_losing_sends_stay_with_their_cases() -> None:
    """Rule 4: a case may be given to the next select, a send that happened sends its value again."""
    a, b = filled("a"), filled("b")
    ops = [a.recv(), b.recv()]
    got = [(await select(*ops))[1] for _ in range(2)]
    assert sorted(got) == ["a", "b"]
    send = a.send("again")
    assert await select(send) == (0, None, True)
    a.try_recv_ok()
    assert await select(send) == (0, None, True)
    assert a.try_recv_ok() == ("again", True)


# ── rule 5: selects meeting selects ──


async def test_a_value_is_never_sent_through_two_cases(spawn: Spawn) -> None:
    """Rule 5: one select sends on four channels, four forwarders receive; each value arrives once."""
    n = 1000
    out: Chan[int] = chan()
    channels: list[Chan[int]] = [chan() for _ in range(4)]

    async def sender() -> None:
        for i in range(n):
            await select(*(ch.send(i) for ch in channels))
        for ch in channels:
            ch.close()

    async def forwarder(ch: Chan[int]) -> None:
        async for value in ch:
            await out.send(value)

    async def closer() -> None:
        for f in forwarders:
            await f
        out.close()

    spawn(sender)
    forwarders = [spawn(forwarder, ch) for ch in channels]
    spawn(closer)
    received = [value async for value in out]
    assert sorted(received) == list(range(n))


@pytest.mark.parametrize("capacity", [0, 1])
async def test_a_select_never_pairs_with_itself(spawn: Spawn, capacity: int) -> None:
    """Rule 5: two goroutines, each with both ends of one channel: every value comes from the other one."""
    n = 300
    ch: Chan[tuple[int, int]] = chan(capacity)
    over: Chan[int] = chan()

    async def both(me: int) -> None:
        sent = received = 0
        while sent < n or received < n:
            index, value, _ = await select(
                ch.send((me, sent)) if sent < n else NIL,
                ch.recv() if received < n else NIL,
            )
            if index == 0:
                sent += 1
            else:
                assert capacity or value[0] != me
                received += 1
        await over.send(me)

    spawn(both, 0)
    spawn(both, 1)
    assert {await over.recv(), await over.recv()} == {0, 1}


async def test_a_lone_select_on_both_ends_waits(spawn: Spawn) -> None:
    """Rule 5: and is served from outside, at either end."""
    ch: Chan[str] = chan()
    s = spawn(lambda: outcome(select(ch.send("out"), ch.recv())))
    await settle()
    assert waiting(ch) == (1, 1)
    assert not s.done()
    assert ch.try_send("in")
    assert await s == (1, "in", True)
    assert waiting(ch) == (0, 0)
    s = spawn(lambda: outcome(select(ch.send("out"), ch.recv())))
    await settle()
    assert ch.try_recv_ok() == ("out", True)
    assert await s == (0, None, True)


async def test_selects_in_opposite_orders_always_meet(spawn: Spawn) -> None:
    """Rule 5: {send a, recv b} against {send b, recv a}: in every round one of them hands over to the other."""
    n = 500
    a, b = chan(), chan()
    log: dict[str, list[tuple[int, Any]]] = {"x": [], "y": []}

    async def x() -> None:
        for i in range(n):
            index, value, _ = await select(a.send(i), b.recv())
            log["x"].append((index, value))

    async def y() -> None:
        for i in range(n):
            index, value, _ = await select(b.send(i), a.recv())
            log["y"].append((index, value))

    for handle in [spawn(x), spawn(y)]:
        await handle
    assert [one[0] for one in log["x"]] == [1 - other[0] for other in log["y"]]
    for (index, one), (_, other) in zip(log["x"], log["y"], strict=True):
        assert (one is None) == (index == 0)
        assert (other is None) == (index == 1)
    assert waiting(a) == waiting(b) == (0, 0)


async def test_one_channel_twice_in_a_select_keeps_its_queue_whole(spawn: Spawn) -> None:
    """Rule 5: a select with the same channel three times leaves the waiters before and behind it in place."""
    c, d = chan(), chan()
    order: list[str] = []

    async def receiver(name: str) -> None:
        value = await c.recv()
        order.append(f"{name}{value}")

    async def selector() -> None:
        await select(c.recv(), c.recv(), d.recv(), c.recv())

    first = spawn(receiver, "first")
    await settle()
    middle = spawn(selector)
    await settle()
    last = spawn(receiver, "last")
    await settle()
    assert waiting(c) == (0, 5)
    assert d.try_send(None)
    await middle
    assert waiting(c) == (0, 2)
    assert c.try_send(1)
    assert c.try_send(2)
    await first
    await last
    assert order == ["first1", "last2"]


async def test_a_dequeued_select_keeps_later_waiters(spawn: Spawn) -> None:
    """Rule 5: many selects on the same two channels, cancelled and served in turns, never lose a waiter behind them."""
    a, b = chan(), chan()
    selects = []
    for _ in range(10):
        selects.append(spawn(lambda: outcome(select(a.recv(), b.recv()))))
        await settle()
    for s in selects[::3]:
        s.cancel()
    served = [i for i in range(10) if i % 3]
    for i in served:
        assert (a if i % 2 else b).try_send(i)
    assert not a.try_send("nobody")
    assert not b.try_send("nobody")
    await settle()
    assert [selects[i].result()[1] for i in served] == served


async def test_every_kind_of_sender_meets_every_kind_of_receiver(spawn: Spawn) -> None:
    """Rule 5: plain, select of one and select of two, on both sides, either side waiting first."""
    c, other = chan(), chan()
    sends = [
        lambda: c.send("it"),
        lambda: select(c.send("it")),
        lambda: select(other.send("no"), c.send("it")),
    ]
    receives = [
        lambda: c.recv(),
        lambda: select(c.recv()),
        lambda: select(c.recv(), other.recv()),
    ]
    for send, receive in itertools.product(sends, receives):
        for sender_first in (True, False):
            ops = [send, receive] if sender_first else [receive, send]
            handles = [spawn(lambda op=ops[0]: outcome(op()))]
            await settle()
            handles.append(spawn(lambda op=ops[1]: outcome(op())))
            await settle()
            sent, received = [h.result() for h in (handles if sender_first else handles[::-1])]
            if send is sends[2] and receive is receives[2] and received == (1, "no", True):
                assert sent == (0, None, True)  # they may as well meet on the other channel
            else:
                assert received in ("it", (0, "it", True))
                assert sent in (True, False, (0, None, True), (1, None, True))


async def test_selects_in_a_crowd_conserve_every_value(spawn: Spawn, rng: random.Random) -> None:
    """Rule 5: ten goroutines move values among four channels, each by selects that receive from all and send to one."""
    n, crowd = 150, 10
    channels: list[Chan[int]] = [chan(capacity) for capacity in (0, 0, 1, 3)]
    sent: list[int] = []
    received: list[int] = []
    ids = itertools.count()
    stop: Chan[None] = chan()

    async def member() -> None:
        left = n
        value = next(ids)
        while True:
            to = rng.choice(channels).send(value) if left else None
            cases = [to, stop.recv(), *(ch.recv() for ch in rng.sample(channels, 4))]
            index, got, ok = await select(*cases)
            if index == 1:
                return
            if index == 0:
                sent.append(value)
                value, left = next(ids), left - 1
            else:
                assert ok
                received.append(got)
            if rng.random() < 0.1:
                await gosched()

    members = [spawn(member) for _ in range(crowd)]
    await until(lambda: len(received) == n * crowd)
    stop.close()
    for m in members:
        await m
    assert sorted(sent) == sorted(received)
    assert len(set(received)) == n * crowd


# What a select does on a channel in a given state: does it wait, and what does it give?
WAITS = object()
STATES: dict[str, Callable[[], Chan[Any]]] = {
    "unbuffered": lambda: chan(),
    "empty": lambda: chan(1),
    "full": lambda: filled("v"),
    "closed": lambda: closed(chan()),
    "closed with a value": lambda: closed(filled("v")),
    "nil": lambda: NIL,
}


def closed(ch: Chan[Any]) -> Chan[Any]:
    ch.close()
    return ch


@pytest.mark.parametrize(
    ("state", "sends", "expected"),
    [
        ("unbuffered", False, WAITS),
        ("unbuffered", True, WAITS),
        ("empty", False, WAITS),
        ("empty", True, (0, None, True)),
        ("full", False, (0, "v", True)),
        ("full", True, WAITS),
        ("closed", False, (0, None, False)),
        ("closed", True, SendOnClosed),
        ("closed with a value", False, (0, "v", True)),
        ("closed with a value", True, SendOnClosed),
        ("nil", False, WAITS),
        ("nil", True, WAITS),
    ],
)
async def test_a_select_waits_exactly_when_nothing_is_ready(
    spawn: Spawn, state: str, sends: bool, expected: object
) -> None:
    """Rule 5 (Go's select3): alone, with default, and at once."""

    def case() -> Any:
        ch = STATES[state]()
        return ch.send("w") if sends else ch.recv()

    s = spawn(lambda: outcome(select(case())))
    await settle()
    if expected is WAITS:
        assert not s.done()
        s.cancel()
        await settle()
        expected = (-1, None, False)
    else:
        assert s.result() == expected
    assert await outcome(select(case(), default=True)) == expected
    try:
        assert try_select(case()) == expected
    except SendOnClosed:
        assert expected is SendOnClosed


async def test_a_select_of_nothing_waits_for_ever(spawn: Spawn) -> None:
    """Rule 5: no case at all."""
    s = spawn(lambda: outcome(select()))
    await settle()
    assert not s.done()
    s.cancel()
    assert await s is asyncio.CancelledError
    assert await select(default=True) == (-1, None, False)


# ── rule 6: uniform ──


def draws(request: pytest.FixtureRequest) -> int:
    return 100_000 if request.config.getoption("--slow") else 4_000


@pytest.mark.parametrize("n", [2, 3, 7])
@pytest.mark.parametrize("kind", ["receives", "sends", "closed", "mixed"])
def test_ready_cases_are_drawn_uniformly(request: pytest.FixtureRequest, run: Any, n: int, kind: str) -> None:
    """Rule 6: whatever the cases do, and wherever in the call they stand."""
    kinds = {"receives": "r", "sends": "s", "closed": "c", "mixed": "rsc"}[kind]

    def case(i: int) -> Any:
        what = kinds[i % len(kinds)]
        if what == "c":
            return closed(chan()).recv()
        return filled("v").recv() if what == "r" else chan(1).send("v")

    async def main() -> list[int]:
        return [(await select(*(case(i) for i in range(n))))[0] for _ in range(draws(request))]

    assert_uniform(run(main), n)


async def test_cases_that_are_not_ready_do_not_bend_the_odds(request: pytest.FixtureRequest) -> None:
    """Rule 6: the gaps between the ready ones do not count."""
    ready = {1: 0, 4: 1, 5: 2}
    drawn = []
    for _ in range(draws(request)):
        cases = [filled("v").recv() if i in ready else (None, chan().recv(), chan().send(0))[i % 3] for i in range(8)]
        drawn.append(ready[(await select(*cases))[0]])
    assert_uniform(drawn, 3)


async def test_a_channel_given_twice_has_twice_the_chance(request: pytest.FixtureRequest) -> None:
    """Rule 6: each of four cases a quarter, though three are the same channel."""
    drawn = []
    for _ in range(draws(request)):
        a, b = filled("v"), filled("v")
        drawn.append(try_select(a.recv(), b.recv(), a.recv(), a.recv())[0])
    assert_uniform(drawn, 4)


async def test_two_sends_on_one_channel_send_both_values(request: pytest.FixtureRequest, spawn: Spawn) -> None:
    """Rule 6 (Go's TestPseudoRandomSend): also when the select waits for the receiver."""
    n = draws(request) // 2
    for capacity in (0, 1):
        ch: Chan[int] = chan(capacity)

        async def sender(ch: Chan[int] = ch) -> None:
            for _ in range(n):
                await select(ch.send(0), ch.send(1))

        s = spawn(sender)
        drawn = [await ch.recv() for _ in range(n)]
        await s
        assert_uniform(drawn, 2)


async def test_equal_cases_of_a_waiting_select_are_drawn_uniformly(
    request: pytest.FixtureRequest, spawn: Spawn
) -> None:
    """Rule 6: also when woken by close."""
    drawn = []

    async def selector(ch: Chan[int]) -> None:
        drawn.append((await select(ch.recv(), ch.recv(), ch.recv()))[0])

    channels: list[Chan[int]] = [chan() for _ in range(draws(request) // 2)]
    for ch in channels:
        spawn(selector, ch)
    await until(lambda: waiting(channels[-1]) == (0, 3))
    for ch in channels:
        ch.close()
    await until(lambda: len(drawn) == len(channels))
    assert_uniform(drawn, 3)


async def test_a_send_on_a_closed_channel_is_one_ready_case_among_others(request: pytest.FixtureRequest) -> None:
    """Rule 6: it raises only if it is drawn."""
    shut = closed(chan())
    drawn = []
    for _ in range(draws(request)):
        try:
            drawn.append((await select(shut.send("v"), filled("v").recv()))[0])
        except SendOnClosed:
            drawn.append(0)
    assert_uniform(drawn, 2)


async def test_a_send_that_would_overflow_is_one_ready_case_among_others(request: pytest.FixtureRequest) -> None:
    """Rule 6: a full channel that refuses, for one, does not wait; the full channels that drop are ready too."""
    full: Chan[str] = chan(1, overflow="error")
    full.try_send("v")
    drawn = []
    for _ in range(draws(request)):
        try:
            drawn.append((await select(full.send("w"), filled("v").recv()))[0])
        except ChanFull:
            drawn.append(0)
    assert_uniform(drawn, 2)


async def test_biased_takes_the_first_that_is_ready() -> None:
    """Rule 6: on request."""
    for _ in range(50):
        assert await select(chan().recv(), filled("v").recv(), filled("w").recv(), biased=True) == (1, "v", True)
        assert try_select(None, chan(1).send("v"), filled("w").recv(), biased=True) == (1, None, True)


# ── rule 7: default is one look ──


@pytest.mark.parametrize("capacity", [1, 3])
async def test_default_is_never_taken_while_one_channel_is_ready(spawn: Spawn, capacity: int) -> None:
    """Rule 7: a token moves between two channels, put into one before it is taken from the other."""
    a, b = chan(capacity), chan(capacity)
    a.try_send("token")

    async def mover() -> None:
        here, there = a, b
        for _ in range(1000):
            assert there.try_send("token")
            await gosched()
            assert here.try_recv_ok()
            await gosched()
            here, there = there, here

    m = spawn(mover)
    while not m.done():
        index, value, ok = await select(a.recv(), b.recv(), default=True)
        assert (value, ok) == ("token", True)
        assert (a, b)[index].try_send("token")
        await gosched()


async def test_default_is_never_taken_while_a_channel_closes_and_another_empties(spawn: Spawn) -> None:
    """Rule 7 (Go's TestNonblockSelectRace2): the channel closes before the value is taken from the other one."""
    for _ in range(300):
        a, b = filled("v"), chan()

        async def looker(a: Chan[str] = a, b: Chan[str] = b) -> tuple[int, Any, bool]:
            return await select(a.recv(), b.recv(), default=True)

        s = spawn(looker)
        await gosched()
        b.close()
        a.try_recv_ok()
        assert (await s)[0] >= 0


async def test_default_never_lets_others_run() -> None:
    """Rule 7: neither when it is taken nor when a case is ready."""
    ran: list[int] = []
    asyncio.get_running_loop().call_soon(ran.append, 1)
    assert await select(chan().recv(), default=True) == (-1, None, False)
    assert (await select(filled("v").recv(), default=True))[0] == 0
    assert try_select(chan().recv(), NIL, None) == (-1, None, False)
    assert not ran
    await turn()
    assert ran


async def test_default_is_taken_only_if_nothing_is_ready(rng: random.Random) -> None:
    """Rule 7: any mixture of cases."""
    for _ in range(500):
        ready = [rng.random() < 0.2 for _ in range(6)]
        cases = [
            filled("v").recv()
            if yes
            else rng.choice([chan().recv(), chan().send(0), filled("v").send(0), None, NIL.recv()])
            for yes in ready
        ]
        index, _, _ = try_select(*cases)
        assert ready[index] if any(ready) else index == -1
