"""What several test files need: letting the loop turn until something holds, and racing two things within one turn."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import sysconfig
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import pytest
from virtual_clock import VirtualClockLoop

from goish import NIL, Chan
from goish._runtime.core import scheduler_for

T = TypeVar("T")

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "virtual": VirtualClockLoop,
}
with contextlib.suppress(ImportError):  # not for Windows
    import uvloop

    LOOPS["uvloop"] = uvloop.new_event_loop
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
REAL_LOOPS = sorted(set(LOOPS) - {"virtual"})

SEED = pytest.StashKey[int]()  # in the stash of pytest's config: what all random choices come from

TURNS = 6  # more than the longest chain of wake-ups that a single event starts in these tests
HANGS = 180.0  # seconds: no test takes as long, but for those that are marked
ENDS = 150.0  # seconds in which a program has ended that a test runs; less than that, so what it has said is shown
PATIENCE = 20_000  # turns in which nothing happens, after which something that should have happened will not


def patience(node: pytest.Item) -> float:
    """Seconds that this test does not take unless it hangs."""
    if mark := node.get_closest_marker("patience"):
        return float(mark.args[0])
    return 5 * HANGS if any(node.get_closest_marker(mark) for mark in ("slow", "million")) else HANGS


def unhurried(record: logging.LogRecord) -> bool:
    """A filter for asyncio's logger: not how long a callback took."""
    return not str(record.msg).startswith("Executing ")


async def turn() -> None:
    """Let the loop turn once. Not gosched(): that lets goroutines run, but foreign tasks only now and then."""
    loop = asyncio.get_running_loop()
    passed = loop.create_future()
    loop.call_soon(passed.set_result, None)
    await passed


async def settle(turns: int = TURNS) -> None:
    """Let everybody run until all wait."""
    for _ in range(turns):
        await turn()


async def until(holds: Callable[[], object]) -> None:
    """Let the loop turn until ``holds()``."""
    sched = scheduler_for(asyncio.get_running_loop())
    idle = 0
    while idle < PATIENCE:
        if holds():
            return
        before = sched.steps
        await turn()
        # How much is done in a turn depends on the machine: only turns in which no other goroutine has run count.
        idle = idle + 1 if sched.steps - before <= 1 else 0
    raise AssertionError(f"still does not hold after {PATIENCE} turns of the loop")


async def until_elsewhere(holds: Callable[[], object]) -> None:
    """Until another thread has seen to it, which takes no turns of this loop."""
    while not holds():
        await asyncio.sleep(0.001)


async def in_one_callback(*actions: Callable[[], object]) -> None:
    """Do all ``actions`` within one callback of the loop: nothing that they wake runs in between. Then let it run."""

    def act() -> None:
        for action in actions:
            action()

    asyncio.get_running_loop().call_soon(act)
    await settle()


async def outcome(awaitable: Awaitable[Any]) -> object:
    """The result, or the type of the exception."""
    try:
        return await awaitable
    except asyncio.CancelledError:
        return asyncio.CancelledError
    except Exception as exc:
        return type(exc)


def waiting(ch: Chan[Any]) -> tuple[int, int]:
    """How many senders and receivers are parked."""
    statistics = ch.statistics()
    return statistics.senders_waiting, statistics.receivers_waiting


def assert_conserved(sent: Iterable[int], *places: Iterable[int]) -> None:
    """Everything sent is in exactly one of the places, once, and nothing else is there."""
    found = Counter(value for place in places for value in place)
    expected = Counter(sent)
    assert found == expected, (
        f"lost: {sorted((expected - found).elements())}, invented: {sorted((found - expected).elements())}"
    )


def collector(into: list[T]) -> Callable[[T], T]:
    """A decorator that puts what it decorates into a list."""

    def collect(item: T) -> T:
        into.append(item)
        return item

    return collect


async def cancel_storm(
    spawn: Callable[..., Any],
    party: Callable[[], Awaitable[Any]],
    rng: random.Random,
    *,
    crowd: int,
    rounds: int,
    also: Callable[[], object] = lambda: None,
) -> None:
    """Keep a crowd of parties going, of which one is cancelled in each round, with ``also()``; in the end all are."""
    parties = [spawn(party) for _ in range(crowd)]
    for _ in range(rounds):
        rng.choice(parties[-crowd:]).cancel()
        also()
        await asyncio.sleep(0)
        parties.append(spawn(party))
    for one in parties:
        one.cancel()
    for one in parties:
        await outcome(one)


# ── what members of groups do ──


async def forever() -> None:
    await NIL.recv()


async def give(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


async def fail(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


def is_alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
