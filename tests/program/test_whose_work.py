"""Whose work is it? A call on a thread belongs to a program, also where the context does not name one."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from helpers import ENDS
from parties import PATIENCE, until

import goish
from goish import Panic, chan, go, go_thread
from goish.parallel import Executor, adopt, submit, sync_scope

LOOPS = ["asyncio", "uvloop"]

Act = Callable[[], object]
Place = Callable[[Act], object]


async def for_ever() -> None:
    await chan().recv()


# ── places where the context of the program is not inherited ──


def in_a_coroutine_of_another_thread(act: Act) -> None:
    async def handle() -> None:
        act()

    loop = asyncio.get_running_loop()
    _in_a_thread(lambda: asyncio.run_coroutine_threadsafe(handle(), loop))


def in_a_callback_of_another_thread(act: Act) -> None:
    loop = asyncio.get_running_loop()
    _in_a_thread(lambda: loop.call_soon_threadsafe(act))


def _in_a_thread(body: Act) -> None:
    thread = threading.Thread(target=lambda: contextvars.Context().run(body))
    thread.start()
    thread.join()


async def _handle(act: Act) -> None:
    await asyncio.sleep(0)
    act()


def in_a_task_of_another_context(act: Act) -> object:
    return asyncio.get_running_loop().create_task(_handle(act), context=contextvars.Context())


def in_a_goroutine_of_another_context(act: Act) -> object:
    return go.options(context=contextvars.Context())(_handle, act)


def in_a_callback_of_another_context(act: Act) -> object:
    return asyncio.get_running_loop().call_soon(act, context=contextvars.Context())


def in_a_reader_of_another_context(act: Act) -> None:
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()

    def read() -> None:
        loop.remove_reader(ours)
        ours.close()
        theirs.close()
        act()

    contextvars.Context().run(loop.add_reader, ours, read)
    theirs.send(b"x")


def in_a_signal_handler(act: Act) -> None:
    loop = asyncio.get_running_loop()

    def handle() -> None:
        loop.remove_signal_handler(signal.SIGUSR1)
        act()

    contextvars.Context().run(loop.add_signal_handler, signal.SIGUSR1, handle)
    os.kill(os.getpid(), signal.SIGUSR1)


def in_a_call_of_such_a_place(act: Act) -> None:
    in_a_callback_of_another_context(lambda: go_thread(act))


def in_a_goroutine_of_such_a_call(act: Act) -> None:
    async def call() -> None:
        go(_handle, act)

    in_a_callback_of_another_context(lambda: go_thread(call))


def in_a_call_with_a_context_of_its_own(act: Act) -> None:
    def call() -> None:
        contextvars.Context().run(act)

    go_thread.options(context=contextvars.Context())(call)


PLACES: list[Place] = [
    in_a_coroutine_of_another_thread,
    in_a_callback_of_another_thread,
    in_a_task_of_another_context,
    in_a_goroutine_of_another_context,
    in_a_callback_of_another_context,
    in_a_reader_of_another_context,
    pytest.param(in_a_signal_handler, marks=pytest.mark.skipif(sys.platform == "win32", reason="no such signals")),  # type: ignore[list-item]
    in_a_call_of_such_a_place,
    in_a_goroutine_of_such_a_call,
    in_a_call_with_a_context_of_its_own,
]
places = pytest.mark.parametrize("place", PLACES)
loops = pytest.mark.parametrize("loop", LOOPS)


# ── a call that fails ──


def fail() -> None:
    raise LookupError("in the call")


async def fail_on_a_loop() -> None:
    raise LookupError("in the call")


async def fail_in_a_child() -> None:
    go(fail_on_a_loop)
    await for_ever()


async def fail_in_a_child_of_another_context() -> None:
    go.options(context=contextvars.Context())(fail_on_a_loop)
    await for_ever()


@loops
@places
@pytest.mark.parametrize("fn", [fail, fail_in_a_child_of_another_context])
def test_a_panic_of_a_call_ends_the_program_whose_loop_runs_there(place: Place, fn: Any, loop: Any) -> None:
    async def main() -> None:
        place(lambda: go_thread(fn))
        await for_ever()

    with pytest.raises(Panic) as caught:
        goish.run(main, loop=loop, deadlock="off")
    assert isinstance(caught.value.__cause__, LookupError)


def verbs(stack: ExitStack) -> dict[str, Act]:
    """Every way to give work to threads, each with work that fails."""
    executor = Executor(workers=2)
    adopted = adopt(concurrent.futures.ThreadPoolExecutor(1))
    stack.callback(executor.shutdown)
    stack.callback(adopted.shutdown)
    scope = sync_scope()
    return {
        "go_thread": lambda: go_thread(fail),
        "go_thread of a coroutine function": lambda: go_thread(fail_on_a_loop),
        "go_thread of a coroutine": lambda: go_thread(fail_on_a_loop()),
        "go on a worker": lambda: go_thread(fail_in_a_child),
        "with a context": lambda: go_thread.options(context=contextvars.Context())(fail),
        "with a context, on a loop": lambda: go_thread.options(context=contextvars.Context())(fail_on_a_loop),
        "with a context, go": lambda: go_thread.options(context=contextvars.Context())(fail_in_a_child),
        "go with a context": lambda: go_thread(fail_in_a_child_of_another_context),
        "spawn": lambda: goish.parallel.spawn(fail),
        "submit": lambda: submit(fail_on_a_loop),
        "go_thread of an executor": lambda: executor.go_thread(fail),
        "spawn of an executor": lambda: executor.spawn(fail_on_a_loop),
        "submit of an executor": lambda: executor.submit(fail),
        "go_thread of an adopted one": lambda: adopted.go_thread(fail),
        "spawn of an adopted one": lambda: adopted.spawn(fail),
        "parallel_map": lambda: go_thread(goish.parallel.parallel_map, lambda _: fail(), [1, 2, 3]),
        "in a scope": lambda: go_thread(_in_a_scope, scope),
    }


def _in_a_scope(scope: sync_scope) -> None:
    with scope:
        scope.spawn(fail)
        scope.go_thread(fail)


@loops
@pytest.mark.parametrize("verb", verbs(ExitStack()))
def test_every_verb_gives_its_call_to_the_program(verb: str, loop: Any) -> None:
    async def main() -> None:
        in_a_callback_of_another_thread(verbs(stack)[verb])
        await for_ever()

    with ExitStack() as stack, pytest.raises(Panic) as caught:
        goish.run(main, loop=loop, deadlock="off")
    error = caught.value.__cause__
    assert isinstance(error, LookupError) or (isinstance(error, ExceptionGroup) and error.subgroup(LookupError))


# ── the end of the program ──


def exit_with_5() -> None:
    sys.exit(5)


async def exit_with_5_on_a_loop() -> None:
    sys.exit(5)


def interrupt() -> None:
    raise KeyboardInterrupt


@loops
@places
@pytest.mark.parametrize("fn", [exit_with_5, exit_with_5_on_a_loop])
def test_a_system_exit_in_the_call_ends_the_program(place: Place, fn: Any, loop: Any) -> None:
    async def main() -> None:
        place(lambda: go_thread(fn))
        await for_ever()

    with pytest.raises(SystemExit) as caught:
        goish.run(main, loop=loop, deadlock="off")
    assert caught.value.code == 5


@loops
def test_a_keyboard_interrupt_in_the_call_ends_the_program(loop: Any) -> None:
    async def main() -> None:
        in_a_coroutine_of_another_thread(lambda: go_thread(interrupt))
        await for_ever()

    with pytest.raises(KeyboardInterrupt):
        goish.run(main, loop=loop, deadlock="off")


@pytest.mark.parametrize(
    ("ends", "code"), [("raise ValueError", 2), ("sys.exit(5)", 5), ("raise KeyboardInterrupt", 130)]
)
def test_the_exit_code_is_that_of_the_call(ends: str, code: int) -> None:
    program = f"""
        import asyncio, sys, threading
        import goish

        def call():
            {ends}

        async def handle():
            goish.go_thread(call)

        async def main():
            loop = asyncio.get_running_loop()
            threading.Thread(target=lambda: asyncio.run_coroutine_threadsafe(handle(), loop)).start()
            await goish.sleep(60)

        goish.run(main)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=ENDS
    )
    # CPython ends by the signal itself where there is one.
    assert done.returncode == code or (code == 130 and done.returncode == -signal.SIGINT), done.stderr


@loops
@places
def test_what_the_call_leaves_on_workers_is_cancelled_at_the_end_of_main(place: Place, loop: Any) -> None:
    begun = threading.Barrier(4)  # three calls, and this thread
    ended: list[str] = []

    def block(name: str) -> None:
        begun.wait(PATIENCE)
        try:
            chan().recv_blocking()
        except asyncio.CancelledError:
            ended.append(name)
            raise

    async def wait() -> None:
        try:
            await asyncio.to_thread(begun.wait, PATIENCE)
            await for_ever()
        except asyncio.CancelledError:
            ended.append("goroutine")
            raise

    def leave() -> None:
        go_thread(block, "call")
        go_thread.options(context=contextvars.Context())(block, "call with a context")
        go_thread(wait)

    async def main() -> None:
        place(leave)
        await asyncio.to_thread(begun.wait, PATIENCE)

    with Executor(workers=4) as ex:
        goish.parallel.set_default_executor(ex)
        try:
            goish.run(main, loop=loop, grace=PATIENCE, deadlock="off")
        finally:
            goish.parallel.set_default_executor(None)
        assert sorted(ended) == ["call", "call with a context", "goroutine"]


@loops
def test_what_is_left_behind_may_panic_at_the_end_of_main(loop: Any) -> None:
    begun = threading.Event()

    def block() -> None:
        begun.set()
        try:
            chan().recv_blocking()
        finally:
            fail()

    async def main() -> None:
        in_a_callback_of_another_thread(lambda: go_thread(block))
        await asyncio.to_thread(begun.wait, PATIENCE)

    with pytest.raises(Panic):
        goish.run(main, loop=loop, grace=PATIENCE, deadlock="off")


# ── whose it is not ──


def test_where_no_loop_runs_a_call_belongs_to_no_program(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> str:
        _in_a_thread(lambda: go_thread(fail))
        await asyncio.to_thread(until, lambda: "failed and nobody awaited it" in caplog.text)
        return "went on"

    assert goish.run(main) == "went on"


def test_a_call_belongs_to_the_loop_it_is_made_on_and_not_to_the_program_of_its_context() -> None:
    theirs: list[BaseException] = []
    loops: list[asyncio.AbstractEventLoop] = []
    ready = threading.Event()
    over = threading.Event()

    async def other() -> None:
        loops.append(asyncio.get_running_loop())
        ready.set()
        await for_ever()

    def program() -> None:
        try:
            goish.run(other, deadlock="off")
        except BaseException as exc:
            theirs.append(exc)
        over.set()

    async def main() -> str:
        thread = threading.Thread(target=program)
        thread.start()
        await asyncio.to_thread(ready.wait, PATIENCE)
        loops[0].call_soon_threadsafe(lambda: go_thread(fail))  # with a copy of this context
        await asyncio.to_thread(over.wait, PATIENCE)
        thread.join()
        return "went on"

    assert goish.run(main) == "went on"
    assert [type(exc) for exc in theirs] == [Panic]


def test_a_context_that_names_a_program_which_is_over_counts_as_one_that_names_none() -> None:
    async def first() -> contextvars.Context:
        return contextvars.copy_context()

    old = goish.run(first)

    async def main() -> None:
        old.run(go_thread, fail)
        await for_ever()

    with pytest.raises(Panic):
        goish.run(main, deadlock="off")


def test_a_context_that_is_given_is_left_as_it_is() -> None:
    given = contextvars.Context()

    async def main() -> None:
        await go_thread.options(context=given)(int)

    goish.run(main)
    assert len(given) == 0
