"""Histories of locks and events on real threads: the sequential object would answer alike, in some order of the calls.

A history is what was called, when it began and ended, and what it gave; ``linearizable`` is Wing and Gong's search, as
in linearizability.py, for other objects.
"""

from __future__ import annotations

import itertools
import random
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import pytest
from parties import PATIENCE

from goish.semaphore import Weighted
from goish.sync import Cond, Event, Int64, Mutex, RWMutex

pytestmark = pytest.mark.usefixtures("impatient_threads")

SOON = 2e-5  # seconds: some are in time, and some are not
GIVEN_UP = "given up"
names = itertools.count(1)  # of waiters


class Call(NamedTuple):
    begin: int
    end: int
    kind: str
    n: int
    result: Any


State = tuple[int, ...]
Spec = Callable[[State, Call, list[Call]], State | None]  # the others are those that have begun and not yet happened


def units(state: State, call: Call, others: list[Call]) -> State | None:
    """A semaphore, and a lock of one unit or of all: the state is how many are free."""
    (free,) = state
    if call.kind == "release":
        return (free + call.n,)
    if call.kind == "acquire" or (call.kind == "acquire_in_time" and call.result is True):
        return (free - call.n,) if free >= call.n else None
    if call.kind == "try" and call.result:
        return (free - call.n,) if free >= call.n else None
    if call.kind == "try":  # it does not pass by one that waits
        return state if free < call.n or any(other.kind.startswith("acquire") for other in others) else None
    return state  # given up


def flag(state: State, call: Call, others: list[Call]) -> State | None:
    (is_set,) = state
    if call.kind in ("set", "clear"):
        return (int(call.kind == "set"),)
    if call.kind == "is_set":
        return state if call.result == bool(is_set) else None
    if call.result == GIVEN_UP:
        return state
    return state if is_set else None


def number(state: State, call: Call, others: list[Call]) -> State | None:
    (value,) = state
    if call.kind == "add":
        return (value + call.n,) if call.result == value + call.n else None
    if call.kind == "swap":
        return (call.n,) if call.result == value else None
    if call.kind == "load":
        return state if call.result == value else None
    return ((call.n,) if call.result else state) if call.result == (value == call.n - 1) else None


def signals(state: State, call: Call, others: list[Call]) -> State | None:
    """A cond: whether its lock is free, then its waiters in their order, a negative one once its wait is decided."""
    free, *waiters = state
    waits, decided = call.n in waiters, -call.n in waiters
    after: State | None
    if call.kind in ("lock", "unlock"):
        after = (int(call.kind == "unlock"), *waiters) if free == (call.kind == "lock") else None
    elif call.kind == "signal":
        first = next((waiter for waiter in waiters if waiter > 0), None)
        after = (free, *(-waiter if waiter == first else waiter for waiter in waiters))
    elif call.kind == "broadcast":
        after = (free, *(-abs(waiter) for waiter in waiters))
    elif call.kind == "begin to wait":
        after = (1, *waiters, call.n) if not free and not waits and not decided else None
    elif call.kind == "give up":
        after = (free, *(-waiter if waiter == call.n else waiter for waiter in waiters)) if waits else None
    else:  # lock again
        after = (0, *(waiter for waiter in waiters if waiter != -call.n)) if free and decided else None
    return after


def parts(call: Call) -> list[Call]:
    """A wait on a cond happens at two or three instants, the others at one."""
    if call.kind != "wait on a cond":
        return [call]
    given_up = ["give up"] if call.result == GIVEN_UP else []
    return [call._replace(kind=kind) for kind in ("begin to wait", *given_up, "lock again")]


def linearizable(history: list[Call], state: State, spec: Spec) -> bool:
    calls = sorted(part for call in history for part in parts(call))
    tried: set[tuple[int, State]] = set()
    stack = [steps(calls, (1 << len(calls)) - 1, state, spec)]
    while stack:
        for left, after in stack[-1]:
            if not left:
                return True
            if (left, after) not in tried:
                tried.add((left, after))
                stack.append(steps(calls, left, after, spec))
                break
        else:
            stack.pop()
    return False


def steps(calls: list[Call], left: int, state: State, spec: Spec) -> Iterator[tuple[int, State]]:
    remaining = [i for i in range(len(calls)) if left >> i & 1]
    first_end = min(calls[i].end for i in remaining)
    ready = [i for i in remaining if calls[i].begin < first_end]
    for i in ready:
        after = spec(state, calls[i], [calls[j] for j in ready if j != i])
        if after is not None:
            yield left & ~(1 << i), after


# ── what the threads do ──

Step = tuple[str, int, Callable[[], Any]]


def in_time(call: Callable[..., object], timeout: float = SOON) -> Callable[[], Any]:
    def attempt() -> Any:
        try:
            call(timeout=timeout)
        except TimeoutError:
            return GIVEN_UP
        return True

    return attempt


def lock_steps(lock: Any, rng: random.Random) -> list[Step]:
    found: list[Step] = []
    take: Any
    take_now: Any
    give: Any
    for _ in range(4):
        if isinstance(lock, Weighted):
            n = rng.randint(1, lock.size)
            take, take_now, give = (
                partial(call, n) for call in (lock.acquire_blocking, lock.try_acquire, lock.release)
            )
        elif isinstance(lock, RWMutex) and rng.random() < 0.6:
            n, take, take_now, give = 1, lock.rlock_blocking, lock.try_rlock, lock.runlock
        else:
            n, take, take_now, give = 100, lock.lock_blocking, lock.try_lock, lock.unlock
        kind = rng.choice(("acquire", "acquire_in_time", "try"))
        call = {"acquire": take, "acquire_in_time": in_time(take), "try": take_now}[kind]
        found += [(kind, n, call), ("release", n, give)]
    return found


def cond_steps(cond: Cond, rng: random.Random) -> list[Step]:
    lock: Step = ("lock", 0, cond.mu.lock_blocking)
    unlock: Step = ("unlock", 0, cond.mu.unlock)
    found: list[Step] = []
    for _ in range(4):
        wait = in_time(cond.wait_blocking, rng.choice((SOON, 50 * SOON)))
        step: Step = rng.choice([
            ("wait on a cond", next(names), wait),
            ("signal", 0, cond.signal),
            ("broadcast", 0, cond.broadcast),
        ])  # fmt: skip
        found += [step] if step[1] == 0 and rng.random() < 0.5 else [lock, step, unlock]
    return found


def event_steps(event: Event, rng: random.Random) -> list[Step]:
    calls: list[Step] = [
        ("set", 0, event.set),
        ("clear", 0, event.clear),
        ("is_set", 0, event.is_set),
        ("wait", 0, in_time(event.wait_blocking)),
    ]
    return [rng.choice(calls) for _ in range(6)]


def number_steps(n: Int64, rng: random.Random) -> list[Step]:
    def step() -> Step:
        k = rng.randint(0, 3)
        return rng.choice([
            ("add", k, lambda: n.add(k)),
            ("swap", k, lambda: n.swap(k)),
            ("load", k, n.load),
            ("cas", k, lambda: n.compare_and_swap(k - 1, k)),
        ])  # fmt: skip

    return [step() for _ in range(6)]


def record(scripts: list[list[Step]]) -> list[Call]:
    clock = itertools.count().__next__
    together = threading.Barrier(len(scripts))
    histories: list[list[Call]] = [[] for _ in scripts]

    def play(script: list[Step], history: list[Call]) -> None:
        together.wait()
        taken = True
        for kind, n, call in script:
            if kind == "release" and not taken:
                continue
            begin = clock()
            result = call()
            history.append(Call(begin, clock(), kind, n, result))
            taken = result not in (GIVEN_UP, False)

    threads = [threading.Thread(target=play, args=each, daemon=True) for each in zip(scripts, histories, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), f"it hangs: {histories}"
    return list(itertools.chain(*histories))


OBJECTS: dict[str, tuple[Callable[[], Any], Callable[[Any, random.Random], list[Step]], State, Spec]] = {
    "mutex": (Mutex, lock_steps, (100,), units),
    "rwmutex": (RWMutex, lock_steps, (100,), units),
    "weighted": (lambda: Weighted(3), lock_steps, (3,), units),
    "cond": (lambda: Cond(Mutex()), cond_steps, (1,), signals),
    "event": (Event, event_steps, (0,), flag),
    "int64": (Int64, number_steps, (0,), number),
}


def check(name: str, rng: random.Random, rounds: int) -> None:
    make, steps_of, state, spec = OBJECTS[name]
    overlapped = 0
    for _ in range(rounds):
        thing = make()
        history = record([steps_of(thing, rng) for _ in range(3)])
        assert linearizable(history, state, spec), sorted(history)
        ordered = sorted(history)
        overlapped += any(later.begin < earlier.end for earlier, later in itertools.pairwise(ordered))
        assert set(re.findall(r"waiting=(\d+)", repr(thing))) <= {"0"}
    print(f"{rounds} histories, {overlapped / rounds:.0%} of them with calls that overlap")


@pytest.mark.parametrize("name", OBJECTS)
def test_random_histories_are_linearizable(name: str, rng: random.Random) -> None:
    check(name, rng, 100)


@pytest.mark.slow
@pytest.mark.parametrize("name", OBJECTS)
def test_many_random_histories_are_linearizable(name: str, rng: random.Random) -> None:
    check(name, rng, 5000)


# ── the checker itself ──


@pytest.mark.parametrize(
    ("calls", "sound"),
    [
        ([(0, 1, "acquire", 1, None), (2, 3, "release", 1, None), (4, 5, "acquire", 1, None)], True),
        ([(0, 1, "acquire", 1, None), (2, 3, "acquire", 1, None)], False),
        ([(0, 5, "acquire", 1, None), (1, 2, "try", 1, True), (3, 4, "release", 1, None)], True),
        ([(0, 1, "try", 1, False)], False),
        ([(0, 3, "acquire", 1, None), (1, 2, "try", 1, False)], True),
        ([(0, 1, "acquire_in_time", 1, GIVEN_UP), (2, 3, "try", 1, True)], True),
    ],
)
def test_the_checker_finds_what_it_is_there_to_find(calls: list[Any], sound: bool) -> None:
    assert linearizable([Call(*call) for call in calls], (1,), units) is sound


TWO_WAIT = [(0, 1, "lock", 0, None), (3, 4, "lock", 0, None)]  # the second gets the lock from the first's wait
SIGNAL = [(6, 7, "lock", 0, None), (8, 9, "signal", 0, None), (10, 11, "unlock", 0, None)]


@pytest.mark.parametrize(
    ("waits", "later", "sound"),
    [
        ([(2, 13, True), (5, 99, GIVEN_UP)], [(14, 15, "unlock", 0, None)], True),
        ([(2, 13, True), (5, 99, True)], [(14, 15, "unlock", 0, None)], False),  # one signal for two
        ([(2, 13, True), (5, 99, True)], [(14, 15, "unlock", 0, None), (16, 17, "signal", 0, None)], True),
        ([(2, 99, True), (5, 13, True)], [(14, 15, "unlock", 0, None), (16, 17, "signal", 0, None)], False),  # no order
        ([(2, 13, True), (5, 99, GIVEN_UP)], [], False),  # the lock is held by two
    ],
)
def test_the_checker_of_conds_finds_what_it_is_there_to_find(waits: list[Any], later: list[Any], sound: bool) -> None:
    both = [Call(*when, "wait on a cond", n, result) for n, (*when, result) in enumerate(waits, 1)]
    others = [Call(*call) for call in TWO_WAIT + SIGNAL + later]
    assert linearizable([*both, *others], (1,), signals) is sound
