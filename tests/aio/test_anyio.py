"""anyio inside goroutines: its task groups, cancel scopes, threads, streams and sockets work as in a task, the control.

Its cancels are by level: whoever waits in a cancelled scope is cancelled again and again.
Not here: channels as anyio streams; tests that anyio's plugin runs (test_anyio_plugin.py).
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import anyio
import anyio.abc
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import pytest
from anyio import CancelScope, create_task_group, fail_after, move_on_after
from citizens import awaiting, citizens, fail, forever, give
from helpers import settle, turn, until, waiting

import goish
from goish import NIL, chan, gosched, select, sleep

if TYPE_CHECKING:
    from citizens import Citizen

drive = citizens()
LONG = 3600.0
HANGING = "import time; print('here I am', flush=True); time.sleep(600)"

WAITS: dict[str, Callable[[], Awaitable[Any]]] = {
    "recv": lambda: chan().recv(),
    "send": lambda: chan().send(1),
    "nil": lambda: NIL.recv(),
    "select": lambda: select(chan().recv(), chan().send(1)),
    "goish.sleep": lambda: sleep(LONG),
    "future": lambda: asyncio.get_running_loop().create_future(),
    "asyncio.sleep": lambda: asyncio.sleep(LONG),
    "anyio.sleep": lambda: anyio.sleep(LONG),
    "anyio.Event": lambda: anyio.Event().wait(),
}
any_wait = pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)


def cancelling() -> int:
    task: Any = asyncio.current_task()
    return int(task.cancelling())


# ── cancel scopes ──


@any_wait
async def test_cancelled_scope_ends_every_kind_of_wait_and_nothing_else(drive: Citizen, wait: Any) -> None:
    async def body() -> str:
        with CancelScope() as scope:
            asyncio.get_running_loop().call_soon(scope.cancel)
            await wait()
        assert scope.cancelled_caught
        assert cancelling() == 0
        await anyio.lowlevel.checkpoint()
        await gosched()
        await turn()
        return "went on"

    assert await drive.spawn(body) == "went on"


@any_wait
async def test_scope_that_is_cancelled_already_lets_nobody_wait(drive: Citizen, wait: Any) -> None:
    async def body() -> str:
        with CancelScope() as scope:
            scope.cancel()
            await wait()
        assert scope.cancelled_caught
        assert cancelling() == 0
        return "went on"

    assert await drive.spawn(body) == "went on"


@any_wait
async def test_cancel_is_by_level_whoever_swallows_it_meets_it_again(drive: Citizen, wait: Any) -> None:
    met: list[int] = []

    async def body() -> None:
        with CancelScope() as scope:
            asyncio.get_running_loop().call_soon(scope.cancel)
            for i in range(3):
                try:
                    await wait()
                except asyncio.CancelledError:
                    met.append(i)
            await wait()
        assert scope.cancelled_caught
        assert cancelling() == 0
        await turn()

    await drive.spawn(body)
    assert met == [0, 1, 2]


@any_wait
async def test_shielded_scope_is_not_reached(drive: Citizen, wait: Any) -> None:
    async def body() -> str:
        cleaned = False
        with CancelScope() as scope:
            try:
                asyncio.get_running_loop().call_soon(scope.cancel)
                await wait()
            finally:
                with CancelScope(shield=True):
                    for _ in range(5):
                        await turn()
                        await gosched()
                        await anyio.lowlevel.checkpoint()
                    cleaned = True
        assert scope.cancelled_caught
        assert cleaned
        return "cleaned"

    assert await drive.spawn(body) == "cleaned"


@any_wait
async def test_move_on_after_and_fail_after_time_out(drive: Citizen, wait: Any) -> None:
    async def body() -> None:
        with move_on_after(0.001) as scope:
            await wait()
        assert scope.cancelled_caught
        with pytest.raises(TimeoutError):
            with fail_after(0.001):
                await wait()
        with move_on_after(LONG) as scope:
            await turn()
        assert not scope.cancelled_caught
        assert cancelling() == 0
        await turn()

    await drive.spawn(body)


async def test_inner_scope_moves_on_and_the_outer_does_not_notice(drive: Citizen) -> None:
    async def body() -> list[str]:
        log = []
        with move_on_after(LONG) as outer:
            with move_on_after(0.001) as inner:
                await forever()
            log.append("inner over")
            await turn()
            with CancelScope() as third:
                third.cancel()
                await gosched()
                await forever()
            log.append("third over")
        assert (outer.cancelled_caught, inner.cancelled_caught, third.cancelled_caught) == (False, True, True)
        assert cancelling() == 0
        return log

    assert await drive.spawn(body) == ["inner over", "third over"]


async def test_outer_scope_ends_the_inner_ones_too(drive: Citizen) -> None:
    async def body() -> list[str]:
        log = []
        with move_on_after(0.001) as outer:
            try:
                with move_on_after(LONG) as inner:
                    await chan().recv()
                log.append("never")
            finally:
                log.append("inner left")
        assert (outer.cancelled_caught, inner.cancelled_caught) == (True, False)
        return log

    assert await drive.spawn(body) == ["inner left"]


async def test_native_cancel_goes_through_scopes(drive: Citizen) -> None:
    scopes: list[CancelScope] = []

    async def body() -> None:
        with move_on_after(LONG) as scope:
            scopes.append(scope)
            await forever()

    g = drive.spawn(body)
    await settle()
    g.cancel("native")
    with pytest.raises(asyncio.CancelledError) as caught:
        await g
    assert caught.value.args == ("native",)
    assert not scopes[0].cancelled_caught


async def test_asyncio_timeout_inside_and_outside_of_a_scope(drive: Citizen) -> None:
    async def body() -> None:
        with move_on_after(LONG) as scope:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await forever()
        assert not scope.cancelled_caught
        async with asyncio.timeout(LONG) as timeout:
            with move_on_after(0.001) as scope:
                await forever()
            await turn()
        assert scope.cancelled_caught and not timeout.expired()
        assert cancelling() == 0

    await drive.spawn(body)


async def test_cancelled_wait_leaves_its_channels(drive: Citizen) -> None:
    ch = chan()

    async def body() -> None:
        for op in (ch.recv, lambda: ch.send(1), lambda: select(ch.recv(), ch.send(1))):
            with move_on_after(0.001):
                await op()
            assert waiting(ch) == (0, 0)

    await drive.spawn(body)
    assert not ch.try_send(1)


@pytest.mark.parametrize("how", ["recv", "select", "for"])
async def test_value_that_comes_with_the_cancel_of_a_scope_is_not_lost(drive: Citizen, how: str) -> None:
    """Rule 1 with anyio's cancel, in both orders within one turn."""

    async def receive(ch: Any) -> Any:
        if how == "recv":
            return await ch.recv()
        if how == "select":
            return (await select(ch.recv()))[1]
        async for value in ch:
            return value

    async def body(ch: Any, scopes: list[Any], got: list[Any]) -> None:
        with CancelScope() as scope:
            scopes.append(scope)
            got.append(await receive(ch))
        await turn()

    for value_first in (True, False):
        ch = chan()
        scopes: list[Any] = []
        got: list[Any] = []
        g = drive.spawn(body, ch, scopes, got)
        await settle()
        sent: list[bool] = []

        def act(ch: Any = ch, scopes: Any = scopes, sent: Any = sent, value_first: bool = value_first) -> None:
            if value_first:
                sent.append(ch.try_send("it"))
            scopes[0].cancel()
            if not value_first:
                sent.append(ch.try_send("it"))

        asyncio.get_running_loop().call_soon(act)
        await settle()
        await g
        assert got == (["it"] if sent == [True] else [])
        assert value_first in (sent[0], False)
        assert g.cancelling() == 0


async def test_sender_knows_whether_it_sent_when_its_scope_is_cancelled(drive: Citizen) -> None:
    """Rule 2 with anyio's cancel: every id is received once by a producer that tries again."""
    ch, received = chan(), []
    n = 100

    async def producer() -> None:
        for i in range(n):
            sent = False
            while not sent:
                with CancelScope() as scope:
                    scopes[:] = [scope]
                    await ch.send(i)
                    sent = True
        ch.close()

    async def canceller() -> None:
        while not p.done():
            if scopes:
                scopes[0].cancel()
            await turn()

    scopes: list[CancelScope] = []
    p = drive.spawn(producer)
    c = drive.spawn(canceller)
    async for value in ch:
        received.append(value)
        await turn()
    await asyncio.gather(p, c)
    assert received == [*range(n)]


# ── task groups ──


async def test_task_group_runs_children_and_waits_for_them(drive: Citizen) -> None:
    async def child(ch: Any, value: int) -> None:
        await ch.send(value)

    async def body() -> list[int]:
        ch = chan()
        async with create_task_group() as group:
            for i in range(3):
                group.start_soon(child, ch, i, name=f"child {i}")
            got = [await ch.recv() for _ in range(3)]
        return sorted(got)

    assert await drive.spawn(body) == [0, 1, 2]


async def test_task_group_start_waits_until_the_child_has_started(drive: Citizen) -> None:
    async def server(ch: Any, *, task_status: anyio.abc.TaskStatus[str]) -> None:
        await gosched()
        task_status.started("ready")
        await ch.recv()

    async def failing(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        raise LookupError("too early")

    async def body() -> None:
        ch = chan()
        async with create_task_group() as group:
            assert await group.start(server, ch) == "ready"
            await ch.send("end")
        with pytest.raises(ExceptionGroup) as caught:
            async with create_task_group() as group:
                await group.start(failing)
        assert caught.value.split(LookupError)[1] is None

    await drive.spawn(body)


@any_wait
async def test_failure_of_one_child_ends_the_others_wherever_they_wait(drive: Citizen, wait: Any) -> None:
    ended: list[str] = []

    async def child() -> None:
        try:
            await wait()
        finally:
            ended.append("child")

    async def body() -> None:
        try:
            async with create_task_group() as group:
                group.start_soon(child)
                await settle()
                group.start_soon(fail, LookupError("x"))
                await wait()
        finally:
            ended.append("body")

    with pytest.raises(ExceptionGroup) as caught:
        await drive.spawn(body)
    assert [type(exc) for exc in caught.value.exceptions] == [LookupError]
    assert sorted(ended) == ["body", "child"]


async def test_cancel_of_a_group_reaches_children_that_clean_up_in_a_shield(drive: Citizen) -> None:
    cleaned: list[int] = []

    async def child(i: int) -> None:
        try:
            await forever()
        finally:
            with CancelScope(shield=True):
                await sleep(0.001)
                await anyio.sleep(0.001)
                cleaned.append(i)

    async def body() -> None:
        async with create_task_group() as group:
            for i in range(3):
                group.start_soon(child, i)
            await settle()
            group.cancel_scope.cancel()
        assert cancelling() == 0

    await drive.spawn(body)
    assert sorted(cleaned) == [0, 1, 2]


async def test_native_cancel_of_the_host_ends_its_children(drive: Citizen) -> None:
    ended: list[int] = []

    async def child() -> None:
        try:
            await forever()
        finally:
            ended.append(1)

    async def body() -> None:
        async with create_task_group() as group:
            group.start_soon(child)
            await forever()

    g = drive.spawn(body)
    await settle()
    g.cancel()
    await until(g.done)
    assert g.cancelled()
    assert ended == [1]


async def test_groups_nest(drive: Citizen) -> None:
    async def body(depth: int) -> int:
        if not depth:
            await gosched()
            return 1
        results: list[int] = []

        async def child() -> None:
            results.append(await body(depth - 1))

        async with create_task_group() as group:
            group.start_soon(child)
            group.start_soon(child)
        return sum(results)

    assert await drive.spawn(body, 5) == 32


# ── what anyio knows of tasks ──


async def test_wait_all_tasks_blocked_returns_when_all_wait_natively(drive: Citizen) -> None:
    """It looks at what each task waits for; None means that it runs."""
    waits = [drive.spawn(awaiting, wait()) for wait in WAITS.values()]
    await anyio.wait_all_tasks_blocked()
    assert all(not g.done() for g in waits)
    for g in waits:
        g.cancel()
    await settle()
    assert all(g.cancelled() for g in waits)


async def test_wait_all_tasks_blocked_waits_for_those_that_run(drive: Citizen) -> None:
    steps: list[int] = []

    async def body() -> None:
        for i in range(20):
            steps.append(i)
            await anyio.lowlevel.checkpoint()

    g = drive.spawn(body)
    await anyio.wait_all_tasks_blocked()
    await g
    assert len(steps) == 20


async def test_task_info_names_the_running_and_the_waiting(drive: Citizen) -> None:
    async def body() -> Any:
        info = anyio.get_current_task()
        await asyncio.sleep(0)
        return info

    info = await drive.spawn(body, name="it")
    assert info.name == "it"
    g = drive.spawn(awaiting, asyncio.sleep(LONG), name="waiting one")
    await settle()
    running = {info.name: info for info in anyio.get_running_tasks()}
    assert "waiting one" in running
    assert running["waiting one"].id == id(g)
    g.cancel()
    await settle()


async def test_pending_cancellation_is_seen(drive: Citizen) -> None:
    """Memory streams ask at each send: a receiver that is about to be cancelled must not be given the item."""

    async def body() -> tuple[bool, bool]:
        before = anyio.get_current_task().has_pending_cancellation()
        this: Any = asyncio.current_task()
        this.cancel()
        after = anyio.get_current_task().has_pending_cancellation()
        this.uncancel()
        return before, after

    if drive.native or sys.version_info >= (3, 13):  # before, asyncio.Task did not forget the cancel
        assert await drive.spawn(body) == (False, True)


@pytest.mark.skipif(importlib.util.find_spec("sniffio") is None, reason="sniffio is not installed")
async def test_sniffio_says_asyncio(drive: Citizen) -> None:
    import sniffio

    async def body() -> Any:
        here = sniffio.current_async_library()
        await gosched()
        await turn()
        return here, sniffio.current_async_library()

    assert await drive.spawn(body) == ("asyncio", "asyncio")


async def test_anyio_itself_says_asyncio(drive: Citizen) -> None:
    async def body() -> Any:
        await gosched()
        return anyio.get_current_task().name, type(anyio.Event()).__module__

    name, module = await drive.spawn(body, name="n")
    assert name == "n"
    assert "asyncio" in module


# ── synchronisation ──


async def test_locks_events_semaphores_conditions_and_limiters_work(drive: Citizen) -> None:
    lock, event, limiter = anyio.Lock(), anyio.Event(), anyio.CapacityLimiter(2)
    semaphore, condition = anyio.Semaphore(1), anyio.Condition()
    log: list[int] = []
    inside = 0

    async def body(i: int) -> None:
        nonlocal inside
        await event.wait()
        async with limiter, semaphore:
            async with lock:
                inside += 1
                assert inside == 1
                await gosched()
                await anyio.sleep(0)
                inside -= 1
                log.append(i)
        async with condition:
            condition.notify_all()

    async def watch() -> None:
        async with condition:
            while len(log) < 5:
                await condition.wait()

    gs = [drive.spawn(watch), *(drive.spawn(body, i) for i in range(5))]
    await settle()
    assert log == []
    event.set()
    await asyncio.gather(*gs)
    assert sorted(log) == [*range(5)]


async def test_lock_of_a_cancelled_waiter_goes_to_the_next(drive: Citizen) -> None:
    lock, got = anyio.Lock(), []
    await lock.acquire()

    async def body(i: int) -> None:
        async with lock:
            got.append(i)

    gs = [drive.spawn(body, i) for i in range(3)]
    await settle()
    lock.release()
    gs[0].cancel()
    await asyncio.wait(gs)
    assert got == [1, 2]
    assert not lock.statistics().locked


async def test_memory_streams_hand_over_and_end(drive: Citizen) -> None:
    async def produce(send: Any) -> None:
        async with send:
            for i in range(10):
                await send.send(i)

    async def consume(receive: Any) -> list[int]:
        async with receive:
            return [item async for item in receive]

    for size in (0, 3):
        send, receive = anyio.create_memory_object_stream[int](size)
        p, c = drive.spawn(produce, send), drive.spawn(consume, receive)
        assert await c == [*range(10)]
        await p


async def test_memory_stream_gives_nothing_to_a_receiver_in_a_cancelled_scope(drive: Citizen) -> None:
    """R4 and has_pending_cancellation, seen from their user."""
    send, receive = anyio.create_memory_object_stream[str](0)
    scopes: list[CancelScope] = []
    got: list[str] = []

    async def body() -> None:
        with CancelScope() as scope:
            scopes.append(scope)
            got.append(await receive.receive())

    g = drive.spawn(body)
    await settle()
    scopes[0].cancel()
    with pytest.raises(anyio.WouldBlock):
        send.send_nowait("it")
    await g
    assert got == []
    send.close()
    receive.close()


# ── threads ──


async def test_to_thread_and_back(drive: Citizen) -> None:
    ch = chan()

    def work() -> Any:
        anyio.from_thread.run_sync(ch.try_send, "nobody receives")
        anyio.from_thread.run(anyio.sleep, 0)
        return anyio.from_thread.run(awaiting_recv), threading.current_thread() is threading.main_thread()

    async def awaiting_recv() -> Any:
        return await ch.recv()

    async def body() -> Any:
        return await anyio.to_thread.run_sync(work)

    g = drive.spawn(body)
    await drive.spawn(awaiting, ch.send("it"))
    assert await g == ("it", False)


async def test_cancelled_scope_waits_for_the_thread_or_abandons_it(drive: Citizen) -> None:
    release, started = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        release.wait(100)

    async def body(abandon: bool) -> bool:
        with CancelScope() as scope:
            scopes.append(scope)
            await anyio.to_thread.run_sync(work, abandon_on_cancel=abandon)
            return True
        return False

    for abandon in (True, False):
        scopes: list[CancelScope] = []
        started.clear()
        release.clear()
        g = drive.spawn(body, abandon)
        await asyncio.to_thread(started.wait, 20)
        scopes[0].cancel()
        await settle(20)
        assert g.done() == abandon
        release.set()
        assert await g is (not abandon), "whose thread has ended has its result"


async def test_blocking_portal_serves_threads(drive: Citizen) -> None:
    async def body() -> Any:
        async with anyio.from_thread.BlockingPortal() as portal:

            def work() -> Any:
                future = portal.start_task_soon(give, 5)
                return future.result(20), portal.call(give, 6)

            return await anyio.to_thread.run_sync(work)

    assert await drive.spawn(body) == (5, 6)


# ── sockets and processes ──


async def test_sockets_serve_and_close(drive: Citizen) -> None:
    async def serve(stream: Any) -> None:
        async with stream:
            async for chunk in stream:
                await stream.send(chunk.upper())

    async def client(port: int) -> bytes:
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(b"hello")
            return await stream.receive()

    async def body() -> Any:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, create_task_group() as group:
            group.start_soon(listener.serve, serve)
            results = await asyncio.gather(*(drive.spawn(client, port) for _ in range(3)))
            group.cancel_scope.cancel()
        return results

    assert await drive.spawn(body) == [b"HELLO"] * 3


async def test_subprocess_runs_and_is_killed_by_its_scope(drive: Citizen) -> None:
    async def body() -> Any:
        result = await anyio.run_process([sys.executable, "-c", "print(5)"])
        with CancelScope() as scope:
            async with await anyio.open_process([sys.executable, "-c", HANGING]) as process:
                assert process.stdout is not None
                assert await process.stdout.receive()  # it runs
                scope.cancel()
                await process.wait()
        assert process.returncode not in (0, None), "killed"
        return result.stdout.strip(), scope.cancelled_caught

    assert await drive.spawn(body) == (b"5", True)


# ── anyio.run on loops of goish ──


@pytest.mark.parametrize("factory", [True, False])
def test_anyio_runs_programs_of_goish(factory: bool) -> None:
    async def main() -> Any:
        ch = chan()
        async with create_task_group() as group:
            group.start_soon(awaiting, ch.send("it"))
            g = goish.go(awaiting, ch.recv())
            with fail_after(20):
                return await g

    options = {"loop_factory": goish.new_event_loop} if factory else {}
    assert anyio.run(main, backend_options=options) == "it"
    goish.new_event_loop().close()
