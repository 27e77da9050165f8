"""Awaiting anything of asyncio's inside a goroutine: it works as in a task, which is the control (citizens.py).

Not here: anyio (test_anyio.py); cancels that race with channels (test_cancel.py, test_foreign_cancel.py).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from citizens import GO, awaiting, citizens, fail, forever, give
from helpers import LOOPS, outcome, settle, turn, until, waiting

import goish
from goish import Chan, WaitGroup, chan, go, gosched, select, sleep

if TYPE_CHECKING:
    from citizens import Citizen

drive = citizens()
LONG = 3600.0


def here() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


# ── futures ──


async def test_future_gives_its_result_its_exception_or_its_cancel(drive: Citizen) -> None:
    ends: list[tuple[Callable[[asyncio.Future[Any]], object], object]] = [
        (lambda future: future.set_result("it"), "it"),
        (lambda future: future.set_exception(LookupError("x")), LookupError),
        (lambda future: future.cancel(), asyncio.CancelledError),
    ]
    for end, expected in ends:
        for before in (True, False):  # the await
            future = here().create_future()
            if before:
                end(future)
            g = drive.spawn(outcome, future)
            await settle()
            if not before:
                assert not g.done()
                end(future)
            assert await g == expected
            assert g.cancelling() == 0


async def test_futures_exception_is_the_very_object_with_the_frame_that_awaits(drive: Citizen) -> None:
    error = LookupError("x")
    future = here().create_future()

    async def who_awaits() -> None:
        await future

    g = drive.spawn(who_awaits)
    await settle()
    future.set_exception(error)
    with pytest.raises(LookupError) as caught:
        await g
    assert caught.value is error
    assert "who_awaits" in [entry.name for entry in caught.traceback]


async def test_cancel_cancels_the_future_that_it_awaits(drive: Citizen) -> None:
    future = here().create_future()
    g = drive.spawn(awaiting, future)
    await settle()
    g.cancel("m")
    assert future.cancelled(), "at once, as a task does"
    await settle()
    assert g.cancelled()


async def test_future_that_is_done_is_not_waited_for(drive: Citizen) -> None:
    async def body() -> list[int]:
        future = here().create_future()
        future.set_result(None)
        order = [1]
        here().call_soon(order.append, 3)
        await future
        order.append(2)
        return [*order]

    assert await drive.spawn(body) == [1, 2]


async def test_future_of_another_loop_is_refused_at_the_await(drive: Citizen) -> None:
    elsewhere = asyncio.new_event_loop()
    future = elsewhere.create_future()

    async def body() -> str:
        with pytest.raises(RuntimeError, match="attached to a different loop") as caught:
            await future
        await turn()
        return str(caught.value)

    try:
        told = await drive.spawn(body)
        assert repr(future)[:-1] in told
        assert not future.done(), "untouched"
        assert not future._callbacks
        future.set_result(5)
        assert await drive.spawn(awaiting, future) == 5, "one that is done can be asked anywhere"
    finally:
        elsewhere.close()


async def test_future_that_somebody_else_made_is_awaited_by_its_protocol(drive: Citizen) -> None:
    """asyncio.isfuture is all that asyncio asks for."""

    class Duck:
        _asyncio_future_blocking = False

        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self._loop = loop
            self.value: Any = None
            self.callbacks: list[Any] = []

        def get_loop(self) -> asyncio.AbstractEventLoop:
            return self._loop

        def add_done_callback(self, fn: Any, *, context: Any = None) -> None:
            self.callbacks.append((fn, context))

        def cancel(self, msg: Any = None) -> bool:
            return False

        def result(self) -> Any:
            return self.value

        def end(self, value: Any) -> None:
            self.value = value
            for fn, context in self.callbacks:
                self._loop.call_soon(fn, self, context=context)

        def __await__(self) -> Generator[Any, Any, Any]:
            self._asyncio_future_blocking = True
            yield self
            return self.value

    duck = Duck(here())
    g = drive.spawn(awaiting, duck)
    await settle()
    assert len(duck.callbacks) == 1
    assert duck._asyncio_future_blocking is False
    duck.end("quack")
    assert await g == "quack"


@pytest.mark.parametrize("swallows", [False, True])
async def test_future_that_calls_back_within_its_cancel_ends_who_awaits_it_within_that_too(
    drive: Citizen, swallows: bool
) -> None:
    class Prompt:
        _asyncio_future_blocking = False

        def __init__(self) -> None:
            self._loop = here()
            self.callback: Any = None

        def get_loop(self) -> asyncio.AbstractEventLoop:
            return self._loop

        def add_done_callback(self, fn: Any, *, context: Any = None) -> None:
            self.callback = fn

        def cancel(self, msg: Any = None) -> bool:
            self.callback(self)
            return True

        def result(self) -> Any:
            raise asyncio.CancelledError

        def __await__(self) -> Generator[Any, Any, Any]:
            self._asyncio_future_blocking = True
            yield self
            return self.result()

    async def body() -> object:
        if not swallows:
            await Prompt()
        return await outcome(Prompt())

    g = drive.spawn(body)
    await settle()
    cancelled: list[tuple[bool, bool]] = []
    here().call_soon(lambda: cancelled.append((g.cancel(), g.done())))
    await settle()
    assert cancelled == [(True, True)]
    assert g.cancelled() is not swallows
    assert not swallows or g.result() is asyncio.CancelledError
    assert g.cancelling() == 1
    assert not drive.native or not g.exited, "only goexit() does that"


async def test_future_whose_callback_registration_fails_raises_at_the_await(drive: Citizen) -> None:
    class Broken(asyncio.Future[Any]):
        def add_done_callback(self, fn: Any, *, context: Any = None) -> None:
            raise LookupError("no callbacks today")

    async def body() -> str:
        try:
            await Broken(loop=here())
        except LookupError as exc:
            await turn()
            return str(exc)
        return "nothing raised"

    if drive.native:  # asyncio.Task, on some Pythons, fails as a whole
        assert await drive.spawn(body) == "no callbacks today"


async def test_one_future_wakes_everybody(drive: Citizen) -> None:
    future = here().create_future()
    gs = [drive.spawn(awaiting, future) for _ in range(10)]
    await settle()
    future.set_result("it")
    assert [await g for g in gs] == ["it"] * 10


# ── tasks ──


async def test_foreign_task_gives_its_result_and_takes_the_cancel(drive: Citizen) -> None:
    task = asyncio.Task(give(5), loop=here())
    assert await drive.spawn(awaiting, task) == 5
    failed = asyncio.Task(fail(LookupError("x")), loop=here())
    assert await drive.spawn(outcome, failed) is LookupError
    pending = asyncio.Task(forever(), loop=here())
    g = drive.spawn(awaiting, pending)
    await settle()
    g.cancel("m")
    await settle()
    assert pending.cancelled() and g.cancelled()


async def test_foreign_task_that_refuses_the_cancel_refuses_it_for_both(drive: Citizen) -> None:
    async def stubborn() -> str:
        try:
            await forever()
        except asyncio.CancelledError:
            return "refused"
        return ""

    g = drive.spawn(awaiting, asyncio.Task(stubborn(), loop=here()))
    await settle()
    g.cancel()
    assert await g == "refused"
    assert g.cancelling() == 1


async def test_each_kind_awaits_each_other_kind(drive: Citizen) -> None:
    """In a chain of all kinds, results come up."""
    inner: Any = asyncio.Task(give("it"), loop=here())
    for start in (drive.spawn, go, lambda fn, *args: asyncio.Task(fn(*args), loop=here())) * 2:
        inner = start(awaiting, inner)
    assert await inner == "it"


# ── gather, wait, as_completed, shield, wait_for, timeout, TaskGroup ──


async def test_gather_runs_all_and_keeps_their_order(drive: Citizen) -> None:
    async def body() -> Any:
        ch = chan()
        return await asyncio.gather(give(1), asyncio.sleep(0, 2), awaiting(ch.recv()), ch.send(3), drive.spawn(give, 4))

    result = await drive.spawn(body)
    assert result[:2] == [1, 2]
    assert result[2] == 3
    assert result[4] == 4


async def test_gather_cancels_its_children_when_it_is_cancelled(drive: Citizen) -> None:
    ended: list[int] = []

    async def child(i: int) -> None:
        try:
            await forever()
        finally:
            await turn()
            ended.append(i)

    async def body() -> None:
        await asyncio.gather(*(child(i) for i in range(3)))

    g = drive.spawn(body)
    await settle()
    g.cancel("m")
    await settle()
    await until(lambda: g.done())
    assert g.cancelled()
    assert ended == [0, 1, 2]


async def test_gather_raises_the_first_failure_and_leaves_the_others(drive: Citizen) -> None:
    other = drive.spawn(forever)

    async def body() -> None:
        await asyncio.gather(other, fail(LookupError("first")))

    with pytest.raises(LookupError, match="first"):
        await drive.spawn(body)
    assert not other.done()
    other.cancel()
    await settle()


async def test_wait_tells_the_done_from_the_pending(drive: Citizen) -> None:
    async def body() -> Any:
        slow, quick, failing = drive.spawn(forever), drive.spawn(give), drive.spawn(fail, LookupError())
        done, pending = await asyncio.wait({slow, quick, failing}, return_when=asyncio.FIRST_EXCEPTION)
        assert (done, pending) == ({quick, failing}, {slow})
        assert isinstance(failing.exception(), LookupError)
        done, pending = await asyncio.wait({slow}, timeout=0.001)
        assert (done, pending) == (set(), {slow})
        slow.cancel()
        done, pending = await asyncio.wait({slow, quick})
        assert (done, pending) == ({slow, quick}, set())
        return True

    assert await drive.spawn(body)


async def test_as_completed_gives_the_quick_first(drive: Citizen) -> None:
    async def after(turns: int) -> int:
        await settle(turns)
        return turns

    async def body() -> list[int]:
        return [await first for first in asyncio.as_completed([drive.spawn(after, n) for n in (12, 1, 5)])]

    assert await drive.spawn(body) == [1, 5, 12]


async def test_shield_keeps_a_cancel_from_what_it_shields(drive: Citizen) -> None:
    gate = chan()
    inner = drive.spawn(awaiting, gate.recv())

    async def body() -> None:
        await asyncio.shield(inner)

    g = drive.spawn(body)
    await settle()
    g.cancel()
    await settle()
    assert g.cancelled()
    await gate.send("kept")
    assert await inner == "kept"


async def test_wait_for_gives_the_result_or_times_out_in_order(drive: Citizen) -> None:
    log: list[str] = []

    async def slow() -> None:
        log.append("began")
        try:
            await forever()
        finally:
            await turn()
            log.append("cleaned")

    async def body() -> None:
        assert await asyncio.wait_for(give(5), LONG) == 5
        assert await asyncio.wait_for(give(6), None) == 6
        late = asyncio.ensure_future(slow())
        await until(lambda: log)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(late, 0.001)
        log.append("timed out")
        this: Any = asyncio.current_task()
        assert this.cancelling() == 0
        await gosched()
        await turn()

    await drive.spawn(body)
    assert log == ["began", "cleaned", "timed out"]


async def test_timeouts_nest_and_only_the_expired_one_speaks(drive: Citizen) -> None:
    async def body() -> list[str]:
        log = []
        this: Any = asyncio.current_task()
        async with asyncio.timeout(LONG) as outer:
            try:
                async with asyncio.timeout(0.001) as inner:
                    await forever()
            except TimeoutError:
                log.append("inner")
            await turn()
            await gosched()
            assert (outer.expired(), inner.expired(), this.cancelling()) == (False, True, 0)
        with pytest.raises(TimeoutError):  # noqa: PT012
            async with asyncio.timeout(0.001):
                async with asyncio.timeout(LONG):
                    await asyncio.sleep(LONG)
        log.append("outer")
        async with asyncio.timeout(None) as moved:
            moved.reschedule(here().time() + LONG)
            await turn()
        assert this.cancelling() == 0
        return log

    assert await drive.spawn(body) == ["inner", "outer"]


async def test_timeout_that_is_also_cancelled_from_outside_lets_the_cancel_through(drive: Citizen) -> None:
    scope = asyncio.timeout(LONG)

    async def body() -> None:
        async with scope:
            await here().create_future()

    g = drive.spawn(body)
    await settle()
    scope.reschedule(0.0)
    g.cancel("outside")
    await settle()
    assert g.cancelled()
    assert g.cancelling() == 1


async def test_task_group_waits_for_its_children_and_gives_their_results(drive: Citizen) -> None:
    async def body() -> Any:
        ch = chan()
        async with asyncio.TaskGroup() as group:
            receiver = group.create_task(awaiting(ch.recv()), name="receiver")
            assert receiver.get_name() == "receiver"
            group.create_task(awaiting(ch.send("it")))
        return receiver.result()

    assert await drive.spawn(body) == "it"


async def test_task_group_cancels_all_when_one_fails_or_when_it_is_cancelled(drive: Citizen) -> None:
    ended: list[str] = []

    async def child(name: str) -> None:
        try:
            await forever()
        finally:
            ended.append(name)

    async def body(failing: bool) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(child("a"))
            group.create_task(child("b"))
            if failing:
                group.create_task(fail(LookupError("x")))
            await forever()

    with pytest.raises(ExceptionGroup) as caught:
        await drive.spawn(body, True)
    assert [type(exc) for exc in caught.value.exceptions] == [LookupError]
    assert sorted(ended) == ["a", "b"]
    g = drive.spawn(body, False)
    await settle()
    g.cancel("m")
    await until(g.done)
    assert g.cancelled()
    assert sorted(ended) == ["a", "a", "b", "b"]


async def test_task_group_nests(drive: Citizen) -> None:
    async def body() -> list[str]:
        log: list[str] = []
        try:
            async with asyncio.TaskGroup() as outer:
                outer.create_task(forever())
                async with asyncio.TaskGroup() as inner:
                    inner.create_task(forever())
                    inner.create_task(fail(LookupError("inner")))
        except* LookupError as group:
            log += [type(nested).__name__ for nested in group.exceptions]
        await turn()
        return log

    assert await drive.spawn(body) == ["ExceptionGroup"]


async def test_condition_semaphore_barrier_and_queue_work(drive: Citizen) -> None:
    condition, semaphore, queue = asyncio.Condition(), asyncio.Semaphore(2), asyncio.Queue[int](1)
    barrier = asyncio.Barrier(3)
    inside = most = 0
    arrived: list[int] = []

    async def body(i: int) -> None:
        nonlocal inside, most
        async with semaphore:
            inside += 1
            most = max(most, inside)
            await settle()
            inside -= 1
        arrived.append(await barrier.wait())
        await queue.put(i)
        async with condition:
            condition.notify_all()

    async def drain() -> list[int]:
        got = [await queue.get() for _ in range(3)]
        async with condition:
            await asyncio.wait_for(condition.wait_for(lambda: inside == 0), LONG)
        return got

    gs = [drive.spawn(body, i) for i in range(3)]
    assert sorted(await drive.spawn(drain)) == [0, 1, 2]
    await asyncio.gather(*gs)
    assert sorted(arrived) == [0, 1, 2]
    assert most == 2


async def test_cancelled_waiter_of_a_lock_passes_it_on(drive: Citizen) -> None:
    lock, got = asyncio.Lock(), []
    await lock.acquire()

    async def body(i: int) -> None:
        async with lock:
            got.append(i)

    gs = [drive.spawn(body, i) for i in range(3)]
    await settle()
    lock.release()
    gs[0].cancel()  # granted and cancelled in one turn
    await settle()
    assert got == [1, 2]
    assert not lock.locked()


# ── threads and processes ──


async def test_to_thread_and_executors_give_results_and_exceptions(drive: Citizen) -> None:
    var: contextvars.ContextVar[str] = contextvars.ContextVar("var")

    def work(value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        return value, threading.current_thread() is threading.main_thread(), var.get("no context")

    async def body() -> None:
        var.set("mine")
        assert await asyncio.to_thread(work, 1) == (1, False, "mine")
        with pytest.raises(LookupError):
            await asyncio.to_thread(work, LookupError())
        assert (await here().run_in_executor(None, work, 2))[0] == 2
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            assert (await here().run_in_executor(pool, work, 3))[0] == 3
            assert (await asyncio.wrap_future(pool.submit(work, 4)))[0] == 4

    await drive.spawn(body)


async def test_cancel_of_a_wait_for_a_thread_does_not_wait_for_the_thread(drive: Citizen) -> None:
    release, started = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        release.wait(100)

    g = drive.spawn(asyncio.to_thread, work)
    try:
        await until(started.is_set) if started.is_set() else await asyncio.to_thread(started.wait, 20)
        g.cancel()
        await settle()
        assert g.cancelled()
    finally:
        release.set()


async def test_run_coroutine_threadsafe_from_a_thread(drive: Citizen) -> None:
    ch, loop = chan(), here()

    def work() -> Any:
        return asyncio.run_coroutine_threadsafe(awaiting(ch.recv()), loop).result(20)

    g = drive.spawn(asyncio.to_thread, work)
    await drive.spawn(awaiting, ch.send("it"))
    assert await g == "it"


def test_runner_may_run_on_another_thread_meanwhile() -> None:
    async def elsewhere() -> Any:
        return await asyncio.gather(go(give, 1), asyncio.create_task(give(2)))

    def run() -> Any:
        with asyncio.Runner(loop_factory=goish.new_event_loop) as runner:
            return runner.run(elsewhere())

    async def main() -> Any:
        return await asyncio.gather(*(asyncio.to_thread(run) for _ in range(4)))

    assert goish.run(main) == [[1, 2]] * 4
    goish.new_event_loop().close()


async def test_runner_inside_is_refused_as_by_asyncio(drive: Citizen) -> None:
    async def body() -> None:
        coro = give()
        with pytest.raises(RuntimeError, match="running event loop"):
            asyncio.run(coro)
        coro.close()

    await drive.spawn(body)


@pytest.mark.skipif(sys.platform == "win32", reason="the loops of these tests run no subprocesses there")
async def test_subprocesses_talk_and_end(drive: Citizen) -> None:
    code = "import sys; print(sys.stdin.read().upper(), end=''); sys.exit(3)"

    async def body() -> Any:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate(b"hello")
        return out, await process.wait()

    results: Any = await asyncio.gather(drive.spawn(body), drive.spawn(body))
    assert results == [(b"HELLO", 3)] * 2


@pytest.mark.skipif(sys.platform == "win32", reason="the loops of these tests run no subprocesses there")
async def test_cancelled_wait_for_a_subprocess_leaves_it_to_be_killed(drive: Citizen) -> None:
    async def body() -> None:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(600)")
        began.set_result(process)
        try:
            await process.wait()
        finally:
            process.kill()
            assert await process.wait() < 0

    began = here().create_future()
    g = drive.spawn(body)
    process = await began
    g.cancel()
    with pytest.raises(asyncio.CancelledError):
        await g
    assert process.returncode is not None


# ── sockets ──


async def test_streams_echo_and_close(drive: Citizen) -> None:
    kinds: set[Any] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kinds.add(type(asyncio.current_task()))
        async for line in reader:
            writer.write(line.upper())
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def client(port: int, word: bytes) -> Any:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(word + b"\n")
        answer = await reader.readline()
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        return answer

    async def body() -> Any:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await asyncio.gather(*(drive.spawn(client, port, word) for word in (b"a", b"b")))

    assert await drive.spawn(body) == [b"A\n", b"B\n"]
    await settle()
    assert kinds == {asyncio.Task if drive.kind in (GO, "asyncio.Task") else goish.Goroutine}


async def test_reading_can_time_out_and_go_on(drive: Citizen) -> None:
    ours, theirs = socket.socketpair()

    async def body() -> bytes:
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await reader.readexactly(4)
            theirs.send(b"late")
            return await asyncio.wait_for(reader.readexactly(4), LONG)
        finally:
            writer.close()
            await writer.wait_closed()

    try:
        assert await drive.spawn(body) == b"late"
    finally:
        theirs.close()


async def test_low_level_socket_calls_wait(drive: Citizen) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    try:
        g = drive.spawn(here().sock_recv, ours, 10)
        await settle()
        assert not g.done()
        await drive.spawn(here().sock_sendall, theirs, b"hello")
        assert await g == b"hello"
        g = drive.spawn(here().sock_recv, ours, 10)
        await settle()
        g.cancel()
        await settle()
        assert g.cancelled()
        await drive.spawn(here().sock_sendall, theirs, b"again")
        assert await drive.spawn(here().sock_recv, ours, 10) == b"again", "the cancelled one has taken nothing"
    finally:
        ours.close()
        theirs.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such sockets")
async def test_unix_sockets_work(drive: Citizen, tmp_path: Path) -> None:
    path = str(tmp_path / "s")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async def body() -> bytes:
        async with await asyncio.start_unix_server(serve, path):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"x\n")
            answer = await reader.readline()
            writer.close()
            return answer

    assert await drive.spawn(body) == b"x\n"


# ── channels beside it all ──


async def test_select_beside_a_future_loses_neither(drive: Citizen) -> None:
    """The usual bridge: a goroutine that turns a future into a value."""
    ch, future = chan(), here().create_future()

    async def bridge() -> None:
        await ch.send(await future)

    async def body() -> Any:
        return await goish.select(chan().recv(), ch.recv())

    both = [drive.spawn(bridge), drive.spawn(body)]
    await settle()
    assert waiting(ch) == (0, 1)
    future.set_result("it")
    await asyncio.gather(*both)
    assert both[1].result() == (1, "it", True)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_debug_mode_finds_nothing_to_say(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    """asyncio's debug mode checks that everything is called on the right thread, and names slow callbacks."""

    async def main() -> None:
        here().slow_callback_duration = LONG
        ch = chan()
        async with asyncio.TaskGroup() as group:
            group.create_task(awaiting(ch.recv()))
            go(awaiting, ch.send(1))
            await asyncio.to_thread(lambda: None)
            async with asyncio.timeout(LONG):
                await goish.sleep(0.001)

    def new_loop() -> asyncio.AbstractEventLoop:
        a_loop = LOOPS[loop]()
        a_loop.set_task_factory(goish.task_factory)
        return a_loop

    goish.run(main, loop=new_loop, debug=True)
    assert [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


# ── an operation is a future in every hand ──


def full(capacity: int, **options: Any) -> Chan[int]:
    ch: Chan[int] = chan(capacity, **options)
    for n in range(capacity):
        ch.try_send(n)
    return ch


def closed(buffered: int = 0) -> Chan[int]:
    ch = full(buffered)
    ch.close()
    return ch


OPERATIONS: dict[str, Callable[[], Any]] = {
    "select, default": lambda: select(chan().recv(), default=True),
    "select, ready beside default": lambda: select(full(1).recv(), default=True),
    "select, ready": lambda: select(chan().recv(), full(1).recv()),
    "select, biased": lambda: select(full(1).recv(), full(1).recv(), biased=True),
    "select, send on closed": lambda: select(closed().send(1)),
    "select, closed": lambda: select(closed().recv()),
    "send, full with an error": lambda: full(1, overflow="error").send(9),
    "send, drops the oldest": lambda: full(1, overflow="drop_oldest").send(9),
    "send, drops the newest": lambda: full(1, overflow="drop_newest").send(9),
    "send, closed": lambda: closed().send(1),
    "send": lambda: chan(1).send(1),
    "recv_ok, closed": lambda: closed().recv_ok(),
    "recv, closed": lambda: closed().recv(),
    "recv_info, closed": lambda: closed().recv_info(),
    "recv_info": lambda: full(2).recv_info(),
    "next": lambda: anext(full(1)),
    "wait group": lambda: WaitGroup().wait(),
    "sleep": lambda: sleep(-1),
    "goroutine": lambda: go(asyncio.sleep, 0, 3),
}


async def as_a_task(op: Any) -> object:
    async def wait() -> object:
        return await op

    return await asyncio.create_task(wait())


async def by_wait(op: Any) -> object:
    done, _ = await asyncio.wait([asyncio.ensure_future(op)])
    return await done.pop()


async def by_as_completed(op: Any) -> object:
    return await next(iter(asyncio.as_completed([op])))


async def by_gather(op: Any) -> object:
    return (await asyncio.gather(op))[0]


async def by_wait_for(op: Any) -> object:
    return await asyncio.wait_for(op, LONG)


@pytest.mark.parametrize("way", [as_a_task, by_wait, by_as_completed, by_gather, by_wait_for, asyncio.shield])
@pytest.mark.parametrize("name", OPERATIONS)
async def test_operation_gives_the_same_however_it_is_awaited(drive: Citizen, name: str, way: Any) -> None:
    make = OPERATIONS[name]

    async def direct() -> object:
        return await make()

    async def by_asyncio() -> object:
        return await way(make())

    expected = await drive.spawn(outcome, direct())
    assert await drive.spawn(outcome, by_asyncio()) == expected


async def test_exception_of_a_task_does_not_collect_the_frames_of_those_who_await_it(drive: Citizen) -> None:
    async def broken() -> None:
        raise LookupError

    g = drive.spawn(broken)
    depths = []
    for _ in range(4):
        try:
            await g
        except LookupError as exc:
            depths.append(len(list(traceback.walk_tb(exc.__traceback__))))
    assert depths[0] >= 2
    assert depths[1:] == [depths[1]] * 3
    assert depths[1] < depths[0]
