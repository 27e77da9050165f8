"""How the tests run: on both loops, in every role, from a seed that is printed, and leaving nothing behind.

An ``async def`` test is driven by the driver it names as a parameter, or by ``drive`` if it names none:

    run          the test is the main goroutine of goish.run                    {asyncio, uvloop}
    run_foreign  the test is a plain task of asyncio                            {asyncio, uvloop}
    drive        all of it                                                      {asyncio, uvloop} x roles
    virtual      in virtual time, where nobody sleeps (virtual_clock.py)        roles

``driver.spawn(fn, *args)`` starts a helper of the same role: in role "goroutine" a goroutine, in "task" an
asyncio.Task, in "mixed" now one, now the other. The fixture ``spawn`` is that of ``drive``. A test that is a plain
function calls its driver: ``run(main, *args)``.
"""

from __future__ import annotations

import asyncio
import faulthandler
import functools
import gc
import inspect
import logging
import os
import random
import re
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

import hypothesis
import pytest
from helpers import HANGS, LOOPS, REAL_LOOPS, SEED, patience, unhurried
from parties import until

import goish
from goish import Goroutine, go

T = TypeVar("T")
Main = Callable[..., Coroutine[Any, Any, T]]
Handle = Goroutine[Any] | asyncio.Task[Any]

ROLES = ("goroutine", "task", "mixed")
LOOP_AND_ROLE = re.compile(rf"\b({'|'.join(REAL_LOOPS)})\b|\b({'|'.join(ROLES)})\b")
DRIVERS = ("drive", "run", "run_foreign", "virtual")

# Its deadline and its check for what is drawn slowly go by the wall clock.
hypothesis.settings.register_profile("goish", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("goish")

COLLECTS = 5 * HANGS  # at a load of 29, four processes that collect 19,000 tests took more than 180 seconds

FAILED = pytest.StashKey[bool]()
STDERR = pytest.StashKey[int]()


# ── options ──


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the slow tests too")
    parser.addoption("--million", action="store_true", help="run the tests with a million of something too")
    parser.addoption("--fast", action="store_true", help="run each test on one loop in one role, drawn by the seed")
    parser.addoption("--shard", metavar="I/N", help="run only the I-th of N parts, as python -m tests does")
    parser.addoption("--seed", type=int, help="seed of all random choices (default: GOISH_SEED, or a new one)")


def pytest_configure(config: pytest.Config) -> None:
    given = config.getoption("--seed")
    if given is None:
        given = os.environ.get("GOISH_SEED")
    config.stash[SEED] = int(given) if given is not None else random.SystemRandom().randrange(2**32)
    config.addinivalue_line("markers", "patience(seconds): how long the test may take before it counts as hanging")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as where a shell runs the tests in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[STDERR] = os.dup(2)  # as long as it is not captured
    watch(config, COLLECTS)


def watch(config: pytest.Config, seconds: float) -> None:
    """Unless it is called again by then, end the process, showing where each thread stands.

    Not by a signal handler: a handler might wake a goroutine, so with one the deadlock detector has nothing to say.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=config.stash[STDERR])


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.stash[SEED]} (repeat with --seed or GOISH_SEED)"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    off = {name for name in ("slow", "million") if not config.getoption(f"--{name}")}
    wanted = [item for item in items if not any(mark.name in off for mark in item.iter_markers())]
    if config.getoption("--fast"):
        wanted = one_of_each(wanted, config.stash[SEED])
    if shard := config.getoption("--shard"):
        i, n = map(int, shard.split("/"))
        wanted = wanted[i - 1 :: n]  # neighbours, which are alike, go to different ones
    if len(wanted) < len(items):
        kept = set(wanted)
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = wanted


def one_of_each(items: list[pytest.Item], seed: int) -> list[pytest.Item]:
    """Of those that differ only in loop and role, one."""
    alike: dict[str, list[pytest.Item]] = {}
    for item in items:
        alike.setdefault(LOOP_AND_ROLE.sub("", item.nodeid), []).append(item)
    return [random.Random(f"{seed} {name}").choice(group) for name, group in alike.items()]


def pytest_collection_finish() -> None:
    """Many tests collect garbage, and need not go through ten thousand tests each time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """What comes after a failure may hang, too; pytest's own plugin has just ended the watch."""
    watch(node.config, HANGS)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """The process may hang in its end, too."""
    watch(session.config, HANGS)


# ── drivers ──


class Driver:
    """Runs async functions on one kind of loop, in one role."""

    def __init__(self, request: pytest.FixtureRequest, loop: str, role: str) -> None:
        self.loop = loop
        self.role = role
        self.patience = patience(request.node) / 3
        self.tasks: list[asyncio.Task[Any]] = []
        self.spawned = 0

    def __call__(self, main: Main[T], *args: Any, **options: Any) -> T:
        """Run ``main(*args)``; the options are those of goish.run and for goroutines only."""
        self.tasks = []
        if self.role == "task":
            with asyncio.Runner(loop_factory=LOOPS[self.loop]) as runner:
                result = runner.run(self._guarded(main(*args)))
        else:
            result = goish.run(main, *args, loop=LOOPS[self.loop], **options)
        self._raise_unseen()
        return result

    async def _guarded(self, main: Coroutine[Any, Any, T]) -> T:
        """Where no detector tells of a deadlock, a cancel shows what the test waits for."""
        if self.loop == "virtual":
            return await main
        this = asyncio.current_task()
        assert this is not None
        guard = asyncio.get_running_loop().call_later(self.patience, this.cancel, "the test hangs")
        try:
            return await main
        finally:
            guard.cancel()

    def spawn(self, fn: Main[Any], *args: Any) -> Any:
        """Start ``fn(*args)`` as a goroutine or a task, as the role has it."""
        self.spawned += 1
        if self.role == "goroutine" or (self.role == "mixed" and self.spawned % 2):
            return go(fn, *args)
        task = asyncio.get_running_loop().create_task(fn(*args))
        self.tasks.append(task)  # asyncio does not keep it alive
        return task

    def _raise_unseen(self) -> None:
        """An exception in a task that nobody awaited is a failure, as it is in a goroutine."""
        tasks, self.tasks = self.tasks, []
        for task in tasks:
            if task.done() and not task.cancelled() and getattr(task, "_log_traceback", False):
                task.result()


@pytest.fixture(params=REAL_LOOPS)
def run(request: pytest.FixtureRequest) -> Driver:
    """Runs an async function as the main goroutine."""
    return Driver(request, request.param, "goroutine")


@pytest.fixture(params=REAL_LOOPS)
def run_foreign(request: pytest.FixtureRequest) -> Driver:
    """Runs an async function as a plain asyncio task."""
    return Driver(request, request.param, "task")


@pytest.fixture(params=[(loop, role) for loop in REAL_LOOPS for role in ROLES], ids="-".join)
def drive(request: pytest.FixtureRequest) -> Driver:
    """Runs an async function on every loop, in every role."""
    return Driver(request, *request.param)


@pytest.fixture(params=ROLES)
def virtual(request: pytest.FixtureRequest) -> Driver:
    """Runs an async function in virtual time, in every role."""
    return Driver(request, "virtual", request.param)


@pytest.fixture
def spawn(drive: Driver) -> Callable[..., Any]:
    return drive.spawn


@pytest.fixture
def two_workers() -> Generator[None]:
    """The default executor has two; what was given to it is over at the end."""
    goish.set_workers(2)
    yield
    until(lambda: goish.num_goroutine() == 0)


@pytest.fixture
def impatient_threads() -> Generator[None]:
    """With the GIL, threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: Any) -> None:
    if not collector.istestfunction(obj, name) or not inspect.iscoroutinefunction(obj):
        return
    marks = {mark.name for mark in getattr(obj, "pytestmark", ())}
    if marks.isdisjoint({"asyncio", "anyio"}) and not set(DRIVERS).intersection(inspect.signature(obj).parameters):
        pytest.mark.usefixtures("drive")(obj)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    driver: Any = next((pyfuncitem.funcargs[name] for name in DRIVERS if name in pyfuncitem.funcargs), None)
    if driver is None or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    driver(functools.partial(pyfuncitem.obj, **arguments))
    return True


# ── randomness ──


@pytest.fixture(autouse=True)
def rng(request: pytest.FixtureRequest) -> random.Random:
    """This test's random numbers, and those of select: the same for the same seed, whichever tests run beside it."""
    seed = request.config.stash[SEED]
    print(f"seed: {seed}")  # shown if the test fails
    rng = random.Random(f"{seed} {request.node.nodeid}")
    goish.runtime.seed(rng.randrange(2**32))
    return rng


# ── guards ──


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(autouse=True)
def no_hurry() -> Generator[None]:
    """In asyncio's debug mode, what is slow is logged: here that says only how fast the machine is."""
    logger = logging.getLogger("asyncio")
    logger.addFilter(unhurried)
    yield
    logger.removeFilter(unhurried)


@pytest.fixture(autouse=True)
def no_hang(request: pytest.FixtureRequest) -> None:
    """A test that takes far too long ends the process, as does what comes between it and the next one."""
    watch(request.config, patience(request.node))


@pytest.fixture(autouse=True)
def no_leak(request: pytest.FixtureRequest) -> Generator[None]:
    """Fails a test that leaves goroutines behind (unless it is marked leaves_goroutines)."""
    yield
    if request.node.stash.get(FAILED, False) or request.node.get_closest_marker("leaves_goroutines"):
        return
    deadline = time.monotonic() + 30
    while (left := goish.num_goroutine()) > 0 and time.monotonic() < deadline:
        time.sleep(0.002)  # a worker tells who waits for a call before it counts the call off
    assert left == 0, f"{left} goroutines left behind: {goish.runtime.goroutines()}"


@pytest.fixture(autouse=True)
def no_handler_left() -> Generator[None]:
    """Fails a test that leaves a signal handler behind: beside one, later tests find no deadlock."""
    handlers = signal_handlers()
    yield
    assert signal_handlers() == handlers


def signal_handlers() -> list[object]:
    return [signal.getsignal(number) for number in sorted(signal.valid_signals())]
