"""The deadlock detector where goroutines are on the loops of workers, beside functions, threads and main.

As in test_deadlock.py: a program of the first kind must end in DeadlockError; one of the second is woken after QUIET
seconds, by something that is no goroutine which waits for goroutines, and the detector must have kept silent.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import pytest
from helpers import collector

from goish import (
    NIL,
    Chan,
    DeadlockError,
    WaitGroup,
    after,
    chan,
    go,
    goexit,
    run,
    select,
    sleep,
    wait_all,
    wait_any,
)
from goish._program import deadlock
from goish._program.deadlock import FIRST_LOOK
from goish._program.stop_world import HOLD, StopWorld
from goish._runtime.core import scheduler_for, thread_frames
from goish._threads.workers import running_loops
from goish.parallel import Executor, adopt, sync_any, sync_scope

Program = Callable[[Executor], Coroutine[Any, Any, Any]]
LOOPS = ["asyncio", "uvloop"]
QUIET = 6 * FIRST_LOOK

DEADLOCKED: list[Program] = []
ALIVE: list[Program] = []


deadlocks = collector(DEADLOCKED)
lives = collector(ALIVE)


@pytest.fixture
def ex() -> Generator[Executor]:
    with Executor(workers=2) as executor:
        yield executor


async def recv(ch: Chan[Any]) -> Any:
    return await ch.recv()


def recv_blocking(ch: Chan[Any]) -> Any:
    return ch.recv_blocking()


# ── deadlocked ──


@deadlocks
async def main_and_a_coroutine_on_a_worker(ex: Executor) -> None:
    ex.go_thread(recv, chan())
    await chan().recv()


@deadlocks
async def main_awaits_two_that_wait_for_each_other(ex: Executor) -> None:
    a, b = chan(), chan()

    async def relay(source: Chan[int], drain: Chan[int]) -> None:
        await drain.send(await source.recv())

    await wait_two(ex.go_thread(relay, a, b), ex.go_thread(relay, b, a))


async def wait_two(first: Any, second: Any) -> None:
    await first
    await second


@deadlocks
async def functions_and_coroutines_of_one_pool(ex: Executor) -> None:
    a, b, c = chan(), chan(), chan()

    def relay(source: Chan[int], drain: Chan[int]) -> None:
        drain.send_blocking(source.recv_blocking())

    async def relay_async(source: Chan[int], drain: Chan[int]) -> None:
        await drain.send(await source.recv())

    ex.go_thread(relay, a, b)
    ex.go_thread(relay_async, b, c)
    await a.send(await c.recv())


@deadlocks
async def function_whose_goroutines_wait_too(ex: Executor) -> None:
    """Its thread runs the loop of its own goroutines while it is blocked."""

    def parent(ch: Chan[int]) -> None:
        go(recv, ch)
        ch.recv_blocking()

    await ex.go_thread(parent, chan())


@deadlocks
async def coroutine_that_awaits_one_of_main_s_loop(ex: Executor) -> None:
    here = go(recv, chan())

    async def wait_for_it() -> None:
        await here

    await ex.go_thread(wait_for_it)


@deadlocks
async def all_timers_on_the_worker_have_gone_off(ex: Executor) -> None:
    async def body() -> None:
        await sleep(0.001)
        await asyncio.sleep(0.001)
        async with asyncio.timeout(3600):
            await sleep(0)
        await select(NIL.recv(), after(0.001).recv())
        await chan().recv()

    await ex.go_thread(body)


@deadlocks
async def many_on_two_loops(ex: Executor) -> None:
    wg = WaitGroup()
    wg.add(1)

    async def waits() -> None:
        await wg.wait()

    for _ in range(100):
        ex.go_thread(waits)
    await wg.wait()


@deadlocks
async def asyncio_task_on_the_worker(ex: Executor) -> None:
    async def body() -> None:
        waiting = asyncio.get_running_loop().create_task(recv(chan()))
        await chan().recv()
        await waiting

    ex.go_thread(body)
    await chan().recv()


@deadlocks
async def readers_and_timers_of_the_worker_are_removed(ex: Executor) -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        left, right = socket.socketpair()
        with left, right:
            loop.add_reader(left, print)
            loop.remove_reader(left)
            loop.call_later(3600, print).cancel()
            await chan().recv()

    ex.go_thread(body)
    await chan().recv()


@deadlocks
async def main_has_left(ex: Executor) -> None:
    async def keeper() -> None:
        await ex.go_thread(recv, chan())

    go(keeper)
    goexit()


@deadlocks
async def threads_of_the_program_beside_the_pool(ex: Executor) -> None:
    ch: Chan[int] = chan()
    thread = threading.Thread(target=ch.recv_ok_blocking)
    thread.start()
    ex.go_thread(recv, chan())
    try:
        await chan().recv()
    finally:
        ch.close()
        thread.join()


@deadlocks
async def calls_that_are_over(ex: Executor) -> None:
    async def nap() -> None:
        await sleep(0.001)

    await wait_all(*(ex.go_thread(int) for _ in range(20)), *(ex.go_thread(nap) for _ in range(20)))
    await ex.go_thread(recv, chan())


@deadlocks
async def all_that_is_waited_for(ex: Executor) -> None:
    ch: Chan[int] = chan()
    await wait_all(go(recv, ch), ex.go_thread(recv, ch), ex.go_thread(ch.recv_blocking), ex.spawn(ch.recv_blocking))


@deadlocks
async def any_that_is_waited_for(ex: Executor) -> None:
    ch: Chan[int] = chan()
    await wait_any(go(recv, ch), ex.go_thread(recv, ch), ex.go_thread(ch.recv_blocking), ex.spawn(ch.recv_blocking))


@deadlocks
async def any_that_is_waited_for_on_a_thread(ex: Executor) -> None:
    ch: Chan[int] = chan()
    await ex.go_thread(lambda: sync_any(ex.submit(recv, ch), ex.submit(ch.recv_blocking)))


@deadlocks
async def end_of_an_executor(ex: Executor) -> None:
    async with Executor(workers=2) as own:
        own.go_thread(chan().recv_blocking)
        own.go_thread(recv, chan())


@deadlocks
async def end_of_a_scope(ex: Executor) -> None:
    async with sync_scope(ex) as scope:
        scope.go_thread(chan().recv_blocking)
        scope.go_thread(recv, chan())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("program", DEADLOCKED, ids=lambda program: program.__name__)
def test_deadlock_across_workers_is_found(program: Program, loop: Any, ex: Executor) -> None:
    with pytest.raises(DeadlockError, match="deadlock!"):
        run(program, ex, loop=loop)


def test_the_report_has_who_waits_for_all_and_what_they_wait_for() -> None:
    async def main() -> None:
        ch: Chan[int] = chan()
        await wait_all(go(recv, ch), go(recv, ch))

    with pytest.raises(DeadlockError) as caught:
        run(main)
    text = str(caught.value)
    assert "(main) [goroutine]" in text
    assert "[chan receive]" in text
    assert f'File "{__file__}", line {recv.__code__.co_firstlineno + 1}, in recv' in text


@pytest.mark.parametrize("where", ["body", "end"])
def test_a_failed_call_is_the_cause_of_the_deadlock_of_its_scope(where: str, caplog: pytest.LogCaptureFixture) -> None:
    def produce() -> None:
        raise LookupError("broke")

    async def main() -> None:
        async with sync_scope() as scope:
            ch: Chan[int] = chan()
            scope.go_thread(produce)
            if where == "body":
                await ch.recv()
            scope.go_thread(ch.recv_blocking)

    with pytest.raises(DeadlockError) as caught:
        run(main)
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert [type(error) for error in caught.value.__cause__.exceptions] == [LookupError]


# ── woken ──


def child(code: str, **options: Any) -> subprocess.Popen[bytes]:
    """A process that acts QUIET seconds from now."""
    script = f"import os, sys, time; time.sleep({QUIET}); {code}"
    return subprocess.Popen([sys.executable, "-S", "-c", script], **options)


@lives
async def executor_that_ends_has_a_call_that_sleeps(ex: Executor) -> None:
    async with Executor(workers=2) as own:
        own.go_thread(time.sleep, QUIET)


@lives
async def future_of_asyncio_among_all_that_is_waited_for(ex: Executor) -> None:
    ch: Chan[int] = chan(1)
    g = go(recv, ch)
    asyncio.get_running_loop().call_later(QUIET, ch.try_send, 1)
    await wait_any(g, asyncio.get_running_loop().create_future())
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(QUIET, future.set_result, None)
    await wait_all(future, g)


@lives
async def coroutine_sleeps(ex: Executor) -> None:
    ch = chan()

    async def sender() -> None:
        await sleep(QUIET)
        await ch.send(1)

    ex.go_thread(recv, NIL)
    ex.go_thread(sender)
    await ch.recv()


@lives
async def coroutine_sleeps_in_asyncio(ex: Executor) -> None:
    ch = chan()

    async def sender() -> None:
        await asyncio.sleep(QUIET)
        await ch.send(1)

    ex.go_thread(sender)
    await ch.recv()


@lives
async def timer_of_a_loop_without_goroutines(ex: Executor) -> None:
    """Whoever has set it is over long since, and its worker waits for work."""
    ch = chan(1)

    async def setter() -> None:
        asyncio.get_running_loop().call_later(QUIET, ch.try_send, 1)

    await ex.go_thread(setter)
    await ch.recv()


@lives
async def select_on_the_worker_has_a_timeout(ex: Executor) -> None:
    async def body() -> int:
        index, _, _ = await select(chan().recv(), after(QUIET).recv())
        return index

    assert await ex.go_thread(body) == 1


@lives
async def asyncio_timeout_on_the_worker(ex: Executor) -> None:
    async def body() -> bool:
        try:
            async with asyncio.timeout(QUIET):
                await chan().recv()
        except TimeoutError:
            return True
        return False

    assert await ex.go_thread(body)


@lives
async def reader_on_the_worker(ex: Executor) -> None:
    ch = chan(1)
    process = child("print()", stdout=subprocess.PIPE)

    async def body() -> None:
        assert process.stdout is not None
        loop = asyncio.get_running_loop()
        loop.add_reader(process.stdout, ch.try_send, 1)
        await chan_of_reader.recv()
        loop.remove_reader(process.stdout)

    chan_of_reader: Chan[int] = chan()
    reader = ex.go_thread(body)
    await ch.recv()
    await chan_of_reader.send(1)
    await reader
    process.communicate()


@lives
async def socket_on_the_worker(ex: Executor) -> None:
    ch = chan()
    left, right = socket.socketpair()
    left.setblocking(False)
    process = child("os.write(0, b'x')", stdin=right)

    async def reader() -> None:
        await ch.send(await asyncio.get_running_loop().sock_recv(left, 1))

    ex.go_thread(reader)
    await ch.recv()
    left.close()
    right.close()
    process.wait()


@lives
async def transport_on_the_worker(ex: Executor) -> None:
    """No goroutine of the worker waits for it: the protocol sends."""
    ch = chan(1)
    over = chan()

    class Receiver(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            ch.try_send(data)

    left, right = socket.socketpair()
    process = child("os.write(0, b'x')", stdin=right)
    right.close()

    async def body() -> None:
        transport, _ = await asyncio.get_running_loop().create_connection(Receiver, sock=left)
        await over.recv()
        transport.close()

    g = ex.go_thread(body)
    await ch.recv()
    await over.send(1)
    await g
    process.wait()


@lives
async def job_of_another_executor_sends(ex: Executor) -> None:
    ch = chan(1)

    async def body() -> None:
        done = asyncio.get_running_loop().run_in_executor(None, time.sleep, QUIET)
        done.add_done_callback(lambda _: ch.try_send(1))
        await NIL.recv()

    ex.go_thread(body)
    await ch.recv()


@lives
async def second_job_of_an_executor_with_one_thread(ex: Executor) -> None:
    """Up to 3.11 it counts its thread as idle while that runs a call that had to wait."""
    ch = chan(1)

    def job() -> None:
        time.sleep(QUIET)
        ch.try_send(1)

    with concurrent.futures.ThreadPoolExecutor(1) as others:
        others.submit(time.sleep, 0.001)
        others.submit(job)
        await ch.recv()


@lives
async def thread_of_the_program_is_about_to_send(ex: Executor) -> None:
    ch = chan()

    def sender() -> None:
        time.sleep(QUIET)
        ch.send_blocking(1)

    ex.go_thread(recv, NIL)
    thread = threading.Thread(target=sender)
    thread.start()
    await ch.recv()
    thread.join()


@lives
async def function_on_a_worker_computes(ex: Executor) -> None:
    ch = chan()

    def sender() -> None:
        end = time.monotonic() + QUIET
        while time.monotonic() < end:
            sum(range(1000))
        ch.send_blocking(1)

    ex.go_thread(recv, NIL)
    ex.go_thread(sender)
    await ch.recv()


@lives
async def coroutine_on_a_worker_holds_its_loop_up(ex: Executor) -> None:
    ch = chan(1)

    async def sender() -> None:
        time.sleep(QUIET)
        ch.try_send(1)
        await NIL.recv()

    ex.go_thread(recv, NIL)
    ex.go_thread(sender)
    await ch.recv()


@lives
async def callback_on_a_worker_holds_its_loop_up(ex: Executor) -> None:
    """All goroutines wait for one another, and the loop does not answer."""
    ch = chan(1)

    def slow() -> None:
        time.sleep(QUIET)
        ch.try_send(1)

    async def body() -> None:
        asyncio.get_running_loop().call_soon(slow)
        await NIL.recv()

    ex.go_thread(recv, NIL)
    ex.go_thread(body)
    await ch.recv()


@lives
async def callbacks_of_two_loops_call_each_other(ex: Executor) -> None:
    """By turns, through call_soon_threadsafe alone: each loop is at rest nearly all the time."""
    ch: Chan[int] = chan(1)
    loops: list[asyncio.AbstractEventLoop] = []
    end = time.monotonic() + QUIET

    async def body() -> None:
        loops.append(asyncio.get_running_loop())
        await NIL.recv()

    def again(i: int) -> None:
        if time.monotonic() > end:
            ch.try_send(1)
        else:
            loops[i % 2].call_soon_threadsafe(again, i + 1)

    ex.go_thread(body)
    while len(loops) < 1:
        await sleep(0.001)
    ex.go_thread(body)
    while len(loops) < 2:
        await sleep(0.001)
    loops[0].call_soon_threadsafe(again, 1)
    await ch.recv()


@lives
async def thread_posts_to_the_loop_of_a_worker(ex: Executor) -> None:
    ch = chan(1)
    started: Chan[asyncio.AbstractEventLoop] = chan()

    async def body() -> None:
        await started.send(asyncio.get_running_loop())
        await NIL.recv()

    ex.go_thread(body)
    loop = await started.recv()
    thread = threading.Timer(QUIET, loop.call_soon_threadsafe, (ch.try_send, 1))
    thread.start()
    await ch.recv()
    thread.join()


@lives
async def submitted_call_is_under_way(ex: Executor) -> None:
    async def body() -> None:
        await ex.submit(time.sleep, QUIET)

    await ex.go_thread(body)


@lives
async def call_is_with_the_executor_of_others(ex: Executor) -> None:
    others = adopt(concurrent.futures.ThreadPoolExecutor(1))
    ex.go_thread(recv, NIL)
    await others.go_thread(time.sleep, QUIET)
    others.shutdown(wait=False)


@lives
async def function_whose_goroutines_run_has_a_timeout(ex: Executor) -> None:
    def parent() -> bool:
        g = go(recv, NIL)
        try:
            chan().recv_blocking(QUIET)
        except TimeoutError:
            return True
        finally:
            g.cancel()
        return False

    assert await ex.go_thread(parent)


@lives
async def future_of_asyncio_on_the_worker(ex: Executor) -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        loop.call_later(QUIET, future.set_result, 1)
        await future

    await ex.go_thread(body)


@lives
async def two_workers_talk_to_each_other(ex: Executor) -> None:
    ping, pong, over = chan(), chan(), chan()
    end = time.monotonic() + 3 * QUIET

    async def first() -> None:
        while time.monotonic() < end:
            await ping.send(1)
            await pong.recv()
        ping.close()
        await over.send(1)

    def second() -> None:
        for one in ping:
            pong.send_blocking(one)

    ex.go_thread(first)
    ex.go_thread(second)
    await over.recv()


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("program", ALIVE, ids=lambda program: program.__name__)
def test_no_alarm_while_a_worker_may_wake(program: Program, loop: Any, ex: Executor) -> None:
    run(program, ex, loop=loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_no_alarm_in_a_relay_with_pauses(loop: Any, ex: Executor, rng: random.Random) -> None:
    """A token goes round main, loops, functions and threads; now and then its holder pauses, where a look falls."""
    ring: list[Chan[int]] = [chan() for _ in range(7)]
    end = time.monotonic() + 2.0
    pauses = [rng.choice([0.0, 0.0, FIRST_LOOK, 1.5 * FIRST_LOOK, 2.2 * FIRST_LOOK]) for _ in range(50)]

    def pause(token: int) -> float:
        return pauses[token % len(pauses)]

    def relay(i: int) -> None:
        for token in ring[i]:
            time.sleep(pause(token))
            ring[i + 1].send_blocking(token + 1)
        ring[i + 1].close()

    async def relay_async(i: int) -> None:
        async for token in ring[i]:
            await asyncio.sleep(pause(token))
            await ring[i + 1].send(token + 1)
        ring[i + 1].close()

    async def main() -> int:
        thread = threading.Thread(target=relay, args=(0,))
        thread.start()
        ex.go_thread(relay_async, 1)
        ex.go_thread(relay, 2)
        ex.go_thread(relay_async, 3)
        go(relay_async, 4)
        ex.go_thread(relay, 5)
        token = 0
        while time.monotonic() < end:
            await ring[0].send(token)
            token = await ring[6].recv()
        ring[0].close()
        assert await ring[6].recv_ok() == (None, False)
        thread.join()
        return token

    assert run(main, loop=loop) > 6


@pytest.mark.parametrize("when", [1, 2], ids=["asked", "held"])
@pytest.mark.parametrize("loop", LOOPS)
def test_no_alarm_if_one_that_has_answered_is_given_work(
    loop: Any, when: int, ex: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one asked posts a callback to the first, which has said that it is at rest, or is held."""
    loops: list[asyncio.AbstractEventLoop] = []
    ch: Chan[int] = chan(1)
    looked = threading.Semaphore(0)
    asked = 0

    def work() -> None:
        time.sleep(QUIET)
        ch.try_send(1)

    def look(sched: Any) -> str | None:
        nonlocal asked
        found = deadlock._source_there(sched)
        if found is None and sched.loop is loops[0]:
            looked.release()
        elif found is None:
            if not looked.acquire(timeout=HOLD):
                return "the machine is slow: ask again"
            asked += 1
            if asked == when:
                loops[0].call_soon_threadsafe(work)
        return found

    async def waits() -> None:
        loops.append(asyncio.get_running_loop())
        await NIL.recv()

    async def main() -> None:
        for n in range(2):
            ex.go_thread(waits)
            while len(loops) == n:
                await sleep(0.001)
        await ch.recv()

    monkeypatch.setattr(deadlock, "StopWorld", lambda loops, asker, _, *more: StopWorld(loops, asker, look, *more))
    run(main, loop=loop)
    assert asked >= when


# ── what it says and leaves ──


@pytest.mark.parametrize("loop", LOOPS)
def test_error_names_goroutines_functions_and_threads_with_their_lines(loop: Any, ex: Executor) -> None:
    ch: Chan[int] = chan()

    def waits_in_a_function() -> None:
        ch.recv_ok_blocking()

    async def waits_on_a_worker() -> None:
        await ch.recv_ok()

    async def main() -> None:
        thread = threading.Thread(target=waits_in_a_function, name="a thread of mine")
        thread.start()
        ex.go_thread.options(name="plain")(waits_in_a_function)
        ex.go_thread.options(name="on a loop")(waits_on_a_worker)
        try:
            await NIL.recv()
        finally:
            ch.close()
            thread.join()

    with pytest.raises(DeadlockError) as caught:
        run(main, loop=loop)
    text = str(caught.value)
    main_, looped, plain, thread = (part.split("\n") for part in text.split("\n\n")[1:])
    assert main_[0].endswith("(main) [chan receive (nil chan)]:") and "await NIL.recv()" in main_[-1]
    assert looped[0].endswith("(on a loop) [chan receive]:") and looped[2] == "    await ch.recv_ok()"
    assert plain[0].endswith("(plain) [chan receive]:") and plain[2] == "    ch.recv_ok_blocking()"
    assert "waits_in_a_function" in plain[1] and "created by" in plain[3]
    assert thread[0] == "thread a thread of mine [blocked in a goish call]:"
    assert thread[2] == "    ch.recv_ok_blocking()" and len(thread) == 3


@pytest.mark.parametrize("loop", LOOPS)
def test_workers_go_on_after_each_verdict(loop: Any, ex: Executor) -> None:
    async def main() -> list[int]:
        values = []
        for n in range(3):
            ch: Chan[int] = chan()
            g = ex.go_thread(recv, ch)
            try:
                await chan().recv()
            except DeadlockError:
                await ch.send(n)
            values.append(await g)
        return values

    assert run(main, loop=loop) == [0, 1, 2]


def test_log_reports_it_and_lets_the_program_wait(ex: Executor, caplog: pytest.LogCaptureFixture) -> None:
    ch: Chan[int] = chan(1)

    class Waker(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            loop.call_soon(ch.try_send, 1)

    async def main() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        ex.go_thread(recv, NIL)
        await ch.recv()

    loop: Any = None
    logger, waker = logging.getLogger("goish"), Waker()
    logger.addHandler(waker)
    try:
        run(main, deadlock="log")
    finally:
        logger.removeHandler(waker)
    assert [record.getMessage().count("[chan receive (nil chan)]") for record in caplog.records] == [1]


# ── asking and holding ──


def test_who_is_late_holds_nobody_up(ex: Executor) -> None:
    """A round that a busy loop does not answer ends by itself, and is never concluded."""
    go_on = threading.Event()

    async def main() -> None:
        found: Chan[asyncio.AbstractEventLoop] = chan()

        async def waits() -> None:
            await found.send(asyncio.get_running_loop())
            await NIL.recv()

        ex.go_thread(waits)
        first = await found.recv()
        ex.go_thread(waits)
        second = await found.recv()
        second.call_soon_threadsafe(go_on.wait)
        heard: list[StopWorld] = []
        here = scheduler_for(asyncio.get_running_loop())
        one = StopWorld(map(scheduler_for, (first, second)), here, lambda _: None, heard.append, HOLD)
        one.ask()
        back: Chan[int] = chan(1)
        while one.is_ignored() and len(one.unanswered) == 2:
            await sleep(0.001)
        first.call_soon_threadsafe(back.try_send, 1)
        await back.recv()  # though the second has not answered
        assert one.over and not one.conclude() and not heard
        go_on.set()

    try:
        run(main, deadlock="off")
    finally:
        go_on.set()


def test_one_that_is_not_at_rest_ends_the_round_for_all(ex: Executor) -> None:
    async def main() -> None:
        found: Chan[asyncio.AbstractEventLoop] = chan()

        async def waits() -> None:
            await found.send(asyncio.get_running_loop())
            await NIL.recv()

        ex.go_thread(waits)
        first = await found.recv()
        ex.go_thread(waits)
        second = await found.recv()
        awake = scheduler_for(second)
        heard: list[StopWorld] = []
        here = scheduler_for(asyncio.get_running_loop())
        one = StopWorld(
            map(scheduler_for, (first, second)), here, lambda s: "a timer" if s is awake else None, heard.append, HOLD
        )
        one.ask()
        while not one.over:
            await sleep(0.001)
        assert not one.conclude() and not heard

    run(main, deadlock="off")


def test_all_stand_still_between_the_answer_and_the_release(ex: Executor) -> None:
    async def main() -> None:
        found: Chan[asyncio.AbstractEventLoop] = chan()
        heard: Chan[StopWorld] = chan(1)
        hold = HOLD

        async def waits() -> None:
            await found.send(asyncio.get_running_loop())
            await NIL.recv()

        ex.go_thread(waits)
        loop = await found.recv()
        here = scheduler_for(asyncio.get_running_loop())
        while True:
            one = StopWorld([scheduler_for(loop)], here, lambda _: None, heard.try_send, hold)
            one.ask()
            assert await heard.recv() is one
            if one.conclude():
                break
            hold *= 2  # the machine was so slow that the loop has been let go
        ran = threading.Event()
        loop.call_soon_threadsafe(ran.set)
        assert not ran.wait(3 * hold)  # nothing may run there: this is what is to be seen
        one.release()
        ran.wait()
        assert "[chan receive (nil chan)]" in one.texts[0]

    run(main, deadlock="off")


def test_a_worker_that_sleeps_for_long_is_asked_once(ex: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not answer is not asked again before it has."""
    asked: list[StopWorld] = []
    asked_meanwhile = looks = 0
    go_on = threading.Event()

    def ask(*question: Any) -> StopWorld:
        asked.append(StopWorld(*question))
        return asked[-1]

    def look() -> dict[int, Any]:
        nonlocal asked_meanwhile, looks
        looks += len(asked) > 0
        if looks == 4:
            asked_meanwhile = len(asked)
            go_on.set()
        return running_loops()

    monkeypatch.setattr(deadlock, "StopWorld", ask)
    monkeypatch.setattr(deadlock, "running_loops", look)

    async def main() -> None:
        begun: Chan[None] = chan(1)
        ch: Chan[None] = chan(1)

        def sleeps() -> None:
            asked.clear()
            begun.try_send(None)
            go_on.wait()
            ch.try_send(None)

        async def body() -> None:
            asyncio.get_running_loop().call_soon(sleeps)
            await NIL.recv()

        ex.go_thread(body)
        await begun.recv()
        await ch.recv()

    run(main)
    assert asked_meanwhile == 1


def test_threads_are_not_looked_at_beside_other_interpreters() -> None:
    """CPython would make frame objects for those of the others too, in this interpreter's memory, and abort."""
    interpreters = pytest.importorskip("concurrent.interpreters")
    assert threading.get_ident() in thread_frames()
    other = interpreters.create()
    assert thread_frames() == {}
    other.close()
    assert threading.get_ident() in thread_frames()
