"""Two threads and what stands between them: a lock, two semaphores, a condition.

The rivals give the primitive. What is the same for all of them, the two threads and their turns, is here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from time import perf_counter

from benchmarks.measure import Result, since


def two_threads(first: Callable[[], None], second: Callable[[], None], n: int) -> Result:
    """``n`` items, done by two threads that begin together."""
    ready = threading.Barrier(3)

    def body(work: Callable[[], None]) -> None:
        ready.wait()
        work()

    threads = [threading.Thread(target=body, args=(work,)) for work in (first, second)]
    for thread in threads:
        thread.start()
    ready.wait()
    start = perf_counter()
    for thread in threads:
        thread.join()
    return since(start, n)


def lock_pair(lock: AbstractContextManager[object], n: int) -> Result:
    """Both threads lock and unlock, as fast as they can."""
    counter = 0

    def work() -> None:
        nonlocal counter
        for _ in range(n // 2):
            with lock:
                counter += 1

    result = two_threads(work, work, n // 2 * 2)
    assert counter == n // 2 * 2
    return result


def permit_pair(
    take_first: Callable[[], object],
    give_first: Callable[[], object],
    take_second: Callable[[], object],
    give_second: Callable[[], object],
    n: int,
) -> Result:
    """A permit goes there and back: each thread takes one from its own semaphore, and gives one to the other's.

    The first semaphore has one permit, the second has none.
    """

    def first() -> None:
        for _ in range(n // 2):
            take_first()
            give_second()

    def second() -> None:
        for _ in range(n // 2):
            take_second()
            give_first()

    return two_threads(first, second, n // 2 * 2)


def signal_pair(
    lock: AbstractContextManager[object], wait: Callable[[], object], signal: Callable[[], object], n: int
) -> Result:
    """The threads take turns: each waits for its turn under the condition, and signals that it is the other's."""
    turn = 0

    def player(mine: int) -> Callable[[], None]:
        def play() -> None:
            nonlocal turn
            for _ in range(n // 2):
                with lock:
                    while turn != mine:
                        wait()
                    turn = 1 - mine
                    signal()

        return play

    return two_threads(player(0), player(1), n // 2 * 2)
