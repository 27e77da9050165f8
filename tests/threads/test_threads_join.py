"""The handle of a goroutine in other loops and threads: await, result(timeout), callbacks, cancel."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import Callable, Generator
from typing import Any

import pytest
from helpers import REAL_LOOPS
from parties import KINDS, PATIENCE, Party, until

import goish
from goish import Chan, Goroutine, chan, go

ASYNC = ("goroutine", "task")


class Home:
    """A loop on another thread, on which goroutines are started from this one."""

    def __init__(self, loop: str) -> None:
        self.jobs: Chan[Any] = chan(1)
        self.made: Chan[Goroutine[Any]] = chan(1)
        self.party = Party("goroutine", loop, self.serve)

    async def serve(self, _: Party) -> None:
        async for fn, args in self.jobs:
            await self.made.send(go(fn, *args))

    def go(self, fn: Any, *args: Any) -> Goroutine[Any]:
        self.jobs.send_blocking((fn, args), PATIENCE)
        return self.made.recv_blocking(PATIENCE)

    def close(self) -> None:
        self.jobs.close_once()
        self.party.join()


@pytest.fixture(params=REAL_LOOPS)
def home(request: pytest.FixtureRequest) -> Generator[Home]:
    home = Home(request.param)
    yield home
    home.close()


async def recv(ch: Chan[Any]) -> Any:
    return await ch.recv()


async def fail(gate: Chan[Any]) -> None:
    await gate.recv_ok()
    raise LookupError("there")


async def outcome_of(party: Party, g: Goroutine[Any]) -> Any:
    return await party.result_of(g)


def parked_on(g: Goroutine[Any], n: int) -> bool:
    from goish._runtime.core import parked_on

    return len(parked_on(g)) == n


# ── the end is told everywhere ──


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_result_reaches_whoever_waits_for_it_elsewhere(home: Home, kind: str, loop: str) -> None:
    gate: Chan[Any] = chan()
    g = home.go(recv, gate)
    waiters = [Party(kind, loop, outcome_of, g) for _ in range(3)]
    until(lambda: parked_on(g, 3))
    answer = object()
    gate.send_blocking(answer, PATIENCE)
    assert all(waiter.join() is answer for waiter in waiters)
    assert g.done() and g.result() is answer and g.result_blocking(1) is answer
    assert Party(kind, loop, outcome_of, g).join() is answer, "one that is done may be asked again"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_exception_reaches_whoever_waits_for_it_elsewhere(
    home: Home, kind: str, loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And is no panic then, not even at the end of the goroutine's own loop."""
    gate: Chan[Any] = chan()
    g = home.go(fail, gate)
    waiter = Party(kind, loop, outcome_of, g)
    until(lambda: parked_on(g, 1))
    gate.close()
    with pytest.raises(LookupError, match="there"):
        waiter.join()
    home.close()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert isinstance(g.exception(), LookupError)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_cancel_from_another_thread_is_told_to_those_who_wait(home: Home, kind: str, loop: str) -> None:
    g = home.go(recv, chan())
    waiter = Party(kind, loop, outcome_of, g)
    until(lambda: parked_on(g, 1))
    assert g.cancel("enough")
    with pytest.raises((asyncio.CancelledError, KeyboardInterrupt)):
        waiter.join()
    assert g.cancelled()


@pytest.mark.parametrize("kind", ASYNC)
@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_cancelling_who_awaits_it_elsewhere_does_not_cancel_it(home: Home, kind: str, loop: str) -> None:
    gate: Chan[Any] = chan()
    g = home.go(recv, gate)

    async def impatient(_: Party) -> str:
        try:
            async with asyncio.timeout(0.01):
                await g
        except TimeoutError:
            return "late"
        return "in time"

    assert Party(kind, loop, impatient).join() == "late"
    assert parked_on(g, 0), "nothing is left behind"
    assert not g.done()
    gate.send_blocking(1, PATIENCE)
    assert g.result_blocking(PATIENCE) == 1


def test_many_loops_and_threads_wait_for_one(home: Home) -> None:
    gate: Chan[Any] = chan()
    g = home.go(recv, gate)
    waiters = [Party(kind, loop, outcome_of, g) for kind in KINDS for loop in REAL_LOOPS for _ in range(2)]
    until(lambda: parked_on(g, len(waiters)))
    gate.send_blocking(7, PATIENCE)
    assert [waiter.join() for waiter in waiters] == [7] * len(waiters)


@pytest.mark.parametrize("kind", KINDS)
def test_join_meets_end_at_every_instant(home: Home, kind: str) -> None:
    """It ends while the waiter comes to wait: it is told, whichever was first."""

    async def ask(party: Party, handles: Chan[Goroutine[int]]) -> list[int]:
        results = []
        while True:
            g, ok = await party.recv_ok(handles)
            if not ok:
                return results
            results.append(await party.result_of(g))

    async def value(n: int) -> int:
        return n

    handles: Chan[Goroutine[int]] = chan()
    waiter = Party(kind, REAL_LOOPS[0], ask, handles)
    for n in range(300):
        handles.send_blocking(home.go(value, n), PATIENCE)
    handles.close()
    assert waiter.join() == list(range(300))


# ── tasks of the factory ──


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_task_of_the_factory_keeps_to_asyncios_rule_in_other_loops(home: Home, kind: str, loop: str) -> None:
    """A plain thread has no loop that it could be attached to."""
    gate: Chan[Any] = chan()
    task = home.go(make_task, gate).result_blocking(PATIENCE)
    waiter = Party(kind, loop, outcome_of, task)
    if kind == "thread":
        until(lambda: parked_on(task, 1))
    else:
        with pytest.raises(RuntimeError, match="different loop"):
            waiter.join()
    gate.send_blocking(3, PATIENCE)
    if kind == "thread":
        assert waiter.join() == 3
    until(task.done)
    assert Party(kind, loop, outcome_of, task).join() == 3, "one that is done can be asked anywhere"


async def make_task(gate: Chan[Any]) -> Any:
    return goish.task_factory(asyncio.get_running_loop(), recv(gate))


# ── result(timeout) ──


def test_result_with_a_timeout_gives_up_and_may_be_asked_again(home: Home) -> None:
    gate: Chan[Any] = chan()
    g = home.go(recv, gate)
    for timeout in (0, 0.0, -1, 0.001):
        with pytest.raises(TimeoutError):
            g.result_blocking(timeout)
    assert parked_on(g, 0)
    with pytest.raises(asyncio.InvalidStateError):
        g.result()
    gate.send_blocking(5, PATIENCE)
    assert g.result_blocking(timeout=None) == 5


async def test_result_with_a_timeout_is_refused_on_a_loops_thread(drive: Any) -> None:
    g = go(recv, gate := chan())
    with pytest.raises(RuntimeError, match="await it"):
        g.result_blocking(1)
    await gate.send(3)
    assert await g == 3
    assert g.result_blocking(1) == 3, "where it need not wait it may be asked"


@pytest.mark.parametrize(
    ("timeout", "error"), [("1", TypeError), (True, TypeError), (float("nan"), ValueError), ([], TypeError)]
)
def test_timeout_that_is_none_is_refused(home: Home, timeout: Any, error: type[Exception]) -> None:
    gate: Chan[Any] = chan()
    g = home.go(recv, gate)
    with pytest.raises(error, match="timeout is a number of seconds or None"):
        g.result_blocking(timeout)
    gate.send_blocking(None, PATIENCE)
    assert g.result_blocking(PATIENCE) is None
    with pytest.raises(error, match="timeout is a number"):
        g.result_blocking(timeout)


# ── callbacks and cancel from other threads ──


def test_callback_that_another_thread_adds_is_called_on_the_loops_thread(home: Home) -> None:
    gate: Chan[Any] = chan()
    g = home.go(recv, gate)
    called: Chan[tuple[Any, int]] = chan(10)

    def tell(handle: Any) -> None:
        called.try_send((handle, threading.get_ident()))

    g.add_done_callback(tell)
    g.add_done_callback(tell)
    assert g.remove_done_callback(tell) == 2
    g.add_done_callback(tell)
    gate.send_blocking(1, PATIENCE)
    handle, there = called.recv_blocking(PATIENCE)
    assert handle is g and there != threading.get_ident()
    g.add_done_callback(tell)  # it is done: called at once, there too
    assert called.recv_blocking(PATIENCE) == (g, there)
    assert called.peek() == 0


def test_callbacks_and_ends_race_without_loss(home: Home) -> None:
    """Each callback is called once, whether it was added before or after the end."""

    async def value() -> int:
        return 1

    for _ in range(100):
        called: Chan[Any] = chan(8)
        g = home.go(value)
        for _ in range(4):
            g.add_done_callback(called.try_send)
        assert [called.recv_blocking(PATIENCE) for _ in range(4)] == [g] * 4
        assert called.peek() == 0


def test_cancels_from_many_threads_end_it_once(home: Home) -> None:
    ended: Chan[int] = chan(100)
    never: Chan[Any] = chan()

    async def parked() -> None:
        try:
            await never.recv()
        finally:
            ended.try_send(1)

    gs = [home.go(parked) for _ in range(20)]
    until(lambda: never.statistics().receivers_waiting == len(gs))
    threads = [threading.Thread(target=g.cancel) for g in gs for _ in range(3)]
    for thread in threads:
        thread.start()
    assert sum(ended.recv_blocking(PATIENCE) for _ in gs) == len(gs)
    for thread in threads:
        thread.join()
    assert ended.peek() == 0
    for g in gs:
        with pytest.raises(asyncio.CancelledError):
            g.result_blocking(PATIENCE)


def test_handle_that_other_threads_held_goes_when_they_let_go(home: Home) -> None:
    async def value() -> int:
        return 1

    g = home.go(value)
    assert g.result_blocking(PATIENCE) == 1
    gone = weakref.ref(g)
    del g
    gc.collect()
    until(lambda: gone() is None)


def parked_on_a_closed_loop(close: Callable[[asyncio.AbstractEventLoop], None]) -> Goroutine[Any]:
    made: list[Goroutine[Any]] = []

    def on_a_thread() -> None:
        loop = asyncio.new_event_loop()

        async def park() -> Goroutine[Any]:
            g = go(recv, chan())
            await asyncio.sleep(0)
            return g

        made.append(loop.run_until_complete(park()))
        close(loop)

    thread = threading.Thread(target=on_a_thread)
    thread.start()
    thread.join()
    return made[0]


def test_a_goroutine_whose_loop_is_closed_is_over() -> None:
    g = parked_on_a_closed_loop(lambda loop: loop.close())
    assert g.cancelled()
    assert g.cancel() is False
    with pytest.raises(asyncio.CancelledError, match="its event loop ended"):
        g.result_blocking(PATIENCE)


def test_cancel_of_a_goroutine_whose_loop_was_closed_behind_goish_says_so() -> None:
    g = parked_on_a_closed_loop(lambda loop: type(loop).close(loop))
    with pytest.raises(RuntimeError, match="closed"):
        g.cancel()
    assert Party("goroutine", REAL_LOOPS[0], lives).join() is None  # a new loop lets go of what is left
    assert g.cancelled()


async def lives(_: Party) -> None:
    return None
