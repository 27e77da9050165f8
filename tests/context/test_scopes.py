"""Blocks and bound goroutines: contexts and asyncio's cancels, both ways, and each takes back its own."""

from __future__ import annotations

import asyncio
import gc
import io
import random
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from helpers import outcome, settle, until, waiting
from parties import PATIENCE
from parties import until as until_here

import goish
from goish import CancelToken, chan, check_cancel, context, go, go_thread, gosched, run, sleep
from goish._context import scope as scopes
from goish.context import Context
from goish.errors import Canceled, DeadlineExceeded

Spawn = Callable[..., Any]


class Boom(Exception):
    pass


async def for_ever() -> None:
    await chan().recv()


# ── bound goroutines ──


@pytest.mark.parametrize("why", [None, "shutdown", Boom("boom")])
async def test_a_cancel_of_its_context_cancels_a_goroutine_and_says_why(drive: Any, why: Any) -> None:
    ctx, cancel = context.with_cancel_cause(context.background())
    g = go.options(ctx=ctx)(for_ever)
    await settle()
    cancel(why)
    with pytest.raises(asyncio.CancelledError) as caught:
        await g
    assert caught.value.args == ("context canceled" if why is None else why,)
    assert g.cancelled() and g.cancelling() == 1


async def test_a_goroutine_of_a_context_that_is_over_never_begins(spawn: Spawn) -> None:
    ctx, cancel = context.with_cancel(context.background())
    cancel("before")
    begun: list[int] = []

    async def begin() -> None:
        begun.append(1)

    g = go.options(ctx=ctx)(begin)
    h = go_thread.options(ctx=ctx)(begun.append, 2)
    k = go_thread.options(ctx=ctx)(begin)
    coro = go_thread.options(ctx=ctx)(begin())
    for each in (g, h, k, coro):
        with pytest.raises(asyncio.CancelledError, match="before"):
            await each
    assert not begun


async def test_the_end_of_a_goroutine_undoes_its_binding(spawn: Spawn) -> None:
    ctx, cancel = context.with_cancel(context.background())
    ended: list[weakref.ref[Any]] = []

    async def fail() -> None:
        raise Boom

    async def quick() -> None:
        await gosched()

    for fn in (quick, fail, quick):
        g = go.options(ctx=ctx)(fn)
        ended.append(weakref.ref(g))
        await outcome(g)
        h = go_thread.options(ctx=ctx)(fn)
        ended.append(weakref.ref(h))
        await outcome(h)
        k = go_thread.options(ctx=ctx)(int)
        ended.append(weakref.ref(k))
        await k
    del g, h, k
    await settle()
    gc.collect()
    await asyncio.sleep(0)
    until_gone = [ref for ref in ended if ref() is not None]
    assert until_gone == [] or await _gone(ended)
    cancel()


async def _gone(ended: list[weakref.ref[Any]]) -> bool:
    """A worker lets go of its last call a moment later."""
    for _ in range(1000):
        await asyncio.sleep(0.001)
        gc.collect()
        if all(ref() is None for ref in ended):
            return True
    return False


async def test_the_context_is_in_force_in_the_goroutine_and_what_it_starts(spawn: Spawn) -> None:
    ctx = context.with_value(context.background(), "user", "ann")
    other = context.with_value(ctx, "user", "bob")

    async def see() -> tuple[Any, ...]:
        async def inner() -> Any:
            return context.current().value("user")

        return (
            context.current() is ctx,
            await go(inner),
            await asyncio.create_task(inner()),
            await go_thread(lambda: context.current().value("user")),
            await go_thread(inner),
            await go.options(ctx=other)(inner),
        )

    assert await go.options(ctx=ctx)(see) == (True, "ann", "ann", "ann", "ann", "bob")
    assert await go_thread.options(ctx=ctx)(lambda: context.current()) is ctx
    assert context.current() is context.background()


async def test_a_call_on_a_worker_is_woken_where_it_blocks(spawn: Spawn) -> None:
    ctx, cancel = context.with_cancel(context.background())
    ready: goish.Chan[str] = chan(10)

    def block() -> None:
        ready.try_send("block")
        chan().recv_blocking()

    async def wait() -> None:
        await ready.send("wait")
        await chan().recv()

    calls = [go_thread.options(ctx=ctx)(fn) for fn in (block, wait)]
    for _ in calls:
        await ready.recv()
    cancel("stop")
    for call in calls:
        with pytest.raises(asyncio.CancelledError, match="stop"):
            await call


def test_check_cancel_sees_the_current_context(two_workers: None) -> None:
    ctx, _ = context.with_timeout(context.background(), 0.01)
    begun = threading.Event()

    def compute() -> None:
        begun.set()
        while True:
            check_cancel()

    with pytest.raises(asyncio.CancelledError, match="context deadline exceeded"):
        go_thread.options(ctx=ctx)(compute).result_blocking(PATIENCE)

    def below() -> Any:
        return go_thread(compute).result_blocking(PATIENCE)  # bound to nothing, but the context goes along

    token = CancelToken()
    outer = go_thread.options(ctx=token)(go_thread, compute)
    inner = outer.result_blocking(PATIENCE)
    token.cancel("enough")
    with pytest.raises(asyncio.CancelledError, match="enough"):
        inner.result_blocking(PATIENCE)
    check_cancel()


async def test_options_refuse_what_is_no_context() -> None:
    import contextvars

    for verb in (go, go_thread):
        with pytest.raises(TypeError, match=r"ctx is a goish\.context\.Context, got 5 of type int"):
            verb.options(ctx=5)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"a contextvars\.Context is given as context="):
            verb.options(ctx=contextvars.copy_context())  # type: ignore[arg-type]


async def test_a_context_and_contextvars_together(spawn: Spawn) -> None:
    import contextvars

    var: contextvars.ContextVar[str] = contextvars.ContextVar("var")
    given = contextvars.copy_context()
    given.run(var.set, "given")
    ctx = context.with_value(context.background(), "key", "value")

    async def see() -> tuple[str, Any]:
        return var.get(), context.current().value("key")

    assert await go.options(ctx=ctx, context=given)(see) == ("given", "value")


async def test_a_cancel_from_another_thread_reaches_the_goroutine(spawn: Spawn) -> None:
    ctx, cancel = context.with_cancel(context.background())
    g = go.options(ctx=ctx)(for_ever)
    await gosched()
    threading.Thread(target=cancel, args=("from a thread",)).start()
    with pytest.raises(asyncio.CancelledError, match="from a thread"):
        await g


async def test_a_deadline_cancels_a_goroutine_and_asyncio_does_not_take_it_for_its_own(virtual: Any) -> None:
    """The count of cancels is right: asyncio.timeout in the goroutine sees a cancel that is not its own."""
    ctx, _ = context.with_timeout(context.background(), 1)
    seen: list[str] = []

    async def work() -> None:
        try:
            async with asyncio.timeout(100):
                await for_ever()
        except TimeoutError:
            seen.append("TimeoutError")
        except asyncio.CancelledError:
            seen.append("CancelledError")
            raise

    g = go.options(ctx=ctx)(work)
    assert await outcome(g) is asyncio.CancelledError
    assert seen == ["CancelledError"] and type(ctx.err()) is DeadlineExceeded


# ── blocks ──


async def test_a_cancel_leaves_the_block_as_an_error_with_its_cause(spawn: Spawn) -> None:
    async def work(ctx: Context) -> str:
        task = asyncio.current_task()
        assert task is not None
        block = ctx.scope()
        with pytest.raises(Canceled) as caught:
            await cut_off(block)
        assert block.cancelled_caught and task.cancelling() == 0
        assert context.current() is context.background()
        assert isinstance(caught.value.__cause__, Boom)
        await asyncio.sleep(0)
        await gosched()
        return "went on"

    ctx, cancel = context.with_cancel(context.background())
    worker = spawn(work, ctx)
    await settle()
    cancel(Boom("why"))
    assert await worker == "went on"


async def test_fail_after_raises_and_move_on_after_does_not(virtual: Any) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    with pytest.raises(DeadlineExceeded) as caught:
        async with context.fail_after(1) as block:
            await for_ever()
    assert loop.time() == start + 1 and block.cancelled_caught and isinstance(caught.value, TimeoutError)
    async with context.move_on_after(1) as block:
        await for_ever()
    assert loop.time() == start + 2 and block.cancelled_caught
    with pytest.raises(TimeoutError):
        async with context.fail_at(start + 3):
            await for_ever()
    async with context.move_on_at(start + 4):
        await for_ever()
    assert loop.time() == start + 4
    async with context.fail_after(1) as block:
        await sleep(0.5)
    assert not block.cancelled_caught and type(block.ctx.err()) is Canceled
    async with context.fail_after(None) as block:
        assert block.ctx.deadline() is None
    await sleep(10)


async def test_the_inner_block_or_the_outer_one(virtual: Any) -> None:
    """The cancel belongs to the block whose context it is, however they are nested; the count ends at zero."""
    task = asyncio.current_task()
    assert task is not None
    for inner, outer in ((1, 5), (5, 1), (1, 1)):
        seen = []
        try:
            async with context.fail_after(outer):
                try:
                    async with context.fail_after(inner):
                        await for_ever()
                except DeadlineExceeded:
                    seen.append("inner")
                    await for_ever()
        except DeadlineExceeded:
            seen.append("outer")
        assert seen == (["outer"] if outer <= inner else ["inner", "outer"])
        assert task.cancelling() == 0
        await gosched()


@pytest.mark.parametrize("first", ["goish", "asyncio"])
@pytest.mark.parametrize("outside", ["goish", "asyncio"])
async def test_blocks_nest_with_asyncio_timeout(virtual: Any, first: str, outside: str) -> None:
    task = asyncio.current_task()
    assert task is not None
    times = {"goish": 1 if first == "goish" else 5, "asyncio": 1 if first == "asyncio" else 5}
    blocks = {"goish": lambda: context.fail_after(times["goish"]), "asyncio": lambda: asyncio.timeout(times["asyncio"])}
    inside = "asyncio" if outside == "goish" else "goish"
    seen: list[str] = []
    try:
        async with blocks[outside]():
            try:
                async with blocks[inside]():
                    await for_ever()
            except TimeoutError:
                seen.append(inside)
    except TimeoutError:
        seen.append(outside)
    assert seen == [first]
    assert task.cancelling() == 0
    await sleep(10)


async def test_a_task_group_in_a_block(virtual: Any) -> None:
    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(DeadlineExceeded):
        async with context.fail_after(1), asyncio.TaskGroup() as group:
            group.create_task(for_ever())
    assert task.cancelling() == 0
    with pytest.raises(ExceptionGroup) as caught:
        await group_with(_fail)
    assert [type(error) for error in caught.value.exceptions] == [Boom]
    await sleep(10)


async def _fail() -> None:
    raise Boom


async def cut_off(block: Any) -> None:
    async with block:
        await for_ever()


async def group_with(fn: Callable[[], Any]) -> None:
    async with context.fail_after(5), asyncio.TaskGroup() as group:
        group.create_task(for_ever())
        group.create_task(fn())


async def test_a_cancel_of_the_task_is_not_the_blocks(spawn: Spawn) -> None:
    seen: list[object] = []

    async def work() -> None:
        try:
            async with context.fail_after(60) as block:
                await for_ever()
        finally:
            seen.extend([block.cancelled_caught, type(block.ctx.err()), str(block.ctx.cause())])

    worker = spawn(work)
    await settle()
    worker.cancel("from outside")
    assert await outcome(worker) is asyncio.CancelledError
    assert seen == [False, Canceled, "from outside"]


async def test_both_at_once_end_the_task(spawn: Spawn) -> None:
    """Its own cancel and one from outside in the same turn: the block takes back its own, and the task is cancelled."""
    blocks: list[Any] = []

    async def work() -> None:
        async with context.scope() as block:
            blocks.append(block)
            await for_ever()

    for order in (0, 1):
        worker = spawn(work)
        await settle()
        acts = [lambda worker=worker: worker.cancel(), lambda: blocks[-1].cancel()]
        for act in acts if order else reversed(acts):
            act()
        assert await outcome(worker) is asyncio.CancelledError


async def test_what_is_started_under_a_block_ends_with_it(spawn: Spawn) -> None:
    for ends in ("left", "failed", "cancelled", "timeout"):
        started: list[Any] = []

        async def work(ends: str = ends, started: list[Any] = started) -> None:
            async with context.scope() as block:
                started.append(go.options(ctx=block.ctx)(for_ever))
                await settle()
                if ends == "failed":
                    raise Boom
                if ends == "timeout":
                    async with asyncio.timeout(0.001):
                        await for_ever()
                if ends == "cancelled":
                    await for_ever()

        worker = spawn(work)
        if ends == "cancelled":
            await until(lambda started=started: started and started[0].state == "waiting")
            worker.cancel()
        await outcome(worker)
        assert await outcome(started[0]) is asyncio.CancelledError


async def test_a_block_whose_context_is_over_is_left_at_its_first_wait(spawn: Spawn) -> None:
    ctx, cancel = context.with_cancel(context.background())
    cancel()
    with pytest.raises(Canceled):
        await cut_off(ctx.scope())
    async with context.move_on_after(0):
        await for_ever()


async def test_a_cancel_that_finds_no_wait_leaves_nothing_behind(spawn: Spawn) -> None:
    """On Python 3.11 and 3.12 a task's uncancel() alone would leave the cancel to its next await."""
    for _ in range(3):
        async with context.scope() as block:
            block.cancel()
        assert not block.cancelled_caught
        await asyncio.sleep(0)
        await gosched()
        await settle(1)


async def test_an_operation_that_happened_is_not_undone_by_a_block(spawn: Spawn) -> None:
    ch: goish.Chan[int] = chan()
    got: list[int] = []

    async def receive() -> str:
        try:
            async with context.scope() as block:
                blocks.append(block)
                got.append(await ch.recv())
                await for_ever()
        except Canceled:
            return "cancelled"
        return "not cancelled"

    blocks: list[Any] = []
    receiver = spawn(receive)
    await settle()
    assert ch.try_send(1)
    blocks[0].cancel()
    assert await receiver == "cancelled" and got == [1]


async def test_a_cancel_from_a_thread_that_comes_after_the_end_is_lost(spawn: Spawn) -> None:
    for _ in range(20):
        ctx, cancel = context.with_cancel(context.background())
        thread = threading.Thread(target=cancel)
        try:
            async with ctx.scope():
                thread.start()
                await gosched()
        except Canceled:
            pass
        await settle(2)
        thread.join(PATIENCE)
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0


# ── shields ──


async def test_a_shield_holds_back_blocks_and_bindings_until_it_is_left(spawn: Spawn) -> None:
    log: list[str] = []
    ctx, cancel = context.with_cancel(context.background())

    async def work() -> None:
        async with context.shield():
            assert context.current().err() is None and context.current().value("key") == 1
            log.append("in")
            await settle()
            check_cancel()
            log.append("cleaned up")
        log.append("left")
        await for_ever()

    async def in_a_block() -> None:
        async with context.with_value(ctx, "key", 1).scope():
            await work()

    bound = go.options(ctx=context.with_value(ctx, "key", 1))(work)
    block = spawn(in_a_block)
    await until(lambda: log == ["in", "in"])
    cancel("now")
    with pytest.raises(asyncio.CancelledError, match="now"):
        await bound
    with pytest.raises(Canceled):
        await block
    assert sorted(log) == sorted(["in", "cleaned up", "left"] * 2)


async def clean_up_within_a_shield(log: list[str]) -> None:
    async with context.shield():
        await settle()
        log.append("cleaned up")
    await for_ever()


async def test_a_shield_holds_back_a_cancel_that_is_due_already(spawn: Spawn) -> None:
    log: list[str] = []

    async def too_late() -> None:
        async with context.fail_after(0):
            await clean_up_within_a_shield(log)

    async def cancel_itself() -> None:
        async with context.scope() as outer, context.scope():
            outer.cancel()
            await clean_up_within_a_shield(log)

    assert await outcome(spawn(too_late)) is DeadlineExceeded
    assert await outcome(spawn(cancel_itself)) is Canceled
    assert log == ["cleaned up"] * 2


async def test_a_shield_holds_back_a_binding_whose_cancel_is_due_already() -> None:
    log: list[str] = []
    ctx, cancel = context.with_cancel(context.background())

    async def cancel_itself() -> None:
        cancel("enough")
        await clean_up_within_a_shield(log)

    with pytest.raises(asyncio.CancelledError, match="enough"):
        await go.options(ctx=ctx)(cancel_itself)
    assert log == ["cleaned up"]


async def test_a_shield_holds_back_a_cancel_that_came_with_a_value(spawn: Spawn) -> None:
    log: list[str] = []
    values = chan()
    ctx, cancel = context.with_cancel(context.background())

    async def work() -> None:
        async with ctx.scope():
            log.append(await values.recv())
            await clean_up_within_a_shield(log)

    worker = spawn(work)
    await until(lambda: waiting(values) == (0, 1))
    values.try_send("value")
    cancel()
    assert await outcome(worker) is Canceled
    assert log == ["value", "cleaned up"]


async def test_a_shield_does_not_hold_back_a_cancel_of_the_task_itself(spawn: Spawn) -> None:
    log: list[str] = []
    tasks: list[Any] = []

    async def work() -> None:
        async with context.scope() as block:
            block.cancel()
            tasks[0].cancel("myself")
            await clean_up_within_a_shield(log)

    tasks.append(spawn(work))
    assert await outcome(tasks[0]) is asyncio.CancelledError
    assert log == []


async def test_a_time_limit_within_a_shield_holds(virtual: Any) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()

    async def clean_up() -> None:
        async with context.fail_after(1):
            async with context.shield():
                async with context.move_on_after(5) as cleaning:
                    await for_ever()
                assert loop.time() == start + 5 and cleaning.cancelled_caught
                async with asyncio.timeout(1):
                    await sleep(0.5)
            await for_ever()

    assert await outcome(clean_up()) is DeadlineExceeded
    assert loop.time() == start + 5.5


async def test_shields_nest(virtual: Any) -> None:
    async def clean_up() -> None:
        async with context.fail_after(1):
            async with context.shield(), context.shield():
                await sleep(2)
            await for_ever()

    assert await outcome(clean_up()) is DeadlineExceeded


# ── on workers ──


def test_a_block_in_a_call_on_a_worker(two_workers: None) -> None:
    def work() -> str:
        with context.move_on_after(0.01) as block:
            chan().recv_blocking()
        assert block.cancelled_caught
        try:
            with context.fail_after(0.01):
                chan().recv_blocking()
        except DeadlineExceeded:
            pass
        with context.fail_after(60):
            pass
        check_cancel()
        return "went on"

    assert go_thread(work).result_blocking(PATIENCE) == "went on"


def test_a_block_needs_a_task() -> None:
    with pytest.raises(RuntimeError, match="this code runs in none"):
        with context.fail_after(1):
            pass
    with pytest.raises(RuntimeError, match="this code runs in none"):
        with context.shield():
            pass


async def test_a_block_is_entered_once(spawn: Spawn) -> None:
    block = context.fail_after(60)
    with pytest.raises(RuntimeError, match="from when it is entered"):
        _ = block.ctx
    with pytest.raises(RuntimeError, match="from when it is entered"):
        block.cancel()
    async with block:
        with pytest.raises(RuntimeError, match="a block is entered once"):
            block.__enter__()
    for junk in ("1", [], True):
        for make in (context.fail_after, context.move_on_after, context.fail_at, context.move_on_at):
            with pytest.raises(TypeError, match=r"takes a number of seconds or None, got"):
                make(junk)  # type: ignore[arg-type]
            with pytest.raises(ValueError, match="not NaN"):
                make(float("nan"))
    with pytest.raises(TypeError, match=r"a block is under a goish\.context\.Context, got 5"):
        context.scope(5)  # type: ignore[arg-type]


# ── dumps ──


async def test_a_dump_says_why_and_from_where_a_goroutine_was_cancelled(run: Any) -> None:
    ctx, cancel = context.with_cancel_cause(context.background())
    log: goish.Chan[str] = chan()

    async def linger() -> None:
        try:
            await for_ever()
        finally:
            await log.recv()

    g = go.options(ctx=ctx, name="lingers")(linger)
    other = go.options(name="other")(linger)
    await settle()
    cancel("the disk is full")
    other.cancel("by hand")
    await settle()
    out = io.StringIO()
    goish.debug.dump(out)
    dump = out.getvalue()
    for name, why in (("lingers", "the disk is full"), ("other", "by hand")):
        (part,) = [part for part in dump.split("\n\n") if name in part.splitlines()[0]]
        cancelled = part.split("  cancelled by ")[1].splitlines()[0]
        assert f"at {__file__}:" in cancelled and cancelled.endswith(f": {why}")
    await log.send("x")
    await log.send("x")
    await asyncio.wait([asyncio.ensure_future(g), asyncio.ensure_future(other)])


# ── storms ──


async def test_a_storm_of_cancels_on_blocks_leaves_the_counts_at_zero(spawn: Spawn, rng: random.Random) -> None:
    leaves: list[int] = []

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        for _ in range(15):
            try:
                async with context.fail_after(rng.random() / 500) as outer:
                    async with context.scope():
                        async with asyncio.timeout(rng.random() / 500):
                            if rng.random() < 0.3:
                                outer.cancel("by hand")
                            await chan().recv()
            except (TimeoutError, Canceled):
                pass
            leaves.append(task.cancelling())

    workers = [spawn(work) for _ in range(10)]
    for worker in workers:
        await worker
    assert leaves == [0] * 150


@pytest.mark.usefixtures("impatient_threads")
def test_bindings_come_and_go_while_other_threads_cancel(two_workers: None, rng: random.Random) -> None:
    async def main() -> None:
        for _ in range(30):
            ctx, cancel = context.with_cancel(context.background())
            thread = threading.Thread(target=lambda cancel=cancel: (time.sleep(rng.random() / 2000), cancel("x")))
            thread.start()
            bound = [go.options(ctx=ctx)(sleep_a_little, rng.random() / 1000) for _ in range(10)]
            bound += [go_thread.options(ctx=ctx)(chan().recv_blocking, rng.random() / 1000) for _ in range(3)]
            outcomes = {await outcome(g) for g in bound}
            assert outcomes <= {None, asyncio.CancelledError, TimeoutError}
            thread.join(PATIENCE)

    async def sleep_a_little(seconds: float) -> None:
        await sleep(seconds)

    run(main)
    until_here(lambda: goish.num_goroutine() == 0)


def test_a_cancel_that_has_begun_does_not_reach_what_comes_after_a_block_on_a_worker(monkeypatch: Any) -> None:
    begun, left = threading.Event(), threading.Event()

    def slow(ctx: Context) -> object:
        begun.set()
        left.wait(0.1)  # the block may end here, but does not
        return message(ctx)

    def work() -> str:
        with block:
            canceller.start()
            begun.wait()
        left.set()
        canceller.join()
        check_cancel()
        return "not cancelled"

    message = scopes.context_message
    monkeypatch.setattr(scopes, "context_message", slow)
    ctx, cancel = context.with_cancel(context.background())
    block = context.move_on_after(None, ctx=ctx)
    canceller = threading.Thread(target=cancel)
    assert go_thread(work).result_blocking() == "not cancelled"


@pytest.mark.parametrize("inner", [context.scope, lambda ctx: context.fail_after(None, ctx=ctx)])
async def test_a_cancel_of_an_inner_block_that_comes_while_the_outer_one_ends_is_not_left_behind(
    spawn: Spawn, inner: Callable[[Context], Any]
) -> None:
    """Up to Python 3.12 uncancel() does not take back a cancel that has come while the task ran."""
    outer, cancel_outer = context.with_cancel(context.background())
    ctx, cancel_inner = context.with_cancel(context.background())

    async def nested() -> None:
        async with outer.scope(), inner(ctx):
            try:
                await for_ever()
            finally:
                cancel_inner("inner")

    async def body() -> int:
        with pytest.raises(Canceled):
            await nested()
        for _ in range(3):
            await asyncio.sleep(0)
        return asyncio.current_task().cancelling()  # type: ignore[union-attr]

    task = spawn(body)
    await settle()
    cancel_outer("outer")
    assert await task == 0
