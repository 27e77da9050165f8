"""The order in which a goish loop runs tasks, callbacks, futures, timers and calls of other threads is asyncio's.

Hypothesis writes programs. Each runs on a loop of asyncio and on goish's loop above such a one, and the two logs are
compared: every step of every task and every callback, with the task that is current in it. docs/libraries.md says
what is not alike.

    GOISH_PROGRAMS=10000 python -m pytest tests/aio/test_turns.py -k random
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import hypothesis
import pytest
import uvloop
from helpers import REAL_LOOPS, SEED
from hypothesis import HealthCheck, strategies
from virtual_clock import VirtualClockLoop

import goish
from goish.loops import _with_clock

PROGRAMS = int(os.environ.get("GOISH_PROGRAMS", "200"))
OBJECTS = 3  # futures, events, ...: few, so that those who use them meet
LONGEST = 40  # turns after which all that still waits is cancelled
LEAST_DELAY = 0.1  # virtual seconds; two timers are never due at one instant, for which asyncio promises no order

Body = list[Any]  # of steps, each a tuple: its name and what it needs


# ── the programs ──

which = strategies.integers(0, OBJECTS - 1)


def called(steps: strategies.SearchStrategy[Any]) -> strategies.SearchStrategy[Any]:
    """What is done at once: in a step of a task or in a callback."""
    calls = strategies.lists(steps, max_size=3)
    return strategies.one_of(
        strategies.tuples(strategies.sampled_from(("call_soon", "call_threadsafe", "call_on_thread")), calls),
        strategies.tuples(strategies.just("call_later"), strategies.sampled_from((0.0, 1.0, 2.0)), calls),
        strategies.tuples(strategies.just("add_done_callback"), which, calls),
        strategies.tuples(strategies.just("task_done_callback"), which, calls),
    )


at_once = strategies.one_of(
    strategies.tuples(
        strategies.sampled_from(
            ("set_result", "set_exception", "cancel_future", "cancel_task", "cancel_handle", "forget_callback")
        ),
        which,
    ),
    strategies.tuples(strategies.sampled_from(("set_event", "put", "release")), which),
    strategies.tuples(strategies.just("nothing")),
)
calls = strategies.recursive(at_once, called, max_leaves=4)
waits = strategies.one_of(
    strategies.tuples(strategies.just("yield")),
    strategies.tuples(
        strategies.sampled_from(("await_future", "await_task", "shield_task", "wait_event", "get", "acquire")), which
    ),
    strategies.tuples(strategies.just("sleep"), strategies.sampled_from((0.0, 1.0, 2.0))),
    strategies.tuples(strategies.just("wait_for"), which),
)


def bodies(inner: strategies.SearchStrategy[Body]) -> strategies.SearchStrategy[Body]:
    children = strategies.lists(inner, min_size=1, max_size=3)
    step = strategies.one_of(
        calls,
        waits,
        strategies.tuples(strategies.just("create_task"), inner),
        strategies.tuples(strategies.just("call_soon_task"), inner),
        strategies.tuples(
            strategies.sampled_from(("gather", "wait_all", "wait_first", "task_group", "timeout")), children
        ),
    )
    return strategies.lists(step, max_size=5)


programs = strategies.recursive(
    strategies.lists(strategies.one_of(calls, waits), max_size=4), bodies, max_leaves=8
).filter(bool)


class InOrder(dict[Any, None]):
    """A task group cancels its tasks in the order of a set, which depends on their addresses: not here."""

    def add(self, task: Any) -> None:
        self[task] = None

    def discard(self, task: Any) -> None:
        self.pop(task, None)


class Program:
    """One run of a program."""

    def __init__(self, thread: ThreadPoolExecutor, timers: bool) -> None:
        self.log: list[Any] = []
        self.thread = thread
        self.timers = timers
        self.loop = asyncio.get_running_loop()
        self.futures = [self.loop.create_future() for _ in range(OBJECTS)]
        self.events = [asyncio.Event() for _ in range(OBJECTS)]
        self.queues: list[asyncio.Queue[int]] = [asyncio.Queue(1) for _ in range(OBJECTS)]
        self.locks = [asyncio.Lock() for _ in range(OBJECTS)]
        self.tasks: list[asyncio.Task[Any]] = []
        self.handles: list[asyncio.Handle] = []
        self.callbacks: list[tuple[Any, Any]] = []
        self.named = 0
        self.over = False

    def name(self, kind: str) -> str:
        self.named += 1
        return f"{kind}{self.named}"

    def note(self, *what: Any) -> None:
        current = asyncio.current_task()
        self.log.append((*what, None if current is None else current.get_name()))

    async def main(self, body: Body) -> None:
        this = asyncio.current_task()
        assert this is not None
        this.set_name("main")
        self.create(body)
        for _ in range(LONGEST):
            self.note("main")
            await asyncio.sleep(LEAST_DELAY / 7 if self.timers else 0)
        self.note("the end")
        self.over = True
        while not all(task.done() for task in self.tasks):  # some start others
            for task in self.tasks:
                task.cancel()
            await asyncio.sleep(0)
        for task in self.tasks:
            self.note("ended", task.get_name(), task.cancelled() or repr(task.exception()), task.cancelling())

    def create(self, body: Body) -> asyncio.Task[Any]:
        name = self.name("task")
        task = self.loop.create_task(self.run(name, body), name=name)
        self.tasks.append(task)
        return task

    async def run(self, name: str, body: Body) -> None:
        for i, step in enumerate(body):
            self.note(name, i, step[0])
            try:
                await self.step(step)
            except LookupError as error:
                self.note(name, i, repr(error))
            except asyncio.CancelledError:
                self.note(name, i, "cancelled")
                if i % 2 or i + 1 == len(body) or self.over:
                    raise
        self.note(name, "returns")

    async def step(self, step: Any) -> None:
        kind, *args = step
        if method := getattr(self, f"do_{kind}", None):
            await method(*args)
        else:
            self.call(step)

    # ── at once ──

    def callback(self, calls: Any) -> Callable[..., None]:
        name = self.name("callback")

        def run(*args: Any) -> None:
            self.note(name, *(type(arg).__name__ != "" for arg in args))
            for step in calls:
                self.call(step)

        return run

    def call(self, step: Any) -> None:
        kind, *args = step
        getattr(self, f"call_{kind}" if hasattr(self, f"call_{kind}") else kind)(*args)

    def call_nothing(self) -> None:
        pass

    def call_call_soon(self, calls: Any) -> None:
        self.handles.append(self.loop.call_soon(self.callback(calls)))

    def call_call_soon_task(self, body: Body) -> None:
        self.handles.append(self.loop.call_soon(self.create, body))

    def call_call_threadsafe(self, calls: Any) -> None:
        self.handles.append(self.loop.call_soon_threadsafe(self.callback(calls)))

    def call_call_on_thread(self, calls: Any) -> None:
        self.handles.append(self.thread.submit(self.loop.call_soon_threadsafe, self.callback(calls)).result())

    def delay(self, seconds: float) -> float:
        self.named += 1
        return seconds + LEAST_DELAY + self.named * 0.00137 if seconds else self.named * 1e-7

    def call_call_later(self, seconds: float, calls: Any) -> None:
        if self.timers or not seconds:
            self.handles.append(self.loop.call_later(self.delay(seconds), self.callback(calls)))

    def call_add_done_callback(self, i: int, calls: Any) -> None:
        self.watch(self.futures[i], calls)

    def call_task_done_callback(self, i: int, calls: Any) -> None:
        self.watch(self.tasks[i % len(self.tasks)], calls)

    def watch(self, future: Any, calls: Any) -> None:
        self.callbacks.append((future, self.callback(calls)))
        future.add_done_callback(self.callbacks[-1][1])

    def call_forget_callback(self, i: int) -> None:
        if self.callbacks:
            future, callback = self.callbacks[i % len(self.callbacks)]
            self.note("forgotten", future.remove_done_callback(callback))

    def renew(self, i: int) -> asyncio.Future[int]:
        """The future of this number, if it is pending; those who come later find another."""
        future, self.futures[i] = self.futures[i], self.loop.create_future()
        return self.loop.create_future() if future.done() else future

    def call_set_result(self, i: int) -> None:
        self.renew(i).set_result(i)

    def call_set_exception(self, i: int) -> None:
        future = self.renew(i)
        future.set_exception(LookupError(i))
        future.exception()

    def call_cancel_future(self, i: int) -> None:
        self.renew(i).cancel()

    def call_cancel_task(self, i: int) -> None:
        self.note("cancel", self.tasks[i % len(self.tasks)].cancel())

    def call_cancel_handle(self, i: int) -> None:
        if self.handles:
            self.handles[i % len(self.handles)].cancel()

    def call_set_event(self, i: int) -> None:
        self.events[i].set()
        self.events[i] = asyncio.Event()

    def call_put(self, i: int) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self.queues[i].put_nowait(i)

    def call_release(self, i: int) -> None:
        if self.locks[i].locked():
            self.locks[i].release()

    def call_create_task(self, body: Body) -> None:
        self.create(body)

    # ── waiting ──

    async def do_yield(self) -> None:
        await asyncio.sleep(0)

    async def do_sleep(self, seconds: float) -> None:
        await asyncio.sleep(self.delay(seconds) if self.timers else 0)

    async def do_await_future(self, i: int) -> None:
        self.note("got", await self.futures[i])

    async def do_await_task(self, i: int) -> None:
        if (task := self.other(i)) is not None:
            self.note("got", await task)

    async def do_shield_task(self, i: int) -> None:
        if (task := self.other(i)) is not None:
            await asyncio.shield(task)

    def other(self, i: int) -> Any:
        """A task that does not wait for this one: one made later, or done."""
        this = asyncio.current_task()
        assert this is not None
        later = self.tasks[self.tasks.index(this) + 1 :]
        return later[i % len(later)] if later else None

    async def do_wait_event(self, i: int) -> None:
        await self.events[i].wait()

    async def do_get(self, i: int) -> None:
        await self.queues[i].get()

    async def do_acquire(self, i: int) -> None:
        await self.locks[i].acquire()

    async def do_wait_for(self, i: int) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.futures[i], self.delay(1.0) if self.timers else None)

    async def do_gather(self, bodies: list[Body]) -> None:
        await asyncio.gather(*[self.create(body) for body in bodies], return_exceptions=len(bodies) > 2)

    async def do_wait_all(self, bodies: list[Body]) -> None:
        await asyncio.wait([self.create(body) for body in bodies])

    async def do_wait_first(self, bodies: list[Body]) -> None:
        done, pending = await asyncio.wait([self.create(body) for body in bodies], return_when=asyncio.FIRST_COMPLETED)
        self.note("first", sorted(task.get_name() for task in done), len(pending))

    async def do_task_group(self, bodies: list[Body]) -> None:
        async with asyncio.TaskGroup() as group:
            group._tasks = InOrder()  # type: ignore[attr-defined]
            for body in bodies:
                name = self.name("task")
                self.tasks.append(group.create_task(self.run(name, body), name=name))

    async def do_timeout(self, bodies: list[Body]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.delay(1.0) if self.timers else None):
                await asyncio.gather(*[self.create(body) for body in bodies])


# ── the loops ──


def with_factory(loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
    loop.set_task_factory(goish.task_factory)
    return loop


TYPES: dict[str, type[asyncio.AbstractEventLoop]] = {"asyncio": VirtualClockLoop, "uvloop": uvloop.Loop}
KINDS: dict[str, Callable[[str], asyncio.AbstractEventLoop]] = {
    "goish's loop": lambda below: with_factory(_with_clock(TYPES[below])()),
    "the factory alone": lambda below: with_factory(TYPES[below]()),
    "debug mode": lambda below: with_factory(_with_clock(TYPES[below])()),
}


def log_of(
    loop: asyncio.AbstractEventLoop, thread: ThreadPoolExecutor, below: str, body: Body, debug: bool = False
) -> list[Any]:
    program: list[Program] = []

    async def main() -> None:
        program.append(Program(thread, timers=below == "asyncio"))
        await program[0].main(body)

    loop.set_debug(debug)
    loop.slow_callback_duration = 60.0  # type: ignore[attr-defined]
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())
    return program[0].log


@pytest.fixture(scope="module")
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.mark.patience(180 + PROGRAMS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("below", REAL_LOOPS)
def test_random_programs_run_in_the_order_in_which_asyncio_runs_them(
    request: pytest.FixtureRequest, thread: ThreadPoolExecutor, below: str, kind: str
) -> None:
    @hypothesis.seed(request.config.stash[SEED])
    @hypothesis.settings(
        max_examples=PROGRAMS, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=True
    )
    @hypothesis.given(programs)
    def compare(body: Body) -> None:
        debug = kind == "debug mode"
        expected = log_of(TYPES[below](), thread, below, body, debug)
        assert log_of(KINDS[kind](below), thread, below, body, debug) == expected

    compare()


# ── the end of one task ──

ASKERS = list(itertools.product(("callback", "join"), repeat=4))


async def told_of_an_end(askers: tuple[str, ...], forgotten: int | None) -> list[int]:
    """Four ask in turn to hear of the end of a task, one may think better of it: the order in which they hear."""
    told: list[int] = []
    all_have_asked = asyncio.Event()
    task = asyncio.create_task(all_have_asked.wait())

    async def join(i: int) -> None:
        await task
        told.append(i)

    joins, callbacks = [], {}
    for i, asker in enumerate(askers):
        if asker == "join":
            joins.append(asyncio.create_task(join(i)))
            await asyncio.sleep(0)
        else:
            callbacks[i] = lambda _, i=i: told.append(i)
            task.add_done_callback(callbacks[i])
    if forgotten is not None:
        assert task.remove_done_callback(callbacks[forgotten]) == 1
    all_have_asked.set()
    await asyncio.gather(task, *joins)
    await asyncio.sleep(0)
    return told


@pytest.mark.parametrize("kind", ["goish's loop", "the factory alone"])
@pytest.mark.parametrize("below", REAL_LOOPS)
def test_joiners_and_callbacks_of_a_task_hear_of_its_end_in_the_order_of_asking(below: str, kind: str) -> None:
    for askers in ASKERS:
        for forgotten in [None, *(i for i, asker in enumerate(askers) if asker == "callback")]:
            with asyncio.Runner(loop_factory=lambda: KINDS[kind](below)) as runner:
                told = runner.run(told_of_an_end(askers, forgotten))
            assert told == [i for i in range(len(askers)) if i != forgotten], (askers, forgotten)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("below", REAL_LOOPS)
@pytest.mark.parametrize("waits", ["await_task", "shield_task", "wait_all"])
def test_a_call_of_a_thread_comes_before_what_the_end_of_a_task_brings(
    thread: ThreadPoolExecutor, below: str, kind: str, waits: str
) -> None:
    ends = [("yield",), ("call_on_thread", [])]
    body: Body = (
        [("wait_all", [ends])] if waits == "wait_all" else [("create_task", [(waits, 0)]), ("create_task", ends)]
    )
    debug = kind == "debug mode"
    expected = log_of(TYPES[below](), thread, below, body, debug)
    assert log_of(KINDS[kind](below), thread, below, body, debug) == expected
