"""Operations that asyncio has as futures and that nobody has any more: they take nothing and leave nothing behind.

``asyncio.wait`` gives the program what is pending; who drops that can never see what it would receive.
Not here: operations that nobody awaited at all (test_forgotten.py), those of closed loops (test_closed_loops.py).
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from helpers import FREE_THREADED, in_one_callback, settle, turn, waiting
from parties import PATIENCE
from parties import until as eventually

from goish import NIL, Chan, Op, WaitGroup, after, chan, go, select, sleep

Make = Callable[[Chan[Any], WaitGroup], Op[Any]]

RECEIVES: dict[str, Make] = {
    "recv": lambda ch, _: ch.recv(),
    "recv_ok": lambda ch, _: ch.recv_ok(),
    "recv_info": lambda ch, _: ch.recv_info(),
    "anext": lambda ch, _: ch.__anext__(),  # type: ignore[dict-item,return-value]
    "receiver": lambda ch, _: ch.receiver.recv(),
    "select": lambda ch, _: select(ch.recv(), NIL.recv()),
    "select twice": lambda ch, _: select(ch.recv(), ch.recv_ok()),
    "select with a timeout": lambda ch, _: select(ch.recv(), after(3600).recv()),
}
OTHERS: dict[str, Make] = {
    "nil": lambda _, __: NIL.recv(),
    "sleep": lambda _, __: sleep(3600),
    "wait_closed": lambda ch, _: ch.wait_closed(),
    "wait group": lambda _, wg: wg.wait(),
    "no cases": lambda _, __: select(),
}


def nobody(_: object) -> None:
    """To be called back."""


async def dropped_by_wait(op: Op[Any]) -> None:
    """``asyncio.wait`` for it and something that comes first."""
    first = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(first.set_result, None)
    futures: Any = [op, first]
    done, pending = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
    assert done == {first}
    assert pending == {op}


async def dropped_by_shield(op: Op[Any]) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(op), 0.001)
    await asyncio.sleep(0)  # as long as its step lasts, asyncio's Task has the CancelledError, and so the frames


async def dropped_by_hand(op: Op[Any]) -> None:
    op.add_done_callback(nobody)
    asyncio.ensure_future(op).remove_done_callback(nobody)


DROPS = [dropped_by_wait, dropped_by_hand]
if not hasattr(
    asyncio.tasks, "_log_on_exception"
):  # or shield has itself called back by what it has let go, to log its failure
    DROPS.append(dropped_by_shield)
any_drop = pytest.mark.parametrize("drop", DROPS, ids=lambda fn: fn.__name__)
any_receive = pytest.mark.parametrize("make", RECEIVES.values(), ids=RECEIVES)


@any_drop
@any_receive
async def test_a_receive_that_was_dropped_takes_nothing(make: Make, drop: Any) -> None:
    undelivered: list[str] = []
    ch: Chan[str] = chan(1, on_undelivered=undelivered.append)
    await drop(make(ch, WaitGroup()))
    assert waiting(ch) == (0, 0)
    assert ch.try_send("kept")
    await settle()
    assert len(ch) == 1
    assert undelivered == []


@any_receive
async def test_a_receive_that_is_kept_takes_what_comes(make: Make) -> None:
    """Whoever has it may ask it, be called back, or await it later."""
    ch: Chan[str] = chan(1)
    op = make(ch, WaitGroup())
    await dropped_by_hand(op)
    gc.collect()
    assert ch.try_send("it")
    assert len(ch) == 0
    assert op.done()
    assert "it" in (op.result(), *_parts(op.result()))
    assert op.result() == op.result()
    assert await op == op.result()


def _parts(result: object) -> tuple[object, ...]:
    return result if isinstance(result, tuple) else ()


@any_receive
async def test_one_that_is_to_call_back_is_kept_although_nobody_has_it(make: Make) -> None:
    ch: Chan[str] = chan(1)
    called: list[Op[Any]] = []
    make(ch, WaitGroup()).add_done_callback(called.append)
    gc.collect()
    assert waiting(ch)[1] > 0
    assert ch.try_send("it")
    await settle()
    assert [op.done() for op in called] == [True]
    assert len(ch) == 0


@any_receive
async def test_one_that_is_asked_to_call_back_again_is_kept_again(make: Make) -> None:
    ch: Chan[str] = chan(1)
    called: list[object] = []
    op = make(ch, WaitGroup())
    await dropped_by_hand(op)
    op.add_done_callback(called.append)
    del op
    assert ch.try_send("it")
    await settle()
    assert len(called) == 1


@any_drop
@pytest.mark.parametrize("by", ["send", "select"])
async def test_a_send_that_was_dropped_sends_nothing_and_says_so(by: str, drop: Any) -> None:
    """A select gives back what it was to send: to nobody here."""
    undelivered: list[str] = []
    ch: Chan[str] = chan(on_undelivered=undelivered.append)
    await drop(ch.send("lost") if by == "send" else select(ch.send("lost")))
    assert waiting(ch) == (0, 0)
    assert not ch.try_recv_ok()
    assert undelivered == (["lost"] if by == "send" else [])


@any_drop
@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
async def test_whatever_was_dropped_leaves_nothing_behind(make: Make, drop: Any) -> None:
    wg = WaitGroup()
    wg.add(1)
    ch: Chan[Any] = chan()
    for _ in range(3):
        await drop(make(ch, wg))
    assert "waiting=0" in repr(wg)
    wg.done()
    ch.close()
    await settle()


async def test_a_join_that_was_dropped_is_none_of_the_goroutines(run: Any) -> None:
    from goish._runtime.core import parked_on

    ch: Chan[None] = chan()

    async def parked() -> None:
        await ch.recv_ok()

    g = go(parked)
    await settle()
    op: Any = g.__await__()
    await dropped_by_hand(op)
    assert len(parked_on(g)) == 1
    del op
    assert parked_on(g) == []
    ch.close()


async def test_a_loop_over_a_quiet_channel_leaves_nothing_there() -> None:
    busy: Chan[int] = chan(1)
    quiet: Chan[int] = chan(1)
    for n in range(200):
        busy.try_send(n)
        futures: Any = [busy.recv(), quiet.recv()]
        done, _ = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        assert [op.result() for op in done] == [n]
        del futures, done, _
        assert waiting(quiet) == (0, 0)
    quiet.try_send(1)
    assert len(quiet) == 1


@any_receive
@pytest.mark.parametrize("at_once", [False, True])
async def test_one_that_has_received_before_it_is_dropped_is_undelivered(make: Make, at_once: bool) -> None:
    undelivered: list[str] = []
    ch: Chan[str] = chan(1, on_undelivered=undelivered.append)
    if at_once:
        ch.try_send("it")
    op = make(ch, WaitGroup())
    await dropped_by_hand(op)
    if not at_once:
        ch.try_send("it")
    assert op.done()
    del op
    await settle()  # a loop that was about to call back has it, too
    assert undelivered == ["it"]


@any_receive
async def test_one_that_was_asked_for_its_result_is_not_undelivered(make: Make) -> None:
    undelivered: list[str] = []
    ch: Chan[str] = chan(1, on_undelivered=undelivered.append)
    op = make(ch, WaitGroup())
    await dropped_by_hand(op)
    ch.try_send("it")
    op.result()
    del op
    await settle()
    assert undelivered == []


class Holder:
    held: Any = None


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="of CPython's collector")
async def test_one_in_a_garbage_cycle_is_withdrawn_by_the_collector() -> None:
    undelivered: list[str] = []
    ch: Chan[str] = chan(1, on_undelivered=undelivered.append)
    for make in RECEIVES.values():
        holder = Holder()
        holder.held = [holder, make(ch, WaitGroup())]
        await dropped_by_hand(holder.held[1])
        gone = weakref.ref(holder)
        del holder
        gc.collect()
        assert gone() is None
        assert waiting(ch) == (0, 0)
    assert ch.try_send("kept")
    assert len(ch) == 1


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="of CPython's collector")
@any_receive
async def test_one_that_has_received_in_a_garbage_cycle_is_undelivered(make: Make) -> None:
    """In whatever order the collector takes the cycle apart: the ops are made in all orders, of used ones too."""
    undelivered: list[int] = []
    count = 12
    for n in range(count):
        ch: Chan[int] = chan(2, on_undelivered=undelivered.append)
        used = [ch.recv() for _ in range(n % 5)]
        for op in used:
            ch.try_send(-1)
            await op
        op = None
        while used:
            used.pop()
        holder = Holder()
        holder.held = [holder, make(ch, WaitGroup()), ch if n % 2 else None]
        await dropped_by_hand(holder.held[1])
        ch.try_send(n)
        await settle()
        gone = weakref.ref(holder)
        del holder, ch
        gc.collect()
        assert gone() is None
    assert undelivered == list(range(count))


async def test_what_it_would_take_is_taken_by_the_next_who_waits() -> None:
    ch: Chan[int] = chan()
    got: list[int] = []

    async def receive() -> None:
        got.append(await ch.recv())

    await dropped_by_wait(ch.recv())
    g = asyncio.ensure_future(receive())
    await turn()
    await dropped_by_wait(ch.recv())
    assert ch.try_send(1)
    await g
    assert got == [1]


async def test_a_cancel_and_a_drop_in_one_callback_withdraw_once() -> None:
    undelivered: list[str] = []
    ch: Chan[str] = chan(on_undelivered=undelivered.append)
    ops = [ch.send("lost")]
    await dropped_by_hand(ops[0])
    await in_one_callback(lambda: ops[0].cancel(), ops.clear)
    assert undelivered == ["lost"]
    assert waiting(ch) == (0, 0)


def test_of_many_that_are_dropped_while_threads_send_nothing_is_lost(run_foreign: Any) -> None:
    """Each value is received, undelivered, or still in the channel: exactly one of these."""
    undelivered: list[int] = []
    ch: Chan[int] = chan(1, on_undelivered=undelivered.append)
    received: list[int] = []
    total = 2000 if not FREE_THREADED else 1000

    def send(first: int) -> None:
        for n in range(first, first + total):
            ch.send_blocking(n)

    async def main() -> None:
        threads = [threading.Thread(target=send, args=(first,)) for first in (0, total)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads) or len(ch):
            ops = [ch.recv() if n % 2 else select(ch.recv()) for n in range(4)]
            for op in ops:
                op.add_done_callback(nobody)  # only to begin
                op.remove_done_callback(nobody)
            await asyncio.sleep(0)
            kept: Any = ops.pop()
            del op, ops  # others go, whatever they have received since
            if kept.done():
                received.append(kept.result() if type(kept.result()) is int else kept.result()[1])
            else:
                kept.cancel()

    run_foreign(main)
    assert sorted(received + undelivered) == list(range(2 * total))
    assert waiting(ch) == (0, 0)
    eventually(lambda: waiting(ch) == (0, 0))


@pytest.mark.parametrize("make", [lambda ch: ch.recv_ok(), lambda ch: select(ch.recv_ok())], ids=["recv_ok", "select"])
@pytest.mark.parametrize("ends", ["asked", "dropped"])
def test_one_that_is_asked_or_dropped_before_it_is_woken(ends: str, make: Any, run_foreign: Any) -> None:
    """The thread that has decided it wakes another first, whose loop holds it up. All callbacks are called."""
    inside, go_on = threading.Event(), threading.Event()
    called: list[object] = []

    class Slow(asyncio.SelectorEventLoop):
        def call_soon_threadsafe(self, *args: Any, **options: Any) -> Any:
            inside.set()
            assert go_on.wait(PATIENCE)
            return super().call_soon_threadsafe(*args, **options)

    async def begin(op: Op[Any]) -> Op[Any]:
        op.add_done_callback(called.append)
        return op

    slow = Slow()
    ch: Chan[int] = chan()
    first = slow.run_until_complete(begin(ch.recv_ok()))
    closing = threading.Thread(target=ch.close)
    expected = {(None, False), (0, None, False)}

    async def asks() -> None:
        ops = [await begin(make(ch))]
        closing.start()
        await asyncio.to_thread(inside.wait, PATIENCE)
        if ends == "asked":
            assert ops[0].result() in expected
        else:
            ops[0].remove_done_callback(called.append)
            ops.clear()
        go_on.set()
        await asyncio.to_thread(closing.join, PATIENCE)
        await settle()
        assert called == ops

    try:
        run_foreign(asks)
    finally:
        go_on.set()
    slow.run_until_complete(settle())
    assert first.done() and called[-1] is first
    slow.close()
