"""The compiled channels do what model.py says, step by step, in random programs.

Hypothesis writes the programs. Operations that do not wait are called while the loop stands still, so several
of them, cancels and closes included, fall between a hand-off and the moment its receiver runs. Who waits is
started, and found out about, when the loop turns. What a channel looks like is compared after every single step.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import hypothesis
import model
import pytest
from helpers import FREE_THREADED, LOOPS, REAL_LOOPS, SEED, assert_conserved, settle
from hypothesis import HealthCheck, strategies
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from model import Outcome

import goish
from goish import EMPTY, ChanClosed, ChanFull, CloseOfClosed, Op, SendOnClosed, chan, go, select, try_select

ROOMS = [
    (0, "block"),
    (1, "block"),
    (2, "block"),
    (3, "block"),
    (math.inf, "block"),
    (2, "error"),
    (1, "drop_oldest"),
    (2, "drop_newest"),
]
RECEIVES = ("recv", "recv_ok", "recv_info", "anext", "select")
UNKNOWN: Any = "unknown"  # a part of the outcome that this kind of operation does not tell


class Pair:
    """A channel and its model."""

    def __init__(self, capacity: float, overflow: Any) -> None:
        self.dropped: list[int] = []
        self.real = chan(capacity, overflow=overflow, on_undelivered=self.dropped.append)
        self.model = model.Chan(capacity, overflow)


class Parked:
    """Somebody who waits, or has waited, and the model of it."""

    def __init__(self, wait: model.Wait, handle: Any) -> None:
        self.model = wait
        self.handle = handle

    def same_as_model(self) -> None:
        expected = self.model.outcome
        if expected is None:
            assert not self.handle.done(), f"ended with {self.handle.result()} where the model waits"
            return
        assert self.handle.done(), f"waits where the model has {expected}"
        actual: Outcome = self.handle.result()
        assert (actual.what, actual.value) == (expected.what, expected.value)
        assert self.is_like(actual.case, expected.case)
        assert actual.waited in (expected.waited, UNKNOWN)

    def is_like(self, one: int, other: int) -> bool:
        """Which of several equal cases of a parked select is chosen is a matter of chance."""
        cases = self.model.cases
        return one == other or (cases[one].chan, cases[one].sends) == (cases[other].chan, cases[other].sends)


class Program(RuleBasedStateMachine):
    """A random program of channel operations, run and modelled at the same time."""

    loop_name = "asyncio"

    def __init__(self) -> None:
        super().__init__()
        goish.runtime.seed(0)  # so that Hypothesis can repeat a program
        self.loop = LOOPS[self.loop_name]()
        self.pairs: list[Pair] = []
        self.waits: list[Parked] = []
        self.values = 0
        self.received: list[int] = []
        self.back: list[int] = []  # values that their senders have still or again
        self.settled = True

    @initialize(rooms=strategies.lists(strategies.sampled_from(ROOMS), min_size=2, max_size=3))
    def make(self, rooms: list[tuple[float, str]]) -> None:
        self.pairs = [Pair(*room) for room in rooms]

    def teardown(self) -> None:
        for wait in self.waits:
            wait.handle.cancel()
        self.turn()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    # ── steps that do not wait ──

    @rule(i=strategies.integers(0, 2))
    def try_send(self, i: int) -> None:
        pair, value = self.pair(i), self.new_value()
        self.same(lambda: pair.real.try_send(value), lambda: pair.model.try_send(value))
        if self.last is not True:
            self.back.append(value)

    @rule(i=strategies.integers(0, 2))
    def try_recv_ok(self, i: int) -> None:
        pair = self.pair(i)
        self.same(pair.real.try_recv_ok, pair.model.try_recv_ok)
        if self.last and self.last[1]:
            self.received.append(self.last[0])

    @rule(i=strategies.integers(0, 2), n=strategies.integers(0, 4))
    def try_send_many(self, i: int, n: int) -> None:
        pair, values = self.pair(i), [self.new_value() for _ in range(n)]
        selects = [case.wait for case in pair.model.receivers if not isinstance(case.wait, model.Await)]
        if pair.model.overflow != "block" or (FREE_THREADED and selects):
            self.back += values  # without the GIL a select that waits may be decided elsewhere, and does not count
            return
        self.same(lambda: pair.real.try_send_many(values), lambda: pair.model.try_send_many(values))
        if self.last is not True:
            self.back += values

    @rule(i=strategies.integers(0, 2), most=strategies.sampled_from([None, 1, 2, 5]))
    def try_recv_many(self, i: int, most: int | None) -> None:
        pair = self.pair(i)
        self.same(lambda: pair.real.try_recv_many(most), lambda: pair.model.try_recv_many(most or math.inf))
        self.received += self.last

    @rule(i=strategies.integers(0, 2))
    def close(self, i: int) -> None:
        pair = self.pair(i)
        self.same(pair.real.close, pair.model.close)

    @precondition(lambda self: self.waits)
    @rule(i=strategies.integers(0, 30))
    def cancel(self, i: int) -> None:
        wait = self.waits[i % len(self.waits)]
        wait.handle.cancel()
        wait.model.cancel()
        self.settled = False

    @rule(data=strategies.data())
    def select_at_once(self, data: strategies.DataObject) -> None:
        wait, cases = self.draw_cases(data, default=True)
        try:
            index, value, ok = try_select(*cases)
            actual = self.selected(wait, index, value, ok)
        except (SendOnClosed, ChanFull) as exc:
            actual = self.raised(wait, exc)
        self.begin(wait, actual)
        assert wait.outcome is not None
        assert (actual.what, actual.case, actual.value) == wait.outcome[:3]
        self.settled = False

    # ── steps that may wait ──

    @rule(i=strategies.integers(0, 2), task=strategies.booleans())
    def send(self, i: int, task: bool) -> None:
        pair, value = self.pair(i), self.new_value()
        wait = model.Await(model.send(pair.model, value))
        self.start(wait, self.do_send(wait, pair.real, value), task)

    @rule(i=strategies.integers(0, 2), how=strategies.sampled_from(RECEIVES), task=strategies.booleans())
    def receive(self, i: int, how: str, task: bool) -> None:
        pair = self.pair(i)
        case = model.recv(pair.model)
        wait = model.Wait([case]) if how == "select" else model.Await(case)
        self.start(wait, self.do_receive(wait, pair.real, how), task)

    @rule(data=strategies.data(), task=strategies.booleans())
    def select(self, data: strategies.DataObject, task: bool) -> None:
        wait, cases = self.draw_cases(data, default=False)
        self.start(wait, self.do_select(wait, cases), task)

    @rule()
    def turn(self) -> None:
        self.loop.run_until_complete(settle())
        self.settled = True

    # ── what holds after every step ──

    @invariant()
    def channels_look_alike(self) -> None:
        for pair in self.pairs:
            ch, m = pair.real, pair.model
            assert (len(ch), ch.peek(), ch.cap, ch.closed) == (len(m.buffer), len(m.buffer), m.capacity, m.closed)
            assert ch.peek_item() == (m.buffer[0] if m.buffer else m.senders[0].value if m.senders else EMPTY)
            assert pair.dropped == m.undelivered
            buffered, capacity, senders, receivers, closed = ch.statistics()
            assert (buffered, capacity, closed) == (len(m.buffer), m.capacity, m.closed)
            # A select that was decided but has not run since is still counted at the channels of its other cases.
            assert senders == len(m.senders) or (senders > len(m.senders) and not self.settled)
            assert receivers == len(m.receivers) or (receivers > len(m.receivers) and not self.settled)

    @invariant()
    def waits_end_alike(self) -> None:
        if self.settled:
            for wait in self.waits:
                wait.same_as_model()

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        if not self.settled:
            return
        received, back = list(self.received), list(self.back)
        for wait in self.waits:
            sends = {case.index: case.value for case in wait.model.cases if case.sends}
            actual = wait.handle.result() if wait.handle.done() else None
            if actual is not None and actual.what == "received":
                received.append(actual.value)
            if actual is not None and actual.what == "sent":
                del sends[actual.case]
            if not (actual is not None and actual.what == "cancelled" and isinstance(wait.model, model.Await)):
                back += sends.values()  # else it is among the dropped
        kept = [value for pair in self.pairs for value in (*pair.model.buffer, *pair.dropped)]
        assert_conserved(range(self.values), received, back, kept)

    # ── how it is done ──

    def pair(self, i: int) -> Pair:
        return self.pairs[i % len(self.pairs)]

    def new_value(self) -> int:
        self.values += 1
        return self.values - 1

    def same(self, real: Callable[[], Any], modelled: Callable[[], Any]) -> None:
        """Do one step in both worlds; the result (or the type of the error) is ``last``."""
        self.last = self.result(modelled)
        assert self.result(real) == self.last
        self.settled = False

    @staticmethod
    def result(step: Callable[[], Any]) -> Any:
        try:
            return step()
        except (SendOnClosed, CloseOfClosed) as exc:
            return type(exc)

    def draw_cases(self, data: strategies.DataObject, default: bool) -> tuple[model.Wait, list[Op[Any] | None]]:
        """Cases of a select in both worlds: any number of receives and nil cases, but one send for each channel."""
        drawn = data.draw(
            strategies.lists(strategies.tuples(strategies.integers(-1, 2), strategies.booleans()), max_size=5)
        )
        modelled: list[model.Case] = []
        cases: list[Op[Any] | None] = []
        sending: set[Pair] = set()
        for i, sends in drawn:
            pair = self.pair(i) if i >= 0 else None
            if pair is None or (sends and pair in sending):
                modelled.append(model.recv(None))
                cases.append(None)
            elif sends:
                value = self.new_value()
                sending.add(pair)
                modelled.append(model.send(pair.model, value))
                cases.append(pair.real.send(value))
            else:
                modelled.append(model.recv(pair.model))
                cases.append(pair.real.recv())
        wait = model.Wait(modelled, default)
        return wait, cases

    def start(self, wait: model.Wait, coro: Any, task: bool) -> None:
        """Start somebody who waits, and let it get that far; of several ready cases the model takes the one drawn."""

        async def begin() -> Any:
            handle = self.loop.create_task(coro) if task else go(coro)
            await settle()
            return handle

        handle = self.loop.run_until_complete(begin())
        self.settled = True
        self.waits.append(Parked(wait, handle))
        self.begin(wait, handle.result() if handle.done() else None)

    def begin(self, wait: model.Wait, actual: Outcome | None) -> None:
        def as_drawn(ready: list[model.Case]) -> model.Case:
            assert actual is not None, f"waits where the model is ready for one of {ready}"
            chosen = [case for case in ready if case.index == actual.case]
            assert chosen, f"chose case {actual.case}, which is not ready"
            return chosen[0]

        wait.begin(as_drawn)
        if wait.default:  # not one of the waits: its values are counted here
            assert wait.outcome is not None
            what, index, value, _ = wait.outcome
            self.received += [value] if what == "received" else []
            self.back += [case.value for case in wait.cases if case.sends and (what, index) != ("sent", case.index)]

    async def do_send(self, wait: model.Wait, ch: goish.Chan[int], value: int) -> Outcome:
        try:
            waited = await ch.send(value)
        except asyncio.CancelledError:
            return Outcome("cancelled")
        except (SendOnClosed, ChanFull) as exc:
            return self.raised(wait, exc)
        return Outcome("sent", waited=waited)

    async def do_receive(self, wait: model.Wait, ch: goish.Chan[int], how: str) -> Outcome:
        try:
            if how == "select":
                return self.selected(wait, *await select(ch.recv()))
            if how == "recv_info":
                value, ok, waited = await ch.recv_info()
                return Outcome("received" if ok else "end", 0, value, waited)
            if how == "recv_ok":
                value, ok = await ch.recv_ok()
            else:
                value, ok = await (ch.recv() if how == "recv" else anext(aiter(ch))), True
        except asyncio.CancelledError:
            return Outcome("cancelled")
        except (ChanClosed, StopAsyncIteration):
            value, ok = None, False
        return Outcome("received" if ok else "end", 0, value, UNKNOWN)

    async def do_select(self, wait: model.Wait, cases: list[Op[Any] | None]) -> Outcome:
        try:
            return self.selected(wait, *await select(*cases))
        except asyncio.CancelledError:
            return Outcome("cancelled")
        except (SendOnClosed, ChanFull) as exc:
            return self.raised(wait, exc)

    @staticmethod
    def selected(wait: model.Wait, index: int, value: Any, ok: bool) -> Outcome:
        if index < 0:
            return Outcome("default", index)
        if wait.cases[index].sends:
            assert (value, ok) == (None, True)
            return Outcome("sent", index, None, UNKNOWN)
        return Outcome("received" if ok else "end", index, value, UNKNOWN)

    @staticmethod
    def raised(wait: model.Wait, exc: SendOnClosed | ChanFull) -> Outcome:
        """The value that comes back says which of the cases it was."""
        index = next(case.index for case in wait.cases if case.sends and case.value == exc.value)
        return Outcome("refused" if isinstance(exc, SendOnClosed) else "full", index, exc.value, UNKNOWN)


def check(request: pytest.FixtureRequest, loop: str, examples: int, steps: int) -> None:
    program = hypothesis.seed(request.config.stash[SEED])(type("Program", (Program,), {"loop_name": loop}))
    settings = hypothesis.settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(program, settings=settings)


@pytest.mark.patience(600)  # to make a failing program short
@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_random_programs_end_as_the_model_says(request: pytest.FixtureRequest, loop: str) -> None:
    check(request, loop, examples=100, steps=40)


@pytest.mark.slow
@pytest.mark.patience(1800)
@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_many_random_programs_end_as_the_model_says(request: pytest.FixtureRequest, loop: str) -> None:
    check(request, loop, examples=3000, steps=60)
