"""The rules by which goroutines share a loop with asyncio, anyio and uvloop; each was found by a program that broke.

R1 to R12 are the names in the design notes. Where a rule is kept elsewhere, the place is named.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import logging
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest
from citizens import CONTROL, FACTORY, GO, Citizen, awaiting, citizens, fail, forever
from helpers import ENDS, FREE_THREADED, LOOPS, REAL_LOOPS, in_one_callback, settle, turn, until

import goish
from goish import chan, go, gosched, select, sleep

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

drive = citizens()
on_both_loops = pytest.mark.parametrize("loop", REAL_LOOPS)
SECONDS = 100.0  # more than anything here takes, unless it hangs


class Bare:
    """A bare yield, as in asyncio.sleep(0)."""

    def __await__(self) -> Generator[None]:
        yield


# ── R1: a bare yield is one turn of the loop ──


@pytest.mark.parametrize("pause", [lambda: asyncio.sleep(0), Bare], ids=["asyncio.sleep(0)", "yield"])
async def test_r1_a_bare_yield_lets_run_what_was_scheduled_before_it(drive: Citizen, pause: Any) -> None:
    loop = asyncio.get_running_loop()
    ran: list[int] = []

    async def body() -> None:
        for i in range(5):
            loop.call_soon(ran.append, i)
            assert ran == [*range(i)], "not before the yield"
            await pause()
            assert ran == [*range(i + 1)], "but before it returns"

    await drive.spawn(body)


async def test_r1_a_bare_yield_is_exactly_one_turn(drive: Citizen) -> None:
    """Also when others are runnable in plenty."""
    loop = asyncio.get_running_loop()
    turns = 0
    stopped = False

    def count() -> None:
        nonlocal turns
        turns += 1
        if not stopped:
            loop.call_soon(count)

    async def body() -> int:
        loop.call_soon(count)
        await asyncio.sleep(0)
        before = turns
        for _ in range(10):
            await asyncio.sleep(0)
        return turns - before

    async def busy() -> None:
        while not stopped:
            await asyncio.sleep(0)

    others = [drive.spawn(busy) for _ in range(3)]
    assert await drive.spawn(body) == 10
    stopped = True
    await asyncio.gather(*others)


async def test_r1_those_who_yield_take_turns_with_tasks(drive: Citizen) -> None:
    order: list[str] = []

    async def body(name: str) -> None:
        for i in range(3):
            order.append(f"{name}{i}")
            await asyncio.sleep(0)

    loop = asyncio.get_running_loop()
    mixed = [drive.spawn(body, "a"), asyncio.Task(body("b"), loop=loop), drive.spawn(body, "c")]
    await asyncio.gather(*mixed)
    assert sorted(order[:3]) == ["a0", "b0", "c0"]
    assert [name[0] for name in order[:3]] * 3 == [name[0] for name in order], "always in the same order"


# ── R2: whom a future wakes runs in the future's own callback ──


async def test_r2_a_future_wakes_in_the_order_of_its_callbacks(drive: Citizen) -> None:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    order: list[str] = []

    def note(name: str, _: object) -> None:
        order.append(name)

    async def body(name: str) -> None:
        await future
        order.append(name)

    citizens = []
    for i in range(3):
        future.add_done_callback(functools.partial(note, f"callback {i}"))
        citizens.append(drive.spawn(body, f"citizen {i}"))
        citizens.append(asyncio.Task(body(f"task {i}"), loop=loop))
        await settle()
    loop.call_soon(future.set_result, None)
    await asyncio.gather(*citizens)
    assert order == [f"{what} {i}" for i in range(3) for what in ("callback", "citizen", "task")]


async def test_r2_whom_a_future_wakes_runs_in_its_own_context(drive: Citizen) -> None:
    """And what it sets there stays there: the callback's context is not its own, and is left again."""
    var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="none")
    future = asyncio.get_running_loop().create_future()

    async def body(name: str) -> tuple[str, str]:
        var.set(name)
        await future
        first = var.get()
        var.set(f"{name} changed")
        await asyncio.sleep(0)
        return first, var.get()

    both = [drive.spawn(body, name) for name in "ab"]
    await settle()
    var.set("who sets the result")
    future.set_result(None)
    assert [await g for g in both] == [("a", "a changed"), ("b", "b changed")]
    assert var.get() == "who sets the result"


async def test_r2_one_future_many_citizens_first_come_first_served(drive: Citizen) -> None:
    lock, order = asyncio.Lock(), []
    await lock.acquire()

    async def body(i: int) -> None:
        async with lock:
            order.append(i)

    loop = asyncio.get_running_loop()
    queue = []
    for i in range(10):
        queue.append(drive.spawn(body, i) if i % 2 else asyncio.Task(body(i), loop=loop))
        await settle()
    lock.release()
    await asyncio.gather(*queue)
    assert order == [*range(10)]


# ── R3: each loop has a base context of its own ──


async def held_in_a_drain(hold: Callable[[], None]) -> None:
    async def body() -> None:
        hold()

    await go(body)


async def held_in_a_wake_up(hold: Callable[[], None]) -> None:
    async def body() -> None:
        await asyncio.sleep(0)
        hold()

    await go(body)


async def held_in_an_alarm(hold: Callable[[], None]) -> None:
    async def body() -> None:
        await sleep(0.001)
        hold()

    await go(body)


@on_both_loops
@pytest.mark.parametrize("held", [held_in_a_drain, held_in_a_wake_up, held_in_an_alarm])
def test_r3_a_goroutine_that_runs_here_hinders_no_other_loop(loop: str, held: Any) -> None:
    """A Context can be entered once, whichever thread it is: loops that shared one would die."""
    inside, release = threading.Event(), threading.Event()
    results: list[Any] = []

    def hold() -> None:
        inside.set()
        assert release.wait(SECONDS)

    async def everything() -> int:
        ch = chan()
        go(ch_send, ch)
        value: int = await ch.recv()
        await asyncio.sleep(0)
        await gosched()
        await sleep(0.001)
        return value

    async def ch_send(ch: Any) -> None:
        await ch.send(5)

    def run(main: Any, *args: Any) -> None:
        results.append(goish.run(main, *args, loop=LOOPS[loop]))

    here = threading.Thread(target=run, args=(held, hold), daemon=True)
    there = threading.Thread(target=run, args=(everything,), daemon=True)
    here.start()
    assert inside.wait(SECONDS)
    there.start()
    there.join(SECONDS)
    done_meanwhile = [*results]
    release.set()
    here.join(SECONDS)
    assert done_meanwhile == [5]
    assert results == [5, None]


# ── R4: test_task_surface.py has the stand-in for a future; here: when there is none ──


async def test_r4_nobody_who_can_run_waits_for_something(drive: Citizen) -> None:
    ch, seen = chan(), []

    async def body() -> None:
        this: Any = asyncio.current_task()
        seen.append(this._fut_waiter)
        await ch.recv()
        seen.append(this._fut_waiter)
        await asyncio.sleep(0)
        seen.append(this._fut_waiter)

    g = drive.spawn(body)
    await settle()
    waiter: Any = g._fut_waiter
    assert not waiter.done()
    assert ch.try_send(1)
    assert g._fut_waiter is None or g._fut_waiter.done()
    await g
    assert seen == [None] * 3
    assert g._fut_waiter is None


# ── R5: a value wins over a cancel (test_cancel.py has it in full) ──


@pytest.mark.parametrize("how", ["recv", "send", "select"])
async def test_r5_what_has_happened_is_told_and_the_cancel_comes_later(drive: Citizen, how: str) -> None:
    ch = chan()
    log: list[Any] = []

    async def body() -> None:
        if how == "recv":
            log.append(await ch.recv())
        elif how == "send":
            await ch.send("it")
            log.append("it")
        else:
            log.append((await select(ch.recv()))[1])
        try:
            await asyncio.sleep(0)
            await turn()
        except asyncio.CancelledError as exc:
            log.append(exc.args)
            raise

    g = drive.spawn(body)
    await settle()
    assert ch.try_recv_ok() if how == "send" else ch.try_send("it")
    g.cancel("late")
    await settle()
    assert g.cancelled()
    assert log == ["it", ("late",)]


async def test_r5_a_cancel_that_is_taken_back_in_time_troubles_nobody(drive: Citizen) -> None:
    """On every Python: asyncio.Task itself forgets it only since 3.13."""
    ch = chan()

    async def body() -> Any:
        value = await ch.recv()
        this: Any = asyncio.current_task()
        assert this.uncancel() == 0
        await asyncio.sleep(0)
        await gosched()
        await settle()
        return value

    g = drive.spawn(body)
    await settle()
    await in_one_callback(lambda: ch.try_send("it"), g.cancel)
    assert await g == "it"
    assert g.cancelling() == 0


# R6 (the message is kept) and R7 (done callbacks go through the loop): test_task_surface.py.


# ── R8: a goroutine that fails harms neither the loop nor the others ──


async def test_r8_failures_of_many_at_once_reach_their_awaiters_and_nobody_else(drive: Citizen) -> None:
    errors = [ValueError(i) for i in range(5)]
    gs = [drive.spawn(fail, error) for error in errors]
    fine = drive.spawn(awaiting, asyncio.sleep(0, "fine"))
    assert await asyncio.gather(*gs, return_exceptions=True) == errors
    assert await fine == "fine"
    assert drive.heard == []


class Stop(BaseException):
    """Neither an Exception nor one that ends the program."""


@on_both_loops
@pytest.mark.parametrize("start", ["go", "factory"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["drain", "wake-up"])
def test_r8_the_others_run_on_after_one_that_ends_the_program(loop: str, start: str, error: Any, where: str) -> None:
    """It leaves the loop at once, nobody is current then, and the run queue is not forgotten."""
    a_loop = LOOPS[loop]()
    if start == "factory":
        a_loop.set_task_factory(goish.task_factory)
    done: list[int] = []

    def begin(coro: Coroutine[Any, Any, Any]) -> Any:
        return go(coro) if start == "go" else a_loop.create_task(coro)

    async def good(i: int) -> None:
        done.append(i)
        await gosched()
        done.append(i)

    async def bad() -> None:
        if where == "wake-up":
            await asyncio.sleep(0)
        raise error

    async def main() -> None:
        gs.extend([begin(good(1)), begin(bad()), begin(good(2)), begin(good(3))])
        await a_loop.create_future()

    async def rest() -> None:
        assert asyncio.current_task() is not None
        await until(lambda: all(g.done() for g in gs))

    gs: list[Any] = []
    try:
        with pytest.raises(error):
            a_loop.run_until_complete(main())
        assert asyncio.current_task(a_loop) is None
        assert goish.current_goroutine() is None
        assert gs[1].done()
        a_loop.run_until_complete(asyncio.wait_for(rest(), SECONDS))
        assert sorted(done) == [1, 1, 2, 2, 3, 3]
        assert isinstance(gs[1].exception(), error)
        for task in asyncio.all_tasks(a_loop):
            task.cancel()
        a_loop.run_until_complete(asyncio.sleep(0))
        a_loop.run_until_complete(asyncio.sleep(0))
    finally:
        a_loop.close()
        LOOPS[loop]().close()
        gs.clear()


async def test_r8_an_unusual_base_exception_belongs_to_whoever_awaits(drive: Citizen) -> None:
    g = drive.spawn(fail, Stop("x"))
    fine = drive.spawn(awaiting, asyncio.sleep(0, "fine"))
    with pytest.raises(Stop, match="x"):
        await g
    assert await fine == "fine"
    assert asyncio.current_task() is not None


# R9 (a drain has a budget): test_fairness.py; tasks of the factory run by turns, as asyncio's (test_turns.py).


async def test_r9_timers_and_callbacks_are_served_while_thousands_are_runnable(drive: Citizen) -> None:
    loop = asyncio.get_running_loop()
    ticks = ended = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        loop.call_soon(tick) if ended < n else None

    async def body() -> None:
        nonlocal ended
        end = time.perf_counter() + 0.0001
        while time.perf_counter() < end:
            pass
        ended += 1

    n = 1000  # which takes a tenth of a second, however fast the machine is
    loop.call_soon(tick)
    gs = [drive.spawn(body) for _ in range(n)]
    served_at = []
    loop.call_later(0, lambda: served_at.append(ended))
    await asyncio.wait(gs)
    await until(lambda: served_at)
    if drive.kind == GO:
        assert ticks > 3, "each slice is about a millisecond"
        assert served_at[0] < n


# ── R10: main is known as the root of all tasks ──


async def test_r10_main_is_run_by_run_until_complete(drive: Citizen) -> None:
    """By its callback anyio knows the root, whose end is that of its worker threads."""
    main: Any = asyncio.current_task()
    assert main in asyncio.all_tasks()
    modules = {callback.__module__ for callback, _ in main._callbacks}
    names = {callback.__qualname__ for callback, _ in main._callbacks}
    assert "uvloop.loop" in modules or "_run_until_complete_cb" in names


async def test_r10_worker_threads_of_anyio_serve_one_after_the_other(drive: Citizen) -> None:
    async def body() -> int:
        return await anyio.to_thread.run_sync(threading.get_ident)

    idents = {await drive.spawn(body) for _ in range(5)}
    assert len(idents) == 1, "they do not end with the first goroutine that used them"
    alive = {thread.ident for thread in threading.enumerate()}
    assert idents <= alive


@on_both_loops
def test_r10_worker_threads_of_anyio_end_with_main(loop: str) -> None:
    idents: set[int] = set()

    async def body() -> None:
        idents.add(await anyio.to_thread.run_sync(threading.get_ident))

    async def main() -> None:
        await go(body)

    goish.run(main, loop=LOOPS[loop])
    for thread in threading.enumerate():
        if thread.ident in idents:
            thread.join(SECONDS)
            assert not thread.is_alive()


# ── R11: a loop that is run from within itself ──

NESTED_SECONDS = 2.0


class NestableLoop(asyncio.SelectorEventLoop):
    """As nest_asyncio makes loops: a callback may run the loop until something has happened."""

    _nest_patched = True

    def run_until_complete(self, future: Any) -> Any:
        if not self.is_running():
            return super().run_until_complete(future)
        future = asyncio.ensure_future(future, loop=self)
        deadline = self.time() + NESTED_SECONDS
        while not future.done():
            if self.time() >= deadline:
                print("the inner program hangs", flush=True)
                os._exit(1)  # as the loop would, closing
            self._run_once()
        return future.result()

    def _run_once(self) -> None:
        """That of asyncio fails if its own callback takes what it wanted to run next."""
        ready: Any = self._ready  # type: ignore[attr-defined]
        scheduled: Any = self._scheduled  # type: ignore[attr-defined]
        now = self.time()
        timeout = 0.0 if ready or self._stopping else NESTED_SECONDS  # type: ignore[attr-defined]
        if scheduled:
            timeout = max(0.0, min(timeout, min(handle.when() for handle in scheduled) - now))
        self._process_events(self._selector.select(timeout))  # type: ignore[attr-defined]
        now = self.time() + self._clock_resolution  # type: ignore[attr-defined]
        for handle in sorted(handle for handle in scheduled if handle.when() <= now):
            scheduled.remove(handle)
            handle._scheduled = False
            ready.append(handle)
        for _ in range(len(ready)):
            if not ready:
                break
            handle = ready.popleft()
            if handle._cancelled:
                continue
            outer = asyncio.current_task(self)
            if outer is not None:
                asyncio.tasks._leave_task(self, outer)
            try:
                handle._run()
            finally:
                if outer is not None:
                    asyncio.tasks._enter_task(self, outer)


async def inner_program() -> int:
    ch = chan()

    async def sender() -> None:
        await asyncio.sleep(0)
        await sleep(0.001)
        await ch.send(5)

    go(sender)
    value: int = await ch.recv()
    await gosched()
    value += await go(awaiting, asyncio.sleep(0.001, 1))
    return value


def nesting(start: Callable[[Any], Any], before: Callable[[], Any]) -> Any:
    async def main() -> Any:
        loop = asyncio.get_running_loop()
        var: contextvars.ContextVar[str] = contextvars.ContextVar("var")

        async def body() -> Any:
            var.set("mine")
            await before()
            this = asyncio.current_task()
            for _ in range(2):
                assert loop.run_until_complete(inner_program()) == 6
                assert asyncio.current_task() is this
                assert var.get() == "mine"
                await gosched()
            assert asyncio.current_task() is this
            return var.get()

        bystander = go(by)
        assert await asyncio.wait_for(start(body()), SECONDS) == "mine"
        bystander.cancel()
        return True

    async def by() -> None:
        while True:
            await gosched()
            await asyncio.sleep(0.001)

    return main


BEFORE: dict[str, Callable[[], Any]] = {
    "in a drain": gosched,
    "woken by a future": lambda: asyncio.sleep(0),
    "woken by a timer": lambda: sleep(0.001),
}


def as_foreign_task(coro: Any) -> Any:
    return asyncio.Task(coro, loop=asyncio.get_running_loop())


STARTS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    CONTROL: (as_foreign_task, None),
    GO: (go, None),
    FACTORY: (asyncio.create_task, goish.task_factory),
}


def run_nested(kind: str, run: str) -> None:
    """In a process of its own: a loop that was run from within and hangs cannot be closed."""
    start, factory = STARTS[kind]

    def new_loop() -> asyncio.AbstractEventLoop:
        loop = NestableLoop()
        loop.set_task_factory(factory)
        return loop

    for name, before in BEFORE.items():
        print(name, flush=True)
        main = nesting(start, before)
        if run == "goish.run":
            assert goish.run(main, loop=new_loop)
        else:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                assert runner.run(main())


@pytest.mark.parametrize("run", ["asyncio.Runner", "goish.run"])
@pytest.mark.parametrize("kind", STARTS)
def test_r11_the_loop_may_be_run_from_within(kind: str, run: str) -> None:
    code = f"import test_interop_rules as rules; rules.run_nested({kind!r}, {run!r})"
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parent), *sys.path])
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = child.communicate(timeout=ENDS)
    except subprocess.TimeoutExpired:
        child.kill()
        output = child.communicate()[0] + "\nit hangs"
    assert (child.returncode, output.splitlines()) == (0, [*BEFORE])


# ── R12: a goroutine needs nobody to hold it ──


@pytest.mark.parametrize("kind", [GO, FACTORY])
@on_both_loops
def test_r12_one_that_waits_for_what_nobody_holds_lives_on(loop: str, kind: str) -> None:
    """asyncio would collect it, and run its finally block in the midst of nowhere."""
    ended: list[str] = []

    async def waits_for_a_future() -> None:
        await asyncio.get_running_loop().create_future()

    async def body(wait: Any) -> None:
        try:
            await wait()
        finally:
            ended.append("finally")

    async def main() -> None:
        refs = [weakref.ref(citizen.spawn(body, wait)) for wait in waits]
        await settle()
        for _ in range(3):
            gc.collect()
            await settle()
        assert ended == []
        for ref in refs:
            g = ref()
            assert g is not None
            assert g in goish.runtime.goroutines()
            g.cancel()
        await settle()
        assert ended == ["finally"] * len(waits)

    # A task that waits for a future of asyncio is the future's (test_lost_tasks.py).
    waits = [forever] if kind == FACTORY and not FREE_THREADED else [waits_for_a_future, forever]
    citizen = Citizen(loop, kind)
    citizen(main)


@on_both_loops
def test_r12_what_a_goroutine_fails_with_unseen_is_a_panic_and_of_a_task_is_logged(
    loop: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    async def main() -> None:
        if start is go:
            go(fail, ValueError("nobody asks"))
        else:
            start(fail(ValueError("nobody asks")))
        for _ in range(5):
            await asyncio.sleep(0)
            gc.collect()

    start: Any = go
    with pytest.raises(goish.Panic):
        goish.run(main, loop=LOOPS[loop])
    assert "nobody asks" in capfd.readouterr().err
    assert caplog.records == []

    def with_factory() -> asyncio.AbstractEventLoop:
        a_loop = LOOPS[loop]()
        a_loop.set_task_factory(goish.task_factory)
        return a_loop

    start = asyncio.create_task
    goish.run(main, loop=with_factory)
    assert [record.levelno for record in caplog.records if record.levelno > logging.WARNING] == [logging.ERROR]
    assert "Task exception was never retrieved" in caplog.text
    assert "panic" not in capfd.readouterr().err
