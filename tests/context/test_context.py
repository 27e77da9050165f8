"""Contexts: a cancel reaches all that is below and nothing else, once, with its cause, from any thread.

The properties are those that Go's tests of its package check. Not here: blocks and bound goroutines (test_scopes.py).
"""

from __future__ import annotations

import asyncio
import copy
import enum
import gc
import math
import pickle
import random
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from helpers import LOOPS, settle, until_elsewhere
from hypothesis import given, settings
from hypothesis import strategies as st
from parties import KINDS, PATIENCE, Party
from parties import until as until_here

import goish
from goish import NIL, CancelToken, chan, context, go_thread, run, select, select_blocking
from goish.context import CancelFunc, Context
from goish.errors import Canceled, DeadlineExceeded

Spawn = Callable[..., Any]
Make = Callable[[Context], tuple[Context, CancelFunc]]

MINUTE = 60.0


def derive(make: Make, parent: Context | None = None) -> tuple[Context, CancelFunc]:
    return make(context.background() if parent is None else parent)


def timeout(parent: Context) -> tuple[Context, CancelFunc]:
    return context.with_timeout(parent, MINUTE)


def deadline(parent: Context) -> tuple[Context, CancelFunc]:
    return context.with_deadline(parent, time.monotonic() + MINUTE)


KINDS_OF_CONTEXT: list[Make] = [context.with_cancel, context.with_cancel_cause, timeout, deadline]
kinds = pytest.mark.parametrize("make", KINDS_OF_CONTEXT, ids=lambda make: make.__name__)


def is_live(ctx: Context) -> bool:
    open_channel = not ctx.done().closed
    assert (ctx.err() is None) == (ctx.cause() is None) == open_channel
    return open_channel


# ── roots ──


@pytest.mark.parametrize("root", [context.background, context.todo])
def test_a_root_is_never_over_and_has_nothing(root: Callable[[], Context]) -> None:
    ctx = root()
    assert ctx is root()
    assert ctx.done() == NIL and ctx.done() is ctx.done()
    assert (ctx.err(), ctx.cause(), ctx.deadline(), ctx.value("key"), ctx.reasons()) == (None, None, None, None, [])
    ctx.check()
    assert root.__name__ in repr(ctx)


# ── cancelling ──


@kinds
def test_a_cancel_ends_the_context_once(make: Make) -> None:
    ctx, cancel = derive(make)
    done = ctx.done()
    assert is_live(ctx) and done.try_recv_ok() is goish.EMPTY
    assert cancel() is True and cancel() is False
    assert type(ctx.err()) is Canceled and str(ctx.err()) == "context canceled"
    assert ctx.done() is done and done.closed and not done.try_recv_ok()[1]
    assert type(ctx.cause()) is Canceled
    with pytest.raises(asyncio.CancelledError):
        ctx.check()


@kinds
def test_done_is_the_same_channel_whenever_it_is_asked_for(make: Make) -> None:
    asked_before, cancel = derive(make)
    before = asked_before.done()
    cancel()
    assert asked_before.done() is before
    asked_after, cancel = derive(make)
    cancel()
    assert asked_after.done() is asked_after.done() and asked_after.done().closed
    value = context.with_value(asked_after, "key", 1)
    assert value.done() is asked_after.done()


@kinds
def test_a_parent_that_is_cancelled_finishes_its_children_before_the_cancel_returns(make: Make) -> None:
    parent, cancel = context.with_cancel(context.background())
    child, _ = make(parent)
    value = context.with_value(parent, "key", "value")
    grandchild, _ = make(value)
    assert all(map(is_live, (parent, child, value, grandchild)))
    cancel()
    assert not any(map(is_live, (parent, child, value, grandchild)))
    born_late, _ = make(parent)
    assert not is_live(born_late) and type(born_late.err()) is Canceled


@kinds
def test_a_child_that_finishes_first_leaves_parent_and_siblings_alone(make: Make) -> None:
    parent, cancel = context.with_cancel(context.background())
    child, cancel_child = make(parent)
    sibling, _ = make(parent)
    cancel_child()
    assert not is_live(child)
    assert is_live(parent) and is_live(sibling)
    cancel()
    assert not is_live(sibling)


@pytest.mark.parametrize("over", ["cancel", "collect"])
def test_a_child_that_is_over_is_not_held_by_its_parent(over: str) -> None:
    parent, cancel = context.with_cancel(context.background())
    child, cancel_child = context.with_cancel(parent)
    gone = weakref.ref(child)
    if over == "cancel":
        cancel_child()
        del child, cancel_child
    else:  # the whole tree is garbage
        del child, cancel_child, parent, cancel
        gc.collect()
    assert gone() is None


def test_contexts_created_and_cancelled_return_their_memory() -> None:
    parent, _ = context.with_cancel(context.background())

    def round_of(n: int) -> None:
        made = [context.with_cancel(parent) for _ in range(n)]
        random.shuffle(made)
        for _, cancel in made:
            cancel()

    import tracemalloc

    round_of(1000)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(5):
            round_of(20_000)
            for _ in range(20_000):
                context.with_cancel(parent)[1]()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 100_000


@pytest.mark.million
def test_a_million_children_return_their_memory() -> None:
    def resident() -> int:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * 4096

    parent, cancel = context.with_cancel(context.background())
    for _ in range(1000):
        context.with_cancel(parent)[1]()
    before = resident()
    for _ in range(1_000_000):
        context.with_cancel(parent)[1]()
    assert resident() - before < 2_000_000
    made = [context.with_cancel(parent) for _ in range(1_000_000)]
    cancel()
    assert all(ctx.err() is not None for ctx, _ in made)
    del made
    gc.collect()
    assert resident() - before < 50_000_000


def test_a_chain_of_a_hundred_thousand_is_cancelled_and_freed() -> None:
    ctx, cancel = context.with_cancel(context.background())
    for i in range(100_000):
        ctx = context.with_value(ctx, i, i) if i % 2 else context.with_cancel(ctx)[0]
    assert ctx.value(1) == 1
    cancel()
    assert not is_live(ctx)
    del ctx
    gc.collect()


# ── causes ──


class Boom(Exception):
    pass


def test_the_cause_is_that_of_the_first_cancel_and_err_stays_canceled() -> None:
    first, second = Boom("first"), Boom("second")
    ctx, cancel = context.with_cancel_cause(context.background())
    assert cancel(first) and not cancel(second) and not cancel()
    assert ctx.cause() is first and context.cause(ctx) is first
    assert type(ctx.err()) is Canceled
    assert [reason.cause for reason in ctx.reasons()] == [first, second]


ROOT, CHILD = "the root's", "the child's"
# Who cancels, in this order, with which cause; then the causes of root and child.
CAUSES: list[tuple[list[tuple[str, str | None]], str | None, str | None]] = [
    ([], None, None),
    ([("root", ROOT)], ROOT, ROOT),
    ([("child", CHILD)], None, CHILD),
    ([("root", ROOT), ("child", CHILD)], ROOT, ROOT),
    ([("child", CHILD), ("root", ROOT)], ROOT, CHILD),
    ([("root", None)], "context canceled", "context canceled"),
    ([("child", None)], None, "context canceled"),
    ([("child", None), ("root", ROOT)], ROOT, "context canceled"),
    ([("root", None), ("child", CHILD)], "context canceled", "context canceled"),
]


@pytest.mark.parametrize("between", ["nothing", "a value", "a timeout"])
@pytest.mark.parametrize(("cancels", "of_root", "of_child"), CAUSES)
def test_whose_cause_it_is(
    cancels: list[tuple[str, str | None]], of_root: str | None, of_child: str | None, between: str
) -> None:
    root, cancel_root = context.with_cancel_cause(context.background())
    above = root
    if between == "a value":
        above = context.with_value(root, "key", "value")
    elif between == "a timeout":
        above, _ = context.with_timeout(root, MINUTE)
    child, cancel_child = context.with_cancel_cause(above)
    for which, why in cancels:
        (cancel_root if which == "root" else cancel_child)(why)
    for ctx, expected in ((root, of_root), (child, of_child)):
        assert (None if ctx.cause() is None else str(ctx.cause())) == expected
        assert type(ctx.err()) is (type(None) if expected is None else Canceled)


def test_the_cause_of_a_timeout_comes_with_its_deadline_only() -> None:
    why = Boom("took too long")
    expired, _ = context.with_timeout(context.background(), 0, cause=why)
    assert type(expired.err()) is DeadlineExceeded and expired.cause() is why
    stopped, cancel = context.with_timeout(context.background(), MINUTE, cause=why)
    cancel()
    assert type(stopped.err()) is Canceled and type(stopped.cause()) is Canceled
    below, _ = context.with_timeout(expired, MINUTE, cause=Boom("another"))
    assert below.cause() is why and type(below.err()) is DeadlineExceeded
    plain, _ = context.with_deadline(context.background(), time.monotonic() - 1)
    assert type(plain.cause()) is DeadlineExceeded


def test_a_cause_is_an_exception_or_a_text() -> None:
    ctx, cancel = context.with_cancel(context.background())
    for junk in (3, ["shutdown"], Boom):
        with pytest.raises(TypeError, match=r"takes as its cause an exception, a str or None, got"):
            cancel(junk)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"takes as its cause an exception, a str or None, got"):
            context.with_timeout(ctx, 1, cause=junk)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"make one: Boom\(\.\.\.\)"):
        cancel(Boom)  # type: ignore[arg-type]
    assert is_live(ctx), "a refused cause cancels nothing"
    cancel("shutdown")
    assert type(ctx.cause()) is Canceled and str(ctx.cause()) == "shutdown"


def test_several_reasons_are_told_with_where_each_was_given() -> None:
    server, stop_server = context.with_cancel_cause(context.background())
    request, cancel = context.with_cancel_cause(context.with_value(server, "user", "ann"))
    cancel("the client has gone")
    stop_server("shutdown")
    cancel("out of budget")
    first, second, third = request.reasons()
    assert [str(reason.cause) for reason in (first, second, third)] == [
        "the client has gone",
        "shutdown",
        "out of budget",
    ]
    assert str(request.cause()) == "the client has gone" and str(server.cause()) == "shutdown"
    for reason in (first, second, third):
        assert reason.where is not None and f"with_where_each_was_given at {__file__}:" in reason.where
    for _ in range(1000):
        cancel("again")
    assert len(request.reasons()) <= 20, "they do not pile up"


def test_the_reason_of_a_deadline_is_where_it_was_set() -> None:
    ctx, _ = context.with_timeout(context.background(), 0)
    (reason,) = ctx.reasons()
    assert reason.where is not None and "test_the_reason_of_a_deadline" in reason.where
    assert type(reason.cause) is DeadlineExceeded


def test_what_check_raises_carries_the_cause() -> None:
    why = Boom("boom")
    ctx, cancel = context.with_cancel(context.background())
    cancel(why)
    with pytest.raises(asyncio.CancelledError) as caught:
        ctx.check()
    assert caught.value.args == (why,) and caught.value.__cause__ is why
    text, cancel = context.with_cancel(context.background())
    cancel("enough")
    with pytest.raises(asyncio.CancelledError) as caught:
        text.check()
    assert caught.value.args == ("enough",)


def test_an_error_that_is_raised_again_and_again_does_not_grow() -> None:
    ctx, cancel = context.with_cancel(context.background())
    cancel()

    def fail() -> None:
        error = ctx.err()
        assert error is not None
        raise error

    for _ in range(3):
        with pytest.raises(Canceled) as caught:
            fail()
    traceback, depth = caught.value.__traceback__, 0
    while traceback is not None:
        traceback, depth = traceback.tb_next, depth + 1
    assert depth == 2


# ── deadlines ──


async def test_a_deadline_cancels_in_virtual_time(virtual: Any) -> None:
    loop = asyncio.get_running_loop()
    ctx, _ = context.with_timeout(context.background(), 10)
    child, _ = context.with_cancel(ctx)
    when = ctx.deadline()
    assert when == loop.time() + 10 == child.deadline()
    await asyncio.sleep(9.9)
    assert is_live(ctx) and is_live(child)
    await select(child.done().recv())
    assert loop.time() == when
    assert type(ctx.err()) is type(child.err()) is DeadlineExceeded
    assert isinstance(ctx.err(), TimeoutError)


async def test_the_earlier_deadline_wins(virtual: Any) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    early, _ = context.with_timeout(context.background(), 5, cause=Boom("early"))
    late, _ = context.with_timeout(early, 50, cause=Boom("late"))
    shorter, _ = context.with_deadline(late, start + 2, cause=Boom("shorter"))
    assert (early.deadline(), late.deadline(), shorter.deadline()) == (start + 5, start + 5, start + 2)
    await shorter.done().recv_ok()
    assert str(shorter.cause()) == "shorter" and is_live(late)
    await late.done().recv_ok()
    assert loop.time() == start + 5
    assert str(late.cause()) == "early" and str(shorter.cause()) == "shorter"


async def test_a_cancel_before_the_deadline_is_a_cancel_and_stops_the_timer(virtual: Any) -> None:
    sched = goish._runtime.core.scheduler_for(asyncio.get_running_loop())
    before = sched.timers
    made = [context.with_timeout(context.background(), 10 + i) for i in range(10)]
    assert sched.timers == before + 10
    for ctx, cancel in made:
        cancel()
        assert type(ctx.err()) is Canceled
    assert sched.timers == before
    parent, cancel = context.with_cancel(context.background())
    ctx, _ = context.with_timeout(parent, 10)
    cancel()
    assert sched.timers == before
    await asyncio.sleep(100)
    assert type(ctx.err()) is Canceled


@pytest.mark.parametrize("seconds", [0, -1, -math.inf, -0.0])
def test_a_deadline_that_has_passed_cancels_at_once(seconds: float) -> None:
    ctx, cancel = context.with_timeout(context.background(), seconds)
    assert type(ctx.err()) is DeadlineExceeded and ctx.done().closed
    assert not cancel()
    ctx, _ = context.with_deadline(context.background(), time.monotonic() - 1)
    child, _ = context.with_timeout(ctx, MINUTE)
    assert type(child.err()) is DeadlineExceeded


def test_an_infinite_timeout_is_none() -> None:
    ctx, _ = context.with_timeout(context.background(), math.inf)
    assert ctx.deadline() is None and is_live(ctx)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("made", ["here", "on a plain thread"])
def test_whoever_waits_is_woken_by_a_deadline(kind: str, made: str) -> None:
    """A context with a deadline made where no loop runs goes by the clocks of those who wait for it."""
    contexts = [context.with_timeout(context.background(), 0.02)[0]] if made == "on a plain thread" else []

    async def wait(party: Party) -> object:
        ctx = contexts[0] if contexts else context.with_timeout(context.background(), 0.02)[0]
        below = context.with_value(context.with_cancel(ctx)[0], "key", 1)
        assert await party.select(chan().recv(), below.done().recv_ok()) == (1, None, False)
        return type(below.err()), type(ctx.err())

    for loop in ("asyncio", "uvloop"):
        assert Party(kind, loop, wait).join() == (DeadlineExceeded, DeadlineExceeded)
        contexts = contexts and [context.with_timeout(context.background(), 0.02)[0]]


def test_wait_closed_knows_the_deadline_too() -> None:
    ctx, _ = context.with_timeout(context.background(), 0.01)
    assert select_blocking(ctx.done().wait_closed(), timeout=PATIENCE)[0] == 0
    ctx, _ = context.with_timeout(context.background(), 0.01)

    async def main() -> None:
        await ctx.done().wait_closed()

    run(main)


def test_a_thread_sees_the_deadline_of_a_loop_that_is_busy_or_gone() -> None:
    made: list[Context] = []

    async def main() -> None:
        made.append(context.with_timeout(context.background(), 0.02)[0])
        made.append(context.with_timeout(context.background(), 0.02)[0])
        waiter = threading.Thread(target=lambda: made[0].done().recv_ok_blocking(PATIENCE))
        waiter.start()
        waiter.join(PATIENCE)  # it holds up the loop
        assert not waiter.is_alive()

    run(main)
    made[1].done().recv_ok_blocking(PATIENCE)
    assert type(made[1].err()) is DeadlineExceeded


def test_an_after_func_runs_at_a_deadline_that_no_loop_looks_after(two_workers: None) -> None:
    ran: goish.Chan[str] = chan(1)
    ctx, _ = context.with_timeout(context.background(), 0.01)
    context.after_func(ctx, ran.try_send, "ran")
    assert ran.recv_blocking(PATIENCE) == "ran"


# ── values ──


class Key(enum.Enum):
    ONE = 1
    TWO = 2


def test_the_nearest_value_of_a_key_wins() -> None:
    root = context.background()
    one = context.with_value(root, Key.ONE, "1")
    two = context.with_value(one, Key.TWO, "2")
    three = context.with_value(two, Key.ONE, "3")
    ctx, cancel = context.with_cancel(three)
    assert [c.value(Key.ONE) for c in (root, one, two, three, ctx)] == [None, "1", "1", "3", "3"]
    assert [c.value(Key.TWO) for c in (root, one, two, three, ctx)] == [None, None, "2", "2", "2"]
    none = context.with_value(three, Key.ONE, None)
    assert none.value(Key.ONE) is None
    cancel()
    assert ctx.value(Key.ONE) == "3"
    assert ctx.value(1) is None and ctx.value([]) is None


def test_a_key_is_checked() -> None:
    root = context.background()
    with pytest.raises(TypeError, match="needs a key, got None"):
        context.with_value(root, None, 1)
    with pytest.raises(TypeError, match=r"takes a key that can be hashed, got \[\] of type list"):
        context.with_value(root, [], 1)


def test_without_cancel_keeps_the_values_and_nothing_else() -> None:
    ctx, cancel = context.with_timeout(context.with_value(context.background(), "key", "value"), MINUTE)
    kept = context.without_cancel(ctx)
    cancel("why")
    assert kept.value("key") == "value"
    assert (kept.err(), kept.cause(), kept.deadline()) == (None, None, None) and kept.done() == NIL
    below, cancel = context.with_cancel(kept)
    assert is_live(below)
    cancel()
    assert not is_live(below)


class Custom(Context):
    """A context of a program's own."""

    def value(self, key: object) -> Any:
        return "custom" if key == "kind" else super().value(key)


def test_a_context_of_ones_own_passes_cancel_and_cause_on() -> None:
    why = Boom("boom")
    root, cancel = context.with_cancel_cause(context.with_value(context.background(), "key", 1))
    custom = Custom(root)
    child, _ = context.with_timeout(custom, MINUTE)
    assert child.value("kind") == "custom" and child.value("key") == 1 and root.value("kind") is None
    assert is_live(custom) and is_live(child)
    cancel(why)
    assert custom.cause() is why and child.cause() is why and custom.done() is root.done()


# ── bad input ──

DERIVE: list[tuple[str, Callable[[Any], object]]] = [
    ("with_cancel", context.with_cancel),
    ("with_cancel_cause", context.with_cancel_cause),
    ("with_timeout", lambda parent: context.with_timeout(parent, 1)),
    ("with_deadline", lambda parent: context.with_deadline(parent, 1)),
    ("with_value", lambda parent: context.with_value(parent, "key", 1)),
    ("without_cancel", context.without_cancel),
]


@pytest.mark.parametrize(("name", "make"), DERIVE)
def test_a_parent_is_a_context(name: str, make: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match=rf"{name}\(\) needs a parent context, got None: background\(\) is the root"):
        make(None)
    with pytest.raises(TypeError, match=rf"{name}\(\) takes a parent context first, got 5 of type int"):
        make(5)


def test_a_time_is_a_number() -> None:
    root = context.background()
    for make in (context.with_timeout, context.with_deadline):
        for junk in ("1", [], object()):
            with pytest.raises(TypeError, match=r"takes a number of seconds, got"):
                make(root, junk)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="not NaN"):
            make(root, math.nan)
        with pytest.raises(TypeError, match=r"got None; without a deadline it is with_cancel\(parent\)"):
            make(root, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"with_deadline\(\) goes by loop\.time\(\)"):
        context.with_deadline(root, time.time() + 5)


def test_a_context_is_no_copy() -> None:
    ctx, _ = context.with_cancel(context.background())
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be copied"):
            duplicate(ctx)
    with pytest.raises(TypeError):
        CancelFunc()
    with pytest.raises(TypeError, match=r"Context\(\) needs a parent context"):
        Context(None)  # type: ignore[arg-type]


# ── waiting ──


async def test_a_cancel_wakes_all_who_wait(spawn: Spawn) -> None:
    ctx, cancel = context.with_cancel(context.background())
    below = context.with_value(ctx, "key", 1)

    async def wait(i: int) -> tuple[int, Any, bool]:
        return await select(chan().recv(), (ctx if i % 2 else below).done().recv_ok())

    waiters = [spawn(wait, i) for i in range(20)]
    threads = [go_thread(ctx.done().recv_ok_blocking, PATIENCE) for _ in range(2)]
    await until_elsewhere(lambda: ctx.done().peek() == 0 and ctx.done().statistics().receivers_waiting == 22)
    cancel()
    assert [await waiter for waiter in waiters] == [(1, None, False)] * 20
    assert [await thread for thread in threads] == [(None, False)] * 2


async def test_a_cancel_is_a_case_beside_a_send(spawn: Spawn) -> None:
    ctx, cancel = context.with_cancel(context.background())
    out: goish.Chan[int] = chan()

    async def produce() -> int:
        for n in range(100):
            index, _, _ = await select(out.send(n), ctx.done().recv_ok())
            if index == 1:
                return n
        return -1

    producer = spawn(produce)
    assert [await out.recv() for _ in range(3)] == [0, 1, 2]
    cancel()
    assert await producer == 3


# ── tokens ──


def test_a_token_is_a_context() -> None:
    token = CancelToken()
    child, _ = context.with_timeout(context.with_value(token, "key", 1), MINUTE)
    assert isinstance(token, Context) and is_live(token) and not token.cancelled()
    assert token.cancel("enough") and not token.cancel("more")
    assert token.cancelled() and type(token.err()) is Canceled and str(child.cause()) == "enough"
    assert [str(reason.cause) for reason in child.reasons()] == ["enough", "more"]
    with pytest.raises(asyncio.CancelledError, match="enough"):
        token.check()


def test_a_token_takes_any_reason() -> None:
    token = CancelToken()
    token.cancel(["a", "list"])
    with pytest.raises(asyncio.CancelledError) as caught:
        token.check()
    assert caught.value.args == (["a", "list"],)


# ── after_func ──


async def test_an_after_func_runs_once_in_a_goroutine_of_its_own(spawn: Spawn) -> None:
    ctx, cancel = context.with_cancel(context.background())
    ran: goish.Chan[Any] = chan(10)

    async def note(what: str) -> None:
        await ran.send((what, goish.current_goroutine()))

    stop = context.after_func(ctx, note, "async")
    context.after_func(ctx, lambda what: ran.try_send((what, goish.current_goroutine())), what="plain")
    await settle()
    assert len(ran) == 0
    cancel()
    cancel()
    got = dict([await ran.recv(), await ran.recv()])
    assert got.keys() == {"async", "plain"} and got["async"] is not got["plain"]
    assert None not in got.values() and goish.current_goroutine() not in got.values()
    await settle()
    assert len(ran) == 0 and not stop()


@pytest.mark.parametrize("ends", ["the parent", "a deadline", "before"])
async def test_what_runs_an_after_func(drive: Any, ends: str) -> None:
    parent, cancel = context.with_cancel(context.background())
    ctx = context.with_timeout(parent, 0.001)[0] if ends == "a deadline" else context.with_cancel(parent)[0]
    if ends == "before":
        cancel()
    ran: goish.Chan[str] = chan(1)
    stop = context.after_func(ctx, ran.try_send, "ran")
    if ends == "the parent":
        cancel()
    assert await ran.recv() == "ran" and not stop()


async def test_a_stop_that_prevents_says_so_once(spawn: Spawn) -> None:
    ctx, cancel = context.with_cancel(context.background())
    ran: goish.Chan[int] = chan(10)
    stops = [context.after_func(ctx, ran.try_send, i) for i in range(4)]
    assert stops[1]() and not stops[1]() and stops[3]()
    cancel()
    assert {await ran.recv(), await ran.recv()} == {0, 2}
    await settle()
    assert len(ran) == 0 and not any(stop() for stop in stops)


def test_an_after_func_of_what_is_never_cancelled_is_stopped_once() -> None:
    stop = context.after_func(context.background(), print)
    assert stop() and not stop()


def test_stopped_after_funcs_leave_nothing_behind() -> None:
    ctx, _ = context.with_cancel(context.background())
    held = type("Held", (), {"method": lambda self: None})()
    gone = weakref.ref(held)
    stop = context.after_func(ctx, held.method)
    assert stop()
    del held, stop
    gc.collect()
    assert gone() is None


async def test_an_after_func_that_is_registered_in_one_runs(spawn: Spawn) -> None:
    ctx, cancel = context.with_cancel(context.background())
    ran: goish.Chan[str] = chan(1)
    context.after_func(ctx, lambda: context.after_func(ctx, ran.try_send, "inner") and None)
    cancel()
    assert await ran.recv() == "inner"


def test_an_after_func_on_a_plain_thread_runs_on_a_worker(two_workers: None) -> None:
    ctx, cancel = context.with_cancel(context.background())
    ran: goish.Chan[bool] = chan(2)

    async def coroutine() -> None:
        await ran.send(goish.current_goroutine() is not None)

    context.after_func(ctx, lambda: ran.try_send(goish.current_goroutine() is not None))
    context.after_func(ctx, coroutine)
    cancel()
    assert ran.recv_blocking(PATIENCE) and ran.recv_blocking(PATIENCE)


def test_an_after_func_whose_loop_is_closed_runs_on_a_worker(two_workers: None) -> None:
    ctx, cancel = context.with_cancel(context.background())
    ran: goish.Chan[str] = chan(1)

    async def main() -> None:
        context.after_func(ctx, ran.try_send, "ran")

    run(main)
    cancel()
    assert ran.recv_blocking(PATIENCE) == "ran"


def test_a_failing_after_func_is_a_panic_and_the_others_run() -> None:
    ran = []

    async def main() -> None:
        ctx, cancel = context.with_cancel(context.background())
        context.after_func(ctx, lambda: 1 / 0)
        context.after_func(ctx, ran.append, "ran")
        cancel()
        await settle()

    seen: list[BaseException] = []
    run(main, on_panic=lambda g, error: seen.append(error))
    assert ran == ["ran"] and [type(error) for error in seen] == [ZeroDivisionError]


def test_after_func_checks_what_it_is_given() -> None:
    with pytest.raises(TypeError, match=r"after_func\(\) takes a context first, got None"):
        context.after_func(None, print)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"after_func\(\) takes a function and its arguments, got 5"):
        context.after_func(context.background(), 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"cause\(\) takes a Context, got 5"):
        context.cause(5)  # type: ignore[arg-type]


# ── threads ──


@pytest.mark.usefixtures("impatient_threads")
def test_of_simultaneous_cancels_each_context_obeys_one(rng: random.Random) -> None:
    root, cancel_root = context.with_cancel_cause(context.background())
    tree = [(root, cancel_root)]
    for _ in range(300):
        tree.append(context.with_cancel_cause(rng.choice(tree)[0]))
    chosen = [cancel for _, cancel in rng.sample(tree, 100)] + [cancel_root]
    woken: list[Context] = []
    waiters = [
        threading.Thread(target=lambda ctx: (ctx.done().recv_ok_blocking(PATIENCE), woken.append(ctx)), args=(ctx,))
        for ctx, _ in tree[:20]
    ]
    threads = [
        threading.Thread(target=lambda i: [cancel(f"thread {i}") for cancel in chosen], args=(i,)) for i in range(4)
    ]
    for thread in waiters + threads:
        thread.start()
    for thread in threads + waiters:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert len(woken) == 20
    for ctx, _ in tree:
        assert not is_live(ctx)
        assert ctx.cause() is ctx.cause() and str(ctx.cause()).startswith("thread ")


@pytest.mark.usefixtures("impatient_threads")
def test_children_made_while_their_parent_is_cancelled_are_cancelled() -> None:
    for _ in range(100):
        parent, cancel = context.with_cancel_cause(context.background())
        made: list[tuple[Context, CancelFunc]] = []
        begun = threading.Event()

        def make(parent: Context = parent, made: Any = made, begun: Any = begun) -> None:
            for i in range(20):
                made.append(context.with_cancel(made[-1][0] if i % 3 else parent))
                if i % 4 == 0:
                    made[i // 2][1]()
                begun.set()

        thread = threading.Thread(target=make)
        thread.start()
        begun.wait(PATIENCE)
        cancel("over")
        thread.join(PATIENCE)
        assert not any(is_live(ctx) for ctx, _ in made)


@pytest.mark.usefixtures("impatient_threads")
def test_done_and_err_agree_in_every_thread() -> None:
    """What has seen done() closed sees err() and cause(), and they never change."""
    for _ in range(50):
        ctx, cancel = context.with_cancel_cause(context.background())
        wrong: list[object] = []

        def look(ctx: Context = ctx, wrong: list[object] = wrong) -> None:
            while not ctx.done().closed:
                pass
            if ctx.err() is None or not isinstance(ctx.cause(), Boom):
                wrong.append(ctx)

        threads = [threading.Thread(target=look) for _ in range(3)]
        for thread in threads:
            thread.start()
        cancel(Boom())
        for thread in threads:
            thread.join(PATIENCE)
        assert not wrong


@pytest.mark.usefixtures("impatient_threads")
def test_an_after_func_either_runs_or_is_stopped(two_workers: None) -> None:
    for _ in range(100):
        ctx, cancel = context.with_cancel(context.background())
        ran: list[int] = []
        stops = [context.after_func(ctx, ran.append, i) for i in range(10)]
        stopped: list[int] = []
        thread = threading.Thread(
            target=lambda stops=stops, stopped=stopped: stopped.extend(i for i, stop in enumerate(stops) if stop())
        )
        thread.start()
        cancel()
        thread.join(PATIENCE)
        until_here(lambda ran=ran, stopped=stopped: len(ran) + len(stopped) >= 10)
        assert sorted(ran + stopped) == list(range(10))


def test_two_loops_and_four_threads_share_a_tree() -> None:
    root, cancel = context.with_cancel_cause(context.background())
    ready: goish.Chan[None] = chan(100)

    async def wait(party: Party) -> str:
        child, _ = context.with_timeout(root, MINUTE)
        await party.send(ready, None)
        await party.select(child.done().recv_ok())
        return str(child.cause())

    parties = [Party(kind, loop, wait) for kind in KINDS for loop in ("asyncio", "uvloop")]
    for _ in parties:
        ready.recv_blocking(PATIENCE)
    cancel("all of you")
    assert [party.join() for party in parties] == ["all of you"] * len(parties)


# ── random trees against a model ──

OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["cancel", "value", "timeout", "without", "done", "after", "sleep"]), st.integers(0, 30)),
    max_size=40,
)


class Model:
    """What a context is, said slowly: each looks up at its parent."""

    def __init__(self, parent: Model | None, deadline: float = math.inf, cut: bool = False) -> None:
        self.parent = parent
        self.cut = cut
        self.deadline = deadline
        self.own: str | None = None  # how it ended by itself
        self.seen: str | None = None

    def settle(self, now: float) -> str | None:
        if self.seen is None:
            above = None if self.parent is None or self.cut else self.parent.settle(now)
            self.seen = self.own or above or ("deadline" if now >= self.deadline else None)
        return self.seen


@settings(deadline=None)
@given(OPERATIONS)
def test_random_trees_agree_with_the_model(operations: list[tuple[str, int]]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        root, cancel_root = context.with_cancel_cause(context.background())
        nodes: list[tuple[Context, CancelFunc | None, Model]] = [(root, cancel_root, Model(None))]
        fired: list[int] = []
        hooked: set[int] = set()
        for step, (what, n) in enumerate(operations):
            which = n % len(nodes)
            ctx, cancel, model = nodes[which]
            if what == "cancel" and cancel is not None:
                model.settle(loop.time())
                assert cancel(f"{step}") is (model.seen is None)
                model.own = f"{step}"
            elif what == "value":
                nodes.append((context.with_value(ctx, "n", n), None, Model(model)))
            elif what == "timeout":
                timed, stop = context.with_timeout(ctx, n / 2)
                nodes.append((timed, stop, Model(model, loop.time() + n / 2)))
            elif what == "without":
                nodes.append((context.without_cancel(ctx), None, Model(model, cut=True)))
            elif what == "done":
                ctx.done()
            elif what == "after" and which not in hooked:
                hooked.add(which)
                context.after_func(ctx, fired.append, which)
            elif what == "sleep":
                await asyncio.sleep(n / 3)
            await settle()
            for _, _, model in sorted(nodes, key=lambda node: node[2].deadline):
                model.settle(loop.time())
            for i, (ctx, _, model) in enumerate(nodes):
                ending = model.settle(loop.time())
                cause = ctx.cause()
                assert is_live(ctx) is (ending is None)
                if ending == "deadline":
                    assert type(ctx.err()) is type(cause) is DeadlineExceeded
                elif ending is not None:
                    assert type(ctx.err()) is Canceled and str(cause) == ending
                assert (i in fired) is (i in hooked and ending is not None)
        for _, cancel, _ in nodes:  # those below a without_cancel too: a deadline with hooks outlives its loop
            if cancel is not None:
                cancel()

    run(main, loop=LOOPS["virtual"])


# ── storms ──


async def test_a_storm_of_cancels_leaves_no_child_and_no_timer(spawn: Spawn, rng: random.Random) -> None:
    sched = goish._runtime.core.scheduler_for(asyncio.get_running_loop())
    timers = sched.timers
    root, cancel = context.with_cancel(context.background())
    alive: list[weakref.ref[Context]] = []

    async def work() -> None:
        for _ in range(20):
            ctx, stop = context.with_timeout(root, rng.choice([MINUTE, 0.0001]))
            alive.append(weakref.ref(ctx))
            try:
                await select(ctx.done().recv_ok(), goish.after(rng.random() / 1000).recv())
            finally:
                stop()
                del ctx, stop

    workers = [spawn(work) for _ in range(20)]
    for worker in rng.sample(workers, 10):
        await asyncio.sleep(rng.random() / 1000)
        worker.cancel()
    await asyncio.wait([asyncio.ensure_future(worker) for worker in workers])
    del workers, worker
    await settle()
    assert sched.timers == timers
    gc.collect()
    assert [ref for ref in alive if ref() is not None] == []
    cancel()
