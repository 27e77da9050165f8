"""The timers of a goish loop are asyncio's: each test runs on the loops' own timers too, as a control.

Not in debug mode, in which a goish loop leaves timers to the loop that it stands on.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
import uvloop
from virtual_clock import VirtualClockLoop

import goish
from goish._runtime.core import Clock, scheduler_for
from goish.loops import _with_clock

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
    "goish-asyncio": _with_clock(asyncio.SelectorEventLoop),
    "goish-uvloop": goish.new_event_loop,
    "goish-virtual": _with_clock(VirtualClockLoop),
}
GOISH = [name for name in LOOPS if name.startswith("goish")]
Main = Callable[[Callable[[asyncio.AbstractEventLoop], Coroutine[Any, Any, Any]]], Any]


@pytest.fixture(params=LOOPS)
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(debug=False, loop_factory=LOOPS[request.param]) as runner:
        yield runner


@pytest.fixture
def main(runner: asyncio.Runner) -> Main:
    return lambda program: runner.run(program(runner.get_loop()))


def timers_of_goish(loop: asyncio.AbstractEventLoop) -> bool:
    return isinstance(loop, Clock)


def timers(loop: asyncio.AbstractEventLoop) -> int:
    return scheduler_for(loop).timers


@pytest.mark.parametrize("name", GOISH)
def test_a_timer_is_a_place_in_the_heap_of_goish(name: str) -> None:
    with asyncio.Runner(debug=False, loop_factory=LOOPS[name]) as runner:

        async def program() -> None:
            loop = asyncio.get_running_loop()
            handles = [loop.call_later(60 + i, print) for i in range(100)]
            assert timers(loop) == 100
            for handle in handles:
                handle.cancel()
            assert timers(loop) == 0

        runner.run(program())


def test_callbacks_come_in_the_order_of_their_times(main: Main, rng: random.Random) -> None:
    async def program(loop: asyncio.AbstractEventLoop) -> None:
        order: list[tuple[int, int]] = []
        done = asyncio.Event()
        due = [(rng.randrange(1, 8), i) for i in range(200)]

        def note(item: tuple[int, int]) -> None:
            order.append(item)
            if len(order) == len(due):
                done.set()

        async def ask(ahead: float) -> float:
            order.clear()
            done.clear()
            start = loop.time() + ahead
            for when, i in due:
                loop.call_at(start + when / 1000, note, (when, i))
            asked = time.monotonic()
            await done.wait()
            return asked

        await in_time(ask)
        assert sorted(order) == sorted(due)
        if timers_of_goish(loop):  # asyncio's make no promise about equal times, uvloop's drift while one asks
            assert order == sorted(due)

    main(program)


async def in_time(ask: Callable[[float], Awaitable[float]]) -> None:
    """Asks for timers some seconds ahead, until the machine was so fast that none was due before all were there."""
    ahead = 0.1
    while True:
        began = time.monotonic()
        await asyncio.sleep(0)  # uvloop's clock stands still within a turn
        asked = await ask(ahead)
        if asked - began < 0.9 * ahead:
            return
        ahead *= 2


def test_a_callback_is_never_early_by_the_clock_of_its_loop(main: Main, rng: random.Random) -> None:
    async def program(loop: asyncio.AbstractEventLoop) -> None:
        late: list[float] = []
        all_came = asyncio.Event()

        def came(due: float) -> None:
            late.append(loop.time() - due)
            if len(late) == 30:
                all_came.set()

        for _ in range(30):
            delay = rng.randrange(1, 20) / 1000
            loop.call_later(delay, came, loop.time() + delay)
        await all_came.wait()
        assert min(late) > -1e-6

    main(program)


def test_a_cancelled_callback_is_not_called_also_when_it_is_due_already(main: Main) -> None:
    async def program(loop: asyncio.AbstractEventLoop) -> None:
        called: list[str] = []
        later: list[asyncio.TimerHandle] = []

        def first() -> None:
            called.append("first")
            later[-1].cancel()

        async def ask(ahead: float) -> float:
            called.clear()
            when = loop.time() + ahead
            loop.call_at(when, first)
            later.append(loop.call_at(when, called.append, "second"))
            asked = time.monotonic()
            await asyncio.sleep(1.5 * ahead)
            return asked

        await in_time(ask)
        assert called == ["first"]
        assert later[-1].cancelled()

    main(program)


def test_what_is_due_at_once_comes_with_the_callbacks_of_call_soon(main: Main) -> None:
    async def program(loop: asyncio.AbstractEventLoop) -> None:
        order: list[str] = []
        loop.call_soon(order.append, "soon")
        loop.call_later(0, order.append, "later")
        loop.call_later(-1, order.append, "never too late")
        await asyncio.sleep(0.005)
        assert order[0] == "soon"
        assert sorted(order) == ["later", "never too late", "soon"]

    main(program)


def test_a_callback_runs_in_the_context_given_or_in_a_copy(main: Main) -> None:
    variable: ContextVar[str] = ContextVar("variable")

    async def program(loop: asyncio.AbstractEventLoop) -> None:
        seen: list[str] = []

        def look() -> None:
            seen.append(variable.get())
            variable.set("changed by the callback")

        variable.set("given")
        given = copy_context()
        variable.set("copied")
        loop.call_later(0.001, look, context=given)
        loop.call_later(0.002, look)
        loop.call_at(loop.time() + 0.003, look)
        await asyncio.sleep(0.02)
        assert seen == ["given", "copied", "copied"]
        assert variable.get() == "copied"
        assert given[variable] == "changed by the callback"

    main(program)


def test_an_exception_goes_to_the_handler_of_the_loop_and_the_next_is_called(main: Main) -> None:
    async def program(loop: asyncio.AbstractEventLoop) -> None:
        said: list[dict[str, Any]] = []
        called: list[int] = []
        loop.set_exception_handler(lambda _, context: said.append(context))
        when = loop.time() + 0.002
        error = ValueError("of a timer")

        def fail() -> None:
            raise error

        handle = loop.call_at(when, fail)
        loop.call_at(when, called.append, 1)
        await asyncio.sleep(0.02)
        assert called == [1]
        assert [context["exception"] for context in said] == [error]
        assert said[0]["handle"] is handle
        assert "Exception in callback" in said[0]["message"]
        assert "fail" in said[0]["message"]

    main(program)


def test_ctrl_c_in_a_callback_ends_the_loop_and_the_others_are_called_when_it_goes_on(runner: asyncio.Runner) -> None:
    loop = runner.get_loop()
    called: list[int] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    async def program() -> None:
        when = loop.time() + 0.002
        loop.call_at(when, interrupt)
        loop.call_at(when, called.append, 1)
        await asyncio.sleep(0.01)

    task = loop.create_task(program())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(task)
    loop.run_until_complete(task)
    assert called == [1]


def test_a_timer_may_be_made_and_cancelled_in_a_callback_and_outside_of_a_run(runner: asyncio.Runner) -> None:
    loop = runner.get_loop()
    order: list[str] = []

    def again() -> None:
        order.append("first")
        loop.call_later(0.001, order.append, "second")
        loop.call_later(0.002, loop.stop)

    loop.call_later(0.001, again)
    loop.call_later(0.0015, order.append, "never").cancel()
    loop.run_forever()
    assert order == ["first", "second"]


@pytest.mark.parametrize("debug", [False, True])
def test_timeouts_and_sleeps_of_asyncio_work(runner: asyncio.Runner, debug: bool) -> None:
    async def program() -> None:
        asyncio.get_running_loop().set_debug(debug)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.002):
                await asyncio.sleep(10)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.002)
        assert await asyncio.wait_for(asyncio.sleep(0.001, "value"), 10) == "value"
        done, pending = await asyncio.wait([asyncio.create_task(asyncio.sleep(10))], timeout=0.002)
        assert not done
        pending.pop().cancel()

    runner.run(program())


def test_a_closed_loop_takes_no_timer(runner: asyncio.Runner) -> None:
    loop = runner.get_loop()
    loop.call_later(10, print)
    runner.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.call_later(1, print)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.call_at(1e9, print)


@pytest.mark.parametrize("name", GOISH)
def test_what_is_no_time_and_no_context_is_refused_at_the_call(name: str) -> None:
    with asyncio.Runner(debug=False, loop_factory=LOOPS[name]) as runner:
        loop = runner.get_loop()
        for wrong in (None, "1"):
            with pytest.raises(TypeError):
                loop.call_later(wrong, print)  # type: ignore[arg-type]
            with pytest.raises(TypeError):
                loop.call_at(wrong, print)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            loop.call_later(1, print, context="none")  # type: ignore[arg-type]
        assert timers(loop) == 0


@pytest.mark.parametrize("end", ["ran", "cancelled", "closed"])
@pytest.mark.parametrize("name", GOISH)
def test_a_timer_that_is_over_holds_nothing(name: str, end: str) -> None:
    class Thing:
        def __call__(self) -> None:
            pass

    thing = Thing()
    watch = weakref.ref(thing)
    with asyncio.Runner(debug=False, loop_factory=LOOPS[name]) as runner:
        loop = runner.get_loop()
        handle = loop.call_later(60 if end == "closed" else 0.001, thing)
        del thing
        if end == "cancelled":
            handle.cancel()
        elif end == "ran":
            runner.run(asyncio.sleep(0.01))
        assert (watch() is None) is (end != "closed")
    assert watch() is None
    assert handle.cancelled() is (end != "ran")
    assert repr(handle).startswith("<TimerHandle")


def test_a_waiting_timer_is_no_garbage_and_one_that_is_over_is_none_either(main: Main) -> None:
    async def program(loop: asyncio.AbstractEventLoop) -> None:
        called: list[int] = []
        for i in range(100):
            loop.call_later(0.005, called.append, i)
        gc.collect()
        await asyncio.sleep(0.02)
        assert called == list(range(100))

    main(program)


def test_a_deadlock_is_seen_on_a_goish_loop_too() -> None:
    async def program() -> None:
        await goish.chan().recv()

    with pytest.raises(goish.DeadlockError):
        goish.run(program, loop=goish.new_event_loop)


def test_a_timer_of_a_library_is_no_deadlock() -> None:
    async def program() -> str:
        ch: goish.Chan[str] = goish.chan()
        asyncio.get_running_loop().call_later(0.5, ch.try_send, "woken")
        return await ch.recv()

    assert goish.run(program, loop=goish.new_event_loop) == "woken"


# ── a clock that is put in the place of the loop's ──
#
# As libraries for tests do it: on the loop object, on its class, by another class; before goish sees it, or after.


class Jump:
    """A clock, and a selector's select that moves it on instead of waiting."""

    def __init__(self, loop: Any) -> None:
        self.now = 5.0
        self.select = loop._selector.select

    def time(self) -> float:
        return self.now

    def jump(self, timeout: float | None = None) -> Any:
        events = self.select(0)
        if not events and timeout:
            self.now += timeout
        return events


def on_the_loop(loop: Any, patch: pytest.MonkeyPatch) -> Jump:
    jump = Jump(loop)
    patch.setattr(loop, "time", jump.time)
    patch.setattr(loop._selector, "select", jump.jump)
    return jump


def on_its_class(loop: Any, patch: pytest.MonkeyPatch) -> Jump:
    jump = Jump(loop)
    patch.setattr(type(loop), "time", lambda _: jump.now)
    patch.setattr(loop._selector, "select", jump.jump)
    return jump


def by_another_class(loop: Any, patch: pytest.MonkeyPatch) -> Jump:
    jump = Jump(loop)
    patch.setattr(loop, "__class__", type("Jumping", (type(loop),), {"time": lambda _: jump.now}))
    patch.setattr(loop._selector, "select", jump.jump)
    return jump


async def sleep_a_day() -> list[str]:
    """By goish's timers and asyncio's: all days pass at once, in their order."""
    log: list[str] = []

    async def sleeper(days: float, sleep: Any, name: str) -> None:
        await sleep(days * 86400)
        log.append(name)

    loop = asyncio.get_running_loop()
    loop.call_later(1.5 * 86400, log.append, "call_later")
    await asyncio.gather(
        goish.go(sleeper, 3, goish.sleep, "goish"),
        sleeper(2, asyncio.sleep, "asyncio"),
        goish.go(sleeper, 1, lambda s: goish.after(s).recv(), "after"),
    )
    return log


@pytest.mark.parametrize("made", [asyncio.SelectorEventLoop, _with_clock(asyncio.SelectorEventLoop)])
@pytest.mark.parametrize("how", [on_the_loop, on_its_class, by_another_class], ids=lambda how: how.__name__)
@pytest.mark.parametrize("when", ["before goish", "after goish", "within"])
def test_a_clock_in_the_place_of_the_loops_is_heard(made: Any, how: Any, when: str) -> None:
    patch = pytest.MonkeyPatch()

    async def main() -> float:
        if when == "within":
            how(asyncio.get_running_loop(), patch)
        assert await sleep_a_day() == ["after", "call_later", "asyncio", "goish"]
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=made) as runner, patch.context() as patch:
        loop = runner.get_loop()
        if when != "before goish":
            scheduler_for(loop)
        if when != "within":
            how(loop, patch)
        assert runner.run(main()) == pytest.approx(5.0 + 3 * 86400, abs=1.0)


def test_a_clock_that_was_taken_back_is_heard_no_more() -> None:
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        with pytest.MonkeyPatch.context() as patch:
            on_the_loop(runner.get_loop(), patch)
            assert runner.run(sleep_a_day())[-1] == "goish"

        async def nap() -> float:
            before = asyncio.get_running_loop().time()
            await goish.sleep(0.001)
            return asyncio.get_running_loop().time() - before

        assert runner.run(nap()) >= 0.001
