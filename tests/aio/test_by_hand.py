"""Ops and coroutines taken in hand: awaited ops cancelled, parked coroutines closed, or thrown into, by somebody else.

Whatever is done to it, a wait ends at most once and leaves nothing at the channel, and nobody waits for ever for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable
from typing import Any

import pytest
from helpers import LOOPS, REAL_LOOPS, outcome, settle, turn, waiting

from goish import EMPTY, Chan, Goroutine, Op, WaitGroup, chan, go, select, sleep, try_select

Spawn = Callable[..., Any]
LONG = 3600.0


async def awaiting(op: Any) -> Any:
    return await op


# ── cases ──


async def test_a_case_of_a_waiting_select_cannot_be_cancelled(spawn: Spawn) -> None:
    """Only the select can: a case that ended by itself would leave the others queued, for a select that is over."""
    a: Chan[Any] = chan()
    b: Chan[Any] = chan()
    cases = [a.recv(), b.recv(), a.send("lost")]
    selecting = spawn(awaiting, select(*cases))
    await settle()
    for case in cases:
        assert case.cancel() is False
        assert not case.done()
    await settle()
    assert not selecting.done()
    assert b.try_send("value")
    assert await selecting == (1, "value", True)
    assert waiting(a) == waiting(b) == (0, 0)
    assert not b.try_send("nobody waits")
    await settle()


async def test_cases_of_a_select_that_is_cancelled_by_hand_are_all_withdrawn(spawn: Spawn) -> None:
    channels: list[Chan[Any]] = [chan() for _ in range(3)]
    op = select(*[ch.recv() for ch in channels], *[ch.send(1) for ch in channels])
    selecting = spawn(awaiting, op)
    await settle()
    assert op.cancel("by hand")
    assert op.cancel() is False
    assert await outcome(selecting) is asyncio.CancelledError
    assert [waiting(ch) for ch in channels] == [(0, 0)] * 3
    assert not any(ch.try_send(1) for ch in channels)
    assert all(ch.try_recv_ok() is EMPTY for ch in channels)


async def test_a_loser_may_be_cancelled_after_its_select(spawn: Spawn) -> None:
    a: Chan[Any] = chan()
    b: Chan[Any] = chan(1)
    b.try_send(1)
    loser = a.recv()
    assert await select(loser, b.recv()) == (1, 1, True)
    assert loser.cancel()
    assert await outcome(loser) is asyncio.CancelledError
    assert waiting(a) == (0, 0)


async def test_a_case_that_is_cancelled_while_it_is_being_chosen_changes_nothing(spawn: Spawn) -> None:
    """The value is on its way to the select when somebody cancels the case that won, and one that lost."""
    a: Chan[Any] = chan()
    b: Chan[Any] = chan()
    won, lost = a.recv(), b.recv()
    selecting = spawn(awaiting, select(won, lost))
    await settle()
    assert a.try_send("value")
    won.cancel()
    lost.cancel()
    assert await selecting == (0, "value", True)
    assert waiting(a) == waiting(b) == (0, 0)


async def test_a_case_is_nothing_to_await_while_its_select_waits(spawn: Spawn) -> None:
    a: Chan[Any] = chan()
    case = a.recv()
    selecting = spawn(awaiting, select(case, chan().recv()))
    await settle()
    with pytest.raises(RuntimeError):
        await case
    with pytest.raises(RuntimeError):
        try_select(case)
    assert a.try_send("value")
    assert await selecting == (0, "value", True)
    assert waiting(a) == (0, 0)


# ── ops ──


async def test_an_op_that_is_cancelled_by_hand_cancels_its_wait_and_nothing_else(spawn: Spawn) -> None:
    ch: Chan[Any] = chan()
    ops: list[Op[Any]] = [ch.recv() for _ in range(3)]
    receivers = [spawn(awaiting, op) for op in ops]
    await settle()
    assert ops[1].cancel("by hand")
    await settle()
    assert await outcome(receivers[1]) is asyncio.CancelledError
    assert waiting(ch) == (0, 2)
    assert ch.try_send(0)
    assert ch.try_send(1)
    assert [await receivers[0], await receivers[2]] == [0, 1]


async def test_an_op_that_has_its_value_cannot_be_cancelled_by_hand(spawn: Spawn) -> None:
    ch: Chan[Any] = chan()
    op = ch.recv()
    receiver = spawn(awaiting, op)
    await settle()
    assert ch.try_send("value")
    assert op.cancel() is False
    assert await receiver == "value"


# ── coroutines ──


class Waits:
    """A wait of each kind, and how to see that nothing is left of it."""

    def __init__(self) -> None:
        self.ch: Chan[Any] = chan()
        self.group = WaitGroup()
        self.group.add()
        self.sleeper = go(awaiting, chan().recv())

    def op(self, kind: str) -> Any:
        return {
            "recv": self.ch.recv,
            "recv_info": self.ch.recv_info,
            "send": lambda: self.ch.send("value"),
            "select": lambda: select(self.ch.recv(), self.ch.send("value"), chan().recv()),
            "sleep": lambda: sleep(LONG),
            "join": lambda: self.sleeper,
            "wait": self.group.wait,
        }[kind]()

    async def check(self) -> None:
        assert waiting(self.ch) == (0, 0)
        assert not self.ch.try_send("nobody waits")
        assert self.ch.try_recv_ok() is EMPTY
        self.group.done()
        self.sleeper.cancel()
        await settle()
        assert self.sleeper.done()


KINDS = ["recv", "recv_info", "send", "select", "sleep", "join", "wait"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_parked_goroutine_whose_coroutine_is_closed_ends(run: Any, kind: str) -> None:
    """It does not wait for ever for what was withdrawn: who awaits it learns that its coroutine is over."""
    waits = Waits()
    ended = []

    async def body() -> None:
        try:
            await waits.op(kind)
        finally:
            ended.append(1)

    g = go(body)
    await settle()
    g.get_coro().close()  # type: ignore[union-attr]
    assert ended == [1]
    with pytest.raises(RuntimeError, match="already awaited"):
        await g
    assert g.done()
    await waits.check()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_parked_goroutine_that_is_thrown_into_by_hand_ends(run: Any, kind: str) -> None:
    waits = Waits()
    g = go(awaiting, waits.op(kind))
    await settle()
    with pytest.raises(KeyError):
        g.get_coro().throw(KeyError("by hand"))  # type: ignore[union-attr]
    with pytest.raises(RuntimeError, match="already awaited"):
        await g
    await waits.check()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_parked_goroutine_that_is_closed_and_cancelled_ends_once(run: Any, kind: str) -> None:
    waits = Waits()
    ends: list[Any] = []
    g = go(awaiting, waits.op(kind))
    g.add_done_callback(ends.append)
    await settle()
    g.get_coro().close()  # type: ignore[union-attr]
    g.cancel()
    assert await outcome(g) in (RuntimeError, asyncio.CancelledError)
    await settle()
    assert ends == [g]
    await waits.check()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_a_task_whose_coroutine_is_closed_ends(loop: str, kind: str) -> None:
    """As with a future of asyncio. The loop is simply closed: a runner would wait for a task that does not end."""

    async def main() -> None:
        waits = Waits()
        task = asyncio.get_running_loop().create_task(awaiting(waits.op(kind)))
        await settle()
        task.get_coro().close()  # type: ignore[union-attr]
        task.cancel()
        await settle()
        ended = task.done()
        if ended:
            assert await outcome(task) in (RuntimeError, asyncio.CancelledError)
        await waits.check()
        assert ended

    with contextlib.closing(LOOPS[loop]()) as this:
        this.run_until_complete(main())


async def test_a_value_given_to_a_coroutine_that_is_then_closed_goes_to_the_hook(run: Any) -> None:
    """It was received, and will never be seen."""
    undelivered: list[Any] = []
    ch: Chan[Any] = chan(on_undelivered=undelivered.append)
    g = go(awaiting, ch.recv())
    await settle()
    assert ch.try_send("value")
    g.get_coro().close()  # type: ignore[union-attr]
    assert await outcome(g) is RuntimeError
    assert undelivered == ["value"]


async def test_a_coroutine_that_caught_what_was_thrown_has_ended_and_so_has_its_goroutine(run: Any) -> None:
    ch: Chan[Any] = chan()

    async def body() -> str:
        try:
            await ch.recv()
        except KeyError:
            return "caught"
        return "not thrown"

    g = go(body)
    await settle()
    with pytest.raises(StopIteration, match="caught"):
        g.get_coro().throw(KeyError("by hand"))  # type: ignore[union-attr]
    assert await outcome(g) is RuntimeError
    assert waiting(ch) == (0, 0)


async def test_the_iterator_of_an_op_may_be_dropped_closed_or_thrown_into_before_its_wait(spawn: Spawn) -> None:
    ch: Chan[Any] = chan()
    for op in (ch.recv(), ch.send(1), select(ch.recv(), ch.send(1)), sleep(LONG)):
        iterator: Any = op.__await__()
        with pytest.raises(KeyError):
            iterator.throw(KeyError("by hand"))
    for op in (ch.recv(), ch.send(1), select(ch.recv(), ch.send(1)), sleep(LONG)):
        iterator = op.__await__()
        iterator.close()
        iterator.close()
        with pytest.raises(RuntimeError):
            await op
    for op in (ch.recv(), ch.send(1), select(ch.recv(), ch.send(1)), sleep(LONG)):
        op.__await__()
    gc.collect()
    assert waiting(ch) == (0, 0)
    await turn()


async def test_many_closed_by_hand_leave_the_others_in_order(run: Any) -> None:
    ch: Chan[Any] = chan()
    gs: list[Goroutine[Any]] = [go(awaiting, ch.recv()) for _ in range(100)]
    await settle()
    for g in gs[::3]:
        g.get_coro().close()  # type: ignore[union-attr]
    left = [g for i, g in enumerate(gs) if i % 3]
    assert waiting(ch) == (0, len(left))
    assert [ch.try_send(i) for i in range(len(left))] == [True] * len(left)
    assert [await g for g in left] == list(range(len(left)))
    for g in gs[::3]:
        assert await outcome(g) is RuntimeError
