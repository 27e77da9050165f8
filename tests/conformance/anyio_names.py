"""pytest -p anyio_names: goish's locks in the place of anyio's, and which of anyio's tests of them are not run.

The adapters give the locks of ``goish`` anyio's names and results, its owners, and its checkpoints: what they wait for,
and in which order, is goish's. They need no loop when they are made, so that anyio's adapters for this are not in use.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import pytest
from anyio import TaskInfo, WouldBlock, get_current_task
from anyio._backends import _asyncio
from anyio._core import _synchronization as core
from anyio.lowlevel import cancel_shielded_checkpoint, checkpoint, checkpoint_if_cancelled

from goish.semaphore import Weighted
from goish.sync import Cond, Event, Mutex

T = TypeVar("T")
MANY = 1 << 62  # units: no end of them

# Tests that are not run, each with the reason.
OWNER = "asks for the owner between release() and the next owner's turn; goish's lock belongs to nobody"
SET_AND_CANCELLED = (
    "a wait for goish's event gives nothing that could be lost, so a cancel between set() and the waiter's turn ends it"
)
NOT_RUN = {
    "TestLock::test_cancel_after_release": OWNER,
    "TestLock::test_owner_after_release": OWNER,
    "TestEvent::test_event_wait_before_set_before_cancel": SET_AND_CANCELLED,
}


def waiting(lock: object) -> int:
    """How many wait for it, which only the repr says."""
    found = re.search(r"waiting=(\d+)", repr(lock))
    assert found is not None
    return int(found[1])


async def turn(give_back: Callable[[], None]) -> None:
    """As anyio's locks do: let the others run, and do not keep what a cancelled task was given."""
    try:
        await cancel_shielded_checkpoint()
    except BaseException:
        give_back()
        raise


class AnyioEvent(core.Event):
    def __new__(cls) -> AnyioEvent:
        return object.__new__(cls)

    def __init__(self) -> None:
        self.event = Event()

    def set(self) -> None:
        self.event.set()

    def is_set(self) -> bool:
        return self.event.is_set()

    async def wait(self) -> None:
        await (checkpoint() if self.event.is_set() else self.event.wait())

    def statistics(self) -> anyio.EventStatistics:
        return anyio.EventStatistics(waiting(self.event))


class AnyioLock(core.Lock):
    def __new__(cls, *, fast_acquire: bool = False) -> AnyioLock:
        return object.__new__(cls)

    def __init__(self, *, fast_acquire: bool = False) -> None:
        self.fast_acquire = fast_acquire
        self.mu = Mutex()
        self.owner: TaskInfo | None = None

    async def acquire(self) -> None:
        await checkpoint_if_cancelled()
        try:
            self.acquire_nowait()
        except WouldBlock:
            await self.mu.lock()
            self.owner = get_current_task()
        else:
            if self.fast_acquire:
                return
        await turn(self.release)

    def acquire_nowait(self) -> None:
        if self.owner == get_current_task():
            raise RuntimeError("Attempted to acquire an already held Lock")
        if not self.mu.try_lock():
            raise WouldBlock
        self.owner = get_current_task()

    def release(self) -> None:
        if self.owner != get_current_task():
            raise RuntimeError("The current task is not holding this lock")
        self.owner = None
        self.mu.unlock()

    def locked(self) -> bool:
        return self.mu.locked()

    def statistics(self) -> anyio.LockStatistics:
        return anyio.LockStatistics(self.locked(), self.owner, waiting(self.mu))


class AnyioCondition(core.Condition):
    def __init__(self, lock: AnyioLock | None = None) -> None:
        self.lock = self._lock = lock or AnyioLock()  # the second is what anyio's methods use
        self.cond = Cond(self.lock.mu)

    async def wait(self) -> None:
        await checkpoint_if_cancelled()
        self._check_acquired()
        self.lock.owner = None
        try:
            await self.cond.wait()
        finally:
            self.lock.owner = get_current_task()

    async def wait_for(self, predicate: Callable[[], T]) -> T:
        while not (result := predicate()):
            await self.wait()
        return result

    def notify(self, n: int = 1) -> None:
        self._check_acquired()
        for _ in range(n):
            self.cond.signal()

    def notify_all(self) -> None:
        self._check_acquired()
        self.cond.broadcast()

    def statistics(self) -> anyio.ConditionStatistics:
        return anyio.ConditionStatistics(self.cond.waiting, self.lock.statistics())


class AnyioSemaphore(core.Semaphore):
    def __new__(cls, *args: Any, **kwargs: Any) -> AnyioSemaphore:
        return object.__new__(cls)

    def __init__(self, initial_value: int, *, max_value: int | None = None, fast_acquire: bool = False) -> None:
        super().__init__(initial_value, max_value=max_value, fast_acquire=fast_acquire)
        self.most = max_value
        size = MANY if max_value is None else max_value
        self.units = Weighted(size)
        self.units.try_acquire(size - initial_value)

    async def acquire(self) -> None:
        await checkpoint_if_cancelled()
        if not self.units.try_acquire():
            await self.units.acquire()
        elif self._fast_acquire:
            return
        await turn(self.release)

    def acquire_nowait(self) -> None:
        if not self.units.try_acquire():
            raise WouldBlock

    def release(self) -> None:
        self.units.release()

    @property
    def value(self) -> int:
        return self.units.free

    @property
    def max_value(self) -> int | None:
        return self.most

    def statistics(self) -> anyio.SemaphoreStatistics:
        return anyio.SemaphoreStatistics(waiting(self.units))


class AnyioCapacityLimiter(core.CapacityLimiter):
    """Of ``MANY`` units, all but ``total_tokens`` are taken away."""

    def __new__(cls, total_tokens: float) -> AnyioCapacityLimiter:
        return object.__new__(cls)

    def __init__(self, total_tokens: float) -> None:
        self.units = Weighted(MANY)
        self.units.try_acquire(MANY)
        self.total: float = 0
        self.owed = 0  # units to take away as soon as they come back
        self.borrowers: set[object] = set()
        self.total_tokens = total_tokens

    @property
    def total_tokens(self) -> float:
        return self.total

    @total_tokens.setter
    def total_tokens(self, value: float) -> None:
        if not isinstance(value, int) and not math.isinf(value):
            raise TypeError("total_tokens must be an int or math.inf")
        if value < 0:
            raise ValueError("total_tokens must be >= 0")
        more = int(min(value, MANY)) - int(min(self.total, MANY))
        self.total = value
        if more >= 0:
            self.give(more)
        else:
            free = min(-more, self.units.free)
            self.owed += -more - free
            self.units.try_acquire(free)

    def give(self, n: int) -> None:
        paid = min(n, self.owed)
        self.owed -= paid
        self.units.release(n - paid)

    @property
    def borrowed_tokens(self) -> int:
        return int(min(self.total, MANY)) - self.units.free + self.owed

    @property
    def available_tokens(self) -> float:
        return self.total - self.borrowed_tokens

    def acquire_nowait(self) -> None:
        self.acquire_on_behalf_of_nowait(get_current_task())

    def acquire_on_behalf_of_nowait(self, borrower: object) -> None:
        if borrower in self.borrowers:
            raise RuntimeError("this borrower is already holding one of this CapacityLimiter's tokens")
        if not self.units.try_acquire():
            raise WouldBlock
        self.borrowers.add(borrower)

    async def acquire(self) -> None:
        await self.acquire_on_behalf_of(get_current_task())

    async def acquire_on_behalf_of(self, borrower: object) -> None:
        await checkpoint_if_cancelled()
        try:
            self.acquire_on_behalf_of_nowait(borrower)
        except WouldBlock:
            await self.units.acquire()
            self.borrowers.add(borrower)
        await turn(lambda: self.release_on_behalf_of(borrower))

    def release(self) -> None:
        self.release_on_behalf_of(get_current_task())

    def release_on_behalf_of(self, borrower: object) -> None:
        if borrower not in self.borrowers:
            raise RuntimeError("this borrower isn't holding any of this CapacityLimiter's tokens")
        self.borrowers.remove(borrower)
        self.give(1)

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *_: object) -> None:
        self.release()

    def statistics(self) -> anyio.CapacityLimiterStatistics:
        borrowers = tuple(self.borrowers)
        return anyio.CapacityLimiterStatistics(self.borrowed_tokens, self.total, borrowers, waiting(self.units))


ADAPTERS = (AnyioEvent, AnyioLock, AnyioCondition, AnyioSemaphore, AnyioCapacityLimiter)
for adapter in ADAPTERS:
    for module in (anyio, core, _asyncio):
        setattr(module, adapter.__name__.removeprefix("Anyio"), adapter)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def name(item: pytest.Item) -> str:
        return item.nodeid.partition("::")[2].partition("[")[0]

    items[:] = [item for item in items if name(item) not in NOT_RUN]
