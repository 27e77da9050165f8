"""CPython's own tests of locks, on goish's: ``python -m tests.conformance.locks``.

The adapters below give the locks of ``goish.sync`` the names and the results of ``asyncio`` and of ``threading``, and
nothing else: what they wait for, and in which order, is goish's. Run are ``test.test_asyncio.test_locks``, whose module
gets them in the place of asyncio's, and ``test.lock_tests``; but not those in ``NOT_RUN``, each with its reason. The
exit code is 1 if a test fails.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
import unittest
from collections.abc import Callable
from typing import Any

from goish.errors import BrokenBarrier
from goish.sync import Barrier, Cond, Event, Mutex

# Tests that are not run, each with the reason.
INSIDE = "looks into the object: its waiters, its repr"
DRAINING = (
    "asks for asyncio's draining state: goish's parties leave a round by themselves, and the next may fill meanwhile"
)
NOT_RUN = {
    "LockTests.test_acquire_cancel": INSIDE,
    "LockTests.test_cancel_race": INSIDE,
    "LockTests.test_finished_waiter_cancelled": INSIDE,
    "LockTests.test_repr": INSIDE,
    "EventTests.test_clear_with_waiters": INSIDE,
    "EventTests.test_repr": INSIDE,
    "EventTests.test_wait_cancel": INSIDE,
    "ConditionTests.test_ambiguous_loops": "expects that a lock belongs to one loop",
    "ConditionTests.test_explicit_lock": INSIDE,
    "ConditionTests.test_repr": INSIDE,
    "ConditionTests.test_wait_cancel": INSIDE,
    "BarrierTests.test_repr": INSIDE,
    "BarrierTests.test_barrier": INSIDE,
    "BarrierTests.test_filling_task_by_task": INSIDE,
    "BarrierTests.test_filling_tasks_cancel_one": "a cancelled party breaks goish's barrier, as it breaks threading's",
    "BarrierTests.test_abort_barrier_when_tasks_half_draining_half_blocking": DRAINING,
    "BarrierTests.test_draining_state": DRAINING,
    "BarrierTests.test_reset_barrier_when_tasks_half_draining": DRAINING,
    "BarrierTests.test_reset_barrier_when_tasks_half_draining_half_blocking": DRAINING,
    "BarrierTests.test_reset_barrier_while_tasks_draining": DRAINING,
    "ThreadLockTests.test_at_fork_reinit": INSIDE,
    "ThreadLockTests.test_locked_repr": INSIDE,
    "ThreadLockTests.test_repr": INSIDE,
    "ThreadEventTests.test_at_fork_reinit": INSIDE,
    "ThreadEventTests.test_repr": INSIDE,
    "ThreadBarrierTests.test_repr": INSIDE,
    "ThreadConditionTests.test_acquire": "takes the lock twice: threading's is re-entrant, goish's is not",
}


# ── with asyncio's names ──


class AsyncioLock:
    def __init__(self) -> None:
        self.mu = Mutex()

    async def acquire(self) -> bool:
        await self.mu.lock()
        return True

    def release(self) -> None:
        self.mu.unlock()

    def locked(self) -> bool:
        return self.mu.locked()

    async def __aenter__(self) -> None:
        await self.mu.lock()

    async def __aexit__(self, *_: object) -> None:
        self.mu.unlock()


class AsyncioEvent:
    def __init__(self) -> None:
        self.event = Event()
        self.set, self.clear, self.is_set = self.event.set, self.event.clear, self.event.is_set

    async def wait(self) -> bool:
        await self.event.wait()
        return True


class AsyncioCondition(AsyncioLock):
    def __init__(self, lock: AsyncioLock | None = None) -> None:
        self.lock = lock or AsyncioLock()
        self.mu = self.lock.mu
        self.cond = Cond(self.mu)

    async def wait(self) -> bool:
        await self.cond.wait()
        return True

    async def wait_for(self, predicate: Callable[[], Any]) -> Any:
        return await self.cond.wait_for(predicate)

    def notify(self, n: int = 1) -> None:
        if not self.mu.locked():
            raise RuntimeError("cannot notify on un-acquired lock")
        for _ in range(n):
            self.cond.signal()

    def notify_all(self) -> None:
        self.notify(0)
        self.cond.broadcast()


class AsyncioBarrier(Barrier):
    async def abort(self) -> None:  # type: ignore[override]
        super().abort()

    async def reset(self) -> None:  # type: ignore[override]
        super().reset()


AsyncioLock.__name__ = "Lock"  # which a message has
ASYNCIO = {
    "Lock": AsyncioLock,
    "Event": AsyncioEvent,
    "Condition": AsyncioCondition,
    "Barrier": AsyncioBarrier,
    "BrokenBarrierError": BrokenBarrier,
}


# ── with threading's names ──


def in_time(call: Callable[..., object], timeout: float | None) -> bool:
    try:
        call(None if timeout is None or timeout < 0 else timeout)
    except TimeoutError:
        return False
    return True


class ThreadLock:
    def __init__(self) -> None:
        self.mu = Mutex()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if not blocking:
            if timeout != -1:
                raise ValueError("can't specify a timeout for a non-blocking call")
            return self.mu.try_lock()
        if timeout < 0 and timeout != -1:
            raise ValueError("timeout value must be a non-negative number")
        if timeout > threading.TIMEOUT_MAX:
            raise OverflowError("timeout value is too large")
        return in_time(self.mu.lock_blocking, timeout)

    def release(self) -> None:
        self.mu.unlock()

    def locked(self) -> bool:
        return self.mu.locked()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class ThreadEvent(AsyncioEvent):
    def wait(self, timeout: float | None = None) -> bool:  # type: ignore[override]
        return in_time(self.event.wait_blocking, timeout)


class ThreadCondition(ThreadLock):
    def __init__(self, lock: ThreadLock | None = None) -> None:
        self.mu = (lock or ThreadLock()).mu
        self.cond = Cond(self.mu)

    def wait(self, timeout: float | None = None) -> bool:
        return in_time(self.cond.wait_blocking, timeout)

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        try:
            return self.cond.wait_for_blocking(predicate, timeout)
        except TimeoutError:
            return predicate()

    def notify(self, n: int = 1) -> None:
        if not self.mu.locked():
            raise RuntimeError("cannot notify on un-acquired lock")
        for _ in range(n):
            self.cond.signal()

    def notify_all(self) -> None:
        self.notify(0)
        self.cond.broadcast()


class ThreadBarrier(Barrier):
    def __init__(self, parties: int, action: object = None, timeout: float | None = None) -> None:
        if action is not None:
            raise unittest.SkipTest("goish's barrier has no action")
        super().__init__(parties)
        self.timeout = timeout

    def wait(self, timeout: float | None = None) -> int:  # type: ignore[override]
        try:
            return self.wait_blocking(self.timeout if timeout is None else timeout)
        except TimeoutError:
            raise BrokenBarrier from None

    __enter__ = wait


THREADING = {"LockTests": ThreadLock, "EventTests": ThreadEvent, "ConditionTests": ThreadCondition}


# ── running them ──


class OnGoish:
    """asyncio with goish's locks, for the one module that it is put into."""

    def __getattr__(self, name: str) -> Any:
        return ASYNCIO[name] if name in ASYNCIO else getattr(asyncio, name)


def suites() -> unittest.TestSuite:
    everything = unittest.TestSuite()
    load = unittest.defaultTestLoader.loadTestsFromTestCase
    locks: Any = importlib.import_module("test.test_asyncio.test_locks")
    locks.asyncio = OnGoish()
    for name in ("LockTests", "EventTests", "ConditionTests", "BarrierTests"):
        everything.addTests(load(getattr(locks, name)))
    threads: Any = importlib.import_module("test.lock_tests")
    threads.threading.BrokenBarrierError = BrokenBarrier
    for name, made in THREADING.items():
        attribute = {"LockTests": "locktype", "EventTests": "eventtype", "ConditionTests": "condtype"}[name]
        everything.addTests(load(type(f"Thread{name}", (getattr(threads, name),), {attribute: staticmethod(made)})))
    barrier = {"barriertype": staticmethod(ThreadBarrier)}
    everything.addTests(load(type("ThreadBarrierTests", (threads.BarrierTests,), barrier)))
    return everything


def main() -> int:
    everything = [test for test in suites() if isinstance(test, unittest.TestCase)]
    chosen = [test for test in everything if ".".join(test.id().split(".")[-2:]) not in NOT_RUN]
    result = unittest.TextTestRunner(verbosity=0).run(unittest.TestSuite(chosen))
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun} run, {len(result.skipped)} of them skipped, {failed} failed; {len(NOT_RUN)} were not run")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
