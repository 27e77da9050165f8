"""Callbacks of a goish loop: asked for on any thread, taken back on any, left on a loop that is closed.

Not here: the order in which they run (test_turns.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from helpers import settle

from goish import chan, go
from goish.loops import _with_clock, task_factory

PATIENCE = 100.0  # seconds that only a hanging thread takes


BASES: dict[str, type[asyncio.AbstractEventLoop]] = {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.Loop}


def goish_loop(base: str) -> asyncio.AbstractEventLoop:
    loop = _with_clock(BASES[base])()
    loop.set_task_factory(task_factory)  # type: ignore[arg-type]
    return loop


@pytest.fixture(params=BASES)
def loop(request: pytest.FixtureRequest) -> Any:
    with contextlib.closing(goish_loop(request.param)) as loop:
        yield loop


# ── from other threads ──


def test_a_call_is_not_lost_if_another_thread_begins_to_run_the_loop_meanwhile() -> None:
    """The one is in call_soon_threadsafe of the loop below while the other runs the loop, which falls asleep."""
    base = asyncio.SelectorEventLoop
    asleep, called, called_later = threading.Event(), threading.Event(), threading.Event()

    class Slow(base):  # type: ignore[valid-type, misc]
        def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
            handle = super().call_soon_threadsafe(callback, *args, context=context)
            if thread.ident is None:
                thread.start()
                assert asleep.wait(PATIENCE)
            return handle

    loop = _with_clock(Slow)()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    selector = loop._selector  # type: ignore[attr-defined]
    select = selector.select

    def sleep(timeout: float | None = None) -> Any:
        if timeout is None:
            asleep.set()
        return select(timeout)

    selector.select = sleep
    loop.run_until_complete(asyncio.sleep(0))
    asleep.clear()
    loop.call_soon_threadsafe(called.set)
    assert called.wait(PATIENCE)
    loop.call_soon_threadsafe(loop.call_soon, called_later.set)
    assert called_later.wait(PATIENCE)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE)
    assert not thread.is_alive()
    loop.close()


def test_the_calls_of_a_thread_stay_in_order_whatever_else_it_wakes(loop: asyncio.AbstractEventLoop) -> None:
    count = 4000
    seen: list[int] = []

    async def main() -> None:
        values, done = chan(), asyncio.Event()

        def receive_on(_: object = None) -> None:
            values.recv().add_done_callback(receive_on)

        for _ in range(8):
            receive_on()

        def call() -> None:
            for i in range(count):
                values.try_send(i)
                loop.call_soon_threadsafe(seen.append, i)
            loop.call_soon_threadsafe(done.set)

        thread = threading.Thread(target=call)
        thread.start()
        await done.wait()
        thread.join()

    loop.run_until_complete(main())
    assert seen == list(range(count))


def test_what_a_loop_of_ones_own_gives_for_a_handle_does_not_matter() -> None:
    """As in qasync, whose call_soon_threadsafe gives None."""
    calls = 0

    class NoHandle(asyncio.SelectorEventLoop):
        def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
            nonlocal calls
            calls += 1
            super().call_soon_threadsafe(callback, *args, context=context)

    async def main() -> Any:
        values = chan()

        async def receive() -> Any:
            return await values.recv()

        g = go(receive)
        await settle()
        thread = threading.Thread(target=values.try_send, args=(1,))
        thread.start()
        value = await g
        thread.join()
        before = calls
        await settle(2000)
        return value, calls - before

    loop = NoHandle()
    assert loop.run_until_complete(main()) == (1, 0)
    loop.close()


def test_a_handle_may_be_cancelled_on_the_thread_that_has_asked(loop: asyncio.AbstractEventLoop) -> None:
    """While the loop calls it: it is called once or not at all, and memory stays whole."""
    called: list[Any] = []
    taken_back = 0

    def ask() -> None:
        nonlocal taken_back
        for _ in range(5000):
            handle = loop.call_soon_threadsafe(called.append, object())
            handle.cancel()
            assert handle.cancelled()
            taken_back += 1

    async def main() -> None:
        thread = threading.Thread(target=ask)
        thread.start()
        while thread.is_alive():
            await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert taken_back == 5000
    assert len(set(map(id, called))) == len(called) <= 5000


# ── the same one twice ──


def test_a_task_that_two_futures_wake_leaves_the_callbacks_behind_it(loop: asyncio.AbstractEventLoop) -> None:
    async def main() -> list[Any]:
        seen: list[Any] = []

        async def wait(future: asyncio.Future[None]) -> None:
            await future
            seen.append("awaited")

        first, second = loop.create_future(), loop.create_future()
        task = loop.create_task(wait(first))
        await asyncio.sleep(0)
        wake, context = first._callbacks[0]  # type: ignore[attr-defined]
        second.add_done_callback(wake, context=context)
        first.set_result(None)
        loop.call_soon(seen.append, 1)
        loop.call_soon(seen.append, 2)
        second.set_result(None)
        loop.call_soon(seen.append, 3)
        await task
        await settle()
        return seen

    assert loop.run_until_complete(main()) == ["awaited", 1, 2, 3]


# ── the end ──

LEAVES_TASKS = """
import goish

async def nothing():
    pass

for _ in range(10):
    loop = goish.new_event_loop()
    for _ in range(50):
        loop.create_task(nothing())
        loop.call_soon(loop.create_task, nothing())
    loop.close()
"""


@pytest.mark.filterwarnings("ignore:coroutine")
def test_tasks_may_wait_for_their_first_step_when_the_loop_is_closed() -> None:
    """With the memory of what was freed overwritten."""
    env = {**os.environ, "PYTHONMALLOC": "debug", "PYTHONWARNINGS": "ignore"}
    subprocess.run([sys.executable, "-c", LEAVES_TASKS], check=True, env=env)


def test_a_closed_loop_refuses_calls_although_it_was_about_to_run_some(loop: asyncio.AbstractEventLoop) -> None:
    refused: list[str] = []

    class Late:
        def __del__(self) -> None:
            try:
                loop.call_soon(print)
            except RuntimeError as exc:
                refused.append(str(exc))

    loop.call_soon(print, Late())
    loop.close()
    gc.collect()
    assert refused == ["Event loop is closed"]


def test_so_does_one_that_is_closed_by_its_class(loop: asyncio.AbstractEventLoop) -> None:
    loop.call_soon(int)
    type(loop).close(loop)
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon(int)


ENDS: dict[str, Callable[[asyncio.AbstractEventLoop], asyncio.Handle]] = {
    "called": lambda loop: loop.call_soon(int),
    "called later": lambda loop: loop.call_later(0.001, loop.stop),
    "cancelled": lambda loop: cancelled(loop.call_soon(int)),
    "closed": lambda loop: loop.call_later(3600, int),
}


def cancelled(handle: asyncio.Handle) -> asyncio.Handle:
    handle.cancel()
    return handle


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("base", BASES)
def test_a_loop_that_leads_to_a_handle_that_is_over_is_collected(base: str, end: str) -> None:
    class Holder:
        pass

    def run() -> weakref.ref[Any]:
        loop, holder = goish_loop(base), Holder()
        holder.handle, holder.loop = ENDS[end](loop), loop  # type: ignore[attr-defined]
        loop.set_exception_handler(lambda *_: print(holder))
        if end == "called later":
            loop.run_forever()
        else:
            loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        return weakref.ref(holder)

    gone = run()
    gc.collect()
    assert gone() is None
