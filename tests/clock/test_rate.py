"""goish.rate: a Limiter never lets through more than it promises, serves in order, and gets back what is not used.

The properties that the tests of golang.org/x/time/rate check, anew, in virtual time; a model; threads.
"""

from __future__ import annotations

import asyncio
import copy
import math
import random
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest
from helpers import outcome, settle
from hypothesis import given, settings
from hypothesis import strategies as st
from parties import PATIENCE
from virtual_clock import START, VirtualClockLoop

import goish
from goish import context, go_thread, run, time
from goish._runtime.core import scheduler_for
from goish.errors import Canceled, SyncOnLoop
from goish.rate import INF, Limiter, Reservation, Sometimes, every

D = 0.1  # seconds: Go's tests go by tenths


def jump(seconds: float) -> None:
    """Has the virtual clock go on, or back."""
    loop: Any = asyncio.get_running_loop()
    loop.now += seconds


def close(x: float) -> Any:
    return pytest.approx(x, abs=1e-6)


# ── limits ──


def test_every_is_the_limit_of_a_period() -> None:
    assert [every(s) for s in (0, 1, 0.5, 2, 4, INF)] == [INF, 1, 2, 0.5, 0.25, 0]


# ── allow ──


async def allowed(limiter: Limiter, *events: tuple[float, int, bool]) -> None:
    began = time.now()
    for at, n, ok in events:
        jump(began + at * D - time.now() + 1e-9)
        assert limiter.allow(n) is ok, (at, n)


async def test_a_burst_of_one(virtual: Any) -> None:
    await allowed(Limiter(10, 1), (0, 1, True), (0, 1, False), (0, 1, False), (1, 1, True), (1, 1, False), (2, 1, True))
    await allowed(Limiter(10, 1), (0, 2, False), (1, 2, False), (5, 2, False), (5, 1, True))


async def test_a_burst_of_three(virtual: Any) -> None:
    three = [(0.0, 1, True)] * 3
    then = [(0.0, 1, False), (1.0, 1, True), (1.0, 1, False), (3.0, 1, True), (3.0, 1, True), (3.0, 1, False)]
    await allowed(Limiter(10, 3), *three, *then, (9, 1, True), (9, 1, True), (9, 1, True), (9, 1, False))
    await allowed(Limiter(10, 3), (0, 3, True), (0, 1, False), (3, 3, True), (5, 2, True), (5, 0, True), (9, 4, False))


async def test_a_clock_that_goes_back_gives_nothing_and_goes_on_from_there(virtual: Any) -> None:
    await allowed(Limiter(10, 3), (1, 1, True), (0, 1, True), (0, 1, True), (0, 1, False), (1, 1, True), (1, 1, False))


async def test_a_limit_without_end_ignores_the_burst(virtual: Any) -> None:
    limiter = Limiter(INF, 0)
    assert all(limiter.allow(1000) for _ in range(10))
    assert limiter.reserve(10**6).delay() == 0
    await limiter.wait(10**6)
    assert (limiter.limit, limiter.burst) == (INF, 0)


async def test_a_limit_of_zero_lets_through_the_first_burst(virtual: Any) -> None:
    limiter = Limiter(0, 2)
    assert [limiter.allow() for _ in range(3)] == [True, True, False]
    jump(1e9)
    assert not limiter.allow()
    later = limiter.reserve()
    assert (later.ok, later.delay()) == (True, INF)
    slowest = Limiter(5e-324, 1)
    await slowest.wait()
    with pytest.raises(ValueError, match=r"would wait for ever: the limit is .*e-324"):
        await slowest.wait()
    with pytest.raises(ValueError, match="would wait for ever: the limit is 0"):
        await limiter.wait()


async def test_an_end_of_no_limit_begins_with_what_there_is(virtual: Any) -> None:
    limiter = Limiter(INF, 2)
    for _ in range(10):
        assert limiter.allow(5)
    limiter.set_limit(10)
    assert [limiter.allow() for _ in range(3)] == [True, True, False]
    jump(D)
    assert limiter.allow()
    limiter.set_limit(INF)
    assert limiter.allow(100)


def test_many_threads_at_once_get_the_burst_and_no_more() -> None:
    """Go's TestSimultaneousRequests."""
    limiter = Limiter(1e-6, 15)
    with_luck: list[bool] = []
    together = threading.Barrier(20)

    def request() -> None:
        together.wait()
        with_luck.append(limiter.allow())

    threads = [threading.Thread(target=request) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sum(with_luck) == 15


@pytest.mark.parametrize("step", [0.0001, 0.003, 0.011])
async def test_in_the_long_run_as_many_as_the_limit_says(virtual: Any, step: float) -> None:
    """Go's TestLongRunningQPS."""
    limiter, limit, burst = Limiter(100, 100), 100, 100
    began = time.now()
    let_through = 0
    while time.now() < began + 5:
        let_through += limiter.allow()
        jump(step)
    ideal = burst + limit * 5
    assert let_through <= ideal + 1
    assert let_through >= min(0.999 * ideal, 5 / step) - 1


# ── reserve ──


async def test_reservations_are_promised_one_after_the_other(virtual: Any) -> None:
    limiter = Limiter(10, 2)
    assert [limiter.reserve(n).delay() for n in (2, 2, 2, 1)] == [0, close(0.2), close(0.4), close(0.5)]
    jump(0.25)
    assert limiter.reserve().delay() == close(0.35)
    assert not limiter.reserve(3).ok
    assert limiter.tokens() == close(-3.5)
    assert not limiter.allow(0), "others wait"


async def test_reservations_after_a_clock_that_went_back(virtual: Any) -> None:
    """Go's TestReserveJumpBack, and TestReserveJumpBackCancel."""
    limiter = Limiter(10, 2)
    jump(D)
    assert [limiter.reserve(n).delay() for n in (2, 1)] == [0, close(D)]
    jump(-D)
    promised = limiter.reserve()  # of the tokens at the earlier time, which are as many
    assert promised.delay() == close(2 * D)
    promised.cancel()
    assert limiter.reserve().delay() == close(2 * D)
    jump(2 * D)
    assert limiter.reserve().delay() == close(D)


async def test_a_new_limit_counts_from_its_change(virtual: Any) -> None:
    """Go's TestReserveSetLimit; promises of before stay as they were."""
    limiter = Limiter(5, 2)
    before = [limiter.reserve() for _ in range(4)][-1]
    assert before.delay() == close(0.4)
    limiter.set_limit(10)
    assert limiter.reserve(2).delay() == close(0.4)
    assert before.delay() == close(0.4)


async def test_a_new_burst_counts_from_its_change(virtual: Any) -> None:
    """Go's TestReserveSetBurst."""
    limiter = Limiter(5, 2)
    assert [limiter.reserve(2).delay() for _ in range(2)] == [0, close(0.4)]
    limiter.set_burst(4)
    assert limiter.reserve(4).delay() == close(1.2)
    assert not limiter.reserve(5).ok
    limiter.set_burst(1)
    jump(100)
    assert limiter.tokens() == 1


@pytest.mark.parametrize("cancelled", [[0], [1], [0, 1], [1, 0], [1, 1, 0], [2, 1], [1, 2], [2, 2]])
async def test_a_cancelled_reservation_gives_back_what_no_later_one_was_promised(
    virtual: Any, cancelled: list[int]
) -> None:
    """Go's TestReserveCancel tables. Of three reservations in a row, only the last that is left gives back."""
    limiter = Limiter(10, 2)
    assert limiter.allow(2)
    reservations = [limiter.reserve() for _ in range(3)]  # at 0.1, 0.2, 0.3
    left = [0, 1, 2]
    tokens = -3.0
    for i in cancelled:
        reservations[i].cancel()
        tokens += i in left and i > 0 and i == max(left)
        left = [one for one in left if one != i]
        assert limiter.tokens() == close(tokens)


async def test_a_cancelled_reservation_of_several_gives_back_the_rest(virtual: Any) -> None:
    """Go's TestReserveCancelMulti: of five tokens three were promised on."""
    limiter = Limiter(10, 5)
    assert limiter.allow(5)
    five, three = limiter.reserve(5), limiter.reserve(3)
    five.cancel()
    assert limiter.tokens() == close(-6)  # 5 - 3 are given back
    three.cancel()
    assert limiter.tokens() == close(-3)
    assert limiter.reserve().delay() == close(0.4)


async def test_a_reservation_whose_time_has_come_gives_nothing_back(virtual: Any) -> None:
    """Go's TestCancelLast and TestCancelTooLate."""
    limiter = Limiter(10, 2)
    limiter.allow(2)
    late, last = limiter.reserve(), limiter.reserve()
    jump(0.15)
    late.cancel()
    assert limiter.tokens() == close(-0.5)
    last.cancel()
    assert limiter.tokens() == close(0.5)


async def test_a_reservation_of_nothing_and_a_refused_one_give_nothing_back(virtual: Any) -> None:
    limiter = Limiter(10, 2)
    assert limiter.allow(2)
    for reservation in (limiter.reserve(0), limiter.reserve(3)):
        reservation.cancel()
        assert limiter.tokens() == 0
    assert repr(limiter.reserve(3)) == "<Reservation refused>"
    assert repr(limiter.reserve(1)) == "<Reservation in 0.1 s>"


async def test_a_reservation_made_without_limit_gives_nothing_back(virtual: Any) -> None:
    limiter = Limiter(INF, 2)
    free = limiter.reserve(2)
    limiter.set_limit(10)
    limiter.allow(2)
    free.cancel()
    assert limiter.tokens() == 0


# ── wait ──


async def test_waiters_are_served_in_order_at_the_rate(virtual: Any) -> None:
    limiter = Limiter(10, 2)
    served: list[tuple[int, float]] = []

    async def wait(i: int) -> None:
        await limiter.wait()
        served.append((i, time.now() - START))

    waiters = []
    for i in range(10):
        waiters.append(virtual.spawn(wait, i))
        await settle(2)
    for w in waiters:
        await w
    assert served == [(i, close(max(0, i - 1) * D)) for i in range(10)]


async def test_a_cancelled_wait_gives_its_tokens_back(virtual: Any) -> None:
    limiter = Limiter(1, 3)
    await limiter.wait(3)
    waiter = virtual.spawn(lambda: outcome(limiter.wait(3)))
    await settle()
    assert limiter.tokens() == -3
    waiter.cancel()
    await settle()
    assert waiter.result() is asyncio.CancelledError
    assert limiter.tokens() == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await limiter.wait(3)
    assert limiter.tokens() == 1
    assert scheduler_for(asyncio.get_running_loop()).timers == 0


def within(seconds: float) -> context.Context:
    return context.with_timeout(context.background(), seconds)[0]


async def test_a_wait_that_cannot_be_in_time_fails_at_once(virtual: Any) -> None:
    """Go's TestWaitTimeout; nothing is taken."""
    limiter = Limiter(10, 3)
    await limiter.wait(3, ctx=within(0.01))
    began, tokens = time.now(), limiter.tokens()
    with pytest.raises(TimeoutError, match=r"wait\(2\): not within the deadline of the context"):
        await limiter.wait(2, ctx=within(0.1))
    assert (time.now(), limiter.tokens()) == (began, tokens)
    await limiter.wait(2, ctx=within(0.3))
    assert time.now() == close(began + 0.2)
    await limiter.wait(2, ctx=context.background())
    assert time.now() == close(began + 0.4)


async def test_a_wait_for_more_than_the_burst_fails_at_once(virtual: Any) -> None:
    """Go's TestWaitSimple."""
    limiter = Limiter(10, 3)
    for n in (4, 5, 10**9):
        with pytest.raises(ValueError, match=rf"wait\({n}\) takes at most the burst, 3"):
            await limiter.wait(n)
    assert limiter.tokens() == 3
    assert time.now() == START


async def test_a_context_ends_a_wait(virtual: Any) -> None:
    """Go's TestWaitSimple: before, and in the middle."""
    limiter = Limiter(1, 3)
    ctx, cancel = context.with_cancel(context.background())
    over, end = context.with_cancel(context.background())
    end("over")
    with pytest.raises(Canceled):
        await limiter.wait(ctx=over)
    assert limiter.tokens() == 3
    assert limiter.allow(3)
    waiter = virtual.spawn(lambda: outcome(limiter.wait(2, ctx=ctx)))
    await settle()
    assert limiter.tokens() == -2
    cancel()
    await settle()
    assert waiter.result() is Canceled
    assert limiter.tokens() == 0


async def test_a_wait_sees_the_deadline_of_the_block_around_it(virtual: Any) -> None:
    limiter = Limiter(10, 1)
    await limiter.wait()
    with pytest.raises(TimeoutError, match="not within the deadline"):
        async with context.fail_after(0.05):
            await limiter.wait()
    assert (time.now(), limiter.tokens()) == (START, 0)


async def test_a_loop_of_waits_lets_others_run(virtual: Any) -> None:
    limiter = Limiter(INF, 1)
    others: list[int] = []

    async def other() -> None:
        while True:
            others.append(1)
            await asyncio.sleep(0)

    task = virtual.spawn(other)
    for _ in range(2000):
        await limiter.wait()
    assert others
    task.cancel()
    await settle()


def test_threads_wait_in_their_order_and_give_back() -> None:
    limiter = Limiter(1000, 1)
    began = time.now()
    for _ in range(5):
        limiter.wait_blocking(timeout=PATIENCE)
    assert time.now() - began >= 0.0039
    limiter.set_limit(0.001)
    limiter.allow()
    before = limiter.tokens()
    for timeout in (0, 1.5):
        with pytest.raises(TimeoutError, match=r"wait_blocking\(1\): not within"):
            limiter.wait_blocking(timeout=timeout)
    with pytest.raises(ValueError, match="at most the burst, 1"):
        limiter.wait_blocking(2)
    assert before <= limiter.tokens() <= before + 0.01


async def test_a_blocking_wait_is_refused_on_a_loop(run: Any) -> None:
    with pytest.raises(SyncOnLoop, match=r"use await limiter.wait\(\)"):
        Limiter(1, 1).wait_blocking()


async def test_a_cancelled_call_on_a_thread_gives_its_tokens_back(run: Any) -> None:
    limiter = Limiter(0.001, 1)
    limiter.allow()
    call = go_thread(limiter.wait_blocking)
    while limiter.tokens() > -0.9:
        await time.sleep(0.001)
    call.cancel()
    assert await outcome(call) is asyncio.CancelledError
    assert limiter.tokens() > -0.1


async def test_loops_and_threads_together_keep_the_rate(run: Any) -> None:
    limiter = Limiter(2000, 5)
    began = monotonic()
    times: list[float] = []

    async def on_loop() -> None:
        for _ in range(25):
            await limiter.wait()
            times.append(monotonic())

    def on_thread() -> None:
        for _ in range(25):
            limiter.wait_blocking()
            times.append(monotonic())

    await goish.wait_all(*[go_thread(fn) for fn in (on_loop, on_thread) * 2])
    times.sort()
    assert len(times) == 100
    assert all(at - began >= (i - 5) / 2000 for i, at in enumerate(times))


async def test_a_storm_of_cancels_leaves_no_debt(virtual: Any, rng: random.Random) -> None:
    """Cancelled last first, everything comes back; in any order, no more than that, and time heals the rest."""
    limiter = Limiter(10, 4)
    assert limiter.allow(4)
    waiters = []
    for _ in range(50):
        waiters.append(virtual.spawn(lambda: outcome(limiter.wait(rng.randrange(5)))))
        await settle(2)
    for w in reversed(waiters):
        w.cancel()
        await settle(2)
    assert limiter.tokens() == close(0)
    waiters = [virtual.spawn(lambda: outcome(limiter.wait(rng.randrange(1, 5)))) for _ in range(50)]
    await settle()
    rng.shuffle(waiters)
    for w in waiters:
        w.cancel()
        await settle(2)
        assert limiter.tokens() <= 4
    await time.sleep(100)
    assert limiter.tokens() == 4
    assert scheduler_for(asyncio.get_running_loop()).timers == 0


async def test_a_cancel_of_what_was_reserved_at_a_lower_rate_takes_nothing_from_what_came_after(virtual: Any) -> None:
    limiter = Limiter(1, burst=4)
    assert limiter.allow(4)
    limiter.reserve(2)
    slow = limiter.reserve(1)
    limiter.set_limit(4)
    fast = limiter.reserve(1)
    assert (slow.delay(), fast.delay()) == (close(3), close(1))
    slow.cancel()
    fast.cancel()
    assert limiter.tokens() == close(-2)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 20),
    st.integers(0, 6),
    st.lists(st.tuples(st.sampled_from("arctlb"), st.integers(0, 8)), max_size=40),
)
def test_a_limiter_does_what_its_model_does(limit: int, burst: int, steps: list[tuple[str, int]]) -> None:
    """The model is Go's, but for one thing: tokens as of a time, and when the last reservation may act."""

    async def main() -> None:
        limiter = Limiter(limit, burst)
        rate, most, tokens, last, latest = float(limit), burst, float(burst), time.now(), 0.0
        made: list[tuple[Reservation, int, float, float]] = []

        def advance() -> float:
            return min(tokens + max(time.now() - last, 0) * rate, most)

        for kind, n in steps:
            now = time.now()
            if kind in "ar":
                left = advance() - n
                delay = max(-left, 0) / rate
                ok = n <= most and (kind == "r" or delay < 1e-12)
                if kind == "a":
                    assert limiter.allow(n) is ok
                else:
                    reservation = limiter.reserve(n)
                    assert (reservation.ok, reservation.delay()) == (ok, close(delay) if ok else INF)
                    if ok:
                        made.append((reservation, n, now + delay, rate))
                if ok:
                    tokens, last, latest = left, now, now + delay
            elif kind == "c" and made:
                reservation, m, when, of = made.pop(n % len(made))
                reservation.cancel()
                back = m - max(latest - when, 0) * of  # Go gives back more than was taken, once the limit was raised
                if m and when >= now and back > 1e-9:
                    tokens, last = min(advance() + back, most), now
                    if when == latest and when - m / of >= now:
                        latest = when - m / of
            elif kind == "t":
                await time.sleep(n / 8)
            elif kind == "l":
                tokens, last, rate = advance(), now, float(n + 1)
                limiter.set_limit(rate)
            elif kind == "b":
                tokens, last, most = advance(), now, n
                limiter.set_burst(most)
            assert limiter.tokens() == close(min(advance(), most))
            assert (limiter.limit, limiter.burst) == (rate, most)

    run(main, loop=VirtualClockLoop)


# ── Sometimes ──


@pytest.mark.parametrize(
    ("sometimes", "done"),
    [
        (Sometimes(), [0]),
        (Sometimes(first=3), [0, 1, 2]),
        (Sometimes(every=3), [0, 3, 6, 9]),
        (Sometimes(first=2, every=4), [0, 1, 4, 8]),
    ],
)
def test_sometimes_counts(sometimes: Sometimes, done: list[int]) -> None:
    """Go's TestSometimesZero, First, Every."""
    seen: list[int] = []
    assert [i for i in range(10) if sometimes.do(seen.append, i)] == done == seen


async def test_sometimes_goes_by_an_interval(virtual: Any) -> None:
    """Go's TestSometimesInterval, and all three together."""
    by_time, by_all = Sometimes(interval=3), Sometimes(first=2, every=5, interval=4)
    seen: list[int] = []
    also: list[int] = []
    for i in range(12):
        by_time.do(seen.append, i)
        by_all.do(also.append, i)
        jump(1)
    assert seen == [0, 3, 6, 9]
    assert also == [0, 1, 5, 9, 10]


def test_sometimes_passes_on_what_the_function_raises_and_has_counted_it() -> None:
    sometimes = Sometimes(first=1)
    with pytest.raises(ZeroDivisionError):
        sometimes.do(divmod, 1, 0)
    assert sometimes.do(list) is False


def test_sometimes_may_be_entered_again_and_by_threads() -> None:
    sometimes = Sometimes(every=10)
    seen: list[Any] = []

    def again() -> None:
        seen.append(sometimes.do(again))

    assert sometimes.do(again)
    assert seen == [False]
    counted = Sometimes(every=10)
    threads = [threading.Thread(target=lambda: [counted.do(seen.append, 1) for _ in range(250)]) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(seen) == 101


# ── bad input ──


@pytest.mark.parametrize("bad", [-1, -0.5, math.nan, -INF])
def test_a_limit_is_zero_or_more(bad: float) -> None:
    calls: list[Callable[[], object]] = [
        lambda: Limiter(bad, 1),
        lambda: Limiter(1, 1).set_limit(bad),
        lambda: every(bad),
        lambda: Sometimes(interval=bad),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="0 or more"):
            call()


@pytest.mark.parametrize("bad", ["1", None, True, [1]])
def test_a_limit_is_a_number(bad: Any) -> None:
    for call in (lambda: Limiter(bad, 1), lambda: Limiter(1, 1).set_limit(bad), lambda: every(bad)):
        with pytest.raises(TypeError, match="is a number"):
            call()


@pytest.mark.parametrize("bad", [-1, 1.0, True, "1", None, 2**60, INF])
async def test_a_number_of_events_is_whole_and_not_negative(virtual: Any, bad: Any) -> None:
    limiter = Limiter(1, 3)
    calls: list[Callable[[], object]] = [
        lambda: Limiter(1, bad),
        lambda: limiter.set_burst(bad),
        lambda: limiter.allow(bad),
        lambda: limiter.reserve(bad),
        lambda: Sometimes(first=bad),
        lambda: Sometimes(every=bad),
    ]
    for call in calls:
        with pytest.raises((TypeError, ValueError), match="is a whole number"):
            call()
    with pytest.raises((TypeError, ValueError), match="n is a whole number"):
        await limiter.wait(bad)
    assert (limiter.tokens(), limiter.burst) == (3, 3)


def test_what_sometimes_does_is_a_plain_function() -> None:
    async def coroutine() -> None: ...

    for bad in (5, coroutine):
        with pytest.raises(TypeError, match="takes a plain function"):
            Sometimes().do(bad)  # type: ignore[arg-type]


def test_a_limiter_cannot_be_copied() -> None:
    with pytest.raises(TypeError, match="copied"):
        copy.copy(Limiter(1, 1))
    assert repr(Limiter(2, 3)) == "<Limiter limit=2/s burst=3 tokens=3>"
