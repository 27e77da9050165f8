"""Python's own locks for threads: what a thread would use that has nothing to do with a loop."""

from __future__ import annotations

import threading

from benchmarks.measure import Result, Workloads
from benchmarks.pairs import lock_pair, permit_pair, signal_pair


def mutex_threads(n: int) -> Result:
    return lock_pair(threading.Lock(), n)


def semaphore_threads(n: int) -> Result:
    first, second = threading.Semaphore(1), threading.Semaphore(0)
    return permit_pair(first.acquire, first.release, second.acquire, second.release, n)


def cond_threads(n: int) -> Result:
    condition = threading.Condition(threading.Lock())
    return signal_pair(condition, condition.wait, condition.notify, n)


WORKLOADS: Workloads = {
    "mutex_threads": mutex_threads,
    "semaphore_threads": semaphore_threads,
    "cond_threads": cond_threads,
}
