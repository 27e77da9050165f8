"""Code of a program that runs where it is least expected: a comparison of keys, a handler of a signal, a driver."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import pickle
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from helpers import settle
from parties import PATIENCE

from goish import NIL, go, run, singleflight
from goish.errgroup import Group, KeyedGroup, ResultGroup, TaskTracker
from goish.semaphore import Weighted
from goish.sync import (
    Barrier,
    Bool,
    Broadcast,
    Cond,
    Event,
    Int64,
    Latch,
    Map,
    Mutex,
    Once,
    Pool,
    Ref,
    RWMutex,
    Uint64,
    WaitGroup,
    Watch,
)

# ── keys ──


class Key:
    """All have one hash, so that they are compared, which raises while ``raises`` is set."""

    raises = False

    def __init__(self, name: str) -> None:
        self.name = name

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        if Key.raises:
            raise LookupError(self.name)
        return isinstance(other, Key) and self.name == other.name


async def forever() -> None:
    await NIL.recv()


async def test_a_key_that_cannot_be_compared_as_its_call_ends_holds_up_no_other_thread() -> None:
    calls = singleflight.Group()

    async def work() -> None:
        Key.raises = True

    other = go(calls.do, Key("other"), forever)
    await settle()
    try:
        with pytest.raises(LookupError):
            await calls.do(Key("key"), work)
    finally:
        Key.raises = False
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(calls.do_blocking(Key("key"), pow, 2, 5)), daemon=True)
    thread.start()
    await asyncio.to_thread(thread.join, PATIENCE)
    assert found == [32]
    other.cancel()


async def test_a_key_that_cannot_be_compared_as_its_goroutine_ends_can_be_started_again() -> None:
    group = KeyedGroup()

    async def work() -> None:
        Key.raises = True

    async with group:
        group.start(Key("other"), forever)
        first = group.start(Key("key"), work)
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        try:
            await first
            await settle()
        finally:
            Key.raises = False
        second = group.start(Key("key"), forever)
        assert group.get(Key("key")) is second
        assert len(group.keys()) == 2


def test_a_map_whose_keys_cannot_be_compared_stays_as_it_is() -> None:
    m: Map[Key, int] = Map()
    m.store(Key("a"), 1)
    calls: list[Callable[[], object]] = [
        lambda: m.store(Key("b"), 2),
        lambda: m.load(Key("b")),
        lambda: m.load_or_store(Key("b"), 2),
        lambda: m.delete(Key("b")),
        lambda: m.swap(Key("b"), 2),
        lambda: m.compare_and_swap(Key("b"), 1, 2),
        lambda: m.compare_and_delete(Key("b"), 1),
        lambda: Key("b") in m,
    ]
    Key.raises = True
    try:
        for call in calls:
            with pytest.raises(LookupError):
                call()
    finally:
        Key.raises = False
    assert (len(m), m.load(Key("a")), m.load(Key("b"))) == (1, 1, None)


def test_a_map_may_be_changed_by_a_comparison_of_its_keys() -> None:
    m: Map[Any, int] = Map()

    class Meddler(Key):
        __hash__ = Key.__hash__
        left = 3

        def __eq__(self, other: object) -> bool:
            if self.left:
                self.left -= 1
                m.store(Key(f"meddled {self.left}"), self.left)
                m.delete(Key("a"))
                gc.collect()
            return super().__eq__(other)

    m.store(Key("a"), 1)
    m.store(Meddler("b"), 2)
    m.store(Key("c"), 3)
    assert sorted(key.name for key, _ in m.range()) == ["b", "c", "meddled 0", "meddled 1", "meddled 2"]
    assert len(m) == 5


# ── re-entrancy ──


async def test_a_call_is_shared_in_the_middle_of_a_call_that_is_shared() -> None:
    """As by a __del__ or a handler of a signal, which come anywhere."""
    calls = singleflight.Group()
    go_on = Event()

    async def work() -> str:
        await go_on.wait()
        return "result"

    first = go(calls.do, "key", work)
    await settle()
    nested: list[Any] = []

    def interrupt(frame: Any, event: str, arg: Any) -> None:
        if event == "c_call" and frame.f_code.co_name == "join" and not nested:
            nested.append(None)
            nested[0] = calls.do_chan("key", work)

    sys.setprofile(interrupt)
    try:
        channel = calls.do_chan("key", work)
    finally:
        sys.setprofile(None)
    go_on.set()
    assert await first == "result"
    for each in (channel, *nested):
        assert (await each.recv()).value == "result"
    assert len(nested) == 1


# ── drivers ──


async def test_the_end_of_a_block_is_spoilt_for_nobody_by_a_driver_that_throws_into_it() -> None:
    """With the GIL one op stands for all of them."""
    mu = Mutex()
    spoils: list[Callable[[Any], object]] = [lambda op: op.throw(ValueError), lambda op: op.close()]
    for spoil in spoils:
        await mu.lock()
        op: Any = mu.__aexit__(None, None, None)
        with contextlib.suppress(ValueError):
            spoil(op)
        async with mu:
            pass
        assert not mu.locked()


# ── numbers, copies ──


def test_a_wait_group_that_would_overflow_says_so_and_stays_as_it_is() -> None:
    wg = WaitGroup()
    wg.add(sys.maxsize)
    with pytest.raises(OverflowError, match="the counter is 9223372036854775807 and 1 are added"):
        wg.add(1)
    wg.add(-sys.maxsize)
    assert wg.count == 0
    with pytest.raises(ValueError, match="the counter is 0 and 9223372036854775808 done"):
        wg.add(-sys.maxsize - 1)


def test_a_release_above_all_numbers_says_what_it_was_given() -> None:
    with pytest.raises(ValueError, match=f"release of {2**70} units, but 0 are taken"):
        Weighted(1).release(2**70)


MAKE: dict[str, Callable[[], Any]] = {
    "Barrier": lambda: Barrier(1),
    "Bool": Bool,
    "Broadcast": lambda: Broadcast(1),
    "Cond": lambda: Cond(Mutex()),
    "Event": Event,
    "Group": Group,
    "Int64": Int64,
    "KeyedGroup": KeyedGroup,
    "Latch": lambda: Latch(1),
    "Map": Map,
    "Mutex": Mutex,
    "Once": Once,
    "Pool": Pool,
    "RWMutex": RWMutex,
    "Ref": Ref,
    "ResultGroup": ResultGroup,
    "TaskTracker": TaskTracker,
    "Uint64": Uint64,
    "WaitGroup": WaitGroup,
    "Watch": lambda: Watch(0),
    "Weighted": lambda: Weighted(1),
    "singleflight.Group": singleflight.Group,
}


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, pickle.dumps])
@pytest.mark.parametrize("name", MAKE)
def test_what_is_shared_is_not_copied(name: str, how: Callable[[Any], Any]) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="cannot be copied"):
            how(MAKE[name]())

    run(main)
