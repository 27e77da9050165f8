"""What asyncio.TaskGroup gained in Python 3.15: goroutines in a group, and as its parent, do not notice.

Most tests run with asyncio.Task too, which is the control (citizens.py).
Not here: a cancel of a group that meets a value (test_foreign_cancel.py).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from citizens import CONTROL, FACTORY, GO, citizens, fail, forever
from helpers import settle, waiting

import goish
from goish import Goroutine, WaitGroup, chan, select

drive = citizens(CONTROL, GO, FACTORY)
pytestmark = pytest.mark.skipif(sys.version_info < (3, 15), reason="new in Python 3.15")


def this() -> Any:
    return asyncio.current_task()


def new_group() -> Any:
    return asyncio.TaskGroup()


def child_of(group: Any, drive: Any, coro: Any) -> Any:
    child = group.create_task(coro)
    assert isinstance(child, Goroutine) is (drive.kind == FACTORY)
    return child


# ── what the cancel of a group ends ──


async def test_cancel_ends_children_and_body_and_nothing_is_raised(drive: Any) -> None:
    ch, wg = chan(), WaitGroup()
    wg.add(1)
    waits = [ch.recv(), wg.wait(), goish.sleep(3600.0), select(ch.recv()), asyncio.sleep(3600.0)]

    async def child(wait: Any) -> None:
        await wait

    async with new_group() as group:
        children = [child_of(group, drive, child(wait)) for wait in waits]
        await settle()
        group.cancel()
        await forever()
    assert all(one.cancelled() for one in children)
    assert waiting(ch) == (0, 0)
    assert this().cancelling() == 0
    wg.done()


async def test_cancel_by_a_child_cancels_it_too(drive: Any) -> None:
    log: list[str] = []

    async def child(group: Any) -> None:
        group.cancel()
        log.append("goes on until it waits")
        await forever()

    async with new_group() as group:
        one = child_of(group, drive, child(group))
        await forever()
    assert one.cancelled()
    assert log == ["goes on until it waits"]


async def test_cancel_by_somebody_else(drive: Any) -> None:
    async def other(group: Any) -> None:
        group.cancel()

    async with new_group() as group:
        one = child_of(group, drive, forever())
        await settle()
        another = drive.spawn(other, group)
        await forever()
    assert one.cancelled()
    await another


async def test_cancel_in_a_callback_of_the_loop(drive: Any) -> None:
    async with new_group() as group:
        one = child_of(group, drive, forever())
        asyncio.get_running_loop().call_soon(group.cancel)
        await forever()
    assert one.cancelled()


async def test_cancel_while_the_body_is_over_and_waits_for_its_children(drive: Any) -> None:
    async with new_group() as group:
        one = child_of(group, drive, forever())
        asyncio.get_running_loop().call_soon(group.cancel)
    assert one.cancelled()
    assert this().cancelling() == 0


async def test_cancel_before_the_group_is_entered_counts_once_it_is(drive: Any) -> None:
    group = new_group()
    group.cancel()
    ran: list[str] = []
    async with group:
        ran.append("up to the first wait")
        await forever()
    assert ran == ["up to the first wait"]
    assert this().cancelling() == 0


async def test_cancel_twice_and_after_the_end_is_one(drive: Any) -> None:
    async with new_group() as group:
        group.cancel()
        group.cancel()
        await forever()
    group.cancel()
    await settle()
    assert this().cancelling() == 0


async def test_child_that_never_began_never_runs(drive: Any) -> None:
    ran: list[str] = []

    async def child() -> None:
        ran.append("runs")

    async with new_group() as group:
        one = child_of(group, drive, child())
        group.cancel()
    assert one.cancelled()
    assert ran == []


async def test_child_may_end_with_a_result_all_the_same(drive: Any) -> None:
    async def child() -> str:
        try:
            await forever()
        except asyncio.CancelledError:
            return "stubborn"
        return "never"

    async with new_group() as group:
        one = child_of(group, drive, child())
        await settle()
        group.cancel()
    assert one.result() == "stubborn"


# ── what it does not hide ──


async def test_error_of_a_child_is_raised_all_the_same(drive: Any) -> None:
    async def child() -> None:
        try:
            await forever()
        finally:
            raise LookupError

    async def cancelled() -> None:
        async with new_group() as group:
            child_of(group, drive, child())
            await settle()
            group.cancel()

    with pytest.raises(BaseExceptionGroup) as caught:
        await cancelled()
    assert [type(error) for error in caught.value.exceptions] == [LookupError]
    assert this().cancelling() == 0


@pytest.mark.parametrize("first", ["group", "task"])
async def test_cancel_from_outside_passes_on(drive: Any, first: str) -> None:
    """In one callback with the group's own."""

    async def parent() -> None:
        async with new_group() as group:
            groups.append(group)
            child_of(group, drive, forever())
            await forever()

    groups: list[Any] = []
    one = drive.spawn(parent)
    await settle()
    for cancel in (groups[0].cancel, one.cancel) if first == "group" else (one.cancel, groups[0].cancel):
        cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    assert one.cancelled()
    assert one.cancelling() == 1


async def test_cancel_of_an_inner_group_stays_in_it(drive: Any) -> None:
    async with new_group() as outer:
        sibling = child_of(outer, drive, asyncio.sleep(0, "sibling"))
        async with new_group() as inner:
            one = child_of(inner, drive, forever())
            inner.cancel()
            await forever()
        assert one.cancelled()
        assert this().cancelling() == 0
        await settle()
    assert sibling.result() == "sibling"


# ── generators ──


async def test_generator_with_a_group_can_be_closed(drive: Any) -> None:
    """A GeneratorExit of the body is raised as it is, and no group of it."""
    children: list[Any] = []

    async def numbers() -> AsyncIterator[int]:
        async with new_group() as group:
            children.append(child_of(group, drive, forever()))
            yield 1
            yield 2

    generator: Any = numbers()
    assert await anext(generator) == 1
    await generator.aclose()
    assert children[0].cancelled()


async def test_generator_with_a_group_whose_child_fails_tells_of_it(drive: Any) -> None:
    async def numbers() -> AsyncIterator[int]:
        async with new_group() as group:
            child_of(group, drive, failing())
            yield 1

    async def failing() -> None:
        try:
            await forever()
        finally:
            await fail(LookupError())

    generator: Any = numbers()
    assert await anext(generator) == 1
    await settle()
    with pytest.raises(BaseExceptionGroup) as caught:
        await generator.aclose()
    assert caught.value.split(LookupError)[0] is not None
