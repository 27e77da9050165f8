"""A goroutine from go() to its end: starting, awaiting, cancelling, asyncio inside it, WaitGroup, gosched, sleep.

Not here: what run() adds (test_run.py), panics (test_panics.py).
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import inspect
import threading
import time
import types
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from helpers import LOOPS, outcome, settle, turn, waiting

import goish
from goish import (
    NIL,
    Goroutine,
    WaitGroup,
    chan,
    current_goroutine,
    go,
    go_thread,
    goexit,
    gosched,
    num_goroutine,
    select,
    sleep,
)
from goish._runtime.core import scheduler_for
from goish.runtime import goroutines

if TYPE_CHECKING:
    from conftest import Driver

Spawn = Callable[..., Any]
LONG = 3600.0


async def give(value: Any = None) -> Any:
    return value


async def fail(error: BaseException) -> None:
    raise error


async def forever() -> None:
    await NIL.recv()


async def awaiting(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


async def cancelled(g: Goroutine[Any]) -> bool:
    """Cancels ``g`` and says whether that ended it."""
    g.cancel()
    await settle()
    return g.cancelled()


# ── go ──


async def test_go_returns_before_the_body_runs(run: Driver) -> None:
    ran = []

    async def body() -> None:
        ran.append(1)

    g = go(body)
    assert ran == []
    assert g.state == "new"
    assert not g.done()
    await g
    assert ran == [1]


async def test_arguments_are_evaluated_at_the_call(run: Driver) -> None:
    async def body(*args: int, **kwargs: int) -> Any:
        return args, kwargs

    x = 1
    g = go(body, x, 2, key=x)
    x = 5
    assert await g == ((1, 2), {"key": 1})
    assert await go(body) == ((), {})


async def test_go_takes_whatever_makes_a_coroutine(run: Driver) -> None:
    class Worker:
        async def method(self, value: int) -> int:
            return value

        async def __call__(self, value: int) -> int:
            return value

        @staticmethod
        async def static(value: int) -> int:
            return value

    worker = Worker()
    for fn in (give, worker.method, worker, Worker.static, functools.partial(give), lambda value: give(value)):
        assert await go(fn, 7) == 7
    assert await go(give(7)) == 7


async def test_go_takes_generator_based_coroutines(run: Driver) -> None:
    @types.coroutine
    def body(value: int) -> Generator[Any, Any, int]:
        yield
        yield from asyncio.sleep(0).__await__()
        yield from chan(1).send(1).__await__()
        return value

    class Worker:
        method = staticmethod(body)

    for fn in (body, Worker().method, functools.partial(body), lambda value: body(value)):
        assert await go(fn, 7) == 7
        assert await go_thread(fn, 7) == 7
    assert await go(body(7)) == 7
    assert await go_thread(body(7)) == 7
    assert await goish.parallel.spawn(body(7)) == 7
    wg = WaitGroup()
    assert await wg.go(body, 7) == 7


async def test_a_generator_based_coroutine_is_cancelled_at_its_wait(run: Driver) -> None:
    ended = []

    @types.coroutine
    def body() -> Generator[Any, Any, None]:
        try:
            yield from chan().recv().__await__()
        finally:
            ended.append(1)

    g = go(body)
    await gosched()
    g.cancel()
    with pytest.raises(asyncio.CancelledError):
        await g
    assert ended == [1]


@pytest.mark.parametrize("verb", [go, go_thread])
async def test_a_generator_that_is_no_coroutine_is_refused(run: Driver, verb: Any) -> None:
    def numbers() -> Generator[int]:
        yield 1

    for given in (numbers, numbers()):
        with pytest.raises(TypeError, match="generator"):
            verb(given)


@pytest.mark.parametrize("verb", [go, go_thread])
async def test_a_generator_based_coroutine_that_has_started_or_ended_is_refused(run: Driver, verb: Any) -> None:
    @types.coroutine
    def body() -> Generator[Any, Any, None]:
        yield

    coro: Any = body()
    next(coro)
    with pytest.raises(RuntimeError, match="started already"):
        verb(coro)
    coro.close()
    with pytest.raises(RuntimeError, match="finished"):
        verb(coro)


class Compiled(Coroutine[Any, Any, Any]):
    """What Cython makes of an async def: a class of its own, with these attributes."""

    cr_running = False

    def __init__(self, coro: Coroutine[Any, Any, Any]) -> None:
        self.coro = coro

    @property
    def cr_await(self) -> object:
        return self.coro.cr_await  # type: ignore[attr-defined]

    @property
    def cr_frame(self) -> object:
        return self.coro.cr_frame  # type: ignore[attr-defined]

    def send(self, value: Any) -> Any:
        return self.coro.send(value)

    def throw(self, *error: Any) -> Any:
        return self.coro.throw(*error)

    def close(self) -> None:
        self.coro.close()

    def __await__(self) -> Any:
        return self.coro.__await__()


@pytest.mark.parametrize("verb", [go, go_thread])
async def test_a_coroutine_of_another_class_is_taken_as_long_as_it_has_not_started(run: Driver, verb: Any) -> None:
    async def pause(value: int) -> int:
        await asyncio.sleep(0)
        return value

    assert await verb(Compiled(pause(7))) == 7
    assert await verb(lambda: Compiled(pause(7))) == 7
    started = Compiled(pause(7))
    started.send(None)
    with pytest.raises(RuntimeError, match="started already"):
        verb(started)
    started.close()
    with pytest.raises(RuntimeError, match="finished"):
        verb(started)


def test_compiled_coroutines_of_cython_are_taken() -> None:
    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        assert await go(loop.shutdown_asyncgens) is None
        assert await go(loop.shutdown_asyncgens()) is None
        closed = loop.shutdown_asyncgens()
        closed.close()
        with pytest.raises(RuntimeError, match="finished"):
            go(closed)

    goish.run(main, loop="uvloop")


async def test_goroutines_start_in_the_order_of_their_go(run: Driver) -> None:
    started = []

    async def body(i: int) -> None:
        started.append(i)

    for i in range(100):
        go(body, i)
    await gosched()
    assert started == list(range(100))


async def test_goroutine_may_start_others_at_any_depth(run: Driver) -> None:
    async def nest(depth: int) -> int:
        return 0 if depth == 0 else 1 + await go(nest, depth - 1)

    assert await nest(500) == 500


# ── await ──


async def test_many_may_await_one_goroutine(spawn: Spawn) -> None:
    gate = chan()
    value = object()

    async def body() -> Any:
        await gate.recv()
        return value

    g = go(body)
    waiters = [spawn(awaiting, g) for _ in range(10)]
    await settle()
    assert g.wait_reason == "chan receive"
    await gate.send(None)
    assert all([await waiter is value for waiter in waiters])
    assert await g is value, "also after its end, again and again"
    assert g.result() is value


async def test_exception_reaches_everybody_who_awaits(spawn: Spawn) -> None:
    error = ValueError("x")
    g = go(fail, error)
    waiters = [spawn(outcome, g) for _ in range(3)]
    assert [await waiter for waiter in waiters] == [ValueError] * 3
    with pytest.raises(ValueError, match="x") as caught:
        await g
    assert caught.value is error
    assert g.exception() is error
    with pytest.raises(ValueError, match="x"):
        g.result()
    assert not g.cancelled()


async def test_cancelling_who_awaits_does_not_cancel_whom_it_awaits(spawn: Spawn) -> None:
    gate = chan()
    g = go(awaiting, gate.recv())
    waiter = spawn(awaiting, g)
    await settle()
    waiter.cancel()
    await settle()
    assert waiter.cancelled()
    assert not g.done()
    await gate.send(5)
    assert await g == 5


async def test_awaiting_a_cancelled_goroutine_raises_and_cancels_nobody_else(spawn: Spawn) -> None:
    g = go(forever)
    g.cancel("enough")

    async def wait_for_it() -> Any:
        with pytest.raises(asyncio.CancelledError) as caught:
            await g
        await gosched()
        task = asyncio.current_task()
        assert task is not None
        return caught.value.args, task.cancelling()

    assert await spawn(wait_for_it) == (("enough",), 0)
    with pytest.raises(asyncio.CancelledError):
        g.result()
    with pytest.raises(asyncio.CancelledError):
        g.exception()


async def test_result_and_handle_are_freed_when_nobody_holds_them(run: Driver) -> None:
    class Value:
        pass

    async def body() -> Value:
        return Value()

    g = go(body)
    ref = weakref.ref(await g)
    assert ref() is not None
    handle = weakref.ref(g)
    del g
    await settle()
    assert ref() is None
    assert handle() is None


async def test_arguments_are_freed_when_the_body_drops_them(run: Driver) -> None:
    class Value:
        pass

    async def body(value: Any) -> Any:
        ref = weakref.ref(value)
        del value
        return ref()

    assert await go(body, Value()) is None


# ── asking ──


async def test_states_follow_each_other(run: Driver) -> None:
    gate = chan()
    seen = []

    async def body() -> None:
        me = current_goroutine()
        assert me is not None
        seen.append(me.state)
        await gate.recv()

    g = go(body)
    assert (g.state, g.wait_reason, g.waiting_on, g.waiting_since) == ("new", None, None, None)
    await gosched()
    assert seen == ["running"]
    assert (g.state, g.wait_reason) == ("waiting", "chan receive")
    assert isinstance(g.waiting_on, goish.Op)
    assert g.waiting_since is not None
    assert gate.try_send(1)
    ready: Any = (g.state, g.wait_reason, g.waiting_on)
    assert ready == ("runnable", None, None)
    await g
    assert (g.state, g.wait_reason, g.done()) == ("done", None, True)


WAITS: dict[str, Callable[[], Awaitable[Any]]] = {
    "chan receive": lambda: chan().recv(),
    "chan send": lambda: chan().send(1),
    "chan receive (nil chan)": lambda: NIL.recv(),
    "chan send (nil chan)": lambda: NIL.send(1),
    "select": lambda: select(chan().recv(), chan().send(1)),
    "select (no cases)": lambda: select(),
    "sleep": lambda: sleep(LONG),
    "wait group": lambda: busy_wait_group().wait(),
    "goroutine": lambda: go(forever),
    "asyncio future": lambda: asyncio.get_running_loop().create_future(),
}


def busy_wait_group() -> WaitGroup:
    wg = WaitGroup()
    wg.add(1)
    return wg


FOREIGN_WAITS: dict[str, Callable[[], Awaitable[Any]]] = {
    "asyncio.sleep": lambda: asyncio.sleep(LONG),
    "asyncio.Event": lambda: asyncio.Event().wait(),
    "asyncio.Queue": lambda: asyncio.Queue[int]().get(),
    "asyncio.wait": lambda: asyncio.wait([go(forever)]),
    "asyncio.gather": lambda: asyncio.gather(chan().recv(), forever()),
    "asyncio.wait_for": lambda: asyncio.wait_for(chan().recv(), LONG),
    "asyncio.shield": lambda: asyncio.shield(chan().recv()),
    "async for": lambda: first_of(chan()),
    "recv_many": lambda: chan().recv_many(5),
    "send_many": lambda: chan().send_many([1]),
}


async def first_of(values: Any) -> Any:
    async for value in values:
        return value


@pytest.mark.parametrize("reason", WAITS)
async def test_wait_reason_is_told(run: Driver, reason: str) -> None:
    g = go(awaiting, WAITS[reason]())
    await settle()
    assert g.state == "waiting"
    assert g.wait_reason == reason
    assert reason in repr(g)
    assert await cancelled(g)


async def test_ids_count_up_and_names_follow_them(run: Driver) -> None:
    first, second = go(give), go(give)
    assert second.id == first.id + 1
    assert second.name == second.get_name() == f"goroutine-{second.id}"
    second.name = "worker"
    assert second.get_name() == "worker"
    second.set_name(5)
    assert second.name == "5"
    named = go.options(name="fetcher")(give, 1)
    assert named.name == "fetcher"
    assert "fetcher" in repr(named)
    for g in (first, second, named):
        await g


async def test_created_by_names_the_line_of_the_go(run: Driver) -> None:
    def start() -> Goroutine[Any]:
        return go(give)

    g = start()
    await g
    assert g.created_by is not None
    code, line = g.created_by
    assert code is start.__code__
    assert line == start.__code__.co_firstlineno + 1


async def test_goroutine_knows_its_loop_coroutine_and_context(run: Driver) -> None:
    coro = forever()
    g = go(coro)
    assert g.get_loop() is asyncio.get_running_loop()
    assert g.get_coro() is coro
    assert isinstance(g.get_context(), contextvars.Context)
    assert g in goroutines()
    assert await cancelled(g)
    assert g not in goroutines()
    assert inspect.getcoroutinestate(coro) == inspect.CORO_CLOSED


async def test_num_goroutine_counts_those_that_live(run: Driver) -> None:
    before = num_goroutine()
    others = [go(forever) for _ in range(10)]
    assert num_goroutine() == before + 10 == len(goroutines())
    for g in others:
        g.cancel()
    await settle()
    assert num_goroutine() == before


async def test_current_goroutine_is_none_outside_of_goroutines(run: Driver) -> None:
    seen = []
    asyncio.get_running_loop().call_soon(lambda: seen.append(current_goroutine()))

    async def task() -> None:
        seen.append(current_goroutine())

    await asyncio.create_task(task())
    assert seen == [None, None]
    me = current_goroutine()
    assert me is not None
    assert me is asyncio.current_task()  # type: ignore[comparison-overlap]


# ── done callbacks ──


async def test_done_callbacks_run_through_the_loop_in_their_context(run: Driver) -> None:
    var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="none")
    calls: list[Any] = []

    def called(g: Goroutine[Any]) -> None:
        calls.append((g, var.get()))

    def removed(g: Goroutine[Any]) -> None:
        raise AssertionError

    context = contextvars.copy_context()
    context.run(var.set, "given")
    g = go(give, 1)
    var.set("ours")
    g.add_done_callback(called)
    g.add_done_callback(called, context=context)
    g.add_done_callback(removed)
    g.add_done_callback(removed)
    assert g.remove_done_callback(removed) == 2
    assert g.remove_done_callback(removed) == 0
    await g
    await turn()
    assert calls == [(g, "ours"), (g, "given")]
    g.add_done_callback(called)
    assert len(calls) == 2, "not inline, also when it is done already"
    await turn()
    assert len(calls) == 3


# ── cancel ──


async def test_cancel_before_the_start_keeps_the_body_from_running(run: Driver) -> None:
    ran = []

    async def body() -> None:
        ran.append(1)

    g = go(body)
    assert g.cancel() is True
    with pytest.raises(asyncio.CancelledError):
        await g
    assert g.cancelled()
    assert ran == []


@pytest.mark.parametrize("wait", [*WAITS.values(), *FOREIGN_WAITS.values()], ids=[*WAITS, *FOREIGN_WAITS])
async def test_cancel_ends_every_kind_of_wait_with_its_message(run: Driver, wait: Callable[[], Awaitable[Any]]) -> None:
    caught: list[BaseException] = []
    finished = []

    async def body() -> None:
        try:
            await wait()
        except asyncio.CancelledError as exc:
            caught.append(exc)
            raise
        finally:
            finished.append(1)

    g = go(body)
    await settle()
    assert g.state == "waiting"
    assert g.cancel("why") is True
    assert g.cancelling() == 1
    await settle()
    assert g.cancelled()
    assert g.cancel() is False, "too late"
    assert finished == [1]
    assert caught[0].args == ("why",)
    with pytest.raises(asyncio.CancelledError) as seen:
        await g
    assert seen.value.args == ("why",)
    for other in goroutines():
        if other is not current_goroutine():
            other.cancel()


async def test_cancelled_waits_leave_nothing_behind(run: Driver) -> None:
    ch = chan()
    wg = busy_wait_group()
    for wait in (ch.recv(), ch.send(1), select(ch.recv(), ch.send(2)), wg.wait(), sleep(LONG)):
        assert await cancelled(go(awaiting, wait))
    assert waiting(ch) == (0, 0)
    assert "waiting=0" in repr(wg)
    assert wg.count == 1
    assert scheduler_for(asyncio.get_running_loop()).timers == 0


async def test_cancel_of_a_runnable_goroutine_comes_at_its_next_wait(run: Driver) -> None:
    ch = chan()
    got = []

    async def body() -> None:
        got.append(await ch.recv())
        got.append("went on")
        await forever()
        got.append("never")

    g = go(body)
    await settle()
    assert ch.try_send("value")
    assert g.cancel()
    assert g.cancel()
    await settle()
    assert got == ["value", "went on"]
    assert g.cancelled()


async def test_cancel_that_lost_against_the_last_wait_is_forgotten_with_the_end(run: Driver) -> None:
    ch = chan()
    g = go(awaiting, ch.recv())
    await settle()
    assert ch.try_send("value")
    assert g.cancel()
    assert await g == "value"
    assert not g.cancelled()


async def test_cancel_of_a_goroutine_that_yielded_comes_at_once(run: Driver) -> None:
    steps = []

    async def body() -> None:
        for i in range(100):
            steps.append(i)
            await gosched()

    g = go(body)
    await gosched()
    g.cancel()
    await settle()
    assert g.cancelled()
    assert len(steps) < 100


async def test_goroutine_may_cancel_itself(run: Driver) -> None:
    got = []

    async def body() -> None:
        me = current_goroutine()
        assert me is not None
        assert me.cancel("suicide")
        got.append("still here")
        await chan(1).send(1)
        got.append("no wait, no cancel")
        await forever()

    g = go(body)
    with pytest.raises(asyncio.CancelledError):
        await g
    assert got == ["still here", "no wait, no cancel"]


async def test_cancel_may_be_refused_and_comes_again(run: Driver) -> None:
    refused = []

    async def body() -> str:
        for _ in range(3):
            try:
                await forever()
            except asyncio.CancelledError as exc:
                refused.append(exc.args)
        return "over"

    g = go(body)
    for i in range(3):
        await settle()
        assert g.cancel(i)
    assert await g == "over"
    assert refused == [(0,), (1,), (2,)]
    assert g.cancelling() == 3


async def test_uncancel_takes_back_a_cancel_that_was_not_delivered(run: Driver) -> None:
    async def body() -> str:
        me = current_goroutine()
        assert me is not None
        me.cancel()
        me.cancel()
        assert me.cancelling() == 2
        assert me.uncancel() == 1
        assert me.uncancel() == 0
        assert me.uncancel() == 0
        await gosched()
        await turn()
        return "alive"

    assert await go(body) == "alive"


async def test_cleanup_of_a_cancelled_goroutine_may_wait(run: Driver) -> None:
    gate, cleaned = chan(), []

    async def body() -> None:
        try:
            await forever()
        finally:
            cleaned.append(await gate.recv())

    g = go(body)
    await settle()
    g.cancel()
    await settle()
    assert not g.done()
    await gate.send("clean")
    await settle()
    assert g.cancelled()
    assert cleaned == ["clean"]


async def test_cancel_reaches_through_joins_to_nobody_else(run: Driver) -> None:
    inner = go(forever)
    outer = go(awaiting, inner)
    await settle()
    assert await cancelled(outer)
    assert not inner.done()
    assert await cancelled(inner)


async def test_cancel_passes_through_a_foreign_task_as_in_asyncio(run: Driver) -> None:
    task = asyncio.create_task(forever())
    g = go(awaiting, task)
    await settle()
    assert await cancelled(g)
    assert task.cancelled(), "awaiting a task hands the cancel on to it"


async def test_exception_of_the_cleanup_replaces_the_cancel(run: Driver) -> None:
    async def body() -> None:
        try:
            await forever()
        finally:
            raise ValueError("in cleanup")

    g = go(body)
    await settle()
    g.cancel()
    with pytest.raises(ValueError, match="in cleanup") as caught:
        await g
    assert isinstance(caught.value.__context__, asyncio.CancelledError)
    assert not g.cancelled()


# ── goexit ──


async def test_goexit_ends_the_goroutine_and_whoever_awaits_it_gets_none(run: Driver) -> None:
    cleaned = []

    def deep_down() -> None:
        goexit()

    async def body() -> str:
        try:
            deep_down()
        except Exception:
            cleaned.append("not an error")
        finally:
            cleaned.append("finally")
        return "never"

    g = go(body)
    assert await g is None
    assert cleaned == ["finally"]
    assert g.exited
    assert g.exception() is None
    assert not g.cancelled()
    assert not go(give).exited


# ── contextvars ──

var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="none")


async def test_goroutine_has_a_copy_of_the_context_of_its_go(run: Driver) -> None:
    seen = []

    async def body(own: str) -> None:
        seen.append(var.get())
        var.set(own)
        await gosched()
        seen.append(var.get())
        await chan(1).send(1)
        await turn()
        seen.append(var.get())

    var.set("outer")
    first = go(body, "first")
    var.set("changed after go")
    second = go(body, "second")
    await first
    await second
    assert seen == ["outer", "changed after go", "first", "second", "first", "second"]
    assert var.get() == "changed after go"
    assert first.get_context()[var] == "first"
    assert first.get_context() is not second.get_context()


async def test_go_with_a_context_runs_in_it(run: Driver) -> None:
    context = contextvars.copy_context()

    async def body() -> str:
        var.set("set inside")
        return var.get()

    assert await go.options(context=context)(body) == "set inside"
    assert context[var] == "set inside"
    assert var.get() == "none"


async def test_wake_ups_do_not_carry_the_context_of_who_wakes(drive: Driver) -> None:
    ch = chan()

    async def receiver() -> str:
        var.set("receiver")
        await ch.recv()
        return var.get()

    async def sender() -> str:
        var.set("sender")
        await ch.send(1)
        return var.get()

    handles = [drive.spawn(receiver), drive.spawn(sender)]
    assert [await handle for handle in handles] == ["receiver", "sender"]
    assert var.get() == "none"


async def test_value_of_a_context_variable_dies_with_its_goroutine(run: Driver) -> None:
    class Secret(str):
        __slots__ = ("__weakref__",)

    async def body() -> weakref.ref[Secret]:
        secret = Secret("s")
        var.set(secret)
        await gosched()
        return weakref.ref(secret)

    g = go(body)
    ref = await g
    del g
    await settle()
    gc.collect()
    assert ref() is None


# ── asyncio inside a goroutine ──


async def test_current_task_is_the_goroutine_and_is_given_back_around_others(run: Driver) -> None:
    def now() -> Any:
        return asyncio.current_task()

    async def task() -> None:
        me = asyncio.current_task()
        assert isinstance(me, asyncio.Task)
        for _ in range(3):
            await gosched()
            assert now() is me
            await asyncio.sleep(0)
            assert now() is me

    async def body() -> None:
        me = current_goroutine()
        tasks = [asyncio.create_task(task()) for _ in range(3)]
        for _ in range(5):
            assert now() is me
            await asyncio.sleep(0)
            assert now() is me
            await gosched()
        for other in tasks:
            await other
            assert now() is me

    for g in [go(body) for _ in range(3)]:
        await g
    seen = []
    asyncio.get_running_loop().call_soon(lambda: seen.append(now()))
    await turn()
    assert seen == [None]


async def test_futures_coroutines_and_tasks_can_be_awaited(run: Driver) -> None:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(future.set_result, "future")
    assert await go(awaiting, future) == "future"
    assert await go(awaiting, asyncio.create_task(give("task"))) == "task"
    assert await go(awaiting, give("coroutine")) == "coroutine"
    failed = loop.create_future()
    failed.set_exception(LookupError("x"))
    with pytest.raises(LookupError):
        await go(awaiting, failed)
    gone = loop.create_future()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await go(awaiting, gone)


async def test_gather_wait_and_as_completed_take_goroutines_and_ops(run: Driver) -> None:
    ch = chan(2)
    results: Any = await asyncio.gather(go(give, 1), give(2), asyncio.create_task(give(3)), ch.send(4))
    assert results == [1, 2, 3, False]
    results = await asyncio.gather(go(fail, ValueError("x")), go(give, 1), return_exceptions=True)
    assert isinstance(results[0], ValueError)
    assert results[1] == 1
    quick, slow = go(give, "quick"), go(forever)
    both: Any = [quick, slow]
    done, pending = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    assert (done, pending) == ({quick}, {slow})
    assert await cancelled(slow)
    gs = [go(give, i) for i in range(3)]
    assert sorted([await completed for completed in asyncio.as_completed(gs)]) == [0, 1, 2]


async def test_cancelled_gather_cancels_its_goroutines(run: Driver) -> None:
    gs = [go(forever) for _ in range(3)]
    gathering = asyncio.gather(*gs)
    await settle()
    gathering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gathering
    assert all(g.cancelled() for g in gs)


async def test_timeout_ends_a_wait_and_only_that(virtual: Driver) -> None:
    loop = asyncio.get_running_loop()
    ch = chan()
    for wait in (ch.recv, forever, lambda: asyncio.sleep(LONG), lambda: select(ch.recv()), lambda: sleep(LONG)):
        started = loop.time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0):
                await wait()
        assert loop.time() == started + 2.0
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wait(), 3.0)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await sleep(1.0)
    async with asyncio.timeout(2.0):
        await sleep(1.0)
    assert waiting(ch) == (0, 0)


# What wait_for() does to a goroutine that is late depends on Python: 3.11 cancels it, later ones only stop waiting.
async def test_goroutine_in_a_shield_outlives_the_timeout(virtual: Driver) -> None:
    g = go(forever)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(g), 1.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await g
    assert not g.done()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(g, 1.0)
    assert await cancelled(g)


async def test_task_group_inside_a_goroutine_waits_for_all_and_cancels_on_failure(run: Driver) -> None:
    async def body() -> Any:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(give(1))
            second = group.create_task(give(2))
        return first.result() + second.result()

    assert await go(body) == 3
    cancelled_siblings = []

    async def sibling() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            cancelled_siblings.append(1)
            raise

    async def failing() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(sibling())
            await turn()
            group.create_task(fail(ValueError("x")))
            await forever()

    with pytest.raises(ExceptionGroup) as caught:
        await go(failing)
    assert [type(exc) for exc in caught.value.exceptions] == [ValueError]
    assert cancelled_siblings == [1]


async def test_asyncio_queues_locks_and_events_work_between_goroutines_and_tasks(spawn: Spawn) -> None:
    queue: asyncio.Queue[int | None] = asyncio.Queue(2)
    lock, event = asyncio.Lock(), asyncio.Event()
    got: list[int] = []
    holders = 0

    async def produce() -> None:
        await event.wait()
        for i in range(20):
            await queue.put(i)
        await queue.put(None)

    async def consume() -> None:
        nonlocal holders
        while (item := await queue.get()) is not None:
            async with lock:
                holders += 1
                assert holders == 1
                await asyncio.sleep(0)
                got.append(item)
                holders -= 1

    workers = [spawn(produce) for _ in range(3)] + [spawn(consume) for _ in range(3)]
    await settle()
    assert got == []
    event.set()
    for worker in workers:
        await worker
    assert sorted(got) == sorted([*range(20)] * 3)


async def test_to_thread_runs_elsewhere_with_the_context_of_the_goroutine(run: Driver) -> None:
    async def body() -> Any:
        var.set("from the goroutine")
        return await asyncio.to_thread(lambda: (threading.get_ident(), var.get()))

    ident, value = await go(body)
    assert ident != threading.get_ident()
    assert value == "from the goroutine"


async def test_result_of_another_thread_wakes_a_goroutine(run: Driver) -> None:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    g = go(awaiting, future)
    await settle()
    there = threading.Thread(target=loop.call_soon_threadsafe, args=(future.set_result, 5))
    there.start()
    assert await g == 5
    there.join()


async def test_cancel_from_another_thread_reaches_the_goroutine(run: Driver) -> None:
    g = go(forever)
    await settle()
    there = threading.Thread(target=g.cancel, args=("from elsewhere",))
    there.start()
    with pytest.raises(asyncio.CancelledError):
        await g
    there.join()


async def test_async_generators_and_context_managers_work_across_waits(run: Driver) -> None:
    ch = chan()

    async def doubled() -> Any:
        try:
            async for value in ch:
                yield 2 * value
        finally:
            await gosched()
            ended.append(1)

    async def body() -> list[int]:
        return [value async for value in doubled()]

    ended: list[int] = []
    g = go(body)
    for i in range(3):
        await ch.send(i)
    ch.close()
    assert await g == [0, 2, 4]
    assert ended == [1]


# ── whose loop it is ──


@pytest.mark.parametrize(
    ("how", "loop"),
    [
        ("asyncio.run", "asyncio"),
        ("uvloop.run", "uvloop"),
        ("Runner", "asyncio"),
        ("Runner", "uvloop"),
        ("run_until_complete", "asyncio"),
        ("run_until_complete", "uvloop"),
        ("goish.run", "asyncio"),
        ("goish.run", "uvloop"),
    ],
)
def test_go_works_however_the_loop_was_started(how: str, loop: str) -> None:
    async def main() -> int:
        ch = chan()
        go(ch_send, ch, 1)
        received: int = await ch.recv()
        given: int = await go(give, 1)
        return received + given

    async def ch_send(ch: Any, value: int) -> None:
        await ch.send(value)

    if how == "goish.run":
        result = goish.run(main, loop=LOOPS[loop])
    elif how == "asyncio.run":
        result = asyncio.run(main())
    elif how == "uvloop.run":
        result = uvloop.run(main())
    else:
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            if how == "run_until_complete":
                result = runner.get_loop().run_until_complete(main())
            else:
                result = runner.run(main())
                result = runner.run(main())
    assert result == 2


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_end_of_a_foreign_loop_reaches_the_goroutines(loop: str) -> None:
    ended = []

    async def body() -> None:
        try:
            await forever()
        finally:
            ended.append(1)

    async def main() -> None:
        go(body)
        await settle()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())
    assert ended == [1]
    assert num_goroutine() == 0


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_goroutine_that_never_ran_does_not_outlive_a_foreign_loop(loop: str) -> None:
    async def main() -> None:
        go(forever)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())
    assert num_goroutine() == 0


# ── gosched ──


async def test_gosched_goes_to_the_end_of_the_queue(run: Driver) -> None:
    order = []

    async def body(name: str) -> None:
        for i in range(3):
            order.append(f"{name}{i}")
            await gosched()

    for g in [go(body, name) for name in "abc"]:
        await g
    assert order == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]


async def test_spinning_goroutines_let_timers_and_tasks_run(run: Driver) -> None:
    stop = False

    async def spin() -> None:
        while not stop:
            await gosched()

    async def hot() -> None:
        ch = chan(1)
        while not stop:
            await ch.send(1)
            await ch.recv()

    spinners = [go(spin), go(spin), go(hot)]
    await asyncio.create_task(asyncio.sleep(0.001))
    await sleep(0.001)
    stop = True
    for spinner in spinners:
        await spinner


# ── WaitGroup ──


async def test_wait_returns_when_the_counter_is_back_at_zero_again_and_again(spawn: Spawn) -> None:
    first, second = WaitGroup(), WaitGroup()
    n = 16
    for _ in range(8):
        exited = chan(n)
        first.add(n)
        second.add(n)

        async def worker(exited: Any = exited) -> None:
            first.done()
            await second.wait()
            await exited.send(True)

        workers = [spawn(worker) for _ in range(n)]
        await first.wait()
        for _ in range(n):
            assert not exited.try_recv_ok(), "released too early"
            second.done()
        for _ in range(n):
            assert await exited.recv()
        for handle in workers:
            await handle


async def test_wait_of_an_idle_group_returns_at_once(run: Driver) -> None:
    await WaitGroup().wait()


async def test_wait_sees_what_was_done_before_done(run: Driver) -> None:
    for _ in range(1000):
        wg = WaitGroup()
        n: list[int] = []

        async def work(wg: WaitGroup = wg, n: list[int] = n) -> None:
            n.append(1)
            wg.done()

        wg.add(1)
        go(work)
        wg.add(1)
        go(work)
        await wg.wait()
        assert n == [1, 1]


async def test_wait_group_counts_its_goroutines_whatever_their_end(run: Driver) -> None:
    wg = WaitGroup()
    g = wg.go(give, 5)
    exited = wg.go(exiting)
    stopped = wg.go(forever)
    failed = wg.go(fail, ValueError("seen below"))
    assert wg.count == 4
    assert isinstance(g, Goroutine)
    stopped.cancel()
    await wg.wait()
    assert wg.count == 0
    assert await g == 5
    assert await exited is None
    with pytest.raises(ValueError, match="seen below"):
        await failed
    assert stopped.cancelled()


async def exiting() -> Any:
    goexit()


def test_panic_in_a_goroutine_of_a_wait_group_does_not_release_wait(
    run: Driver, capfd: pytest.CaptureFixture[str]
) -> None:
    released = []

    async def main() -> None:
        wg = WaitGroup()
        wg.go(fail, ValueError("x"))
        await wg.wait()
        released.append(1)

    with pytest.raises(goish.Panic):
        run(main)
    assert released == []
    assert "panic: ValueError: x" in capfd.readouterr().err


def test_panic_that_is_only_logged_counts_as_an_end(run: Driver, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        wg = WaitGroup()
        wg.go(fail, ValueError("x"))
        await wg.wait()

    run(main, on_panic="log")
    assert "panicked" in caplog.text


async def test_many_may_wait_for_one_group(spawn: Spawn) -> None:
    wg = busy_wait_group()
    waiters = [spawn(awaiting, wg.wait()) for _ in range(10)]
    await settle()
    assert not any(waiter.done() for waiter in waiters)
    wg.done()
    for waiter in waiters:
        await waiter


async def test_cancelled_wait_leaves_the_counter(spawn: Spawn) -> None:
    wg = busy_wait_group()
    stopped, other = spawn(awaiting, wg.wait()), spawn(awaiting, wg.wait())
    await settle()
    stopped.cancel()
    await settle()
    assert stopped.cancelled()
    assert wg.count == 1
    assert not other.done()
    wg.done()
    await other


async def test_counter_below_zero_is_refused_and_harms_nobody(spawn: Spawn) -> None:
    wg = busy_wait_group()
    waiter = spawn(awaiting, wg.wait())
    await settle()
    with pytest.raises(ValueError, match="negative WaitGroup counter"):
        wg.add(-2)
    await settle()
    assert not waiter.done()
    wg.done()
    await waiter
    with pytest.raises(ValueError, match="negative WaitGroup counter"):
        wg.done()


async def test_group_may_be_done_from_other_threads(run: Driver) -> None:
    wg = WaitGroup()
    wg.add(8 * 100)

    def work() -> None:
        for _ in range(100):
            wg.done()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    await wg.wait()
    assert wg.count == 0
    for thread in threads:
        thread.join()


# ── sleep ──


async def test_sleepers_wake_in_the_order_of_their_deadlines(virtual: Driver, rng: Any) -> None:
    loop = asyncio.get_running_loop()
    delays = [rng.randrange(1, 50) / 8 for _ in range(200)]
    woken: list[tuple[float, int]] = []
    started = loop.time()

    async def sleeper(i: int, delay: float) -> None:
        await sleep(delay)
        woken.append((loop.time() - started, i))

    for handle in [virtual.spawn(sleeper, i, delay) for i, delay in enumerate(delays)]:
        await handle
    assert [at for at, _ in woken] == sorted(delays)
    assert sorted(woken) == sorted((delay, i) for i, delay in enumerate(delays))


async def test_equal_deadlines_wake_in_the_order_they_were_set(virtual: Driver) -> None:
    woken = []

    async def sleeper(i: int) -> None:
        await sleep(1.0)
        woken.append(i)

    for g in [go(sleeper, i) for i in range(50)]:
        await g
    assert woken == list(range(50))


@pytest.mark.parametrize("seconds", [0, 0.0, -1.0, float("-inf")])
async def test_sleep_of_nothing_lets_the_others_run(run: Driver, seconds: float) -> None:
    order = []

    async def other() -> None:
        order.append("other")

    go(other)
    await sleep(seconds)
    order.append("sleeper")
    assert order == ["other", "sleeper"]


async def test_sleep_is_never_shorter_than_told(run: Driver) -> None:
    for seconds in (0.0001, 0.0015, 0.003):
        started = time.monotonic()
        await sleep(seconds)
        assert time.monotonic() - started >= seconds


async def test_cancelled_sleepers_leave_the_others_in_order(virtual: Driver, rng: Any) -> None:
    woken = []

    async def sleeper(delay: int) -> None:
        await sleep(delay)
        woken.append(delay)

    delays = list(range(1, 201))
    rng.shuffle(delays)
    sleepers = {delay: go(sleeper, delay) for delay in delays}
    await settle()
    stopped = set(rng.sample(delays, 100))
    for delay in stopped:
        sleepers[delay].cancel()
    for g in sleepers.values():
        await outcome(g)
    assert woken == sorted(set(delays) - stopped)


async def test_sleep_for_ever_can_be_cancelled(run: Driver) -> None:
    g = go(awaiting, sleep(float("inf")))
    await settle()
    assert g.wait_reason == "sleep"
    assert await cancelled(g)


# ── counting cancels ──


async def test_cancels_are_counted_without_wrapping_round(run: Driver) -> None:
    """However many: a goroutine that was asked to end never looks as if it had not been."""
    g = go(forever)
    for _ in range(65_536):
        assert g.cancel()
    assert g.cancelling() >= 65_535
    assert g.cancel()
    assert g.cancelling() >= 65_535
    assert await outcome(g) is asyncio.CancelledError
