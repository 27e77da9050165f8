"""The end of a process, and a second one made by fork, while workers are busy: nothing hangs, nothing crashes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from helpers import ENDS

HEAD = """
import asyncio, os, sys, threading, time, warnings
import goish
from goish import *
from goish.errors import *
from goish.parallel import *
warnings.simplefilter("ignore", DeprecationWarning)

def busy(started=threading.Event()):
    started.set()
    while True:
        sum(range(1000))

async def parked():
    await chan().recv()

def begin():
    # Workers of all sorts, with something to do.
    set_workers(2)
    started = threading.Event()
    kept = [go_thread(busy, started), go_thread(parked), go_thread(chan().recv_blocking)]
    for _ in range(10):
        kept.append(submit(time.sleep, 60))
    started.wait()
    return kept

def be_patient():
    # What ends by itself has the time to do so, however loaded the machine is.
    goish._threads.workers.GRACE = 3600
"""


def run_program(program: str, code: int = 0) -> Any:
    source = HEAD + textwrap.dedent(program)
    process = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=ENDS)
    assert process.returncode == code, process.stderr
    return process


def test_the_interpreter_ends_though_workers_are_busy() -> None:
    assert run_program("kept = begin(); print('over')").stdout == "over\n"


def test_so_it_does_when_nobody_holds_the_handles() -> None:
    assert run_program("begin(); print('over')").stdout == "over\n"


def test_what_had_not_begun_by_then_is_named() -> None:
    told = run_program("""
        started = threading.Event()
        ex = Executor(workers=1)
        kept = [ex.go_thread(busy, started)]
        started.wait()
        kept += [ex.submit(time.sleep, 60) for _ in range(25)]
        kept[-1].cancel()
        ex.shutdown(wait=False)
    """).stderr
    assert "24 call(s) had not begun when the program ended, and never will" in told
    assert "(sleep), " in told
    assert " and 4 more\n" in told
    assert "1 goroutine(s) did not end within 1 s of the program's end: " in told
    assert "(busy, a function that neither waits in goish nor asks check_cancel())" in told


def test_nothing_is_told_of_a_program_that_has_waited() -> None:
    assert run_program("with Executor() as ex: [ex.submit(sum, []) for _ in range(100)]").stderr == ""


def test_finally_blocks_on_workers_run_before_the_end() -> None:
    program = """
        be_patient()
        started = threading.Event()

        async def body():
            try:
                started.set()
                await chan().recv()
            finally:
                print("cleaned up", flush=True)

        g = go_thread(body)
        started.wait()
        """
    assert run_program(program).stdout == "cleaned up\n"


def test_a_program_ends_though_a_function_computes_for_ever() -> None:
    program = """
        async def main():
            begin()
            await sleep(0.01)

        goish.run(main, grace=0.1)
        print("over")
        """
    process = run_program(program)
    assert process.stdout == "over\n"
    assert "did not end within 0.1 s" in process.stderr
    assert "(busy, a function that" in process.stderr


def test_who_was_given_up_once_is_not_waited_for_again() -> None:
    program = """
        be_patient()

        async def main():
            started = threading.Event()
            go_thread(busy, started)
            started.wait()

        run(main, grace=0.01)
        print("over")
        """
    assert run_program(program).stdout == "over\n"


def test_an_exit_code_from_a_worker_is_that_of_the_process() -> None:
    program = """
        async def main():
            go_thread(sys.exit, 7)
            await sleep(60)

        goish.run(main)
        """
    run_program(program, 7)


def test_an_exception_in_main_ends_it_too() -> None:
    assert "LookupError" in run_program("begin(); raise LookupError", 1).stderr


def test_work_given_while_the_interpreter_ends_is_refused_or_done() -> None:
    program = """
        import atexit

        def late():
            try:
                spawn(int)
            except PoolShutdown:
                print("refused", flush=True)

        atexit.register(late)
        submit(int).sync()
        """
    assert run_program(program).stdout == "refused\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_begins_anew() -> None:
    program = """
        ex = Executor(workers=1)
        kept = begin() + [ex.submit(busy), ex.submit(int), ex.go_thread(parked)]
        pid = os.fork()
        if pid == 0:
            # Neither threads nor calls of the parent are here.
            assert threading.active_count() == 1
            assert num_goroutine() == 0, num_goroutine()
            assert sync(submit(pow, 2, 3)) == 8
            assert sync(ex.submit(pow, 2, 3)) == 8

            async def main():
                return await go_thread(pow, 2, 3) + await ex.spawn(pow, 2, 3)

            assert goish.run(main) == 16
            ex.shutdown()
            print("child", flush=True)
            sys.exit(0)
        _, status = os.waitpid(pid, 0)
        assert status == 0, status
        assert num_goroutine() > 10
        print("parent")
        """
    assert run_program(program).stdout == "child\nparent\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_worker_may_fork() -> None:
    program = """
        def fork():
            pid = os.fork()
            if pid == 0:
                os._exit(0 if current_worker() is None and sync(spawn(int)) == 0 else 1)
            return os.waitpid(pid, 0)[1]

        print(go_thread(fork).result_blocking(timeout=100))
        """
    assert run_program(program).stdout == "0\n"


def test_no_thread_can_be_had() -> None:
    program = """
        def no_thread(*args, **kwargs):
            raise RuntimeError("can't start new thread")

        start, threading.Thread.start = threading.Thread.start, no_thread
        try:
            submit(int)
        except RuntimeError as error:
            print(error)
        assert num_goroutine() == 0
        threading.Thread.start = start
        set_workers(2)
        print(sync(submit(int)))
        threading.Thread.start = no_thread
        print(sync_all(*[submit(int) for _ in range(10)]))
        """
    process = run_program(program)
    assert process.stdout.splitlines()[0] == "can't start new thread"
    assert process.stdout.splitlines()[1:] == ["0", str((0,) * 10)]


def test_workers_that_go_on_spawning_at_the_end_are_silent() -> None:
    """Nobody shut the executor down: they are being cancelled, by whatever they do."""
    program = """
        def relay(begun):
            begun.set()
            try:
                chan().recv_blocking()
            finally:
                spawn(int)

        def loops(begun):
            begun.set()
            try:
                chan().recv_blocking()
            finally:
                parallel_for(int, range(3))

        async def later(begun):
            begun.set()
            try:
                await chan().recv()
            finally:
                await go_thread(int)

        be_patient()
        kept = []
        for fn in (relay, loops, later):
            begun = threading.Event()
            kept.append(go_thread(fn, begun))
            begun.wait()
        print("over")
        """
    process = run_program(program)
    assert (process.stdout, process.stderr) == ("over\n", "")


def test_whoever_else_gives_work_at_the_end_is_told_that_it_is_the_end() -> None:
    program = """
        import atexit

        def late():
            for give in (lambda: sync(spawn(int)), lambda: parallel_for(int, [1, 2]), lambda: set_workers(2)):
                try:
                    give()
                except PoolShutdown as error:
                    print(error)

        atexit.register(late)
        sync(submit(int))
        """
    expected = "the interpreter ends, and with it <Executor 'goish'>: it takes no more work\n"
    assert run_program(program).stdout == expected * 3


@pytest.mark.parametrize("used", ["before", "never", "imported there"])
def test_in_an_atexit_handler_goish_works_or_says_that_it_is_the_end(used: str) -> None:
    program = """
        import atexit, importlib, sys
        if used != "imported there":
            import goish

        def late():
            import goish
            from goish import chan, go, go_thread, run
            from goish.errors import PoolShutdown
            from goish.parallel import Executor, parallel_map, spawn, submit, sync

            async def send(ch):
                await ch.send("sent")

            async def main():
                ch = chan()
                go(send, ch)
                print(await ch.recv())
                await go_thread(int)

            def own():
                with Executor(workers=1) as ex:
                    return sync(ex.submit(int))

            ch = chan(1)
            ch.send_blocking("kept")
            print(ch.recv_blocking())
            for use in (
                lambda: run(main),
                own,
                lambda: go_thread(int).result_blocking(timeout=100),
                lambda: sync(spawn(int)),
                lambda: sync(submit(int)),
                lambda: parallel_map(abs, [-1]),
            ):
                try:
                    use()
                    print("well")
                except PoolShutdown as error:
                    assert "the interpreter ends" in str(error), error
                    print("the end")

        atexit.register(late)
        if used == "before":
            goish.parallel.sync(goish.parallel.submit(int))
        """
    source = f"used = {used!r}\n" + textwrap.dedent(program)
    process = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=ENDS)
    assert (process.returncode, process.stderr) == (0, "")
    lines = process.stdout.split("\n")[:-1]
    assert (lines[:2], len(lines), set(lines[2:]) <= {"well", "the end"}) == (["kept", "sent"], 8, True)
    if used != "imported there":
        assert set(lines[2:]) == {"the end"}


def test_before_the_pools_are_shut_down_they_still_work() -> None:
    program = """
        threading._register_atexit(lambda: print(sync(submit(pow, 2, 3))))  # the last comes first
        sync(submit(int))
        """
    assert run_program(program).stdout == "8\n"


def test_ctrl_c_while_a_worker_starts_does_not_lose_it() -> None:
    program = """
        import signal

        class Starting(threading.Thread):
            def start(self):
                super().start()
                if first and first.pop():
                    raise KeyboardInterrupt

        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell runs in its background
        first = [True]
        threading.Thread = Starting
        ex = Executor(workers=2)
        try:
            ex.submit(int)
            while True:
                time.sleep(0.01)
        except KeyboardInterrupt:
            print("KeyboardInterrupt")
        while not ex.statistics().idle:  # while the worker is busy, a second call has another one made
            time.sleep(0.001)
        print(sync(ex.submit(int)), ex.statistics().workers)
        ex.shutdown()
        print(ex.statistics().workers)
        """
    assert run_program(program).stdout.splitlines() == ["KeyboardInterrupt", "0 1", "0"]


def test_as_long_as_no_thread_can_be_had_each_call_says_so() -> None:
    program = """
        def no_thread(*args, **kwargs):
            raise RuntimeError("can't start new thread")

        start, threading.Thread.start = threading.Thread.start, no_thread
        for begin in [lambda: submit(int), lambda: go_thread(parked), lambda: spawn(int)] * 2:
            try:
                begin()
            except RuntimeError as error:
                print(error)
        threading.Thread.start = start
        print(sync(submit(int), timeout=100))
        while num_goroutine():  # until the call that has just ended is counted off, and no other is left
            time.sleep(0.001)
        """
    process = run_program(program)
    assert process.stdout.splitlines() == ["can't start new thread"] * 6 + ["0"]


def test_a_function_that_gives_a_coroutine_fails_where_no_loop_can_be_had() -> None:
    program = """
        async def body():
            return 1

        sync(submit(int))
        start, threading.Thread.start = threading.Thread.start, None
        try:
            go_thread(lambda: body()).result_blocking(timeout=100)
        except TypeError:
            print("no thread")
        print(sync(submit(int), timeout=100))
        threading.Thread.start = start
        print(go_thread(lambda: body()).result_blocking(timeout=100))
        """
    process = run_program(program)
    assert process.stdout.splitlines() == ["no thread", "0", "1"]
    assert process.stderr == ""


@pytest.mark.parametrize("error", ["RuntimeError", "MemoryError", "TypeError"])
def test_a_failure_is_told_of_once_though_no_thread_can_be_had_to_remind_of_it(error: str) -> None:
    program = f"""
        from goish._program import panics

        def fail():
            raise ValueError("seen")

        def no_thread(*args, **kwargs):
            raise {error}("no thread")

        sync(submit(int))
        start, threading.Thread.start = threading.Thread.start, no_thread
        g = go_thread(fail)
        while not panics._unseen:
            time.sleep(0.001)
        threading.Thread.start = start
        """
    told = run_program(program).stderr
    assert told.count("ValueError: seen") == 1
    assert "no thread" not in told


def test_tasks_left_on_a_worker_run_their_finally_blocks_at_the_end() -> None:
    program = """
        be_patient()
        kept = []

        async def left():
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.01)
                print("finally")

        async def leave():
            kept.append(asyncio.create_task(left()))
            await asyncio.sleep(0)

        go_thread(leave).result_blocking(timeout=100)
        """
    process = run_program(program)
    assert process.stdout == "finally\n"
    assert process.stderr == ""
