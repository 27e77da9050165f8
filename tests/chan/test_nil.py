"""Rule 8: the nil channel is never ready, refuses to close, and is how a case of a select is switched off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from helpers import outcome, settle

from goish import EMPTY, NIL, Chan, CloseOfNil, DeadlockError, chan, current_goroutine, go, select, try_select

Spawn = Callable[..., Any]

WAITS: dict[str, Callable[[], Awaitable[Any]]] = {
    "send": lambda: NIL.send(1),
    "recv": lambda: NIL.recv(),
    "recv_ok": lambda: NIL.recv_ok(),
    "recv_info": lambda: NIL.recv_info(),
    "anext": lambda: anext(aiter(NIL)),
    "recv_many": lambda: NIL.recv_many(3),
    "sender": lambda: NIL.sender.send(1),
    "receiver": lambda: NIL.receiver.recv(),
    "select": lambda: select(NIL.recv(), NIL.send(1), None, NIL),
}


@pytest.mark.parametrize("name", WAITS)
async def test_whatever_waits_on_nil_waits_until_it_is_cancelled(spawn: Spawn, name: str) -> None:
    """Rule 8: send and receive park for ever, and can be cancelled."""
    w = spawn(lambda: outcome(WAITS[name]()))
    await settle()
    assert not w.done()
    w.cancel()
    assert await w is asyncio.CancelledError


async def test_a_dump_says_that_the_channel_is_nil() -> None:
    """Rule 8: the wait reason names it."""
    reasons = {"send": "chan send (nil chan)", "recv": "chan receive (nil chan)", "select": "select (no cases)"}
    goroutines = {name: go(outcome, WAITS[name]()) for name in reasons}
    await settle()
    assert {name: g.wait_reason for name, g in goroutines.items()} == reasons
    for g in goroutines.values():
        g.cancel()
    await settle()


async def test_nothing_happens_on_nil_at_once() -> None:
    """Rule 8: what does not wait says so."""
    assert not NIL.try_send(1)
    assert NIL.try_recv_ok() is EMPTY
    assert not NIL.try_send_many([1])
    assert NIL.try_recv_many() == []
    assert NIL.peek_item() is EMPTY


async def test_nil_is_empty_and_has_no_room() -> None:
    """Rule 8: len, cap and the rest answer, and never raise."""
    assert (len(NIL), NIL.cap, NIL.peek(), NIL.closed) == (0, 0, 0, False)
    assert tuple(NIL.statistics()) == (0, 0, 0, 0, False)


async def test_nobody_is_queued_at_nil(spawn: Spawn) -> None:
    """Rule 8: a shared object must not collect those who wait on it."""
    waits = [spawn(lambda name=name: outcome(WAITS[name]())) for name in WAITS]
    await settle()
    assert tuple(NIL.statistics()) == (0, 0, 0, 0, False)
    for w in waits:
        w.cancel()
    await settle()


@pytest.mark.parametrize("close", ["close", "close_once"])
async def test_nil_cannot_be_closed(close: str) -> None:
    """Rule 8: nobody owns it."""
    with pytest.raises(CloseOfNil):
        getattr(NIL, close)()
    with pytest.raises(CloseOfNil):
        getattr(NIL.sender, close)()


async def test_nil_cases_are_skipped_and_keep_their_number() -> None:
    """Rule 8: the index counts them."""
    ch: Chan[str] = chan(5)
    for cases in [(None, ch.send("v")), (NIL, ch.send("v")), (NIL.recv(), ch.send("v")), (NIL.send(0), ch.send("v"))]:
        assert await select(*cases) == (1, None, True)
    assert await select(None, NIL.recv(), NIL, ch.recv()) == (3, "v", True)
    assert try_select(None, NIL.recv(), ch.recv(), NIL) == (2, "v", True)


async def test_default_is_taken_if_all_is_nil() -> None:
    """Rule 8: and nothing is raised."""
    assert await select(None, NIL.recv(), NIL.send(1), default=True) == (-1, None, False)
    assert try_select(None, NIL) == (-1, None, False)


@pytest.mark.parametrize("capacity", [0, 1])
async def test_a_merge_switches_closed_channels_off(spawn: Spawn, capacity: int) -> None:
    """Rule 8: the idiom: `while a or b: select(recv(a), recv(b))`, with `a = NIL` when a is closed."""
    a: Chan[int] = chan(capacity)
    b: Chan[int] = chan(capacity)

    async def feed(ch: Chan[int], values: range) -> None:
        for value in values:
            await ch.send(value)
        ch.close()

    spawn(feed, a, range(10))
    spawn(feed, b, range(10, 30))
    merged = []
    while a is not NIL or b is not NIL:
        index, value, ok = await select(a.recv(), b.recv())
        if ok:
            merged.append(value)
        elif index == 0:
            a = NIL
        else:
            b = NIL
    assert sorted(merged) == list(range(30))
    assert [v for v in merged if v < 10] == list(range(10))


@pytest.mark.parametrize("name", ["send", "recv", "select", "anext"])
def test_main_waiting_on_nil_is_a_deadlock(run: Any, name: str) -> None:
    """Rule 8: all-nil parks, and the detector knows that nobody can help."""

    async def main() -> None:
        assert current_goroutine() is not None
        await WAITS[name]()

    with pytest.raises(DeadlockError):
        run(main)
