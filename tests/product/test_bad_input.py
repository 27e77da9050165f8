"""Bad input is answered by a Python exception that says what is wrong, never by a crash, and breaks nothing.

As a program this is the fuzzer of test_junk_never_crashes: ``python test_bad_input.py <seed> <rounds> [loud]``.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import copy
import gc
import math
import os
import pickle
import random
import subprocess
import sys
import threading
import time
import types
import weakref
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import goish
from goish import (
    NIL,
    Chan,
    ChanClosed,
    CloseOfClosed,
    CloseOfNil,
    Goroutine,
    Op,
    PriorityChan,
    RecvChan,
    SendChan,
    SendOnClosed,
    WaitGroup,
    after,
    chan,
    context,
    current_goroutine,
    go,
    go_thread,
    gosched,
    num_goroutine,
    run,
    select,
    sleep,
    try_select,
)
from goish.parallel import Executor, spawn, submit, sync, sync_all, sync_any
from goish.semaphore import Weighted
from goish.sync import Mutex, RWMutex

if TYPE_CHECKING:
    from conftest import Driver

TYPES: list[type[Any]] = [Chan, PriorityChan, SendChan, RecvChan, Op, Goroutine, WaitGroup, type(go)]


def names_of(types_: list[type[Any]]) -> list[str]:
    return [cls.__name__ for cls in types_]


async def nothing() -> None:
    pass


def plain() -> None:
    pass


# ── go ──


@pytest.mark.parametrize("junk", [5, None, "fetch", object(), [nothing]], ids=lambda junk: type(junk).__name__)
async def test_go_of_something_that_is_no_function_is_refused(junk: Any) -> None:
    with pytest.raises(TypeError, match="coroutine function"):
        go(junk)


@pytest.mark.parametrize("junk", [plain, lambda: 5, dict, asyncio.Future], ids=lambda junk: type(junk).__name__)
async def test_go_of_a_plain_function_names_go_thread(junk: Any) -> None:
    with pytest.raises(TypeError, match="go_thread"):
        go(junk)


@pytest.mark.parametrize("fn", [len, time.sleep, math.sqrt])
async def test_go_of_a_function_of_c_does_not_call_it_and_does_not_say_that_it_did(fn: Any) -> None:
    with pytest.raises(TypeError, match=r"is a plain function, which was not called\. .* go_thread\(fn, \.\.\.\)"):
        go(fn, "what it would refuse itself")


async def test_go_of_an_operation_says_that_it_is_awaited() -> None:
    with pytest.raises(TypeError, match="an operation is awaited, in an async def"):
        go(chan().recv())  # type: ignore[call-overload]


async def test_go_of_a_generator_or_an_async_generator_is_refused() -> None:
    def generator() -> Generator[None]:
        yield

    async def async_generator() -> Any:
        yield

    for fn in (generator, async_generator):
        with pytest.raises(TypeError):
            go(fn)  # type: ignore[call-overload]


def test_go_without_a_running_loop_says_how_to_start_one() -> None:
    with pytest.raises(RuntimeError, match=r"goish\.run"):
        go(nothing)
    coro = nothing()
    with pytest.raises(RuntimeError, match=r"goish\.run"):
        go(coro)
    coro.close()
    with pytest.raises(RuntimeError, match=r"goish\.run"):
        WaitGroup().go(nothing)


async def test_go_with_arguments_that_do_not_fit_fails_at_the_call() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        go(nothing, 1)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="unexpected keyword"):
        go(nothing, name="x")  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        go()  # type: ignore[call-overload]


def told(call: Callable[[], object]) -> str:
    with pytest.raises(TypeError) as caught:
        call()
    return "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


KEYWORDS: dict[str, tuple[Callable[[Any], object], str]] = {
    "select": (lambda _: select(chan().recv(), timeout=1), "after(seconds).recv()"),  # type: ignore[call-overload]
    "try_select": (lambda _: try_select(chan().recv(), timeout=1), "after(seconds)"),  # type: ignore[call-arg]
    "default": (lambda _: try_select(chan().recv(), default=True), "does not wait"),  # type: ignore[call-arg]
    "recv": (lambda ch: ch.recv(timeout=1), "recv_blocking(timeout=seconds)"),
    "recv_ok": (lambda ch: ch.recv_ok(timeout=1), "recv_ok_blocking(timeout=seconds)"),
    "recv_info": (lambda ch: ch.recv_info(timeout=1), "recv_info_blocking(timeout=seconds)"),
    "recv, view": (lambda ch: ch.receiver.recv(timeout=1), "asyncio.timeout(seconds)"),
    "send": (lambda ch: ch.send(1, timeout=1), "send_blocking(value, timeout=seconds)"),
    "send, view": (lambda ch: ch.sender.send(1, timeout=1), "asyncio.timeout(seconds)"),
    "send, heap": (lambda _: PriorityChan().send(1, timeout=1), "asyncio.timeout(seconds)"),  # type: ignore[call-arg]
    "send, no heap": (lambda ch: ch.send(1, priority=1), "PriorityChan"),
    "send, block": (lambda ch: ch.send(1, block=False), "try_send(value)"),
    "recv, block": (lambda ch: ch.recv(block=False), "try_recv()"),
    "try_send": (lambda ch: ch.try_send(1, timeout=1), "await send(value)"),
    "try_recv_ok": (lambda ch: ch.try_recv_ok(timeout=1), "await recv()"),
    "wait_closed": (lambda ch: ch.wait_closed(timeout=1), "select_blocking(ch.wait_closed(), timeout=seconds)"),
    "wait_closed, view": (lambda ch: ch.sender.wait_closed(timeout=1), "asyncio.timeout(seconds)"),
    "wait": (lambda _: WaitGroup().wait(timeout=1), "wait_blocking(timeout=seconds)"),  # type: ignore[call-arg]
    "lock": (lambda _: Mutex().lock(timeout=1), "lock_blocking(timeout=seconds)"),  # type: ignore[call-arg]
    "lock, writer": (lambda _: RWMutex().lock(timeout=1), "lock_blocking(timeout=seconds)"),  # type: ignore[call-arg]
    "rlock": (lambda _: RWMutex().rlock(timeout=1), "rlock_blocking(timeout=seconds)"),  # type: ignore[call-arg]
    "lock, reader": (lambda _: RWMutex().rlocker().lock(timeout=1), "lock_blocking(timeout=seconds)"),  # type: ignore[call-arg]
    "acquire": (lambda _: Weighted(2).acquire(1, timeout=1), "acquire_blocking(n, timeout=seconds)"),  # type: ignore[call-arg]
    "chan": (lambda _: chan(maxsize=1), "chan(8)"),  # type: ignore[call-overload]
    "Chan": (lambda _: Chan(maxsize=1), "chan(8)"),  # type: ignore[call-arg]
    "PriorityChan": (lambda _: PriorityChan(size=1), "chan(8)"),  # type: ignore[call-arg]
    "chan, cap": (lambda _: chan(cap=1), "chan(8)"),  # type: ignore[call-overload]
    "recv_many": (lambda ch: ch.recv_many(1, timeout=1), "linger=seconds"),
    "recv_many, view": (lambda ch: ch.receiver.recv_many(1, timeout=1), "asyncio.timeout(seconds)"),
    "Executor": (lambda _: Executor(max_workers=1), "workers="),  # type: ignore[arg-type]
    "options, children": (lambda _: go.options(children="keep"), "go_thread.options(children=...)"),  # type: ignore[call-arg]
    "options": (
        lambda _: go.options(nme="x"),
        "takes name, context, ctx and on_panic; got an unexpected",
    ),  # type: ignore[call-arg]
    "options, thread": (lambda _: go_thread.options(nme="x"), "takes name, context, ctx, children and on_panic; got"),  # type: ignore[call-arg]
    "go": (lambda _: go(nothing, name="x"), "go.options(name=...)"),  # type: ignore[call-overload]
    "go, context": (lambda _: go(nothing, context=1), "go.options(context=...)"),  # type: ignore[call-overload]
    "go, on_panic": (lambda _: go(nothing, on_panic="log"), "go.options(on_panic=...)"),  # type: ignore[call-overload]
    "go, children": (lambda _: go(nothing, children="keep"), "go_thread.options(children=...)"),  # type: ignore[call-overload]
    "go, timeout": (lambda _: WaitGroup().go(nothing, timeout=1), "asyncio.timeout"),  # type: ignore[call-overload]
    "run": (lambda _: run(nothing, x=1), "functools.partial(main, x=...)"),  # type: ignore[call-arg]
    "run, coroutine": (lambda _: run(nothing(), x=1), "run(main(x=...))"),  # type: ignore[call-arg]
    "run, timeout": (lambda _: run(nothing, timeout=1), "asyncio.timeout(seconds)"),  # type: ignore[call-arg]
    "run, loop_factory": (lambda _: run(nothing, loop_factory=1), "loop=factory"),  # type: ignore[call-arg]
}


@pytest.mark.parametrize("name", KEYWORDS)
async def test_a_keyword_that_another_library_takes_is_answered_by_what_to_write_instead(name: str) -> None:
    """Each time: CPython calls in other ways, that it thinks are faster, what it has called a few times."""
    call, instead = KEYWORDS[name]
    for _ in range(30):
        assert instead in told(lambda: call(chan(1)))


@pytest.mark.parametrize("wait", [goish.wait_all, goish.wait_any])
async def test_a_timeout_of_a_wait_for_several_is_answered_by_what_to_write_instead(wait: Any) -> None:
    g = go(nothing)
    with pytest.raises(
        TypeError, match=r"takes no timeout: asyncio\.timeout\(seconds\) .* sync_a\w\w\(\.\.\., timeout="
    ):
        await wait(g, timeout=1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'quickly'"):
        await wait(g, quickly=True)
    await g


async def test_a_keyword_that_nobody_takes_is_called_unexpected() -> None:
    ch: Any = chan(1)
    for call in (lambda: select(ch.recv(), quickly=True), lambda: ch.recv(quickly=True), lambda: chan(quickly=True)):  # type: ignore[call-overload]
        assert "unexpected keyword argument 'quickly'" in told(call)
    assert "keyword" in told(lambda: ch.send(1, quickly=True))
    assert "go.options" not in told(lambda: go(nothing, quickly=True))  # type: ignore[call-overload]
    assert "unexpected keyword argument 'quickly'" in told(lambda: Executor(quickly=True))  # type: ignore[arg-type]


async def test_a_function_that_takes_the_keyword_gets_it_and_one_that_fails_of_itself_gets_no_advice() -> None:
    async def named(*, name: str) -> str:
        if not name:
            raise TypeError("no name")
        return name

    assert await go(named, name="x") == "x"
    assert await go_thread(named, name="x") == "x"
    for verb in (go, go_thread):
        with pytest.raises(TypeError, match="no name") as caught:
            await verb(named, name="")
        assert "options" not in str(getattr(caught.value, "__notes__", ""))


@pytest.mark.parametrize("fn", [nothing, lambda: None])
async def test_a_call_on_a_thread_that_does_not_take_a_keyword_says_where_goish_takes_it(fn: Any) -> None:
    for verb in (go_thread, spawn, submit):
        with pytest.raises(TypeError, match="unexpected keyword") as caught:
            await verb(fn, name="x")  # type: ignore[call-overload]
        assert "go_thread.options(name=...)" in "".join(caught.value.__notes__)


async def test_go_of_a_coroutine_takes_no_arguments() -> None:
    coro = nothing()
    with pytest.raises(TypeError):
        go(coro, 1)  # type: ignore[call-overload]
    coro.close()


async def test_go_of_a_finished_coroutine_is_refused() -> None:
    coro = nothing()
    await coro
    with pytest.raises(RuntimeError, match="finished"):
        go(coro)
    closed = nothing()
    closed.close()
    with pytest.raises(RuntimeError, match="finished"):
        go(closed)


async def test_go_of_a_started_coroutine_is_refused() -> None:
    coro = select()
    wrapped = awaiting(coro)
    wrapped.send(None)
    with pytest.raises(RuntimeError, match="started"):
        go(wrapped)
    wrapped.close()


async def awaiting(op: Any) -> Any:
    return await op


async def test_go_of_the_running_coroutine_is_refused() -> None:
    async def itself(box: list[Coroutine[Any, Any, None]]) -> None:
        with pytest.raises(RuntimeError, match="running"):
            go(box[0])

    box: list[Coroutine[Any, Any, None]] = []
    box.append(itself(box))
    await box[0]


async def test_go_twice_of_one_coroutine_fails_the_second_goroutine() -> None:
    done = []

    async def body() -> None:
        done.append(1)

    coro = body()
    first = go(coro)
    second = go(coro)
    await first
    with pytest.raises(RuntimeError, match="await"):
        await second
    assert done == [1]


def test_go_takes_only_the_options_it_knows() -> None:
    with pytest.raises(TypeError, match="name"):
        go.options(name=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="context"):
        go.options(context={})  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        go.options(eager=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        go.options("name")  # type: ignore[call-arg]


# ── making channels ──


@pytest.mark.parametrize("make", [chan, Chan, PriorityChan], ids=lambda make: make.__name__)
@pytest.mark.parametrize(
    ("capacity", "error"),
    [
        (-1, ValueError),
        (-(2**63), ValueError),
        (1.5, TypeError),
        (1.0, TypeError),
        (True, TypeError),
        (False, TypeError),
        ("3", TypeError),
        (None, TypeError),
        ([], TypeError),
        (1j, TypeError),
        (2**63, OverflowError),
        (10**100, OverflowError),
        (math.nan, (TypeError, ValueError)),
        (-math.inf, (TypeError, ValueError)),
    ],
)
def test_capacity_that_is_none_is_refused_by_name(make: Any, capacity: Any, error: Any) -> None:
    with pytest.raises(error, match="capacity"):
        make(capacity)


def test_priority_channel_needs_a_buffer() -> None:
    with pytest.raises(ValueError, match="capacity of 1 or more"):
        PriorityChan(0)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"capacity": 1, "overflow": "x"}, ValueError, "'block', 'error', 'drop_oldest', 'drop_newest'"),
        ({"capacity": 1, "overflow": None}, (TypeError, ValueError), "overflow"),
        ({"capacity": 1, "overflow": []}, (TypeError, ValueError), "overflow|unhashable"),
        ({"capacity": 0, "overflow": "error"}, ValueError, "capacity of 1 or more"),
        ({"capacity": 0, "overflow": "drop_oldest"}, ValueError, "capacity of 1 or more"),
        ({"capacity": 0, "overflow": "drop_newest"}, ValueError, "capacity of 1 or more"),
        ({"capacity": math.inf, "overflow": "error"}, ValueError, "unbounded"),
        ({"capacity": math.inf, "overflow": "drop_oldest"}, ValueError, "unbounded"),
        ({"capacity": 1, "flavor": "x"}, ValueError, "'mpmc', 'spmc', 'mpsc', 'spsc'"),
        ({"capacity": 1, "flavor": None}, (TypeError, ValueError), "flavor"),
        ({"capacity": 1, "on_undelivered": 5}, TypeError, "on_undelivered must be callable"),
        ({"size": 1}, TypeError, "size"),
    ],
    ids=str,
)
@pytest.mark.parametrize("make", [chan, Chan])
def test_option_that_is_none_is_refused_by_name(make: Any, options: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        make(**options)


def test_overflow_policy_that_would_drop_the_most_urgent_is_refused() -> None:
    with pytest.raises(ValueError, match="drop_newest"):
        PriorityChan(5, overflow="drop_oldest")  # type: ignore[arg-type]


def test_priority_is_a_number() -> None:
    ch: Any = PriorityChan(5)
    with pytest.raises(ValueError, match="NaN"):
        ch.try_send(1, priority=math.nan)
    with pytest.raises(TypeError):
        ch.try_send(1, priority="high")
    with pytest.raises(TypeError):
        ch.send(1, priority=None)
    for send in (ch.send, ch.try_send, ch.send_blocking):
        with pytest.raises(TypeError, match="a priority is a number, got 'high' of type str"):
            send(1, priority="high")
    assert len(ch) == 0


def test_batches_check_their_arguments() -> None:
    ch: Any = chan(5)
    with pytest.raises(TypeError):
        ch.try_send_many(5)
    with pytest.raises(ValueError, match="max"):
        ch.try_recv_many(-1)
    for junk in ("all", 1.5):
        with pytest.raises(TypeError, match=f"max is a whole number, 0 or more, got {junk!r} of type "):
            ch.try_recv_many(junk)
    assert len(ch) == 0


async def test_many_at_once_checks_its_arguments() -> None:
    ch: Any = chan(5)
    await ch.send(1)
    for bad in (0, -1):
        with pytest.raises(ValueError, match="max"):
            await ch.recv_many(bad)
    with pytest.raises(TypeError, match="max is a whole number, 1 or more, got 'all' of type str"):
        await ch.recv_many("all")
    with pytest.raises(TypeError, match="linger is a number of seconds, got 'long' of type str"):
        await ch.recv_many(1, linger="long")
    with pytest.raises(TypeError):
        await ch.send_many(5)
    assert ch.try_recv_many() == [1]


def test_batch_whose_iterator_fails_sends_nothing() -> None:
    def values() -> Generator[int]:
        yield 1
        raise LookupError

    ch = chan(5)
    with pytest.raises(LookupError):
        ch.try_send_many(values())
    assert len(ch) == 0


def test_batch_whose_iterator_uses_the_channel_is_sent_after_that_use() -> None:
    ch = chan(3)

    def values() -> Generator[int]:
        yield 1
        ch.try_send("mine")
        yield 2

    assert ch.try_send_many(values())
    assert ch.try_recv_many() == ["mine", 1, 2]


def test_views_are_made_by_their_channel_only() -> None:
    for cls in (SendChan, RecvChan):
        with pytest.raises(TypeError, match="made by"):
            cls()
        with pytest.raises(TypeError):
            cls(chan())  # type: ignore[call-arg]


# ── misuse of channels ──


async def test_send_on_closed_close_of_closed_and_close_of_nil_are_errors_of_their_own() -> None:
    ch = chan(1)
    ch.close()
    with pytest.raises(SendOnClosed, match="send on closed channel"):
        await ch.send(1)
    with pytest.raises(CloseOfClosed, match="close of closed channel"):
        ch.close()
    with pytest.raises(CloseOfNil, match="close of nil channel"):
        NIL.close()
    with pytest.raises(ChanClosed):
        await ch.recv()
    for error in (SendOnClosed, CloseOfClosed, CloseOfNil):
        assert issubclass(error, goish.ChanMisuse)
        assert issubclass(error, goish.GoishError)


# ── ops ──


OPS: dict[str, Callable[[], Any]] = {
    "send": lambda: chan(1).send(1),
    "recv": lambda: closed().recv_ok(),
    "recv_info": lambda: closed().recv_info(),
    "select": lambda: select(closed().recv()),
    "sleep": lambda: sleep(0.0),
    "gosched": lambda: gosched(),
    "wait": lambda: WaitGroup().wait(),
    "after": lambda: after(0).recv(),
}


def closed() -> Chan[Any]:
    ch = chan()
    ch.close()
    return ch


@pytest.mark.parametrize("make", OPS.values(), ids=OPS)
async def test_op_is_good_for_one_await(run: Driver, make: Callable[[], Any]) -> None:
    op = make()
    await op
    with pytest.raises(RuntimeError, match="one await"):
        await op


async def test_op_that_is_being_awaited_cannot_be_awaited_again(spawn: Callable[..., Any]) -> None:
    ch = chan()
    op = ch.recv()
    first = spawn(awaiting, op)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if isinstance(first, Goroutine):
        with pytest.raises(RuntimeError, match="one await"):
            await op
    await ch.send(1)
    assert await first == 1


async def test_op_that_failed_stays_failed() -> None:
    op = closed().recv()
    with pytest.raises(ChanClosed):
        await op
    with pytest.raises(RuntimeError, match="one await"):
        await op


async def test_op_that_was_awaited_is_no_case(run: Driver) -> None:
    op = closed().recv_ok()
    await op
    with pytest.raises(RuntimeError, match="of its own"):
        select(op)
    with pytest.raises(RuntimeError, match="of its own"):
        try_select(op)


async def test_op_belongs_to_one_select_at_a_time(run: Driver) -> None:
    ch = chan()
    op = ch.recv()
    first = go(awaiting, select(op))
    second_made_before = select(op)
    await gosched()
    with pytest.raises(RuntimeError, match="of its own"):
        select(op)
    with pytest.raises(RuntimeError, match="of its own"):
        await second_made_before
    with pytest.raises(RuntimeError, match="one await"):
        await op
    await ch.send(1)
    assert await first == (0, 1, True)
    assert try_select(op) == (-1, None, False), "free again"


async def test_op_is_one_case_of_a_select() -> None:
    op = chan().recv()
    with pytest.raises(RuntimeError, match="twice"):
        select(op, op)
    assert try_select(op) == (-1, None, False), "the refused select has let go of it"


@pytest.mark.parametrize(
    "junk",
    [5, "x", object(), chan(), chan().sender, chan().receiver, gosched(), sleep(1), select(), int],
    ids=lambda junk: type(junk).__name__,
)
async def test_select_refuses_what_is_no_channel_operation(junk: Any) -> None:
    with pytest.raises(TypeError, match="select takes"):
        select(junk)
    ready = chan(1)
    with pytest.raises(TypeError, match="select takes"):
        try_select(ready.send(1), junk)
    assert len(ready) == 0


NO_CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "sleep": (lambda: sleep(1), "not sleep(): a timeout is after(seconds).recv()"),
    "gosched": (
        lambda: gosched(),
        "default=True does not wait; the end of a goroutine that awaits it is ended(go(...))",
    ),
    "select": (lambda: select(chan().recv()), "not a select: give its cases to this one"),
    "anext": (lambda: anext(chan()), "not anext(ch): ch.recv()"),
    "list": (lambda: [chan().recv()], "one by one, select(*cases); got [<Op chan receive new>] of type list"),
    "generator": (lambda: (op for op in ()), "one by one, select(*cases)"),
    "number": (
        lambda: 5,
        "locks (mu.lock()), wg.wait(), conn.read(), conn.write(data), None or NIL; got 5 of type int",
    ),
}


@pytest.mark.parametrize("name", NO_CASES)
async def test_select_of_what_is_no_case_says_what_is(name: str) -> None:
    make, words = NO_CASES[name]
    case = make()
    assert words in told(lambda: select(chan().recv(), case))  # type: ignore[arg-type]
    assert words in told(lambda: try_select(case))


async def test_select_of_the_await_of_a_goroutine_says_ended(run: Driver) -> None:
    g = go(nothing)
    assert "its end is ended(g)" in told(lambda: select(g.__await__()))  # type: ignore[call-overload]
    await g


async def test_select_of_a_channel_says_what_to_write() -> None:
    with pytest.raises(TypeError, match=r"ch\.recv\(\) or ch\.send\(v\)"):
        select(chan())


async def test_select_of_a_goroutine_or_a_coroutine_is_refused(run: Driver) -> None:
    g = go(nothing)
    coro = nothing()
    for junk in (g, coro):
        with pytest.raises(TypeError, match="select takes"):
            select(junk)  # type: ignore[arg-type]
    coro.close()
    await g


def test_select_takes_only_the_options_it_knows() -> None:
    with pytest.raises(TypeError):
        select(timeout=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        try_select(default=True)  # type: ignore[call-arg]


SECONDS: dict[str, Callable[[Any], object]] = {  # each call that takes seconds, a time or a rate
    "sleep": sleep,
    "after": after,
    "at": goish.time.at,
    "tick": goish.time.tick,
    "Timer": goish.time.Timer,
    "Timer.reset": lambda x: goish.time.Timer(60).reset(x),
    "Ticker": goish.time.Ticker,
    "Ticker.reset": lambda x: goish.time.Ticker(60).reset(x),
    "after_func": lambda x: goish.time.after_func(x, print),
    "with_timeout": lambda x: context.with_timeout(context.background(), x),
    "with_deadline": lambda x: context.with_deadline(context.background(), x),
    "fail_after": context.fail_after,
    "fail_at": context.fail_at,
    "move_on_after": context.move_on_after,
    "move_on_at": context.move_on_at,
    "Limiter": lambda x: goish.rate.Limiter(x, 1),
    "set_limit": lambda x: goish.rate.Limiter(1, 1).set_limit(x),
    "every": goish.rate.every,
    "Sometimes": lambda x: goish.rate.Sometimes(interval=x),
    "batch": lambda x: goish.streams.batch(2, x),
    "linger": lambda x: chan(1).recv_many(1, linger=x),
    "grace": lambda x: run(nothing, grace=x),
}
TIMEOUTS: dict[str, Callable[[Any], object]] = {
    "recv_blocking": lambda x: chan().recv_blocking(timeout=x),
    "select_blocking": lambda x: goish.select_blocking(chan().recv(), timeout=x),
    "lock_blocking": lambda x: Mutex().lock_blocking(timeout=x),
    "Barrier": lambda x: goish.sync.Barrier(1).wait_blocking(timeout=x),
    "Cond": lambda x: goish.sync.Cond(Mutex()).wait_for_blocking(lambda: True, timeout=x),
    "Watcher": lambda x: goish.sync.Watch(0).watch().changed_blocking(timeout=x),
    "Limiter": lambda x: goish.rate.Limiter(1, 1).wait_blocking(timeout=x),
    "Group": lambda x: goish.errgroup.Group().wait_blocking(timeout=x),
    "TaskTracker": lambda x: goish.errgroup.TaskTracker().wait_blocking(timeout=x),
    "sync": lambda x: sync(spawn(int), timeout=x),
    "sync_all": lambda x: sync_all(spawn(int), timeout=x),
    "sync_any": lambda x: sync_any(spawn(int), timeout=x),
    "result_blocking": lambda x: go_thread(int).result_blocking(timeout=x),
}
TOO_LARGE = [10**400, -(10**400), 10**5000, Fraction(10**400)]


@pytest.mark.parametrize("name", SECONDS)
async def test_seconds_are_a_number(name: str) -> None:
    call = SECONDS[name]
    with pytest.raises(ValueError, match="NaN"):
        call(math.nan)
    for junk in ("1", b"1", [], 1j, True):
        with pytest.raises(TypeError, match=r"number.* got .* of type"):
            call(junk)
    for number in TOO_LARGE:
        with pytest.raises(ValueError, match=r"number.*, up to 1\.8e308, or math\.inf; got a .* (\d+ bits|beyond it)"):
            call(number)


@pytest.mark.parametrize("name", TIMEOUTS)
def test_a_timeout_is_a_number_or_none(name: str) -> None:
    call = TIMEOUTS[name]
    with pytest.raises(ValueError, match=r"seconds or None \(wait for ever\), not NaN"):
        call(math.nan)
    for junk in ("1", b"1", [], 1j, True):
        with pytest.raises(TypeError, match=r"seconds or None \(wait for ever\), got .* of type"):
            call(junk)
    for number in TOO_LARGE:
        with pytest.raises(ValueError, match=r"up to 1\.8e308, or math\.inf; got a"):
            call(number)


def test_a_number_is_what_gives_a_float() -> None:
    assert context.move_on_after(Decimal("0.5")) and goish.rate.every(Fraction(1, 2)) == 2.0
    goish.sync.Barrier(1).wait_blocking(timeout=Fraction(1, 2))
    assert PriorityChan(1).try_send("a", priority=True)
    with pytest.raises(ValueError, match=r"a priority is a number, up to 1\.8e308, or math\.inf; got a whole number"):
        PriorityChan(1).try_send("a", priority=10**400)


def test_what_starts_empty_takes_no_arguments_and_says_so() -> None:
    make: Any
    for make in (Mutex, RWMutex, goish.sync.Event, WaitGroup):
        assert f"{make.__name__}() takes no arguments: it starts " in told(lambda make=make: make(3))
    make = goish.sync.Cond
    for junk in ((), (3,), (Mutex(), 3)):
        assert "Cond() takes the lock: a Mutex, an RWMutex or rw.rlocker(); got " in told(lambda junk=junk: make(*junk))
    assert isinstance(make(mu=Mutex()).mu, Mutex)


async def test_a_generator_is_nothing_to_be_run() -> None:
    """Its call gives the generator, and runs nothing: where the result is dropped, nothing would be done."""
    ran = []

    def generator() -> Any:
        yield ran.append(1)

    async def async_generator() -> Any:
        yield ran.append(1)

    for fn in (generator, async_generator, partial(async_generator)):
        for call in (
            goish.sync.once_func,
            lambda fn: goish.sync.Once().do_blocking(fn),
            lambda fn: goish.time.after_func(0, fn),
            lambda fn: context.after_func(context.background(), fn),
            goish.rate.Sometimes().do,
        ):
            assert "generator, of which a call runs nothing" in told(partial(call, fn))
        once = goish.sync.Once()
        with pytest.raises(TypeError, match="generator, of which a call runs nothing"):
            await once.do(fn)
        assert not once.done()
    assert not ran

    @types.coroutine
    def old_coroutine() -> Any:
        yield from asyncio.sleep(0)
        ran.append(1)

    await goish.sync.Once().do(old_coroutine)
    assert ran == [1]


async def test_a_shared_call_of_a_plain_function_says_which_call_takes_it() -> None:
    calls: Any = goish.singleflight.Group()
    for fn in (plain, time.sleep, list):
        for call in (calls.do, calls.do_chan):
            with pytest.raises(TypeError, match=r"^do(_chan)?\(\) takes a key, a coroutine function .*to_thread, fn\)"):
                await call("key", fn)
    for junk in (5, nothing()):
        with pytest.raises(TypeError, match=r"^do\(\) takes a key, a coroutine function .*; got .* of type \w+$"):
            await calls.do("key", junk)
    assert await calls.do("key", asyncio.to_thread, pow, 2, 3) == 8
    assert len(calls) == 0


def test_waits_need_a_loop() -> None:
    with pytest.raises(RuntimeError):
        asyncio.wait_for(chan().recv(), 1).send(None)


# ── wait groups ──


def test_counter_does_not_go_below_zero() -> None:
    wg = WaitGroup()
    with pytest.raises(ValueError, match="negative WaitGroup counter"):
        wg.done()
    wg.add(2)
    with pytest.raises(ValueError, match="negative WaitGroup counter"):
        wg.add(-3)
    assert wg.count == 2
    for junk in ("1", None, 1.5):
        with pytest.raises(TypeError, match=rf"add\(\) takes a whole number, got {junk!r} of type"):
            wg.add(junk)  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        wg.add(2**64)
    assert wg.count == 2


def test_a_wait_group_and_a_token_take_no_arguments_and_say_what_does_it() -> None:
    make: Any = WaitGroup
    assert "it starts at zero; wg.add(n) counts up" in told(lambda: make(3))
    assert "unexpected keyword argument 'n'" in told(lambda: make(n=3))
    token: Any = goish.CancelToken
    for call in (lambda: token(3), lambda: token(timeout=5)):
        assert "a deadline is loop.call_later(seconds, token.cancel)" in told(call)
    assert not token().cancelled()
    assert make().count == 0


def test_counter_does_not_wrap_around() -> None:
    wg = WaitGroup()
    wg.add(sys.maxsize)
    with pytest.raises((ValueError, OverflowError)):
        wg.add(1)
    assert wg.count == sys.maxsize


async def test_wait_group_refuses_what_is_no_coroutine_function() -> None:
    wg = WaitGroup()
    for junk in (5, plain):
        with pytest.raises(TypeError):
            wg.go(junk)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        wg.go(nothing, 1)  # type: ignore[call-arg]
    assert wg.count == 0


# ── goroutines ──


async def test_goroutine_that_awaits_itself_is_told(run: Driver) -> None:
    async def itself() -> None:
        me = current_goroutine()
        assert me is not None
        await me

    with pytest.raises(RuntimeError, match="await itself"):
        await go(itself)


async def test_goroutine_gives_no_result_before_it_has_one(run: Driver) -> None:
    g = go(nothing)
    with pytest.raises(asyncio.InvalidStateError):
        g.result()
    with pytest.raises(asyncio.InvalidStateError):
        g.exception()
    await g
    assert g.result() is None


async def test_goroutine_that_awaits_rubbish_is_told(run: Driver) -> None:
    class Rubbish:
        def __init__(self, value: object) -> None:
            self.value = value

        def __await__(self) -> Generator[Any]:
            yield self.value

    foreign = asyncio.SelectorEventLoop()
    future = foreign.create_future()
    try:
        generator = (i for i in [1])
        for value in (5, object(), chan(), chan().recv(), future, generator):
            with pytest.raises(RuntimeError):
                await go(awaiting, Rubbish(value))
        with pytest.raises(RuntimeError, match="loop"):
            await go(awaiting, future)
    finally:
        foreign.close()


# ── every public type ──


def instances() -> list[Any]:
    ch = chan(2)
    return [ch, PriorityChan(2), ch.sender, ch.receiver, ch.recv(), select(), gosched(), WaitGroup(), go, NIL]


@pytest.mark.parametrize("instance", instances(), ids=lambda instance: type(instance).__name__)
def test_copies_and_pickles_are_refused(instance: Any) -> None:
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            duplicate(instance)


async def test_channel_that_is_sent_to_a_process_is_told_of_results() -> None:
    for ch in (chan(), chan().sender, chan().receiver):
        with pytest.raises(TypeError, match=r"does not reach into other processes.*returns its values"):
            pickle.dumps(ch)


async def test_sync_on_a_loop_is_refused_by_its_own_name() -> None:
    hold = threading.Event()
    g = goish.go_thread(hold.wait)
    with pytest.raises(goish.errors.SyncOnLoop, match=r"^sync\(\) would block .* await the Goroutine"):
        goish.parallel.sync(g)
    hold.set()
    assert await g
    assert goish.parallel.sync(g)  # which does not block


@pytest.mark.parametrize(
    "loop", [goish.parallel.parallel_for, goish.parallel.parallel_map, goish.parallel.parallel_reduce]
)
def test_arguments_of_a_parallel_loop_the_wrong_way_round_are_told(loop: Any) -> None:
    with pytest.raises(TypeError, match=rf"{loop.__name__}\(\w+, items.*the function comes first, got \[1, 2\]"):
        loop([1, 2], "ab")


def test_attributes_of_others_are_told_what_is_there() -> None:
    with pytest.raises(AttributeError, match=r"parallel_map\(fn, items, executor=ex\)"):
        _ = goish.parallel.Executor().map  # type: ignore[attr-defined]  # pyright: ignore
    with concurrent.futures.ThreadPoolExecutor(1) as theirs:
        with pytest.raises(AttributeError, match=r"'AdoptedExecutor' object .* parallel_map\(fn, items, executor=ex\)"):
            _ = goish.parallel.adopt(theirs).map  # type: ignore[attr-defined]  # pyright: ignore
    with pytest.raises(AttributeError, match=r"attribute 'frobnicate'$"):
        _ = goish.parallel.Executor().frobnicate  # type: ignore[attr-defined]  # pyright: ignore
    fv = goish.parallel.submit(int)
    with pytest.raises(AttributeError, match="as_goroutine"):
        _ = fv.cancelled  # type: ignore[attr-defined]  # pyright: ignore
    assert goish.parallel.sync(fv) == 0


def test_what_is_no_number_no_file_and_no_flag_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"seed\(\) takes an int, got 'x' of type str"):
        goish.runtime.seed("x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"file is a text file that is open, got 'dump\.txt' of type str"):
        goish.debug.dump("dump.txt")  # type: ignore[arg-type]
    for junk in ("x", 1):
        with pytest.raises(TypeError, match=f"debug is True, False or None, got {junk!r} of type"):
            run(nothing, debug=junk)  # type: ignore[arg-type]


async def test_goroutine_can_be_neither_copied_nor_pickled(run: Driver) -> None:
    g = go(nothing)
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            duplicate(g)
    await g


@pytest.mark.parametrize("cls", [Op, Goroutine, SendChan, RecvChan], ids=lambda cls: cls.__name__)
def test_types_that_are_only_handed_out_cannot_be_called(cls: type[Any]) -> None:
    with pytest.raises(TypeError):
        cls()


@pytest.mark.parametrize("cls", [Op, Goroutine, SendChan, RecvChan, WaitGroup, type(go)], ids=lambda cls: cls.__name__)
def test_final_types_have_no_subclasses(cls: type[Any]) -> None:
    with pytest.raises(TypeError):
        type("Sub", (cls,), {})


def test_channel_is_made_once() -> None:
    for ch in (chan(3), PriorityChan(3)):
        ch.try_send(1)
        with pytest.raises(RuntimeError, match="once"):
            ch.__init__(5)  # type: ignore[misc]
        assert ch.cap == 3
        assert ch.try_recv_many() == [1]
    with pytest.raises(RuntimeError, match="once"):
        NIL.__init__(5)  # type: ignore[misc]


def test_channel_that_was_closed_or_used_is_not_made_again() -> None:
    ch = chan(3)
    ch.close()
    with pytest.raises(RuntimeError, match="once"):
        ch.__init__(5)  # type: ignore[misc]
    assert ch.closed


@pytest.mark.parametrize("cls", TYPES, ids=names_of(TYPES))
def test_attributes_cannot_be_invented_or_deleted(cls: type[Any]) -> None:
    for instance in instances():
        if type(instance) is not cls:
            continue
        with pytest.raises(AttributeError):
            instance.invented = 1
        for name in ("cap", "closed", "count"):
            if hasattr(instance, name):
                with pytest.raises(AttributeError):
                    setattr(instance, name, 1)


# Each round calls random methods of random objects, made regularly or by __new__ alone, with random arguments. It runs
# in a process of its own: what it looks for ends the process.
@pytest.mark.parametrize("number", range(3))
def test_junk_never_crashes(rng: random.Random, number: int) -> None:
    seed = rng.randrange(2**32)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(Path(__file__)), str(seed), "2000"],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": str(Path(goish.__file__).parents[1])},
    )
    assert done.returncode == 0, f"fuzzer seed {seed}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"


# ── the fuzzer ──

LOUD = False
POOL = 30
NOT_CALLED = {"__init_subclass__", "__subclasshook__", "__class__", "print_stack"}


class Evil:
    """Answers whatever it is asked by an exception."""

    def __getattribute__(self, name: str) -> Any:
        raise LookupError(name)

    def __eq__(self, other: object) -> bool:
        raise LookupError("eq")

    def __hash__(self) -> int:
        raise LookupError("hash")

    def __index__(self) -> int:
        raise LookupError("index")

    def __float__(self) -> float:
        raise LookupError("float")

    def __iter__(self) -> Any:
        raise LookupError("iter")

    def __await__(self) -> Any:
        raise LookupError("await")

    def __call__(self, *args: object) -> Any:
        raise LookupError("call")

    def __repr__(self) -> str:
        return "Evil()"


class Collecting:
    """Runs the collector in the middle of whatever drops it."""

    def __del__(self) -> None:
        gc.collect(0)


class Fuzzer:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.pool: list[Any] = []  # of subjects that are used again, together with others

    def pick(self, choices: list[Any]) -> Any:
        return choices[self.rng.randrange(len(choices))]

    def argument(self) -> Any:
        make: list[Callable[[], Any]] = [
            lambda: None,
            lambda: self.pick([0, 1, -1, 3, 2**31, 2**63, -(2**70), True]),
            lambda: self.pick([0.0, 0.001, -1.5, math.nan, math.inf]),
            lambda: self.pick(["", "x", "block", "mpmc", b"x"]),
            lambda: self.pick([[], (), {}, set(), [1, 2], range(3)]),
            lambda: self.pick([plain, nothing, int, type, print.__class__, len]),
            lambda: self.pick([ValueError("x"), ValueError, StopIteration(1), asyncio.CancelledError, GeneratorExit()]),
            lambda: self.pick([Evil(), Collecting(), object()]),
            lambda: asyncio.get_running_loop().create_future(),
            lambda: self.pick([contextvars.Context(), contextvars.copy_context()]),
            self.subject,
        ]
        return self.pick(make)()

    def keep(self, subject: Any) -> Any:
        if len(self.pool) < POOL:
            self.pool.append(subject)
        else:
            self.pool[self.rng.randrange(POOL)] = subject
        return subject

    def subject(self) -> Any:
        return self.pick(self.pool) if self.pool and self.rng.randrange(2) else self.keep(self.new_subject())

    def new_subject(self) -> Any:
        chans = [obj for obj in self.pool if isinstance(obj, Chan)]
        ch = self.pick(chans) if chans and self.rng.randrange(2) else chan(self.pick([0, 1, 2, math.inf]))
        make: list[Callable[[], Any]] = [
            lambda: ch,
            lambda: PriorityChan(self.pick([1, 2, math.inf])),
            lambda: chan(1, overflow=self.pick(["error", "drop_oldest", "drop_newest"]), on_undelivered=Evil()),
            lambda: self.pick([ch.sender, ch.receiver]),
            lambda: self.pick([ch.recv, ch.recv_ok, ch.recv_info, ch.__anext__])(),
            lambda: ch.send(Collecting()),
            lambda: select(ch.recv(), ch.send(1), default=self.pick([True, False])),
            lambda: self.pick([gosched(), sleep(0.001), after(0.001), after(0.001).recv()]),
            lambda: WaitGroup(),
            lambda: WaitGroup().wait(),
            lambda: go(nothing),
            lambda: go(self.park, ch),
            lambda: self.pick([go, go.options(name="x"), NIL]),
            lambda: self.bare(self.pick(TYPES)),
        ]
        return self.pick(make)()

    async def park(self, ch: Chan[Any]) -> None:
        cases = [ch.recv(), self.keep(chan()).send(1)]
        await self.keep(select(*map(self.keep, cases)))

    def bare(self, cls: Any) -> Any:
        return cls.__new__(cls)

    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        args = [self.argument() for _ in range(self.pick([0, 0, 1, 1, 1, 2, 3]))]
        names = ["value", "capacity", "max", "linger", "msg", "priority", "context", "n", "overflow"]
        kwargs = {self.pick(names): self.argument() for _ in range(self.pick([0, 0, 0, 1]))}
        return args, kwargs

    def abuse(self, obj: Any) -> Any:
        what = self.rng.randrange(10)
        names = dir(obj)
        plain_names = [name for name in names if not name.startswith("__")]
        name = self.pick(plain_names if plain_names and self.rng.randrange(4) else names)
        if name in NOT_CALLED:
            return None
        if what < 6:
            args, kwargs = self.arguments()
            self.note(obj, name, args, kwargs)
            if isinstance(obj, Chan) and not self.rng.randrange(4):
                return getattr(Chan, name)(obj, *args, **kwargs)
            return getattr(obj, name)(*args, **kwargs)
        if what == 6:
            if isinstance(obj, Goroutine) and callable(getattr(Goroutine, name, None)):
                return None  # it may be done, as to an asyncio.Task, and then the fuzzer could not call it any more
            argument = self.argument()
            self.note(obj, f"{name} = ", [argument])
            return setattr(obj, name, argument)
        if what == 7:
            self.note(obj, f"del {name}", [])
            return delattr(obj, name)
        if what == 8:
            fn = self.pick([repr, str, hash, bool, len, iter, next, copy.copy, pickle.dumps, weakref.ref, aiter])
            self.note(fn, "", [obj])
            return fn(obj)
        other = self.argument()
        fn = self.pick([lambda a, b: a == b, lambda a, b: a < b, lambda a, b: a in b, lambda a, b: b[a], isinstance])
        self.note(fn, "", [obj, other])
        return fn(obj, other)

    def note(self, obj: Any, name: str, args: list[Any], kwargs: dict[str, Any] | None = None) -> None:
        kinds = ", ".join([type(arg).__name__ for arg in args] + [f"{key}=" for key in kwargs or ()])
        if LOUD:
            print(f"{type(obj).__name__}.{name}({kinds})", flush=True)

    async def use(self, obj: Any) -> None:
        if self.rng.randrange(4) == 0 and not isinstance(obj, type) and hasattr(type(obj), "__await__"):
            self.note(obj, "await", [])
            async with asyncio.timeout(0.001):
                await obj

    async def call_a_function(self) -> Any:
        fn = self.pick([chan, select, try_select, after, sleep, go, goish.runtime.seed, num_goroutine, run, go.options])
        args, kwargs = self.arguments()
        self.note(fn, "", args, kwargs)
        return fn(*args, **kwargs)

    async def round(self) -> None:
        obj = self.subject() if self.rng.randrange(8) else await self.call_a_function()
        if type(obj) not in TYPES:
            return  # a tuple, say: multiplied by junk it fills the memory
        for _ in range(self.rng.randrange(1, 6)):
            try:
                result = self.abuse(obj)
                await self.use(result if self.rng.randrange(2) else obj)
            except (Exception, asyncio.CancelledError, GeneratorExit):
                pass
        await self.use(obj)


async def fuzz(seed: int, rounds: int) -> None:
    fuzzer = Fuzzer(seed)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    for i in range(rounds):
        with suppress(Exception, asyncio.CancelledError, GeneratorExit):
            await fuzzer.round()
        if i % 50 == 0:
            gc.collect()
            await take_cancel()
        if i % 500 == 0:
            await still_works()
    for g in goish.runtime.goroutines():
        if g is not current_goroutine():
            g.cancel()
    await take_cancel()
    await still_works()


async def take_cancel() -> None:
    """Junk such as ``op.throw(CancelledError())`` may have left a cancel of the caller behind."""
    with suppress(asyncio.CancelledError):
        await gosched()


async def still_works() -> None:
    """A small program that uses everything."""
    ch, done = chan(), chan(10)
    wg = WaitGroup()

    async def square() -> None:
        async for i in ch:
            await done.send(i * i)

    for _ in range(3):
        wg.go(square)
    for i in range(10):
        index, _, _ = await select(ch.send(i), after(60).recv())
        assert index == 0
    ch.close()
    await wg.wait()
    done.close()
    assert sorted([i async for i in done]) == [i * i for i in range(10)]
    with pytest.raises(ValueError, match="x"):
        await go(fail)


async def fail() -> None:
    raise ValueError("x")


# ── predicates ──


def test_a_predicate_is_a_method_and_data_is_a_property() -> None:
    """``if fv.is_ready:`` would be silently true of a method, so all that ask are alike: to be called."""
    asked = ("done", "cancelled", "cancelling", "locked")
    for module in (goish, goish.parallel, goish.runtime):
        for name in module.__all__:
            owner = getattr(module, name)
            for attribute in vars(owner) if isinstance(owner, type) else ():
                if attribute.startswith("is_") or attribute in asked:
                    assert callable(getattr(owner, attribute)), f"{name}.{attribute}"
                    assert not isinstance(vars(owner)[attribute], property), f"{name}.{attribute}"


def test_calling_the_module_sync_names_the_function() -> None:
    with pytest.raises(TypeError, match=r"goish\.parallel\.sync\(fv\)"):
        goish.sync(goish.parallel.spawn(int))  # type: ignore[operator]


if __name__ == "__main__":
    LOUD = len(sys.argv) > 3
    run(fuzz, int(sys.argv[1]), int(sys.argv[2]), on_panic=lambda *_: None, deadlock="off")


IN_A_SUB_INTERPRETER = """
import sys
import goish
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

interpreters.run_string(interpreters.create(), f'''
import sys
sys.path[:] = {sys.path!r}
try:
    import goish
except ImportError as exc:
    print(exc, flush=True)
''')
"""


def test_a_sub_interpreter_is_told_why_it_cannot_import_goish() -> None:
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IN_A_SUB_INTERPRETER], capture_output=True, text=True, check=True
    ).stdout
    assert "cannot be imported in a sub-interpreter, nor in another one after that: " in told
    assert "its compiled core keeps one state for the whole process" in told
    assert "main interpreter" in told
