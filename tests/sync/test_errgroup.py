"""Groups: nothing outlives them, no failure is lost, no cancel is eaten, and no more live than the limit says.

The properties of Go's ``errgroup_test.go`` are among them; so are CPython's bugs with TaskGroup that a group must not
have.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import gc
import inspect
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from helpers import cancel_storm, fail, forever, give, outcome, settle, until
from hypothesis import given, settings
from hypothesis import strategies as st
from parties import PATIENCE

import goish
from goish import chan, go, go_thread, goexit, gosched, run
from goish.errgroup import Group, ResultGroup, go_scoped
from goish.errors import SyncOnLoop
from goish.parallel import adopt, set_default_executor, sync_scope
from goish.parallel import spawn as spawn_call

Spawn = Callable[..., Any]


async def fail_at_the_end(error: BaseException) -> None:
    try:
        await forever()
    finally:
        raise error


async def shut(group: Group) -> None:
    async with group:
        pass


# ── Go's tests ──


async def test_a_group_made_by_its_constructor_alone_is_valid() -> None:
    """TestZeroGroup: each wait gives the first error among those started, and None if there was none."""
    first, second = LookupError("1"), ValueError("2")
    for errors in ([], [None], [first], [first, None], [None, first], [first, second]):
        g = Group(errors="first", on_error="continue")
        for error in errors:
            await (g.go(give, None) if error is None else g.go(fail, error))
        try:
            await g.wait()
            caught = None
        except LookupError as exc:
            caught = exc
        assert caught is (first if first in errors else None)


async def test_the_first_error_is_raised_and_the_others_are_cancelled() -> None:
    g = Group(errors="first")
    waits = await g.go(forever)
    error = LookupError("1")
    await g.go(fail, error)
    with pytest.raises(LookupError) as caught:
        await g.wait()
    assert caught.value is error
    assert waits.cancelled()


@pytest.mark.parametrize(("limit", "started"), [(42, 42), (1, 1), (0, 0), (None, 50)])
async def test_try_go_starts_as_many_as_the_limit_says(limit: int | None, started: int) -> None:
    """TestTryGo."""
    g = Group(limit=limit)
    hold = chan()
    found = [g.try_go(wait_closed, hold) for _ in range(50)]
    assert sum(h is not None for h in found) == started
    hold.close()
    await g.wait()


async def wait_closed(ch: Any) -> None:
    await ch.recv_ok()


async def test_no_more_are_active_than_the_limit() -> None:
    """TestGoLimit: 1025 members, at most ten at a time."""
    active = most = 0

    async def work() -> None:
        nonlocal active, most
        active += 1
        most = max(most, active)
        await asyncio.sleep(0)
        active -= 1

    async with Group(limit=10) as g:
        for _ in range(1025):
            await g.go(work)
    assert (active, most) == (0, 10)


async def test_a_limit_of_zero_blocks_for_ever(spawn: Spawn) -> None:
    g = Group(limit=0)
    waiter = spawn(g.go, forever)
    await settle()
    assert not waiter.done()
    waiter.cancel()
    assert await outcome(waiter) is asyncio.CancelledError
    g.set_limit(1)
    await g.go(give, 1)
    await g.wait()


@pytest.mark.parametrize("limit", [0, 1])
@pytest.mark.parametrize("kind", ["go", "go under a context", "go_thread", "track"])
async def test_a_cancelled_group_lets_those_go_that_wait_for_a_slot(spawn: Spawn, limit: int, kind: str) -> None:
    """Also if no slot ever comes: the limit is 0, or a member takes its time to end."""
    g = Group(limit=limit)
    if kind == "go under a context":
        assert g.ctx.err() is None
    free = asyncio.Event()

    async def slow() -> None:
        try:
            await forever()
        finally:
            await free.wait()

    start: Callable[[], Any] = {"go_thread": lambda: g.go_thread(int), "track": lambda: g.track(give(1))}.get(
        kind, lambda: g.go(give(1))
    )
    if limit:
        await g.go(slow)
    waiters = [spawn(outcome, start()) for _ in range(3)]
    await settle()
    assert g.try_go(give, 1) is None
    assert not any(waiter.done() for waiter in waiters)
    g.cancel()
    assert [await waiter for waiter in waiters] == [RuntimeError] * 3
    assert await outcome(start()) is RuntimeError
    with pytest.raises(RuntimeError, match="takes no more members"):
        g.try_go(give(1))
    free.set()
    await g.wait()


async def test_a_group_that_has_ended_lets_those_go_that_wait_for_a_slot(spawn: Spawn) -> None:
    g = Group(limit=0)
    waiter = spawn(outcome, g.go(give, 1))
    await settle()
    await g.wait()
    assert await waiter is RuntimeError
    assert await outcome(g.go(give, 1)) is RuntimeError


def test_a_cancelled_group_lets_a_thread_go_that_waits_for_a_slot() -> None:
    g = Group(limit=0)
    told: list[BaseException] = []

    def start() -> None:
        try:
            g.go_thread_blocking(int)
        except RuntimeError as error:
            told.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    g.cancel()  # before or after it waits
    thread.join(PATIENCE)
    assert "takes no more members" in str(told[0])


async def test_a_member_or_body_that_waits_for_a_slot_of_its_cancelled_group_is_cancelled(spawn: Spawn) -> None:
    waiting: list[str] = []
    ends: list[object] = []

    async def start(g: Group, who: str) -> None:
        waiting.append(who)
        ends.append(await outcome(g.go(forever)))

    async def block(g: Group) -> None:
        async with g:
            await g.go(start, g, "member")
            await start(g, "body")

    group = Group(limit=1)
    blocked = spawn(block, group)
    await until(lambda: len(waiting) == 2)
    assert ends == []
    group.cancel()
    await blocked
    assert ends == [asyncio.CancelledError] * 2


# ── errors ──


async def test_all_failures_are_raised_together() -> None:
    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012
        async with Group() as g:
            await g.go(fail_at_the_end, ValueError("2"))
            await g.go(fail, LookupError("1"))
            await forever()
    assert [type(error) for error in caught.value.exceptions] == [LookupError, ValueError]


async def test_the_others_are_noted_on_the_first() -> None:
    with pytest.raises(LookupError) as caught:  # noqa: PT012
        async with Group(errors="first") as g:
            await g.go(fail_at_the_end, ValueError("2"))
            await g.go(fail, LookupError("1"))
            await forever()
    assert caught.value.__notes__ == ["then failed, too: ValueError('2')"]


async def test_the_cause_of_the_first_stays() -> None:
    async def chained() -> None:
        raise LookupError from OSError("why")

    with pytest.raises(LookupError) as caught:
        async with Group(errors="first") as g:
            await g.go(chained)
    assert isinstance(caught.value.__cause__, OSError)


async def test_a_body_that_fails_ends_the_members() -> None:
    error = ValueError("body")
    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012
        async with Group() as g:
            h = await g.go(forever)
            raise error
    assert caught.value.exceptions == (error,)
    assert h.cancelled()
    with pytest.raises(ValueError, match="body") as alone:
        async with Group(errors="first") as g:
            raise error
    assert alone.value is error


async def test_an_error_that_the_body_has_awaited_is_raised_once() -> None:
    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012
        async with Group() as g:
            h = await g.go(fail, LookupError("1"))
            await h
    assert len(caught.value.exceptions) == 1


async def test_a_cancelled_member_and_one_that_exits_are_no_failures() -> None:
    async def leave() -> None:
        goexit()

    async with Group() as g:
        h = await g.go(forever)
        await g.go(leave)
        h.cancel()
    assert h.cancelled()


async def test_others_go_on_in_a_group_that_continues() -> None:
    done = []

    async def work() -> None:
        await settle()
        done.append(1)

    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012
        async with Group(on_error="continue") as g:
            await g.go(fail, LookupError("1"))
            handled = await g.go(fail, ValueError("2"))
            await g.go(work)
            assert await outcome(handled) is ValueError
    assert done == [1]
    assert [type(error) for error in caught.value.exceptions] == [LookupError], "the other one was handled"


async def test_a_failure_is_not_lost_if_the_wait_is_cancelled(spawn: Spawn) -> None:
    g = Group(errors="first", on_error="continue")
    await g.go(fail, LookupError("1"))
    h = await g.go(forever)
    waiter = spawn(g.wait)
    await settle()
    waiter.cancel()
    assert await outcome(waiter) is asyncio.CancelledError
    assert not h.done(), "a cancel ends the wait only"
    h.cancel()
    with pytest.raises(LookupError):
        await g.wait()


def test_a_failure_in_a_group_that_nobody_waits_for_is_a_panic() -> None:
    told = []

    async def main() -> None:
        await Group().go(fail, LookupError("lost"))
        await settle()
        gc.collect()
        await settle()

    run(main, on_panic=lambda g, error: told.append(error))
    gc.collect()
    assert [type(error) for error in told] == [LookupError]


def test_keyboard_interrupt_ends_the_program_at_once() -> None:
    ended = []

    async def wait() -> None:
        try:
            await forever()
        finally:
            ended.append(1)

    async def main() -> None:
        async with Group() as g:
            await g.go(wait)
            await g.go(fail, KeyboardInterrupt())
            await forever()

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert ended == [1]


# ── cancels ──


async def test_a_cancel_of_the_block_ends_the_members_and_goes_on(spawn: Spawn) -> None:
    handles = []

    async def block() -> None:
        async with Group() as g:
            handles.append(await g.go(forever))

    waiter = spawn(block)
    await until(lambda: handles)
    waiter.cancel()
    assert await outcome(waiter) is asyncio.CancelledError
    assert handles[0].cancelled()


async def test_cancel_of_the_group_raises_nothing_in_its_parent() -> None:
    """TaskGroup.cancel() of Python 3.15."""
    this = asyncio.current_task()
    assert this is not None
    async with Group() as g:
        h = await g.go(forever)
        g.cancel("enough")
        await forever()
    assert h.cancelled()
    assert this.cancelling() == 0
    await asyncio.sleep(0)  # nothing is due
    await gosched()


async def test_a_member_may_cancel_its_group() -> None:
    async with Group() as g:

        async def stop() -> None:
            g.cancel()

        h = await g.go(stop)
        await forever()
    assert not h.cancelled()


async def test_a_group_cancelled_before_its_block_ends_that_at_its_first_wait() -> None:
    g = Group()
    g.cancel()
    reached = []
    async with g:
        reached.append(1)
        await asyncio.sleep(0)
        reached.append(2)
    assert reached == [1]


@pytest.mark.parametrize("limit", [None, 2])
async def test_a_cancelled_group_takes_no_member(limit: int | None) -> None:
    g = Group(limit=limit)
    h = await g.go(forever)
    g.cancel()
    with pytest.raises(RuntimeError, match="takes no more members"):
        await g.go(forever)
    with pytest.raises(RuntimeError, match="takes no more members"):
        g.try_go(forever)
    with pytest.raises(RuntimeError, match="takes no more members"):
        await g.go_thread(int)
    await g.wait()
    assert h.cancelled()
    g.set_limit(3)  # which is refused while a slot is taken


async def test_a_cancel_from_outside_is_not_eaten_by_a_failure(spawn: Spawn) -> None:
    """cpython#155433: both come within one turn; the error is raised, and the cancel stays due."""
    errors: list[object] = []

    async def block() -> None:
        this = asyncio.current_task()
        assert this is not None
        try:
            async with Group() as g:
                await g.go(fail, LookupError("1"))
                await gosched()
                this.cancel()
                await forever()
        except ExceptionGroup as group:
            errors.extend(group.exceptions)
        assert this.cancelling() == 1

    waiter = spawn(block)
    result = await outcome(waiter)
    assert result in (None, asyncio.CancelledError)
    assert len(errors) <= 1


async def test_a_cancel_from_outside_comes_through_a_group_that_was_cancelled(spawn: Spawn) -> None:
    async def block() -> None:
        this = asyncio.current_task()
        assert this is not None
        async with Group() as g:
            g.cancel()
            this.cancel()
            await forever()

    assert await outcome(spawn(block)) is asyncio.CancelledError


async def test_a_group_within_the_handling_of_a_cancel_takes_back_its_own_only(spawn: Spawn) -> None:
    counts = []

    async def block() -> None:
        this = asyncio.current_task()
        assert this is not None
        try:
            await forever()
        finally:
            with pytest.raises(ExceptionGroup):  # noqa: PT012
                async with Group() as g:
                    await g.go(fail, LookupError("1"))
                    await forever()
            counts.append(this.cancelling())
            await asyncio.sleep(0)
            counts.append(this.cancelling())

    waiter = spawn(block)
    await settle()
    waiter.cancel()
    assert await outcome(waiter) is asyncio.CancelledError
    assert counts == [1, 1]


async def test_no_cancel_is_left_over_where_the_body_ends_before_it_comes() -> None:
    with pytest.raises(ExceptionGroup):  # noqa: PT012
        async with Group() as g:
            h = await g.go(fail, LookupError("1"))
            while not h.done():
                await gosched()
    await asyncio.sleep(0)
    await gosched()
    this = asyncio.current_task()
    assert this is not None
    assert this.cancelling() == 0


@pytest.mark.parametrize("member", [False, True])
@pytest.mark.parametrize("around", ["timeout", "move_on", "group", "cancel"])
async def test_no_cancel_is_left_over_where_it_comes_as_one_from_outside_passes(
    spawn: Spawn, around: str, member: bool
) -> None:
    """The cancel of the group is due then, and no wait may come that meets it: up to Python 3.12 it stayed."""

    async def body() -> None:
        async with Group() as g:
            if member:
                await g.go(forever)
            try:
                await forever()
            finally:
                g.cancel()

    async def block() -> None:
        if around == "timeout":
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await body()
        elif around == "move_on":
            async with goish.context.move_on_after(0.001):
                await body()
        elif around == "group":
            async with Group() as outer:
                asyncio.get_running_loop().call_later(0.001, outer.cancel)
                await body()
        else:
            this = asyncio.current_task()
            assert this is not None
            asyncio.get_running_loop().call_later(0.001, this.cancel)
            with pytest.raises(asyncio.CancelledError):
                await body()
            assert this.uncancel() == 0
        await clean()

    await spawn(block)


async def clean() -> None:
    """No cancel is due, counted, or comes."""
    this = asyncio.current_task()
    assert this is not None
    assert this.cancelling() == 0
    await asyncio.sleep(0)
    await gosched()
    await asyncio.sleep(0.001)


@pytest.mark.parametrize("member", [False, True])
async def test_no_cancel_is_left_over_that_came_with_what_the_body_had_waited_for(spawn: Spawn, member: bool) -> None:
    async def block() -> None:
        ch = chan()
        async with Group() as g:
            if member:
                await g.go(forever)

            def both() -> None:
                ch.try_send(1)
                g.cancel()

            asyncio.get_running_loop().call_soon(both)
            assert await ch.recv() == 1
        await clean()

    await spawn(block)


async def test_a_timeout_around_a_group_and_one_within() -> None:
    with pytest.raises(TimeoutError):  # noqa: PT012
        async with asyncio.timeout(0.001):
            async with Group() as g:
                h = await g.go(forever)
    assert h.cancelled()
    async with Group() as g:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await forever()
        h = await g.go(give, 1)
    assert h.result() == 1


async def test_it_nests_with_task_groups_both_ways() -> None:
    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012
        async with asyncio.TaskGroup() as tg:
            other = tg.create_task(forever())
            async with Group() as g:
                h = await g.go(forever)
                await g.go(fail, LookupError("1"))
    assert other.cancelled()
    assert h.cancelled()
    assert caught.value.subgroup(LookupError) is not None
    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012
        async with Group() as g:
            h = await g.go(forever)
            async with asyncio.TaskGroup() as tg:
                tg.create_task(fail(LookupError("1")))
    assert h.cancelled()
    assert caught.value.subgroup(LookupError) is not None
    with pytest.raises(ExceptionGroup):  # noqa: PT012
        async with Group() as outer:
            await outer.go(fail, LookupError("1"))
            async with Group() as inner:
                h = await inner.go(forever)
    assert h.cancelled()


async def test_a_cancel_while_it_waits_for_a_slot_starts_nothing(spawn: Spawn) -> None:
    started = []

    async def work() -> None:
        started.append(1)

    g = Group(limit=1)
    h = await g.go(forever)
    coro = work()
    waiters = [spawn(g.go, work), spawn(g.go, coro)]
    await settle()
    for waiter in waiters:
        waiter.cancel()
        assert await outcome(waiter) is asyncio.CancelledError
    h.cancel()
    await g.wait()
    assert started == []


# ── members of other kinds ──


async def test_calls_on_threads_and_what_asyncio_has_started_are_members() -> None:
    async with Group(limit=3) as g:
        on_thread = await g.go_thread(pow, 2, 3)
        task = await g.track(asyncio.create_task(give(2)))
        handle = await g.track(go(give, 3))
        call = await g.track(spawn_call(pow, 2, 4))
        coro = await g.track(give(5))
    assert [h.result() for h in (on_thread, task, handle, call, coro)] == [8, 2, 3, 16, 5]


async def test_a_group_cancels_what_it_tracks() -> None:
    task = asyncio.create_task(forever())
    with pytest.raises(ExceptionGroup):  # noqa: PT012
        async with Group() as g:
            await g.track(task)
            await g.go(fail, LookupError("1"))
    assert task.cancelled()


@pytest.mark.parametrize("limit", [None, 1])
async def test_a_handle_that_belongs_to_another_group_may_be_tracked(limit: int | None) -> None:
    async with Group() as outer, Group(limit=limit) as inner:
        h = await outer.go(give, 1)
        assert (await (await inner.track(h))) == 1


async def test_one_that_has_ended_is_tracked_too() -> None:
    h = go(fail, LookupError("1"))
    await settle()
    with pytest.raises(LookupError):
        async with Group(errors="first", limit=1) as g:
            await g.track(h)


async def test_failures_of_threads_are_failures_of_the_group() -> None:
    def broken() -> None:
        raise LookupError("on a thread")

    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012
        async with Group() as g:
            await g.go_thread(broken)
            await forever()
    assert caught.value.subgroup(LookupError) is not None


async def test_daemons_end_when_the_others_have_ended() -> None:
    ended = []

    async def daemon() -> None:
        try:
            await forever()
        finally:
            ended.append("daemon")

    async def work() -> None:
        await settle()
        ended.append("member")

    async with Group(limit=1) as g:
        h = g.go_daemon(daemon)
        await g.go(work)
    assert ended == ["member", "daemon"]
    assert h.cancelled()


async def test_a_daemon_that_fails_fails_the_group() -> None:
    with pytest.raises(LookupError):  # noqa: PT012
        async with Group(errors="first") as g:
            g.go_daemon(fail, LookupError("1"))
            await forever()


def test_a_thread_without_a_loop_has_a_group_of_calls() -> None:
    g = Group(limit=2)
    handles = [g.go_thread_blocking(pow, 2, n) for n in range(5)]
    g.wait_blocking(timeout=PATIENCE)
    assert [h.result() for h in handles] == [1, 2, 4, 8, 16]
    with pytest.raises(RuntimeError, match="takes no more members"):
        g.go_thread_blocking(int)

    def broken() -> None:
        raise LookupError

    g = Group(errors="first")
    g.go_thread_blocking(broken)
    with pytest.raises(LookupError):
        g.wait_blocking()


def test_a_wait_on_a_thread_ends_in_time() -> None:
    hold = threading.Event()
    g = Group()
    g.go_thread_blocking(hold.wait)
    with pytest.raises(TimeoutError):
        g.wait_blocking(timeout=0.001)
    hold.set()
    g.wait_blocking(timeout=PATIENCE)


# ── results ──


async def test_results_come_in_the_order_of_starts() -> None:
    async with ResultGroup[int](limit=2) as g:
        handles = [await g.go(give, n) for n in range(10)]
        with pytest.raises(RuntimeError, match="when the members have ended"):
            g.results()
    assert g.results() == list(range(10))
    assert len(handles) == 10


async def test_members_come_in_the_order_of_ends() -> None:
    gates = [chan() for _ in range(3)]
    seen = []
    async with ResultGroup[None]() as g:
        handles = [await g.go(wait_closed, gate) for gate in gates]
        completed = g.as_completed()
        for n in (2, 0, 1):
            gates[n].close()
            seen.append(handles.index(await anext(completed)))
        assert [h async for h in completed] == []
    assert seen == [2, 0, 1]


async def test_an_iterator_that_is_cancelled_takes_no_member(spawn: Spawn) -> None:
    async with ResultGroup[None]() as g:
        gate = chan()
        h = await g.go(wait_closed, gate)
        waiter = spawn(anext_of, g.as_completed())
        await settle()
        waiter.cancel()
        await outcome(waiter)
        gate.close()
        assert [one async for one in g.as_completed()] == [h]


async def anext_of(iterator: Any) -> Any:
    return await anext(iterator)


# ── the life of a group ──


async def test_a_group_after_its_end_takes_nothing() -> None:
    g = Group()
    await shut(g)
    coro = give(1)
    with pytest.raises(RuntimeError, match="takes no more members"):
        await g.go(coro)
    with pytest.raises(RuntimeError, match="entered once"):
        await shut(g)
    await_twice = Group()
    await await_twice.wait()
    await await_twice.wait()
    with pytest.raises(RuntimeError, match="takes no more members"):
        await await_twice.go(give, 1)


async def test_a_group_is_entered_once() -> None:
    async with Group() as g:
        with pytest.raises(RuntimeError, match="entered once"):
            await shut(g)
        with pytest.raises(RuntimeError, match="end of the block"):
            await g.wait()


async def test_members_may_start_members_until_the_last_has_ended() -> None:
    count = 0
    async with Group() as g:

        async def grow(depth: int) -> None:
            nonlocal count
            count += 1
            if depth:
                await asyncio.sleep(0)
                await g.go(grow, depth - 1)
                await g.go(grow, depth - 1)

        await g.go(grow, 5)
    assert count == 63


async def test_the_limit_is_not_changed_while_members_live() -> None:
    g = Group(limit=1)
    h = await g.go(forever)
    with pytest.raises(RuntimeError, match="no member lives"):
        g.set_limit(2)
    assert g.limit == 1
    h.cancel()
    await settle()
    g.set_limit(None)
    assert g.limit is None
    await g.wait()


async def test_a_refused_start_gives_the_slot_back() -> None:
    g = Group(limit=1)
    for _ in range(2):
        with pytest.raises(TypeError, match="coroutine function"):
            await g.go(len, "x")  # type: ignore[call-overload]
        with pytest.raises(TypeError):
            await g.go_thread(7)  # type: ignore[call-overload]
    await g.go(give, 1)
    await g.wait()


class AtOnce(concurrent.futures.Executor):
    """Runs a call where it is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.set_result(fn(*args, **kwargs))
        return future


async def test_a_call_whose_group_ends_as_it_starts_gives_the_slot_back() -> None:
    g = Group(limit=1)
    set_default_executor(adopt(AtOnce(), workers=1))
    try:
        with pytest.raises(RuntimeError, match="takes no more members"):
            await g.go_thread(g.cancel)
    finally:
        set_default_executor(None)
    g.set_limit(2)  # which is refused while a slot is taken


async def test_an_ended_group_keeps_nothing_and_is_no_garbage() -> None:
    gc.collect()
    gc.disable()
    try:
        g = Group()
        await g.go(give, 1)
        await g.wait()
        gone = threading.Event()

        class Note:
            def __del__(self) -> None:
                gone.set()

        g.note = Note()  # type: ignore[attr-defined]
        del g
        await settle(1)
        assert gone.is_set(), "no cycle holds it"
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"limit": -1}, ValueError, "None for no limit"),
        ({"limit": 1.5}, TypeError, "whole number"),
        ({"limit": True}, TypeError, "whole number"),
        ({"errors": "some"}, ValueError, '"all", "first"'),
        ({"on_error": "stop"}, ValueError, '"cancel", "continue"'),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Group(**options)
    with pytest.raises(error, match=text):
        ResultGroup(**options)


def test_a_limit_without_its_name_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^Group\(\) takes keywords alone, such as limit=10; got 3"):
        Group(3)  # type: ignore[arg-type]
    assert "given" not in str(inspect.signature(Group))


async def test_bad_members_are_refused() -> None:
    g = Group()
    with pytest.raises(TypeError, match="takes an awaitable"):
        await g.track(7)  # type: ignore[arg-type]
    with pytest.raises(SyncOnLoop, match=r"await g\.go_thread"):
        g.go_thread_blocking(int)
    with pytest.raises(SyncOnLoop, match=r"await g\.wait"):
        g.wait_blocking()
    with pytest.raises(TypeError, match="copied"):
        copy.deepcopy(g)


async def test_a_goroutine_for_a_block_ends_with_it() -> None:
    async with go_scoped(forever) as h:
        await settle()
        assert not h.done()
    assert h.cancelled()
    with pytest.raises(LookupError):
        async with go_scoped(fail, LookupError("1")):
            await forever()
    async with go_scoped(give, 1) as h:
        assert await h == 1


# ── a scope has what go starts ──


async def test_what_go_starts_in_a_scope_belongs_to_it() -> None:
    ended = []

    async def child(n: int) -> None:
        await settle(2)
        ended.append(n)

    async def parent() -> None:
        go(child, 1)
        await asyncio.sleep(0)
        go(child, 2)

    async with sync_scope():
        go(parent)
    assert sorted(ended) == [1, 2]
    outside = go(child, 3)
    await outside


async def test_a_failure_of_go_in_a_scope_is_raised_by_it() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with sync_scope():
            go(fail, LookupError("1"))
    assert caught.value.subgroup(LookupError) is not None


async def test_a_scope_that_fails_cancels_what_go_has_started() -> None:
    with pytest.raises(ValueError, match="body"):  # noqa: PT012
        async with sync_scope():
            h = go(forever)
            raise ValueError("body")
    assert h.cancelled()


async def test_go_on_a_worker_belongs_to_the_scope_around_the_call() -> None:
    ended = []

    async def child() -> None:
        await asyncio.sleep(0)
        ended.append(1)

    def plain() -> None:
        go(child)

    def nested() -> None:
        with sync_scope():
            go(child)
        ended.append(2)

    async with sync_scope():
        go_thread(plain)
    assert ended == [1]
    await go_thread(nested)
    assert ended == [1, 1, 2]


# ── model, storms, threads ──


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 3), st.lists(st.sampled_from(["go", "try", "end", "fail", "cancel"]), max_size=25))
def test_a_group_does_what_its_model_does(limit: int, steps: list[str]) -> None:
    """The model: the members that live, those that wait for a slot, and how many have failed."""

    async def main() -> None:
        g = Group(limit=limit, on_error="continue")
        live: list[tuple[Any, Any]] = []
        line: list[tuple[Any, Any]] = []
        failed = 0

        async def member(gate: Any) -> None:
            if await gate.recv() == "fail":
                raise LookupError

        for step in steps:
            if step == "go":
                gate = chan(1)
                line.append((go(g.go, member, gate), gate))
            elif step == "try":
                gate = chan(1)
                h = g.try_go(member, gate)
                assert (h is not None) == (len(live) < limit and not line)
                if h is not None:
                    live.append((h, gate))
            elif step in ("end", "fail") and live:
                h, gate = live.pop(0)
                gate.try_send(step)
                failed += step == "fail"
            elif step == "cancel" and line:
                starter, _ = line.pop()
                starter.cancel()
            while line and len(live) < limit:
                starter, gate = line.pop(0)
                live.append((await starter, gate))
            await settle(3)
            assert len(g) == len(live)
        for starter, _ in line:
            starter.cancel()
        for _, gate in live:
            gate.try_send("end")
        await settle(2)
        found = 0
        try:
            await g.wait()
        except ExceptionGroup as group:
            found = len(group.exceptions)
        assert found == failed

    run(main)


async def test_a_storm_of_cancels_leaves_no_slot_taken_and_no_member(spawn: Spawn, rng: random.Random) -> None:
    g = Group(limit=3, on_error="continue", errors="all")
    members: list[Any] = []
    failed = 0

    async def member() -> None:
        nonlocal failed
        await asyncio.sleep(0)
        if rng.random() < 0.2:
            failed += 1
            raise LookupError

    async def party() -> None:
        while True:
            members.append(await g.go(member))
            await asyncio.sleep(0)

    def cancel_a_member() -> None:
        if members:
            rng.choice(members[-5:]).cancel()

    await cancel_storm(spawn, party, rng, crowd=10, rounds=300, also=cancel_a_member)
    found = 0
    try:
        await g.wait()
    except ExceptionGroup as group:
        found = len(group.exceptions)
    assert found == failed
    assert len(g) == 0
    assert all(h.done() for h in members)


def test_loops_and_threads_share_a_group() -> None:
    g = Group(limit=4)
    done = []
    lock = threading.Lock()

    async def member() -> None:
        await asyncio.sleep(0)
        with lock:
            done.append(1)

    def call() -> None:
        with lock:
            done.append(1)

    async def on_a_loop() -> None:
        handles = [await g.go(member) for _ in range(50)]
        await goish.wait_all(*handles)

    def on_a_thread() -> None:
        for _ in range(50):
            g.go_thread_blocking(call)

    threads = [threading.Thread(target=run, args=(on_a_loop,)) for _ in range(2)]
    threads += [threading.Thread(target=asyncio.run, args=(on_a_loop(),))]
    threads += [threading.Thread(target=on_a_thread) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "it hangs"
    g.wait_blocking(timeout=PATIENCE)
    assert len(done) == 250


def test_a_failure_on_another_loop_ends_the_block() -> None:
    entered, ended = threading.Event(), threading.Event()
    groups: list[Group] = []

    async def block() -> None:
        try:
            async with Group(errors="first") as g:
                groups.append(g)
                entered.set()
                await forever()
        finally:
            ended.set()

    async def elsewhere() -> None:
        await groups[0].go(fail, LookupError("elsewhere"))
        await go_thread(ended.wait)

    async def main() -> None:
        with pytest.raises(LookupError):
            await block()

    threads = [threading.Thread(target=asyncio.run, args=(main(),))]
    threads[0].start()
    assert entered.wait(PATIENCE)
    threads.append(threading.Thread(target=run, args=(elsewhere,)))
    threads[1].start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "it hangs"


def test_members_of_a_loop_that_is_closed_are_counted_off() -> None:
    g = Group()
    loop = asyncio.new_event_loop()

    async def start() -> None:
        await g.go(forever)

    loop.run_until_complete(start())
    assert len(g) == 1
    loop.close()
    gc.collect()
    assert len(g) == 0
    g.wait_blocking(timeout=PATIENCE)
