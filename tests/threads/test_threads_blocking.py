"""The blocking operations of plain threads: what they give, what they raise, what they leave behind."""

from __future__ import annotations

import asyncio
import functools
import gc
import math
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator
from typing import Any

import pytest
from helpers import FREE_THREADED, LOOPS, REAL_LOOPS
from parties import PATIENCE, until

import goish
from goish import (
    NIL,
    Chan,
    ChanClosed,
    ChanFull,
    PriorityChan,
    SendOnClosed,
    WaitGroup,
    after,
    chan,
    current_goroutine,
    go,
    go_thread,
    gosched,
    select_blocking,
)
from goish._runtime.core import parked_threads
from goish.parallel import Executor, sync

SOON = 0.001  # seconds: a timeout that is meant to run out


def waiting(ch: Chan[Any]) -> tuple[int, int]:
    statistics = ch.statistics()
    return statistics.senders_waiting, statistics.receivers_waiting


class Blocked:
    """A thread in a blocking call."""

    def __init__(self, call: Callable[..., Any], *args: Any) -> None:
        self.outcome: Any = None
        self.thread = threading.Thread(target=self._run, args=(call, args), daemon=True)
        self.thread.start()

    def _run(self, call: Callable[..., Any], args: tuple[Any, ...]) -> None:
        try:
            self.outcome = call(*args)
        except Exception as error:
            self.outcome = error

    def join(self) -> Any:
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), "it hangs"
        return self.outcome


# ── what they give ──


def test_they_do_at_once_what_needs_no_wait() -> None:
    ch: Chan[int] = chan(2)
    assert ch.send_blocking(1) is False
    assert ch.sender.send_blocking(2, timeout=1) is False
    assert ch.recv_blocking() == 1
    assert ch.receiver.recv_ok_blocking(0) == (2, True)
    ch.close()
    assert ch.recv_ok_blocking() == (None, False)
    with pytest.raises(ChanClosed):
        ch.receiver.recv_blocking()
    with pytest.raises(SendOnClosed) as refused:
        ch.send_blocking(3)
    assert refused.value.value == 3


def test_overflow_policies_hold() -> None:
    full: Chan[int] = chan(1, overflow="error")
    full.send_blocking(1)
    with pytest.raises(ChanFull):
        full.send_blocking(2)
    latest: Chan[int] = chan(1, overflow="drop_oldest")
    assert (latest.send_blocking(1), latest.send_blocking(2)) == (False, True)
    assert latest.recv_blocking() == 2


def test_priorities_hold() -> None:
    jobs: PriorityChan[str] = PriorityChan()
    jobs.send_blocking("later", priority=2)
    jobs.send_blocking("now", 1, priority=1)
    assert jobs.recv_blocking(timeout=1) == "now"
    assert jobs.try_recv_many() == ["later"]


@pytest.mark.parametrize("capacity", [0, 1, 3])
def test_two_threads_hand_over_in_order(capacity: int) -> None:
    ch: Chan[int] = chan(capacity)

    def produce() -> None:
        for n in range(500):
            ch.send_blocking(n, PATIENCE)
        ch.close()

    producer = Blocked(produce)
    assert list(ch) == list(range(500))
    assert producer.join() is None


def test_a_send_that_had_to_wait_says_so() -> None:
    ch: Chan[str] = chan()
    sender = Blocked(ch.send_blocking, "a", PATIENCE)
    until(lambda: waiting(ch) == (1, 0))
    assert ch.try_recv_ok() == ("a", True)
    assert sender.join() is True


def test_a_receive_that_had_to_wait_says_so() -> None:
    ch: Chan[str] = chan(1)
    ch.try_send("a")
    assert ch.recv_info_blocking() == ("a", True, False)
    receiver = Blocked(ch.receiver.recv_info_blocking)
    until(lambda: waiting(ch) == (0, 1))
    ch.try_send("b")
    assert receiver.join() == ("b", True, True)
    ch.close()
    assert ch.recv_info_blocking(timeout=0) == (None, False, False)


def test_views_iterate_and_many_threads_share_the_values() -> None:
    ch: Chan[int] = chan(4)
    consumers = [Blocked(list, ch.receiver) for _ in range(4)]
    for n in range(1000):
        ch.send_blocking(n, PATIENCE)
    ch.close()
    shares = [consumer.join() for consumer in consumers]
    assert sorted(value for share in shares for value in share) == list(range(1000))
    assert all(share == sorted(share) for share in shares)


def test_what_is_in_a_channel_is_not_asked_by_taking_it_out() -> None:
    ch: Chan[int] = chan(1)
    ch.try_send(1)
    for end in (ch, ch.receiver):
        with pytest.raises(TypeError, match="only received"):
            assert 1 in end
    assert len(ch) == 1


def test_waiters_are_served_in_the_order_in_which_they_came() -> None:
    ch: Chan[int] = chan()
    receivers = []
    for n in range(5):
        receivers.append(Blocked(ch.recv_blocking, PATIENCE))
        until(lambda n=n: waiting(ch) == (0, n + 1))
    for n in range(5):
        assert ch.try_send(n)
    assert [receiver.join() for receiver in receivers] == list(range(5))


def test_close_wakes_blocked_senders_and_receivers() -> None:
    full: Chan[str] = chan(1)
    full.try_send("buffered")
    empty: Chan[str] = chan()
    senders = [Blocked(full.send_blocking, n, PATIENCE) for n in range(3)]
    receivers = [Blocked(empty.recv_ok_blocking, PATIENCE) for _ in range(3)]
    until(lambda: waiting(full) == (3, 0) and waiting(empty) == (0, 3))
    full.close()
    empty.close()
    assert sorted(sender.join().value for sender in senders) == [0, 1, 2]
    assert [receiver.join() for receiver in receivers] == [(None, False)] * 3
    assert full.recv_ok_blocking() == ("buffered", True)


# ── select ──


def test_select_does_the_case_that_can_happen() -> None:
    words: Chan[str] = chan()
    numbers: Chan[int] = chan(1)
    assert select_blocking(words.recv(), numbers.send(1)) == (1, None, True)
    assert select_blocking(words.recv(), default=True) == (-1, None, False)
    chooser = Blocked(lambda: select_blocking(words.recv(), NIL, None, timeout=PATIENCE))
    until(lambda: waiting(words) == (0, 1))
    words.send_blocking("a", PATIENCE)
    assert chooser.join() == (0, "a", True)
    assert waiting(words) == (0, 0)


def test_select_that_times_out_leaves_its_channels() -> None:
    a, b = chan(), chan()
    receive, send = a.recv(), b.send(1)
    with pytest.raises(TimeoutError):
        select_blocking(receive, send, timeout=SOON)
    assert waiting(a) == waiting(b) == (0, 0)
    b2 = Blocked(b.recv_blocking, PATIENCE)
    assert select_blocking(receive, send, timeout=PATIENCE) == (1, None, True), "the cases may be used again"
    assert b2.join() == 1


def test_after_fires_for_a_thread_that_blocks_whether_its_loop_runs_or_not() -> None:
    async def make() -> Any:
        return after(0.02)

    loop = asyncio.new_event_loop()
    alarm = loop.run_until_complete(make())
    loop.close()
    assert select_blocking(chan().recv(), alarm.recv(), timeout=PATIENCE)[0] == 1


def test_after_needs_no_loop_and_leaves_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert select_blocking(chan().recv(), after(0.01).recv())[0] == 1
        began = time.monotonic()
        assert began <= after(0.01).recv_blocking() - 0.01 <= began + PATIENCE
        assert select_blocking(chan().recv(), after(0).recv(), after(3600).recv())[0] == 1
        ch = chan(1)
        ch.try_send("a")
        assert select_blocking(ch.recv(), after(3600).recv()) == (0, "a", True)


@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_after_that_was_made_without_a_loop_fires_in_one(loop: str) -> None:
    made = after(0.02), after(3600)

    async def main() -> int:
        index, _, _ = await goish.select(made[1].recv(), made[0].recv())
        return index

    assert goish.run(main, loop=LOOPS[loop]) == 1


def test_after_that_was_made_without_a_loop_fires_by_the_clock_of_the_loop_that_awaits_it() -> None:
    alarm = after(3600)

    async def main() -> float:
        began = asyncio.get_running_loop().time()
        fired = await alarm.recv()
        return fired - began

    assert 3590 < goish.run(main, loop=LOOPS["virtual"]) <= 3600


def test_biased_select_takes_the_first() -> None:
    a, b = chan(1), chan(1)
    for _ in range(20):
        a.try_send(1), b.try_send(1)
        assert select_blocking(a.recv(), b.recv(), biased=True)[0] == 0
        b.try_recv_ok()


# ── timeouts ──


@pytest.mark.parametrize("timeout", [0, -1, SOON, -math.inf])
def test_timeout_means_that_it_has_not_happened(timeout: float) -> None:
    left: list[int] = []
    ch: Chan[int] = chan(on_undelivered=left.append)
    with pytest.raises(TimeoutError, match=r"recv_blocking\(\)"):
        ch.recv_blocking(timeout)
    with pytest.raises(TimeoutError, match=r"send_blocking\(\)"):
        ch.send_blocking(1, timeout)
    with pytest.raises(TimeoutError, match=r"recv_ok_blocking\(\)"):
        ch.recv_ok_blocking(timeout)
    with pytest.raises(TimeoutError, match=r"select_blocking\(\)"):
        select_blocking(ch.recv(), timeout=timeout)
    assert waiting(ch) == (0, 0)
    assert left == ([1] if timeout > 0 else []), "it entered a send only if it was waited for"
    wg = WaitGroup()
    wg.add(1)
    with pytest.raises(TimeoutError, match=r"wait_blocking\(\)"):
        wg.wait_blocking(timeout)


@pytest.mark.parametrize("timeout", ["1", b"1", True, [], 1j, float("nan")])
def test_timeout_that_is_no_number_of_seconds_is_refused_and_nothing_has_happened(timeout: Any) -> None:
    ch: Chan[int] = chan(1)
    for call in (
        lambda: ch.send_blocking(1, timeout),
        lambda: ch.recv_blocking(timeout),
        lambda: ch.recv_ok_blocking(timeout),
        lambda: select_blocking(ch.send(1), timeout=timeout),
        lambda: WaitGroup().wait_blocking(timeout),
    ):
        with pytest.raises((TypeError, ValueError), match="timeout is a number of seconds or None"):
            call()
    assert len(ch) == 0


def test_long_and_infinite_timeouts_wait() -> None:
    ch: Chan[int] = chan()
    for timeout in (1e300, math.inf, sys.maxsize, None):
        receiver = Blocked(ch.recv_blocking, timeout)
        ch.send_blocking(1, PATIENCE)
        assert receiver.join() == 1


# ── wait groups ──


def test_wait_group_lets_threads_and_goroutines_wait_for_one_another() -> None:
    wg = WaitGroup()
    wg.add(3)
    waiters = [Blocked(wg.wait_blocking, PATIENCE) for _ in range(3)]

    async def work() -> None:
        wg.done()

    async def main() -> None:
        for _ in range(3):
            await goish.go(work)
        await wg.wait()

    goish.run(main)
    assert [waiter.join() for waiter in waiters] == [None] * 3
    assert wg.wait_blocking() is None


# ── where they are refused ──


async def test_on_a_loops_thread_they_name_what_to_await_instead(drive: Any) -> None:
    ch: Chan[int] = chan(1)
    wg = WaitGroup()
    for call, instead in [
        (lambda: ch.send_blocking(1), r"await ch\.send\(v\)"),
        (lambda: ch.sender.send_blocking(1), r"await ch\.send\(v\)"),
        (ch.recv_blocking, r"await ch\.recv\(\)"),
        (ch.recv_ok_blocking, r"await ch\.recv_ok\(\)"),
        (ch.recv_info_blocking, r"await ch\.recv_info\(\)"),
        (lambda: list(ch), "async for"),
        (lambda: next(iter(ch.receiver)), "async for"),
        (lambda: select_blocking(ch.send(1)), r"await select\(\.\.\.\)"),
        (wg.wait_blocking, r"await wg\.wait\(\)"),
    ]:
        with pytest.raises(RuntimeError, match=instead):
            call()
    assert len(ch) == 0, "also where it would not have had to wait: nothing has happened"


# ── Ctrl-C and other signals ──


@pytest.fixture
def interrupts() -> Generator[None]:
    """A SIGALRM is as Ctrl-C."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGALRM, before)


def interrupted(call: Callable[[], Any]) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    call()


@pytest.mark.parametrize("timeout", [None, PATIENCE])
@pytest.mark.usefixtures("interrupts")
def test_interrupt_ends_every_wait_and_nothing_is_left_behind(timeout: float | None) -> None:
    left: list[int] = []
    ch: Chan[int] = chan(on_undelivered=left.append)
    wg = WaitGroup()
    wg.add(1)
    for call in (
        lambda: ch.recv_blocking(timeout),
        lambda: ch.send_blocking(1, timeout),
        lambda: select_blocking(ch.recv(), ch.send(2), timeout=timeout),
        lambda: wg.wait_blocking(timeout),
        lambda: NIL.recv_blocking(timeout),
    ):
        with pytest.raises(KeyboardInterrupt):
            interrupted(call)
    assert waiting(ch) == (0, 0)
    assert left in ([1], []), "undelivered, unless the interrupt came before it was to be sent"
    assert parked_threads() == frozenset()


def test_signal_handler_that_does_not_raise_does_not_end_the_wait() -> None:
    """And may use the channel: it is the one that is waited on (rule 22)."""
    ch: Chan[int] = chan()

    def send(*_: object) -> None:
        if not ch.try_send(1):
            signal.setitimer(signal.ITIMER_REAL, 0.001)  # it does not block yet

    before = signal.signal(signal.SIGALRM, send)
    try:
        for _ in range(50):
            signal.setitimer(signal.ITIMER_REAL, 0.001)
            assert ch.recv_blocking(PATIENCE) == 1
    finally:
        signal.signal(signal.SIGALRM, before)


def test_interrupt_that_meets_the_hand_over_loses_nothing() -> None:
    """The handler itself hands over, and raises: what was received, nobody would see."""
    left: list[int] = []
    ch: Chan[int] = chan(on_undelivered=left.append)

    def hand_over(*_: object) -> None:
        if ch.try_send(5):
            raise LookupError
        signal.setitimer(signal.ITIMER_REAL, 0.01)  # it does not block yet

    before = signal.signal(signal.SIGALRM, hand_over)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(LookupError):
            ch.recv_blocking(PATIENCE)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert left == [5]


def test_interrupt_after_a_send_has_happened_says_so() -> None:
    ch: Chan[int] = chan()

    def take(*_: object) -> None:
        if ch.try_recv_ok() == (5, True):
            raise LookupError
        signal.setitimer(signal.ITIMER_REAL, 0.01)  # it does not block yet

    before = signal.signal(signal.SIGALRM, take)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(LookupError) as raised:
            ch.send_blocking(5, PATIENCE)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert "had been sent" in raised.value.__notes__[0]


# ── interrupted while its goroutines run ──
#
# A plain call that has started goroutines blocks by running the loop of its worker, where a callback may exit.


def exits() -> None:
    raise SystemExit


def is_interrupted() -> None:
    signal.raise_signal(signal.SIGALRM)


def on_a_worker(call: Callable[[], Any]) -> Any:
    return go_thread(call).result_blocking(PATIENCE)


def inline(call: Callable[[], Any]) -> Any:
    """On this thread, which waits for a call that no worker has begun."""
    hold = threading.Event()
    with Executor(workers=1) as ex:
        ex.submit(hold.wait)
        until(lambda: ex.statistics().running == 1)
        try:
            return sync(ex.spawn(call))
        finally:
            hold.set()


def interrupt_by(how: str, ch: Chan[Any], act: Callable[[], object], block: Callable[[], object]) -> Any:
    """Runs ``block``, which waits at ``ch``, in a call: its loop does ``act`` and is interrupted before it has turned.

    Gives who waits at ``ch`` when the exception has come.
    """
    run, interrupt, error = INTERRUPTS[how]

    def callback() -> None:
        act()
        interrupt()

    async def child() -> None:
        while waiting(ch) == (0, 0):
            await gosched()
        asyncio.get_running_loop().call_soon(callback)

    def call() -> tuple[int, int]:
        go(child)
        with pytest.raises(error):
            block()
        return waiting(ch)

    return run(call)


INTERRUPTS: dict[str, Any] = {
    "a callback on a worker exits": (on_a_worker, exits, SystemExit),
    "Ctrl-C in a call on the main thread": (inline, is_interrupted, KeyboardInterrupt),
}
RECEIVES: dict[str, Callable[[Chan[str]], object]] = {
    "recv": lambda ch: ch.recv_blocking(),
    "recv, timeout": lambda ch: ch.recv_blocking(PATIENCE),
    "recv_ok": lambda ch: ch.recv_ok_blocking(),
    "recv_info": lambda ch: ch.recv_info_blocking(),
    "iteration": lambda ch: next(iter(ch)),
    "select": lambda ch: select_blocking(NIL.recv(), ch.recv()),
}
SENDS: dict[str, Callable[[Chan[str]], object]] = {
    "send": lambda ch: ch.send_blocking("v"),
    "select": lambda ch: select_blocking(NIL.recv(), ch.send("v")),
}
any_interrupt = pytest.mark.parametrize("how", INTERRUPTS)


def nothing() -> None:
    pass


@any_interrupt
@pytest.mark.parametrize("block", [*RECEIVES.values(), *SENDS.values()], ids=[*RECEIVES, *(f"{s}, s" for s in SENDS)])
@pytest.mark.usefixtures("interrupts")
def test_a_call_whose_loop_is_interrupted_waits_no_more(how: str, block: Callable[[Chan[str]], object]) -> None:
    ch: Chan[str] = chan()
    assert interrupt_by(how, ch, nothing, lambda: block(ch)) == (0, 0)
    assert not ch.try_send("to nobody") and ch.try_recv_many() == []


@any_interrupt
@pytest.mark.parametrize("receive", RECEIVES.values(), ids=RECEIVES)
@pytest.mark.usefixtures("interrupts")
def test_a_value_that_an_interrupted_call_had_got_is_undelivered(
    how: str, receive: Callable[[Chan[str]], object]
) -> None:
    left: list[str] = []
    sent: list[bool] = []
    ch: Chan[str] = chan(on_undelivered=left.append)
    assert interrupt_by(how, ch, lambda: sent.append(ch.try_send("v")), lambda: receive(ch)) == (0, 0)
    assert (sent, left) == ([True], ["v"])


@any_interrupt
@pytest.mark.parametrize("send", SENDS.values(), ids=SENDS)
@pytest.mark.usefixtures("interrupts")
def test_a_value_that_was_taken_from_an_interrupted_call_is_delivered(
    how: str, send: Callable[[Chan[str]], object]
) -> None:
    left: list[str] = []
    taken: list[str] = []
    ch: Chan[str] = chan(on_undelivered=left.append)
    assert interrupt_by(how, ch, lambda: taken.extend(ch.try_recv_many()), lambda: send(ch)) == (0, 0)
    assert (taken, left) == (["v"], [])


# ── one wait in the midst of another ──
#
# A thread that blocks runs signal handlers and, from 3.12 on, the collector, whose finalizers may block as well.


class Garbage:
    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act
        self.itself = self

    def __del__(self) -> None:
        self.act()


AMIDST = [
    "signal handler",
    pytest.param(
        "finalizer",
        marks=pytest.mark.skipif(
            sys.version_info < (3, 12) or FREE_THREADED,
            reason="a few allocations start no collection in the midst of a wait",
        ),
    ),
]
amidst = pytest.mark.parametrize("how", AMIDST)


def run_amidst(how: str, ch: Chan[Any], act: Callable[[], object], block: Callable[[], Any]) -> Any:
    """Calls ``block``, which waits at ``ch``; meanwhile ``act`` runs, on this thread.

    No other thread may allocate anything until then: the collector would run there.
    """
    thresholds = gc.get_threshold()
    kept: list[object] = [NIL.recv() for _ in range(300)]  # so that no op is made of a spare one, but allocated

    def by_signal(*_: object) -> None:
        if waiting(ch) == (0, 0):
            signal.setitimer(signal.ITIMER_REAL, 0.001)  # it does not block yet
        else:
            act()

    def litter() -> None:
        gc.disable()
        Garbage(by_collector)
        kept.extend([] for _ in range(100))
        gc.set_threshold(1)
        gc.enable()  # the next allocation starts the collector

    def by_collector() -> None:
        if waiting(ch) == (0, 0):
            litter()  # it does not block yet
        else:
            gc.set_threshold(*thresholds)
            act()

    before = signal.signal(signal.SIGALRM, by_signal)
    try:
        if how == "signal handler":
            signal.setitimer(signal.ITIMER_REAL, 0.001)
        else:
            litter()
        return block()
    finally:
        gc.set_threshold(*thresholds)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@amidst
def test_a_thread_is_not_known_as_asleep_while_it_runs_python_in_the_midst_of_its_wait(how: str) -> None:
    ch: Chan[int] = chan()
    acted: Chan[None] = chan(1)
    this = threading.get_native_id()
    asleep: list[bool] = []

    def act() -> None:
        asleep.append(this in parked_threads())
        acted.try_send(None)

    def wake() -> None:
        acted.recv_blocking(PATIENCE)
        until(lambda: this in parked_threads())
        ch.send_blocking(1, PATIENCE)

    waker = Blocked(wake)
    until(lambda: waiting(acted) == (0, 1))
    assert run_amidst(how, ch, act, ch.recv_blocking) == 1
    assert asleep == [False]
    assert waker.join() is None


@amidst
@pytest.mark.parametrize("late", [False, True], ids=["afterwards", "too late for the inner one"])
def test_a_cancel_reaches_a_wait_in_whose_midst_another_was(how: str, late: bool) -> None:
    outer, inner = chan(), chan()
    acted: Chan[goish.Goroutine[Any]] = chan(1)
    seen: list[object] = []

    def act() -> None:
        acted.try_send(current_goroutine())  # type: ignore[arg-type]
        seen.append(inner.recv_blocking(PATIENCE))

    def cancel() -> None:
        g = acted.recv_blocking(PATIENCE)
        until(lambda: waiting(inner) == (0, 1))
        seen.append(g.wait_reason)
        assert inner.try_send("given")
        until(lambda: late or g.wait_reason == "chan send")
        assert g.cancel("now")

    canceller = Blocked(cancel)
    until(lambda: waiting(acted) == (0, 1))
    send = functools.partial(outer.send_blocking, 1, PATIENCE)
    with pytest.raises(asyncio.CancelledError, match="now"):
        inline(lambda: run_amidst(how, outer, act, send))
    assert canceller.join() is None
    assert seen == ["chan receive", "given"]
    assert waiting(outer) == (0, 0)


@pytest.mark.parametrize("late", [False, True], ids=["afterwards", "too late for the inner one"])
def test_so_it_does_where_the_goroutines_of_the_call_run_meanwhile(late: bool) -> None:
    """What it calls as it begins to run its loop, as a finalizer may be, blocks: here a task factory."""
    outer, inner, over = chan(), chan(), chan()
    seen: list[object] = []

    def factory(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        loop.set_task_factory(None)
        seen.append(inner.recv_blocking(PATIENCE))
        return asyncio.Task(coro, loop=loop, **options)

    async def until_over() -> None:
        await over.recv_ok()

    def call() -> None:
        child: Any = go(until_over)
        child.get_loop().set_task_factory(factory)
        try:
            outer.send_blocking(1, PATIENCE)
        finally:
            over.close()

    with Executor(workers=1) as ex:
        g = ex.go_thread(call)
        until(lambda: waiting(inner) == (0, 1))
        seen.append(g.wait_reason)
        assert inner.try_send("given")
        until(lambda: late or g.wait_reason == "chan send")
        assert g.cancel("now")
        with pytest.raises(asyncio.CancelledError, match="now"):
            g.result_blocking(PATIENCE)
    assert seen == ["chan receive", "given"]
    assert waiting(outer) == (0, 0)


# ── who is asleep ──


def test_threads_that_wait_for_ever_are_known_until_they_are_woken() -> None:
    ch: Chan[int] = chan()
    receivers = [Blocked(ch.recv_ok_blocking) for _ in range(3)]
    patient = Blocked(ch.recv_ok_blocking, PATIENCE)
    until(lambda: waiting(ch) == (0, 4) and len(parked_threads()) == 3)
    assert parked_threads() == {receiver.thread.native_id for receiver in receivers}
    ch.close()
    assert parked_threads() == frozenset(), "from the instant on"
    for each in (*receivers, patient):
        assert each.join() == (None, False)


def test_other_threads_run_meanwhile() -> None:
    ch: Chan[int] = chan()
    blocked = [Blocked(ch.recv_blocking, PATIENCE) for _ in range(8)]
    started = time.monotonic()
    for n in range(8):
        ch.send_blocking(n, PATIENCE)
    assert sorted(each.join() for each in blocked) == list(range(8))
    assert time.monotonic() - started < PATIENCE
