"""goish.time: timers fire once, at their time; stopped or reset, no earlier value is left; nothing runs unasked.

Mostly in virtual time. Not here: sleep and after (aio/test_timers.py), tickers (test_ticker.py).
"""

from __future__ import annotations

import asyncio
import copy
import gc
import math
import random
import threading
import time as system_time
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
from helpers import outcome, settle
from hypothesis import given, settings
from hypothesis import strategies as st
from parties import PATIENCE
from virtual_clock import START, VirtualClockLoop

import goish
from goish import EMPTY, NIL, Chan, chan, go_thread, select, select_blocking, time, try_select
from goish._runtime.core import scheduler_for

Spawn = Callable[..., Any]
SOON = 0.002  # seconds that a test waits for real


def armed() -> int:
    timers: int = scheduler_for(asyncio.get_running_loop()).timers
    return timers


# ── now ──


async def test_now_is_the_time_of_the_loop(virtual: Any) -> None:
    assert time.now() == asyncio.get_running_loop().time() == START
    await time.sleep(5)
    assert time.now() == START + 5
    assert await go_thread(time.now) != START + 5, "a thread without a loop goes by the system's clock"


async def test_now_can_be_compared_with_the_time_of_the_loop() -> None:
    """On macOS the system has several clocks, which differ by how long the machine has slept."""
    loop = asyncio.get_running_loop()
    before, now = loop.time(), time.now()
    await asyncio.sleep(0.01)  # uvloop's stands still in a turn, and may be the system's coarse one
    assert before <= now <= loop.time()


def test_now_is_the_monotonic_clock_where_no_loop_runs() -> None:
    before = system_time.monotonic()
    assert before <= time.now() <= system_time.monotonic()


async def test_now_goes_on_while_a_callback_runs(spawn: Spawn) -> None:
    began, before = time.now(), system_time.monotonic()
    while system_time.monotonic() == before:
        pass
    assert time.now() > began


# ── a Timer ──


async def test_a_timer_gives_the_time_it_was_set_for_once(virtual: Any) -> None:
    timer = time.Timer(5)
    assert timer.c.try_recv() is EMPTY
    assert await timer.c.recv() == START + 5
    assert time.now() == START + 5
    again = virtual.spawn(lambda: outcome(timer.c.recv()))
    await time.sleep(100)
    assert not again.done()
    assert not timer.c.closed
    again.cancel()
    await settle()
    assert armed() == 0


async def test_a_late_receiver_gets_the_time_it_was_set_for(virtual: Any) -> None:
    timer = time.Timer(5)
    await time.sleep(7)
    assert await timer.c.recv() == START + 5
    assert timer.c.try_recv() is EMPTY


@pytest.mark.parametrize("seconds", [0, -1, -math.inf])
async def test_a_timer_of_nothing_fires_at_once(virtual: Any, seconds: float) -> None:
    assert time.Timer(seconds).c.try_recv() == START
    assert await time.Timer(seconds).c.recv() == START


async def test_an_endless_timer_never_fires(virtual: Any) -> None:
    timer = time.Timer(math.inf)
    waiter = virtual.spawn(lambda: outcome(timer.c.recv()))
    await time.sleep(1e5)
    assert not waiter.done()
    assert timer.reset(1) is False
    await time.sleep(1)
    await settle()
    assert waiter.result() == START + 1e5 + 1


async def test_a_timers_channel_has_no_length(virtual: Any) -> None:
    """Go's: cap and len are 0, whether it has fired or not."""
    timer = time.Timer(1)
    for _ in range(2):
        assert (len(timer.c), timer.c.cap) == (0, 0)
        await time.sleep(2)
        assert try_select(chan().recv()) == (-1, None, False)
    assert timer.c.peek_item() == START + 1
    assert (len(timer.c), timer.c.cap) == (0, 0)


async def test_a_stopped_timer_gives_nothing(virtual: Any) -> None:
    """Stop is True if it prevented the value from being received: also one that was due, or seen, but not received."""
    fresh, due, seen, taken = (time.Timer(1) for _ in range(4))
    assert fresh.stop() is True
    await time.sleep(2)
    assert seen.c.peek_item() == START + 1
    assert await taken.c.recv() == START + 1
    assert (due.stop(), seen.stop(), taken.stop()) == (True, True, False)
    for timer in (fresh, due, seen, taken):
        assert timer.stop() is False
        assert timer.c.try_recv() is EMPTY
        assert timer.c.peek_item() is EMPTY
        assert try_select(timer.c.recv()) == (-1, None, False)
    await time.sleep(10)
    assert all(timer.c.try_recv() is EMPTY for timer in (fresh, due, seen, taken))


async def test_a_receiver_of_a_stopped_timer_waits_for_its_reset(virtual: Any) -> None:
    timer = time.Timer(5)
    waiter = virtual.spawn(lambda: outcome(timer.c.recv()))
    await settle()
    assert armed() == 1
    assert timer.stop() is True
    assert armed() == 0
    await time.sleep(10)
    assert not waiter.done()
    assert timer.reset(3) is False
    assert armed() == 1
    await time.sleep(3)
    await settle()
    assert waiter.result() == START + 13
    assert armed() == 0


@pytest.mark.parametrize(("first", "second"), [(5, 2), (2, 5), (0, 1), (1, 0)])
async def test_a_reset_timer_gives_the_new_time_alone(virtual: Any, first: float, second: float) -> None:
    for waits in (False, True):
        timer = time.Timer(first)
        got: list[float] = []

        async def receive(timer: time.Timer = timer, got: list[float] = got) -> None:
            while True:
                got.append(await timer.c.recv())

        if first == 0:
            assert timer.c.peek_item() == time.now(), "so that there is a stale value"
        waiter = virtual.spawn(receive) if waits and first else None
        await settle()
        began = time.now()
        assert timer.reset(second) is True
        waiter = waiter or virtual.spawn(receive)
        await time.sleep(20)
        assert got == [began + second]
        waiter.cancel()
        await settle()
    assert armed() == 0


async def test_a_timer_is_a_case_of_select(virtual: Any) -> None:
    timer, ch = time.Timer(2), chan(1)
    for _ in range(100):
        assert await ch.send(1) is False
        assert await select(timer.c.recv(), ch.recv()) == (1, 1, True)
        assert armed() == 0
    assert await select(timer.c.recv(), ch.recv(), time.after(1).recv()) == (2, START + 1, True)
    assert armed() == 0
    assert await select(timer.c.recv(), ch.recv()) == (0, START + 2, True)
    timer.reset(1)
    assert await select(ch.recv(), timer.c.recv()) == (1, START + 3, True)


async def test_at_fires_at_its_time(virtual: Any) -> None:
    assert await select(time.at(START + 3).recv(), time.at(START + 2).recv()) == (1, START + 2, True)
    assert time.now() == START + 2
    assert await time.at(START + 1).recv() == START + 1, "a time that has passed"
    assert time.at(START + 10).try_recv() is EMPTY
    assert time.at(-math.inf).try_recv() == -math.inf


async def test_forgotten_timers_are_gone_at_once(virtual: Any) -> None:
    """Without a collection: nothing refers to them."""
    gc.disable()
    try:
        makes: list[Callable[[], Any]] = [lambda: time.Timer(60).c, lambda: time.tick(60), lambda: time.after(60)]
        for make in makes:
            view = make()
            seen = weakref.ref(view)
            await select(view.recv(), time.after(1).recv())
            del view
            assert seen() is None
            assert armed() == 0
    finally:
        gc.enable()


async def test_select_in_a_loop_beside_a_timer_arms_nothing_for_long(virtual: Any) -> None:
    timer, ch = time.Timer(60), chan(1)
    for _ in range(1000):
        timer.reset(60)
        ch.try_send(0)
        await select(ch.recv(), timer.c.recv())
        assert armed() == 0


async def test_a_timer_that_was_made_on_another_loop_fires() -> None:
    def make() -> list[time.Timer]:
        async def main() -> list[time.Timer]:
            return [time.Timer(SOON), time.Timer(SOON)]

        return asyncio.run(main())

    thread: list[list[time.Timer]] = []
    t = threading.Thread(target=lambda: thread.append(make()))
    t.start()
    t.join()
    [[first, second]] = thread
    await first.c.recv()
    assert second.reset(SOON) is True
    await second.c.recv()


def test_a_timer_serves_threads() -> None:
    timer = time.Timer(SOON)
    began = time.now()
    assert timer.c.recv_blocking(timeout=PATIENCE) <= time.now()
    assert timer.reset(SOON) is False
    assert select_blocking(chan().recv(), timer.c.recv(), timeout=PATIENCE)[0] == 1
    assert time.now() - began >= 2 * SOON
    assert timer.reset(60) is False
    with pytest.raises(TimeoutError):
        timer.c.recv_blocking(timeout=SOON)


@pytest.mark.parametrize("stopped", [True, False])
@pytest.mark.parametrize("on_loop", [True, False])
def test_a_reset_wakes_a_blocked_thread(stopped: bool, on_loop: bool, run: Any) -> None:
    """Of a timer that was made on a loop, whose alarm wakes it; of one without a loop, to which it looks."""
    made: list[time.Timer] = []
    got: list[float] = []
    waits = threading.Event()

    def listen() -> None:
        waits.set()
        got.append(made[0].c.recv_blocking(timeout=PATIENCE))

    async def main() -> None:
        if on_loop:
            made.append(time.Timer(60))
        if stopped:
            made[0].stop()
        listener = go_thread(listen)
        while not (waits.is_set() and made[0].c.statistics().receivers_waiting):
            await time.sleep(0.001)
        assert made[0].reset(SOON) is not stopped
        await listener

    if not on_loop:
        made.append(time.Timer(60))
    run(main)
    assert len(got) == 1


async def test_stop_and_reset_from_threads_leave_no_value(run: Any) -> None:
    """After any of them has returned, nothing of before is received, however many threads pull at it."""
    timer = time.Timer(0)

    def pull(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(300):
            rng.choice([timer.stop, lambda: timer.reset(0), lambda: timer.reset(1e6), timer.c.try_recv])()

    async def listen() -> None:
        while True:
            await select(timer.c.recv(), time.after(0.001).recv())

    listener = goish.go(listen)
    await goish.wait_all(*[go_thread(pull, i) for i in range(4)])
    timer.stop()
    assert timer.c.try_recv() is EMPTY
    listener.cancel()
    await outcome(listener)
    assert armed() == 0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("srwplt"), st.integers(0, 5)), max_size=30), st.integers(0, 5))
def test_a_timer_does_what_its_model_does(steps: list[tuple[str, int]], first: int) -> None:
    """The model: the time for which it is set, or None; receivers in their order."""

    async def main() -> None:
        timer = time.Timer(first)
        due: float | None = START + first
        waits: list[Any] = []
        got: list[float] = []

        async def receive() -> None:
            got.append(await timer.c.recv())

        def pass_time() -> None:
            nonlocal due
            if due is not None and due <= time.now() and waits:
                waits.pop(0)
                expected.append(due)
                due = None

        expected: list[float] = []
        for kind, n in steps:
            if kind == "s":
                assert timer.stop() is (due is not None)
                due = None
            elif kind == "r":
                assert timer.reset(n) is (due is not None)
                due = time.now() + n
            elif kind == "w":
                waits.append(goish.go(receive))
                await settle(3)
            elif kind == "p":
                ready = due is not None and due <= time.now() and not waits
                assert timer.c.try_recv() == (due if ready else EMPTY)
                due = None if ready else due
            elif kind == "l" and waits:
                waits.pop(n % len(waits)).cancel()
            elif kind == "t":
                await time.sleep(n)
            await settle(4)
            pass_time()
            await settle(4)
            assert got == expected
            assert armed() == (1 if waits and due is not None else 0)
        for g in waits:
            g.cancel()

    goish.run(main, loop=VirtualClockLoop, deadlock="off")


# ── after_func ──


async def test_after_func_calls_in_a_goroutine_of_its_own(virtual: Any) -> None:
    called: list[Any] = []

    def plain(*args: Any) -> None:
        called.append((args, time.now(), goish.current_goroutine()))

    async def waits(*args: Any) -> None:
        await time.sleep(1)
        plain(*args)

    time.after_func(2, plain, 1, 2)
    time.after_func(1, waits, 3)
    time.after_func(3, Chan[int](1).send, 4)  # gives an operation, which is awaited
    assert armed() == 3
    await time.sleep(10)
    assert sorted((args, at) for args, at, _ in called) == [((1, 2), START + 2), ((3,), START + 2)]
    assert None not in [g for _, _, g in called]
    assert len({g for _, _, g in called}) == 2


async def test_a_stop_that_is_true_has_prevented_the_call(virtual: Any) -> None:
    called: list[int] = []
    prevented, late = (time.after_func(1, called.append, i) for i in range(2))
    assert prevented.stop() is True
    assert armed() == 1
    await time.sleep(2)
    assert called == [1]
    assert (prevented.stop(), late.stop()) == (False, False)
    assert late.reset(1) is False
    assert late.reset(2) is True
    await time.sleep(1)
    assert called == [1]
    await time.sleep(1)
    assert called == [1, 1]
    assert late.c == NIL
    assert armed() == 0


async def test_after_func_runs_in_the_context_of_its_call(virtual: Any) -> None:
    variable: ContextVar[str] = ContextVar("variable")
    seen: list[str] = []
    variable.set("as it was called")
    timer = time.after_func(1, lambda: seen.append(variable.get()))
    variable.set("later")
    await time.sleep(2)
    timer.reset(1)
    await time.sleep(2)
    assert seen == ["as it was called"] * 2


def test_what_a_function_of_after_func_raises_is_a_panic() -> None:
    def fail() -> None:
        raise ValueError("at its time")

    async def main() -> None:
        time.after_func(1, fail)
        await time.sleep(60)

    with pytest.raises(goish.Panic) as caught:
        goish.run(main, loop=VirtualClockLoop)
    assert "at its time" in repr(caught.value.__cause__)


def test_a_program_does_not_wait_for_after_func() -> None:
    called: list[int] = []

    async def main() -> None:
        time.after_func(60, called.append, 1)

    goish.run(main)
    assert called == []


async def test_after_func_is_stopped_by_one_of_many_threads(run: Any) -> None:
    """Either a stop was True, or the function was called; never both, never neither."""
    for _ in range(50):
        called: list[int] = []
        timer = time.after_func(0.0002, called.append, 1)
        stops = await goish.wait_all(*[go_thread(timer.stop) for _ in range(3)])
        await time.sleep(0.001)
        await settle()
        assert sum(stops) + len(called) == 1
    assert armed() == 0


# ── bad input ──


@pytest.mark.parametrize(
    "make",
    [
        time.Timer,
        time.Ticker,
        time.tick,
        time.at,
        time.after,
        time.sleep,
        lambda d: time.after_func(d, print),
        lambda d: time.Timer(1).reset(d),
        lambda d: time.Ticker(1).reset(d),
    ],
)
async def test_what_is_no_duration_is_refused_at_the_call(make: Callable[[Any], Any], run: Any) -> None:
    with pytest.raises(ValueError, match="NaN"):
        make(math.nan)
    bad: Any
    for bad in ("1", None, []):
        with pytest.raises(TypeError, match="takes a number of seconds"):
            make(bad)
    assert armed() == 0


async def test_a_refused_reset_changes_nothing(virtual: Any) -> None:
    timer, ticker = time.Timer(2), time.Ticker(2)
    for reset in (timer.reset, ticker.reset):
        with pytest.raises(ValueError, match="NaN"):
            reset(math.nan)
    assert await timer.c.recv() == START + 2
    assert await ticker.c.recv() == START + 2


def test_after_func_needs_a_function_and_a_loop() -> None:
    with pytest.raises(RuntimeError, match="needs an event loop"):
        time.after_func(1, print)

    async def main() -> None:
        with pytest.raises(TypeError, match="takes a function and its arguments, got 5"):
            time.after_func(1, 5)  # type: ignore[arg-type]

    goish.run(main)


def test_a_timer_is_no_value() -> None:
    for made in (time.Timer(1), time.Ticker(1)):
        with pytest.raises(TypeError, match="copied"):
            copy.copy(made)
        with pytest.raises(RuntimeError, match="made once"):
            made.__init__(1)  # type: ignore[misc]
    empty = time.Timer.__new__(time.Timer)
    assert (empty.stop(), empty.c.try_recv(), repr(empty)) == (False, EMPTY, "<Timer stopped>")
    blank = time.Ticker.__new__(time.Ticker)
    assert (blank.stop(), blank.c.try_recv()) == (False, EMPTY)


async def test_a_timer_says_what_it_does(virtual: Any) -> None:
    timer, ticker = time.Timer(2), time.Ticker(3)
    assert (repr(timer), repr(ticker)) == ("<Timer in 2 s>", "<Ticker every=3 s in 3 s>")
    await time.sleep(4)
    assert (repr(timer), repr(ticker)) == ("<Timer due>", "<Ticker every=3 s due>")
    timer.stop()
    ticker.stop()
    assert (repr(timer), repr(ticker)) == ("<Timer stopped>", "<Ticker every=3 s stopped>")


def test_the_module_takes_the_place_of_no_other() -> None:
    import time as again

    assert again is system_time
    assert not hasattr(again, "Ticker")
