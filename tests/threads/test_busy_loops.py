"""With the GIL: a loop that always has something to run lends it to the threads that wait for it.

The loops of these tests never let go of the GIL by themselves, and no thread ever asks for it: what a thread gets, the
scheduler has lent it. Bounds are counted in steps of the goroutine that keeps the loop busy, not in seconds.
"""

from __future__ import annotations

import asyncio
import selectors
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeAlias

import pytest
from helpers import FREE_THREADED
from parties import PATIENCE

import goish
from goish import Chan, chan, go, go_thread, gosched
from goish.loops import _with_clock

resource = pytest.importorskip("resource", reason="how often a thread was switched can be told on Unix only")

pytestmark = [
    pytest.mark.serial,
    pytest.mark.skipif(FREE_THREADED, reason="there is no GIL to wait for"),
]

TRIPS = 30
STARVED = (
    10_000_000  # steps of the busy goroutine in which a thread that wants the GIL gets it, however loaded the machine
)

Trip: TypeAlias = Callable[[], Awaitable[object]]


class KeepingSelector(selectors.DefaultSelector):
    """Looks at sockets only when the loop has nothing else to do: the system call would let go of the GIL."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return [] if timeout == 0 else super().select(timeout)


class KeepingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        super().__init__(KeepingSelector())


def keeping_loop_of_goish() -> asyncio.AbstractEventLoop:
    loop = _with_clock(KeepingLoop)()
    loop.set_task_factory(goish.task_factory)
    return loop


@pytest.fixture(autouse=True)
def nobody_asks() -> Generator[None]:
    """CPython's waiters ask for the GIL only after a thousand seconds."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(interval)


class Busy:
    """Keeps a loop busy until ``stop``; fails when a thread has been waiting for too long."""

    def __init__(self, kind: str) -> None:
        self.body: Callable[[], Awaitable[object]] = getattr(self, kind)
        self.over = False
        self.steps = 0

    async def __aenter__(self) -> Busy:
        count = 1000 if self.body == self.thousand else 1
        self.handles: list[Any] = [
            asyncio.create_task(self.task()) if self.body == self.task else go(self.body) for _ in range(count)
        ]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.over = True
        for handle in self.handles:
            await handle

    def step(self) -> bool:
        self.steps += 1
        assert self.steps < STARVED, "a thread waits for the GIL in vain"
        return not self.over

    async def yields(self) -> None:
        while self.step():
            await gosched()

    thousand = yields

    async def always_ready(self) -> None:
        ch: Chan[int] = chan(1)
        while self.step():
            await ch.send(0)
            await ch.recv()

    async def ping_pong(self) -> None:
        there: Chan[int] = chan()
        back: Chan[int] = chan()

        async def pong() -> None:
            async for value in there:
                await back.send(value)

        answers = go(pong)
        while self.step():
            await there.send(0)
            await back.recv()
        there.close()
        await answers

    async def task(self) -> None:
        while self.step():
            await asyncio.sleep(0)


async def trips_beside(busy: Busy, trip: Trip) -> None:
    async with busy:
        for _ in range(TRIPS):
            await trip()
            busy.steps = 0


def echo(there: Chan[int], back: Chan[int]) -> None:
    for value in there:
        back.send_blocking(value)


KINDS = ("yields", "thousand", "always_ready", "ping_pong", "task")


def loop_for(kind: str) -> Callable[[], asyncio.AbstractEventLoop]:
    return keeping_loop_of_goish if kind == "task" else KeepingLoop


@pytest.mark.parametrize("kind", KINDS)
def test_a_thread_and_a_busy_loop_pass_values_to_and_fro(kind: str) -> None:
    async def main() -> None:
        there: Chan[int] = chan()
        back: Chan[int] = chan()
        thread = threading.Thread(target=echo, args=(there, back), daemon=True)
        thread.start()

        async def trip() -> None:
            await there.send(0)
            await back.recv()

        await trips_beside(Busy(kind), trip)
        there.close()

    goish.run(main, loop=loop_for(kind), deadlock="off")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("two_workers")
def test_calls_on_workers_come_back_to_a_busy_loop(kind: str) -> None:
    async def nothing() -> None:
        pass

    async def main() -> None:
        async def trip() -> None:
            await go_thread(int)
            await go_thread(nothing)

        await trips_beside(Busy(kind), trip)

    goish.run(main, loop=loop_for(kind), deadlock="off")


@pytest.mark.skipif(not hasattr(resource, "RUSAGE_THREAD"), reason="nothing tells of threads that goish has not woken")
@pytest.mark.parametrize("kind", KINDS)
def test_threads_that_goish_has_not_woken_get_the_gil_too(kind: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        await trips_beside(Busy(kind), lambda: loop.run_in_executor(None, int))

    goish.run(main, loop=loop_for(kind), deadlock="off")


def test_busy_loops_lend_the_gil_to_one_another() -> None:
    there: Chan[int] = chan()
    back: Chan[int] = chan()
    served: list[int] = []

    async def serve() -> None:
        async with Busy("yields") as busy:
            async for value in there:
                await back.send(value)
                served.append(value)
                busy.steps = 0

    async def ask() -> None:
        async def trip() -> None:
            await there.send(0)
            await back.recv()

        await trips_beside(Busy("yields"), trip)
        there.close()

    thread = threading.Thread(target=lambda: goish.run(serve, loop=KeepingLoop, deadlock="off"), daemon=True)
    thread.start()
    goish.run(ask, loop=KeepingLoop, deadlock="off")
    thread.join(PATIENCE)
    assert len(served) == TRIPS


# ── what it costs ──

SLEEPS_WHILE_BUSY = """
import asyncio, resource, threading
import goish
from goish import chan, gosched

def slept():
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw

async def main():
    for _ in range(10_000):
        await gosched()
    before = slept()
    for _ in range(1_000_000):
        await gosched()
    return slept() - before
"""


def sleeps_while_busy(program: str) -> int:
    """How often the thread of a busy loop has slept beside others; ``program`` starts them."""
    code = SLEEPS_WHILE_BUSY + program + "\nprint(goish.run(main, deadlock='off'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


NEXT_TO_NEVER = (
    20  # a page of memory may have to be fetched; a loop that lent at each look would sleep hundreds of times
)
needs_rusage = pytest.mark.skipif(not hasattr(resource, "RUSAGE_THREAD"), reason="cannot be counted here")


@needs_rusage
def test_a_loop_without_other_threads_never_sleeps_while_it_is_busy() -> None:
    assert sleeps_while_busy("") <= NEXT_TO_NEVER


@needs_rusage
def test_threads_that_wait_cost_a_busy_loop_no_sleep() -> None:
    assert (
        sleeps_while_busy("""
never = chan()
for _ in range(3):
    threading.Thread(target=never.recv_blocking, daemon=True).start()
threading.Thread(target=threading.Event().wait, daemon=True).start()
""")
        <= NEXT_TO_NEVER
    )


@needs_rusage
def test_a_woken_loop_that_does_not_run_is_not_waited_for() -> None:
    assert (
        sleeps_while_busy("""
values = chan()
stopped = asyncio.new_event_loop()

async def receive():
    await values.recv()

async def start():
    goish.go(receive)
    await asyncio.sleep(0)

stopped.run_until_complete(start())
sender = threading.Thread(target=values.send_blocking, args=(1,))
sender.start()
sender.join()  # it has woken the loop, which is not there to come
""")
        <= NEXT_TO_NEVER
    )
