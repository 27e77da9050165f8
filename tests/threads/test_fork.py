"""A process that forks while goroutines run: the child starts clean, the parent goes on.

Each program forks in a process of its own: what a child prints or leaves behind is no business of the test runner.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from helpers import ENDS

pytestmark = [
    pytest.mark.parametrize("loop", ["asyncio", "uvloop"]),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork"),
]

HEAD = """
import asyncio, os, warnings
import goish
from goish import *
from goish.errors import *
from goish.parallel import *

warnings.simplefilter("ignore", DeprecationWarning)  # the program has threads when it forks

def say(*words):
    print(*words, flush=True)

def forked(work):
    # Does work() in a child: "ok", or what went wrong there.
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work()
            told = "ok"
        except BaseException as exc:
            told = repr(exc)
        os.write(writing, told.encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        told = pipe.read()
    os.waitpid(pid, 0)
    return told

async def five():
    await gosched()
    return 5

async def program():
    # Goroutines that a goroutine, a task and a callback start, a channel, a select and a sleep.
    loop = asyncio.get_running_loop()
    ch = chan()

    async def task():
        return await go(five)

    async def send(value):
        await sleep(0)
        await ch.send(value)

    async def everything():
        assert await go(five) == 5
        assert await loop.create_task(task()) == 5
        loop.call_soon(go, send, 1)
        assert await ch.recv() == 1
        go(send, 2)
        assert await select(chan().recv(), ch.recv()) == (1, 2, True)
        await sleep(0.001)

    await asyncio.wait_for(everything(), 20)

def run_program():
    goish.run(program, loop=LOOP)

def in_a_task():
    with asyncio.Runner(loop_factory=FACTORY) as runner:
        runner.run(program())

"""

FACTORIES = {"asyncio": "asyncio.SelectorEventLoop", "uvloop": "__import__('uvloop').new_event_loop"}


def said(program: str, loop: Any) -> list[str]:
    """What a program that says things says."""
    head = HEAD.replace("LOOP", repr(loop)).replace("FACTORY", FACTORIES[loop])
    code = head + textwrap.dedent(program).replace("LOOP", repr(loop)).replace("FACTORY", FACTORIES[loop])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=ENDS, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("\n")[:-1]


@pytest.mark.parametrize("work", ["run_program", "in_a_task"])
def test_a_child_of_a_goroutine_runs_a_program_of_its_own(loop: Any, work: str) -> None:
    """The scheduler that was at work when the fork came is the parent's."""
    program = f"""
        async def main():
            say(forked({work}))

        goish.run(main, loop=LOOP)
    """
    assert said(program, loop) == ["ok"]


@pytest.mark.parametrize("work", ["run_program", "in_a_task"])
def test_a_child_of_a_task_runs_a_program_of_its_own(loop: Any, work: str) -> None:
    program = f"""
        async def main():
            await go(five)
            say(forked({work}))

        with asyncio.Runner(loop_factory=FACTORY) as runner:
            runner.run(main())
    """
    assert said(program, loop) == ["ok"]


def test_a_child_made_between_two_runs_runs_a_program_of_its_own(loop: Any) -> None:
    program = """
        run_program()
        say(forked(run_program))
        run_program()
        say(forked(in_a_task))
    """
    assert said(program, loop) == ["ok", "ok"]


def test_a_child_of_a_child_runs_a_program_of_its_own(loop: Any) -> None:
    program = """
        def again():
            async def main():
                assert await go(five) == 5
                told = forked(run_program)
                assert told == "ok", told
                assert await go(five) == 5

            goish.run(main, loop=LOOP)

        async def main():
            say(forked(again))

        goish.run(main, loop=LOOP)
    """
    assert said(program, loop) == ["ok"]


def test_a_child_has_none_of_the_goroutines_of_its_parent(loop: Any) -> None:
    program = """
        async def main():
            ran = []

            async def parked():
                try:
                    await chan().recv()
                finally:
                    ran.append(1)

            async def due():
                ran.append(2)

            def count():
                assert num_goroutine() == 0
                assert goish.runtime.goroutines() == []
                run_program()
                assert num_goroutine() == 0
                assert ran == []

            handles = [go(parked) for _ in range(3)]
            await gosched()
            handles.append(go(due))
            say(forked(count))
            say(num_goroutine())

        goish.run(main, loop=LOOP)
    """
    assert said(program, loop) == ["ok", "5"]


def test_a_child_may_use_the_channels_of_its_parent(loop: Any) -> None:
    """What is buffered is there twice."""
    program = """
        async def main():
            ch = chan(3)
            await ch.send_many("abc")

            def work():
                async def drain():
                    ch.close()
                    assert [value async for value in ch] == ["a", "b", "c"]

                goish.run(drain, loop=LOOP)

            say(forked(work))
            say(await ch.recv_many(3), ch.closed)

        goish.run(main, loop=LOOP)
    """
    assert said(program, loop) == ["ok", "['a', 'b', 'c'] False"]


def test_a_child_gives_nothing_to_those_who_wait_in_the_parent(loop: Any) -> None:
    """They are not there: what they were given would be lost. Who uses the channel in the child finds it empty."""
    program = """
        import threading

        async def main():
            ch = chan()

            async def receive():
                await ch.recv_ok()

            def received():
                said.append(ch.recv_ok_blocking())

            async def choose():
                await select(chan().recv(), ch.recv())

            said = []
            waiting = [go(receive), asyncio.ensure_future(receive()), go(choose)]
            thread = threading.Thread(target=received)
            thread.start()
            while ch.statistics().receivers_waiting < 4:
                await sleep(0.001)

            def work():
                assert not ch.try_send(1)
                assert ch.statistics().receivers_waiting == 0

                async def use():
                    async def send():
                        await ch.send(2)

                    go(send)
                    assert await ch.recv() == 2

                goish.run(use, loop=LOOP)

            say(forked(work))
            say(ch.statistics().receivers_waiting)
            ch.close()
            await asyncio.wait(waiting)
            thread.join()
            say(said)

        goish.run(main, loop=LOOP)
    """
    assert said(program, loop) == ["ok", "4", "[(None, False)]"]


def test_a_child_takes_nothing_from_those_who_wait_in_the_parent(loop: Any) -> None:
    program = """
        async def main():
            ch = chan()
            sending = go(ch.sender.send_many, [1])
            await gosched()

            def work():
                assert ch.try_recv_ok() is EMPTY
                assert ch.peek_item() is EMPTY

            say(forked(work))
            say(await ch.recv(), await sending)

        goish.run(main, loop=LOOP)
    """
    assert said(program, loop) == ["ok", "1 1"]


def test_a_child_does_not_wait_for_calls_that_its_parent_has_made(loop: Any) -> None:
    """They end in the parent, and only there: it is an error, and what waits in the parent's queue stays as it is."""
    program = """
        import threading

        hold = threading.Event()
        with Executor(workers=1) as ex:
            runs = ex.go_thread(hold.wait)
            queued = ex.spawn(str, "queued")
            over = ex.go_thread(int)
            over.cancel()

            def work():
                for wait in (lambda: runs.result_blocking(timeout=100), lambda: sync(queued), awaited):
                    try:
                        wait()
                    except RuntimeError as error:
                        assert "before the fork" in str(error), error
                    else:
                        raise AssertionError(wait)
                assert not runs.cancel() and not queued.cancel()
                assert over.cancelled()
                assert sync(ex.spawn(int)) == 0
                assert ex.statistics().pending == 0

            def awaited():
                async def main():
                    await runs

                goish.run(main, loop=LOOP)

            say(forked(work))
            hold.set()
            say(runs.result_blocking(timeout=100), sync(queued))
    """
    assert said(program, loop) == ["ok", "True queued"]


def test_the_parent_goes_on_as_if_nothing_were(loop: Any) -> None:
    program = """
        async def main():
            ch = chan()

            async def echo():
                async for value in ch:
                    woken.append(value)

            async def asleep():
                await sleep(0.001)
                woken.append("awake")

            woken = []
            running, sleeping = go(echo), go(asleep)
            await gosched()
            told = [forked(run_program) for _ in range(2)]
            await ch.send(1)
            await sleeping
            ch.close()
            await running
            await program()
            say(told, sorted(woken, key=str))

        goish.run(main, loop=LOOP)
    """
    assert said(program, loop) == ["['ok', 'ok'] [1, 'awake']"]


def test_a_process_of_multiprocessing_runs_goroutines(loop: Any) -> None:
    program = """
        import multiprocessing

        async def main():
            process = multiprocessing.get_context("fork").Process(target=run_program)
            process.start()
            process.join()
            say(process.exitcode)
            assert await go(five) == 5

        goish.run(main, loop=LOOP)
    """
    assert said(program, loop) == ["0"]


def test_a_child_of_another_thread_runs_a_program_of_its_own(loop: Any) -> None:
    program = """
        async def main():
            say(await asyncio.to_thread(forked, run_program))
            assert await go(five) == 5

        goish.run(main, loop=LOOP)
    """
    assert said(program, loop) == ["ok"]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="asyncio takes no step of a task in a child any more")
def test_a_child_of_a_goroutine_for_which_a_call_waits_leaves_the_call_and_begins_anew(loop: Any) -> None:
    """Its thread is no worker there; the loop that the call has run meanwhile is the parent's."""
    program = """
        goish._threads.workers.new_worker_loop = lambda: FACTORY()

        async def fork():
            return os.fork()

        def call():
            this = os.getpid()
            try:
                pid = go(fork).result_blocking(timeout=100)
            except RuntimeError:  # of the loop, in whose midst it was
                assert os.getpid() != this
            if os.getpid() == this:
                return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert goish.runtime.current_worker() is None and current_goroutine() is None
            run_program()
            assert sync(spawn(pow, 2, 3)) == 8
            os._exit(7)

        say(go_thread(call).result_blocking(timeout=100))
    """
    assert said(program, loop) == ["7"]


def test_a_child_shares_no_call_that_runs_in_its_parent(loop: Any) -> None:
    """It would wait for ever: what runs the call is not there."""
    program = """
        calls = goish.singleflight.Group()

        async def own():
            return "own"

        def share():
            async def main():
                assert await asyncio.wait_for(calls.do("key", own), 20) == "own"
                assert await asyncio.wait_for(calls.do("key", own), 20) == "own"

            goish.run(main, loop=LOOP)

        async def main():
            first = go(calls.do, "key", asyncio.sleep, 3600)
            await gosched()
            say(forked(share))
            first.cancel()

        goish.run(main, loop=LOOP)
    """
    assert said(program, loop) == ["ok"]


@pytest.mark.parametrize("kind", ["coroutine", "function"])
def test_a_child_does_anew_what_its_parent_is_about_to_do_once(loop: Any, kind: str) -> None:
    """It would wait for ever: what runs there is not in the child. What was done by then is done in both."""
    program = """
        import threading
        from goish.sync import Once, once_value

        hold, ran = threading.Event(), []
        done, once = Once(), Once()

        async def slow():
            ran.append(1)
            while not hold.is_set():
                await sleep(0.001)

        def blocking():
            ran.append(1)
            hold.wait()

        fn = slow if KIND == "coroutine" else blocking
        value = once_value(fn)

        def start():
            go_thread(once.do, fn) if KIND == "coroutine" else go_thread(once.do_blocking, fn)
            go_thread(value)
            while len(ran) < 2:
                pass

        async def main():
            await done.do(ran.clear)
            start()

            def work():
                global hold
                hold = threading.Event()  # of the parent's a thread that is not here may have the lock
                hold.set()
                ran.clear()

                async def callers():
                    await asyncio.wait_for(wait_all(*[go(once.do, fn) for _ in range(3)]), 20)
                    if KIND == "coroutine":
                        await asyncio.wait_for(wait_all(*[go(value) for _ in range(3)]), 20)
                    await done.do(ran.clear)

                goish.run(callers, loop=LOOP)
                if KIND == "function":
                    sync_all(*[spawn(value) for _ in range(3)])
                assert len(ran) == 2 and once.done(), ran

            say(forked(work))
            say(once.done())
            hold.set()
            await once.do(fn)
            say(once.done(), ran)

        goish.run(main, loop=LOOP)
    """
    assert said(program.replace("KIND", repr(kind)), loop) == ["ok", "False", "True [1, 1]"]


def test_a_child_that_is_forked_by_what_is_done_once_is_told_as_its_parent_is(loop: Any) -> None:
    program = """
        from goish.sync import Once

        once = Once()

        def again():
            try:
                once.do_blocking(again)
            except RuntimeError as error:
                assert "it would wait for itself" in str(error)
            else:
                raise AssertionError

        once.do_blocking(lambda: say(forked(again)))
        say(forked(lambda: once.do_blocking(again)), once.done())
    """
    assert said(program, loop) == ["ok", "ok True"]


def test_a_child_wakes_nobody_who_waits_in_its_parent(loop: Any) -> None:
    program = """
        from goish.semaphore import Weighted
        from goish.sync import Cond, Event, Mutex, WaitGroup

        async def main():
            mu, sem, event, wg, cond = Mutex(), Weighted(1), Event(), WaitGroup(), Cond(Mutex())
            await mu.lock()
            await sem.acquire()
            wg.add(1)

            async def wait(op):
                await op

            waiters = [go(wait, op) for op in (mu.lock(), sem.acquire(), event.wait(), wg.wait(), cond.signalled())]
            await gosched()

            def work():
                mu.unlock()
                sem.release()
                event.set()
                wg.done()
                assert mu.try_lock() and sem.try_acquire() and event.is_set() and wg.count == 0
                goish.run(own, loop=LOOP)
                run_program()

            async def own():
                waiter = go(wait, cond.signalled())
                await gosched()
                cond.signal()
                await asyncio.wait_for(waiter, 20)

            say(forked(work))
            say(*[one.waiting for one in (mu, sem, event, wg, cond)], any(g.done() for g in waiters))
            for g in waiters:
                g.cancel()

        goish.run(main, loop=LOOP)
    """
    assert said(program, loop) == ["ok", "1 1 1 1 1 False"]
