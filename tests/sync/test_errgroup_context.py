"""Groups and contexts: each ends the other, and says why."""

from __future__ import annotations

import asyncio

import pytest
from helpers import fail, forever, give, settle

from goish import context
from goish.errgroup import Group, ResultGroup, with_context
from goish.singleflight import Group as Flights


async def test_the_context_of_a_group_is_cancelled_by_the_first_failure() -> None:
    """Go's TestWithContext, TestCancelCause."""
    error = LookupError("1")
    g, ctx = with_context(context.background())
    await g.go(fail, error)
    await ctx.done().recv_ok()
    with pytest.raises(LookupError) as caught:
        await g.wait()
    assert caught.value is error
    assert context.cause(ctx) is error
    assert isinstance(ctx.err(), context.Canceled)


async def test_the_context_of_a_group_is_cancelled_at_its_end() -> None:
    g, ctx = with_context(context.background())
    await g.go(give, 1)
    assert ctx.err() is None
    await g.wait()
    assert isinstance(ctx.err(), context.Canceled)
    late = Group()
    await late.wait()
    assert late.ctx.err() is not None, "also if it is asked for afterwards"


async def test_the_cancel_of_the_given_context_ends_the_group_and_is_raised() -> None:
    ctx, cancel = context.with_cancel_cause(context.background())
    error = OSError("disk full")
    with pytest.raises(OSError, match="disk full") as caught:  # noqa: PT012
        async with Group(ctx=ctx) as g:
            h = await g.go(forever)
            cancel(error)
            await forever()
    assert caught.value is error
    assert h.cancelled()
    this = asyncio.current_task()
    assert this is not None
    assert this.cancelling() == 0


async def test_a_group_under_a_context_that_is_over_starts_nothing() -> None:
    ctx, cancel = context.with_cancel(context.background())
    cancel()
    g = ResultGroup[object](ctx=ctx)
    with pytest.raises(RuntimeError, match="takes no more members"):
        await g.go(give, 1)
    with pytest.raises(context.Canceled):
        await g.wait()


async def test_members_are_under_the_context_of_their_group() -> None:
    parent = context.with_value(context.background(), "user", "ann")

    async def who() -> object:
        return context.current() is g.ctx and context.current().value("user")

    def on_thread() -> object:
        return context.current() is g.ctx

    async with Group(ctx=parent, limit=2) as g:
        h, other = await g.go(who), await g.go_thread(on_thread)
    assert (h.result(), other.result()) == ("ann", True)
    assert context.current() is context.background()


async def test_a_group_that_has_ended_leaves_nothing_at_the_given_context() -> None:
    ctx, cancel = context.with_cancel(context.background())
    async with Group(ctx=ctx) as g:
        await g.go(give, 1)
    cancel()

    assert g._ctx_error is None


def test_a_context_is_a_context() -> None:
    with pytest.raises(TypeError, match=r"goish\.context\.Context"):
        Group(ctx=7)  # type: ignore[arg-type]


async def test_a_shared_call_is_not_under_the_context_of_its_first_caller() -> None:
    flights = Flights()
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    seen = []

    async def work() -> str:
        seen.append(context.current().value("user"))
        await gate
        return "done"

    async def first(ctx: context.Context) -> None:
        await flights.do("key", work)

    parent = context.with_value(context.background(), "user", "ann")
    ctx, cancel = context.with_cancel(parent)
    g = Group(ctx=ctx)
    await g.go(first, g.ctx)
    await settle()
    other = flights.do_chan("key", work)
    cancel()
    with pytest.raises(context.Canceled):
        await g.wait()
    gate.set_result(None)
    assert (await other.recv()).value == "done"
    assert seen == ["ann"]
