"""The deadlock detector tells the truth: each program below runs on both loops.

A program of the first kind is deadlocked and must end in DeadlockError. One of the second kind is woken by the outside
world after QUIET seconds, in which the detector has looked at it more than once; the detector must have kept silent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from helpers import collector

import goish
from goish import NIL, Chan, DeadlockError, WaitGroup, after, chan, go, goexit, run, select, sleep
from goish._program import deadlock
from goish._program.deadlock import FIRST_LOOK, _has_taken_call
from goish._runtime.core import scheduler_for

Program = Callable[[], Coroutine[Any, Any, Any]]
LOOPS = ["asyncio", "uvloop"]
QUIET = 5 * FIRST_LOOK
LONG = 3600.0

DEADLOCKED: list[Program] = []
ALIVE: list[Program] = []


deadlocks = collector(DEADLOCKED)
lives = collector(ALIVE)


@pytest.fixture(autouse=True)
def nothing_left_over() -> None:
    goish.parallel.default_executor().shutdown()
    goish.parallel.set_default_executor(None)
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            thread.join(100)  # asyncio does not wait for the threads that have watched its subprocesses
    assert threading.active_count() == 1, "a thread that an earlier test left behind could wake a goroutine"


# ── how often it looks ──


def test_looks_take_what_was_saved_and_then_a_hundredth_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(deadlock, "monotonic", lambda: now)
    nothing: Any = None
    detector = deadlock.Detector(nothing, nothing, print)
    pauses = [detector._pay(0.4) for _ in range(3)]
    assert pauses == pytest.approx([0.0, 0.0, 20.0])
    now = 20.0
    assert detector._pay(0.1) == pytest.approx(10.0)
    now = 10_000.0
    assert detector._pay(deadlock.SAVED) == 0.0, "no more is saved than that"
    assert detector._pay(0.1) == pytest.approx(10.0)


# ── deadlocked ──


@deadlocks
async def recv_that_nobody_sends() -> None:
    await chan().recv()


@deadlocks
async def send_that_nobody_receives() -> None:
    await chan().send(1)


@deadlocks
async def send_to_full_channel() -> None:
    ch = chan(2)
    for n in range(3):
        await ch.send(n)


@deadlocks
async def recv_from_nil() -> None:
    await NIL.recv()


@deadlocks
async def send_to_nil() -> None:
    await NIL.send(1)


@deadlocks
async def select_without_cases() -> None:
    await select()


@deadlocks
async def select_of_nil_cases() -> None:
    await select(None, NIL.recv(), NIL.send(1))


@deadlocks
async def select_of_quiet_channels() -> None:
    await select(chan().recv(), chan().send(1), chan().recv())


@deadlocks
async def range_over_channel_nobody_closes() -> None:
    ch = chan(3)
    for n in range(3):
        await ch.send(n)
    async for _ in ch:
        pass


@deadlocks
async def each_waits_for_the_other_to_send_first() -> None:
    a, b = chan(), chan()

    async def other() -> None:
        await a.recv()
        await b.send(1)

    go(other)
    await b.recv()
    await a.send(1)


@deadlocks
async def join_of_parked_goroutine() -> None:
    ch = chan()

    async def receiver() -> None:
        await ch.recv()

    await go(receiver)


@deadlocks
async def goroutines_that_await_each_other() -> None:
    handles: list[Any] = []

    async def wait_for(i: int) -> None:
        await handles[i]

    handles += [go(wait_for, 1), go(wait_for, 0)]
    await handles[0]


@deadlocks
async def wait_group_with_one_done_too_few() -> None:
    wg = WaitGroup()
    wg.add(2)

    async def worker() -> None:
        wg.done()

    go(worker)
    await wg.wait()


@deadlocks
async def ring_of_many() -> None:
    ring = [chan() for _ in range(500)]

    async def relay(i: int) -> None:
        await ring[i].send(await ring[i - 1].recv())

    for i in range(1, len(ring)):
        go(relay, i)
    await ring[-1].recv()


@deadlocks
async def main_exits_and_another_is_parked() -> None:
    async def receiver() -> None:
        await chan().recv()

    go(receiver)
    goexit()


@deadlocks
async def main_exits_and_nobody_is_left() -> None:
    async def short() -> None:
        await sleep(0.001)

    go(short)
    goexit()


@deadlocks
async def asyncio_task_is_parked_too() -> None:
    a, b = chan(), chan()

    async def task() -> None:
        await b.send(await a.recv())

    waiting = asyncio.get_running_loop().create_task(task())
    await b.recv()
    await waiting


@deadlocks
async def all_timers_have_gone_off() -> None:
    ch = chan()
    await sleep(0.001)
    await asyncio.sleep(0.001)
    await select(ch.recv(), after(0.001).recv())
    await ch.recv()


@deadlocks
async def all_timers_are_cancelled() -> None:
    ch = chan(1)
    asyncio.get_running_loop().call_later(LONG, print).cancel()
    await ch.send(1)
    await select(ch.recv(), after(LONG).recv())
    async with asyncio.timeout(LONG):
        await sleep(0)
    await ch.recv()


@deadlocks
async def executor_has_done_its_work() -> None:
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.run_in_executor(None, os.getpid) for _ in range(10)))
    await asyncio.to_thread(os.getpid)
    await chan().recv()


@deadlocks
async def server_is_closed() -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    server.close()
    await server.wait_closed()
    await chan().recv()


@deadlocks
async def reader_and_signal_handler_are_removed() -> None:
    loop = asyncio.get_running_loop()
    left, right = socket.socketpair()
    with left, right:
        loop.add_reader(left, print)
        loop.remove_reader(left)
        loop.add_signal_handler(signal.SIGUSR1, print)
        loop.remove_signal_handler(signal.SIGUSR1)
        await chan().recv()


@deadlocks
async def subprocess_has_ended() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "", stdout=subprocess.PIPE)
    await process.communicate()
    await chan().recv()


def in_a_thread(call: Callable[..., Any], *args: Any) -> threading.Thread:
    """A thread that is in the call by now, or about to be."""

    def run() -> None:
        with contextlib.suppress(TimeoutError):
            call(*args)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@deadlocks
async def threads_that_wait_for_goroutines_that_wait() -> None:
    """Blocked without a timeout, they are as asleep as goroutines."""
    ch: Chan[int] = chan()
    wg = WaitGroup()
    wg.add(1)
    threads = [
        in_a_thread(ch.recv_ok_blocking),
        in_a_thread(wg.wait_blocking),
        in_a_thread(list, ch),
    ]
    try:
        await chan().recv()
    finally:
        ch.close()
        wg.done()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("program", DEADLOCKED, ids=lambda program: program.__name__)
def test_deadlock_is_found(program: Program, loop: Any) -> None:
    with pytest.raises(DeadlockError, match="deadlock!"):
        run(program, loop=loop)


# ── woken from outside ──


def child(code: str, **options: Any) -> subprocess.Popen[bytes]:
    """A process that acts QUIET seconds from now: something that wakes us without a thread or timer of ours."""
    script = f"import os, signal, socket, sys, time; time.sleep({QUIET}); {code}"
    return subprocess.Popen([sys.executable, "-S", "-c", script], **options)


@lives
async def goroutine_sleeps() -> None:
    ch = chan()

    async def sender() -> None:
        await sleep(QUIET)
        await ch.send(1)

    go(sender)
    await ch.recv()


@lives
async def select_has_a_timeout() -> None:
    index, _, _ = await select(chan().recv(), after(QUIET).recv())
    assert index == 1


@lives
async def goroutine_sleeps_in_asyncio() -> None:
    ch = chan()

    async def sender() -> None:
        await asyncio.sleep(QUIET)
        await ch.send(1)

    go(sender)
    await ch.recv()


@lives
async def loop_timer_sends() -> None:
    ch = chan(1)
    asyncio.get_running_loop().call_later(QUIET, ch.try_send, 1)
    await ch.recv()


@lives
async def asyncio_timeout_is_armed() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(QUIET):
            await chan().recv()


@lives
async def wait_for_is_armed() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(chan().recv(), QUIET)


@lives
async def callbacks_call_one_another() -> None:
    loop, ch = asyncio.get_running_loop(), chan(1)
    end = loop.time() + QUIET

    def again() -> None:
        if loop.time() < end:
            loop.call_soon(again)
        else:
            ch.try_send(1)

    again()
    await ch.recv()


@lives
async def asyncio_task_sleeps() -> None:
    ch = chan()

    async def sender() -> None:
        await asyncio.sleep(QUIET)
        await ch.send(1)

    task = asyncio.get_running_loop().create_task(sender())
    await ch.recv()
    await task


@lives
async def future_is_awaited() -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[int] = loop.create_future()
    loop.call_later(QUIET, future.set_result, 1)
    await future


@lives
async def thread_sends() -> None:
    ch: Chan[int] = chan(1)
    asked = threading.Event()

    def sender() -> None:
        asked.wait(QUIET)
        ch.try_send(1)

    thread = threading.Thread(target=sender)
    thread.start()
    await ch.recv()
    thread.join()


@lives
async def executor_job_sends() -> None:
    ch: Chan[int] = chan(1)
    done = threading.Event()
    job = asyncio.get_running_loop().run_in_executor(None, done.wait, QUIET)
    job.add_done_callback(lambda _: ch.try_send(1))
    await ch.recv()


@lives
async def goroutine_waits_for_a_thread() -> None:
    ch = chan()

    async def sender() -> None:
        await asyncio.to_thread(threading.Event().wait, QUIET)
        await ch.send(1)

    go(sender)
    await ch.recv()


@lives
async def reader_is_registered() -> None:
    loop, ch = asyncio.get_running_loop(), chan(1)
    process = child("print()", stdout=subprocess.PIPE)
    assert process.stdout is not None
    loop.add_reader(process.stdout, ch.try_send, 1)
    await ch.recv()
    loop.remove_reader(process.stdout)
    process.communicate()


@lives
async def socket_is_read() -> None:
    ch = chan()
    left, right = socket.socketpair()
    left.setblocking(False)
    process = child("os.write(0, b'x')", stdin=right)

    async def reader() -> None:
        await ch.send(await asyncio.get_running_loop().sock_recv(left, 1))

    go(reader)
    await ch.recv()
    left.close()
    right.close()
    process.wait()


@lives
async def transport_is_open() -> None:
    loop, ch = asyncio.get_running_loop(), chan(1)

    class Receiver(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            ch.try_send(data)

    left, right = socket.socketpair()
    process = child("os.write(0, b'x')", stdin=right)
    right.close()
    transport, _ = await loop.create_connection(Receiver, sock=left)
    await ch.recv()
    transport.close()
    process.wait()


@lives
async def server_listens() -> None:
    ch = chan(1)

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ch.try_send(1)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = child(f"socket.create_connection(('127.0.0.1', {port}))")
    await ch.recv()
    server.close()
    process.wait()


@lives
async def datagram_socket_is_bound() -> None:
    ch = chan(1)

    class Receiver(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            ch.try_send(data)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Receiver, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    process = child(f"socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))")
    await ch.recv()
    transport.close()
    process.wait()


@lives
async def subprocess_runs() -> None:
    ch = chan(1)

    class Exit(asyncio.SubprocessProtocol):
        def process_exited(self) -> None:
            ch.try_send(1)

    loop = asyncio.get_running_loop()
    script = f"import time; time.sleep({QUIET})"
    command = (sys.executable, "-S", "-c", script)
    transport, _ = await loop.subprocess_exec(Exit, *command, stdin=None, stdout=None, stderr=None)
    await ch.recv()
    transport.close()


@lives
async def pipe_is_read() -> None:
    ch = chan(1)

    class Receiver(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            ch.try_send(data)

    process = child("print()", stdout=subprocess.PIPE)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(Receiver, process.stdout)
    await ch.recv()
    transport.close()
    process.wait()


@lives
async def loop_handles_a_signal() -> None:
    ch = chan(1)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, ch.try_send, 1)
    process = child(f"os.kill({os.getpid()}, signal.SIGUSR1)")
    await ch.recv()
    loop.remove_signal_handler(signal.SIGUSR1)
    process.wait()


@lives
async def program_handles_the_interrupt_itself() -> None:
    ch = chan(1)
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, ch.try_send, 1)
    process = child(f"os.kill({os.getpid()}, signal.SIGINT)")
    await ch.recv()
    loop.remove_signal_handler(signal.SIGINT)
    signal.signal(signal.SIGINT, before)
    process.wait()


@lives
async def python_handles_a_signal() -> None:
    ch = chan(1)
    before = signal.signal(signal.SIGUSR1, lambda signum, frame: ch.try_send(1))
    process = child(f"os.kill({os.getpid()}, signal.SIGUSR1)")
    await ch.recv()
    signal.signal(signal.SIGUSR1, before)
    process.wait()


@lives
async def alarm_is_set() -> None:
    ch = chan(1)
    before = signal.signal(signal.SIGALRM, lambda signum, frame: ch.try_send(1))
    signal.setitimer(signal.ITIMER_REAL, QUIET)
    await ch.recv()
    signal.signal(signal.SIGALRM, before)


@lives
async def thread_that_blocks_with_a_timeout() -> None:
    never: Chan[int] = chan()
    ch: Chan[int] = chan()

    def give_up_and_send() -> None:
        with contextlib.suppress(TimeoutError):
            never.recv_blocking(QUIET)
        ch.send_blocking(1)

    thread = in_a_thread(give_up_and_send)
    await ch.recv()
    thread.join()


@lives
async def thread_that_holds_a_channel_and_works() -> None:
    ch: Chan[int] = chan()

    def work() -> None:
        threading.Event().wait(QUIET)
        ch.send_blocking(1)

    thread = in_a_thread(work)
    await ch.recv()
    thread.join()


@lives
async def thread_that_was_blocked_and_is_woken() -> None:
    """It is counted as asleep no longer than it is."""
    questions: Chan[int] = chan()
    answers: Chan[int] = chan()

    def answer() -> None:
        for question in questions:
            threading.Event().wait(QUIET)
            answers.send_blocking(question)

    thread = in_a_thread(answer)
    await questions.send(1)
    assert await answers.recv() == 1
    questions.close()
    thread.join()


@lives
async def thread_that_blocks_beside_one_that_works() -> None:
    ch: Chan[int] = chan()
    blocked = in_a_thread(ch.recv_ok_blocking)

    def work() -> None:
        threading.Event().wait(QUIET)
        ch.close()

    working = in_a_thread(work)
    await ch.recv_ok()
    blocked.join()
    working.join()


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("program", ALIVE, ids=lambda program: program.__name__)
def test_no_alarm_while_the_outside_world_may_wake(program: Program, loop: Any) -> None:
    run(program, loop=loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_no_alarm_while_a_goroutine_sleeps_after_main_has_left(loop: Any) -> None:
    async def last() -> None:
        await sleep(QUIET)
        raise SystemExit(7)  # the way out of a program whose main has left

    async def main() -> None:
        go(last)
        goexit()

    with pytest.raises(SystemExit) as caught:
        run(main, loop=loop)
    assert caught.value.code == 7


# ── what becomes of it ──


@pytest.mark.parametrize("loop", LOOPS)
def test_error_is_raised_in_main_at_its_wait(loop: Any) -> None:
    async def main() -> str:
        try:
            await chan().recv()
        except DeadlockError:
            return "caught"
        return "not raised"

    assert run(main, loop=loop) == "caught"


@pytest.mark.parametrize("loop", LOOPS)
def test_second_deadlock_is_found_after_the_first_was_caught(loop: Any) -> None:
    async def main() -> int:
        found = 0
        for _ in range(3):
            try:
                await chan().recv()
            except DeadlockError:
                found += 1
        return found

    assert run(main, loop=loop) == 3


@pytest.mark.parametrize("loop", LOOPS)
def test_error_lists_every_goroutine_with_its_wait_reason(loop: Any) -> None:
    async def stuck_sender(ch: Chan[int]) -> None:
        await ch.send(1)

    async def main() -> None:
        quiet = chan()
        for _ in range(3):
            go(stuck_sender, NIL)
        await quiet.recv()

    with pytest.raises(DeadlockError) as caught:
        run(main, loop=loop)
    text = str(caught.value)
    assert text.startswith("all goroutines are asleep - deadlock!\n\ngoroutine ")
    assert "(main) [chan receive]:" in text
    assert "3 goroutines (" in text and "[chan send (nil chan)]:" in text
    assert "await quiet.recv()" in text and "await ch.send(1)" in text
    assert "created by test_error_lists_every_goroutine_with_its_wait_reason.<locals>.main at " in text


@pytest.mark.parametrize("loop", LOOPS)
def test_the_others_end_when_main_ends_in_the_error(loop: Any) -> None:
    ended = []

    async def receiver() -> None:
        try:
            await chan().recv()
        finally:
            ended.append(1)

    async def main() -> None:
        go(receiver)
        await chan().recv()

    with pytest.raises(DeadlockError):
        run(main, loop=loop)
    assert ended == [1]


class Waker(logging.Handler):
    """Sends to a channel for each deadlock that is logged: the one outside event the detector cannot foresee."""

    def __init__(self, ch: Chan[int]) -> None:
        super().__init__()
        self.send = partial(asyncio.get_running_loop().call_soon, ch.try_send, 1)

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("all goroutines are asleep - deadlock!\n\ngoroutine "):
            self.send()


@pytest.mark.parametrize("loop", LOOPS)
def test_log_reports_each_episode_once_and_lets_the_program_wait(loop: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        ch: Chan[int] = chan()
        waker = Waker(ch)
        logging.getLogger("goish").addHandler(waker)
        for _ in range(3):
            await ch.recv()
        logging.getLogger("goish").removeHandler(waker)

    run(main, loop=loop, deadlock="log")
    assert len(caplog.records) == 3


@pytest.mark.parametrize("loop", LOOPS)
def test_off_does_not_watch(loop: Any) -> None:
    async def main() -> bool:
        return scheduler_for(asyncio.get_running_loop()).on_idle is None

    assert run(main, loop=loop, deadlock="off")
    assert not run(main, loop=loop, deadlock="raise")


def test_a_call_that_a_worker_has_taken_and_not_begun_is_seen() -> None:
    """The worker's frame is then where an idle one's is, and the queue is empty."""
    with ThreadPoolExecutor(1) as pool:
        begun, go_on = threading.Event(), threading.Event()
        pool.submit(lambda: (begun.set(), go_on.wait()))
        begun.wait()
        pool.submit(int)
        taken = pool._work_queue.get_nowait()
        go_on.set()
        assert taken is not None and _has_taken_call()
        taken.future.cancel()
        assert not _has_taken_call(), "it will never begin"
