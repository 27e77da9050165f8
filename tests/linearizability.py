"""Is a history of channel operations linearizable? Recording histories from real threads, and Wing and Gong's search.

A history is a list of ``Event``: what was called, when it began and ended, and what it gave. It is linearizable if the
operations can be put into one order, in which each takes effect at an instant between its begin and its end, and which
the sequential channel below would have answered in the same way. A rendezvous on an unbuffered channel is two
operations that take effect at the same instant.

Threads: the clock is a counter that all share, so that "ended before the other began" is never wrong.
"""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import goish
from goish import EMPTY, Chan, ChanClosed, SendOnClosed, chan
from goish._runtime.core import seated

CLOSED, REFUSED, DEFAULT = "closed", "refused", "default"
PATIENCE = float(os.environ.get("GOISH_PATIENCE", "30"))  # seconds after which somebody was not woken


class Event(NamedTuple):
    begin: int
    end: int
    kind: str  # send, recv, try_send, try_recv, close, select
    chan: int  # of a select: -1
    value: Any  # what was to be sent; of a select: its cases, (kind, chan, value)
    result: Any  # what was received, True; CLOSED, REFUSED (try_*), DEFAULT; of a select (case, result)


# ── the sequential channel ──

State = tuple[tuple[tuple[Any, ...], bool], ...]  # of each channel: its buffer, and whether it is closed


def effects(event: Event) -> tuple[str, int, Any, Any]:
    """What a completed event did: kind, channel, value and result; a select is the case that happened."""
    if event.kind != "select" or event.result == DEFAULT:
        return event.kind, event.chan, event.value, event.result
    case, result = event.result
    kind, where, value = event.value[case]
    return kind, where, value, result


def alone(event: Event, state: State, capacities: tuple[int, ...]) -> State | None:
    """The state after the event, if it can take effect by itself; else None."""
    if event.kind == "select" and event.result == DEFAULT:
        return (
            state
            if not any(possible(kind, state[where], capacities[where]) for kind, where, _ in event.value)
            else None
        )
    kind, where, value, result = effects(event)
    buffer, closed = state[where]
    after = None
    if kind == "close":
        after = (buffer, True) if (result is True) == (not closed) else None
    elif kind in ("send", "try_send"):
        if result == CLOSED:
            after = (buffer, closed) if closed else None
        elif result == REFUSED:
            after = (buffer, closed) if not possible("send", state[where], capacities[where]) and not closed else None
        else:
            after = ((*buffer, value), closed) if not closed and len(buffer) < capacities[where] else None
    elif result == CLOSED:
        after = (buffer, closed) if closed and not buffer else None
    elif result == REFUSED:
        after = (buffer, closed) if not possible("recv", state[where], capacities[where]) else None
    else:
        after = (buffer[1:], closed) if buffer and buffer[0] == result else None
    return None if after is None else (*state[:where], after, *state[where + 1 :])


def possible(kind: str, channel: tuple[tuple[Any, ...], bool], capacity: int) -> bool:
    """Without a partner; whether one waits, the state does not say, so an unbuffered channel may always refuse."""
    buffer, closed = channel
    return closed or (len(buffer) < capacity if kind == "send" else bool(buffer))


def together(one: Event, other: Event, state: State, capacities: tuple[int, ...]) -> bool:
    """Whether the two are a rendezvous: the state stays as it is."""
    for sender, receiver in ((effects(one), effects(other)), (effects(other), effects(one))):
        if sender[0] in ("send", "try_send") and receiver[0] in ("recv", "try_recv") and sender[1] == receiver[1]:
            where = sender[1]
            if (
                capacities[where] == 0
                and not state[where][1]
                and sender[3] not in (CLOSED, REFUSED)
                and receiver[3] == sender[2]
            ):
                return True
    return False


# ── the search ──


def linearizable(history: list[Event], capacities: tuple[int, ...]) -> bool:
    """Wing and Gong's search, with Lowe's memory of what was tried."""
    events = sorted(history)
    initial: State = tuple(((), False) for _ in capacities)
    tried: set[tuple[int, State]] = set()
    stack = [((1 << len(events)) - 1, initial)]
    while stack:
        left, state = stack.pop()
        if not left:
            return True
        if (left, state) in tried:
            continue
        tried.add((left, state))
        stack += steps(events, left, state, capacities)
    return False


def steps(events: list[Event], left: int, state: State, capacities: tuple[int, ...]) -> Iterator[tuple[int, State]]:
    remaining = [i for i in range(len(events)) if left >> i & 1]
    first_end = min(events[i].end for i in remaining)
    ready = [i for i in remaining if events[i].begin < first_end]
    for i in ready:
        after = alone(events[i], state, capacities)
        if after is not None:
            yield left & ~(1 << i), after
    for i, j in itertools.combinations(ready, 2):
        if together(events[i], events[j], state, capacities):
            yield left & ~(1 << i) & ~(1 << j), state


def overlapping(history: list[Event]) -> bool:
    events = sorted(history)
    return any(later.begin < earlier.end for earlier, later in itertools.pairwise(events))


# ── recording ──

Script = list[tuple[str, int, Any]]  # kind, channel, value


class Recorder:
    """Runs scripts on real channels and notes what happened when; its threads live from one history to the next."""

    def __init__(self, threads: int) -> None:
        self.clock = itertools.count().__next__
        self.chans: list[Chan[Any]] = []
        self.history: list[Event] = []
        self.scripts: list[Script] = [[] for _ in range(threads)]
        self.round = 0
        self.finished = [0] * threads
        self.over = False
        self.threads = [threading.Thread(target=self._live, args=(i,), daemon=True) for i in range(threads)]
        for thread in self.threads:
            thread.start()

    def close(self) -> None:
        self.over = True
        for thread in self.threads:
            thread.join(PATIENCE)

    def run(self, capacities: tuple[int, ...], scripts: list[Script]) -> list[Event]:
        self.chans = [chan(capacity) for capacity in capacities]
        self.history = []
        self.scripts[: len(scripts)] = scripts
        for i in range(len(scripts), len(self.scripts)):
            self.scripts[i] = []
        self.round += 1
        self._wait(self._quiet)
        if not any(step[0] == "select" for script in scripts for step in script):
            self._check_who_waits()
        for where, ch in enumerate(self.chans):  # whoever still waits is released: an event like any other
            begin = self.clock()
            done = ch.close_once()
            self.history.append(Event(begin, self.clock(), "close", where, None, done))
        self._wait(lambda: all(n == self.round for n in self.finished))
        return self.history

    def _quiet(self) -> bool:
        busy = {self.threads[i].native_id for i, n in enumerate(self.finished) if n != self.round}
        return busy <= seated()

    def _check_who_waits(self) -> None:
        """Nobody waits for what is there; an order of what has happened would not show it."""
        for ch in self.chans:
            found = ch.statistics()
            assert not found.receivers_waiting or not (found.buffered or found.senders_waiting), (found, self.history)
            assert not found.senders_waiting or found.buffered == found.capacity, (found, self.history)

    def _wait(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, f"somebody was not woken: {self.history}"
            time.sleep(0)

    def _live(self, i: int) -> None:
        known = 0
        while not self.over:
            if self.round == known:
                time.sleep(0)
                continue
            known = self.round
            for kind, where, value in self.scripts[i]:
                begin = self.clock()
                result = self._do(kind, where, value)
                self.history.append(Event(begin, self.clock(), kind, where, value, result))
            self.finished[i] = known

    def _do(self, kind: str, where: int, value: Any) -> Any:
        if kind == "select":
            return self._select(value)
        ch = self.chans[where]
        try:
            if kind == "send":
                ch.send_blocking(value)
                return True
            if kind == "recv":
                return ch.recv_blocking()
            if kind == "try_send":
                return ch.try_send(value) or REFUSED
            if kind == "try_recv":
                received = ch.try_recv()
                return REFUSED if received is EMPTY else received[0] if received[1] else CLOSED
            return ch.close_once()
        except (SendOnClosed, ChanClosed):
            return CLOSED

    def _select(self, cases: list[tuple[str, int, Any]]) -> Any:
        ops = [self.chans[w].send(v) if kind == "send" else self.chans[w].recv() for kind, w, v in cases]
        try:
            index, value, ok = goish.select_blocking(*ops)
        except SendOnClosed as refused:
            return next((i, CLOSED) for i, case in enumerate(cases) if case[2] == refused.value)
        if index < 0:
            return DEFAULT
        if cases[index][0] == "send":
            return index, True
        return index, value if ok else CLOSED


def scripts(rng: random.Random, threads: int, length: int, channels: int, kinds: str) -> list[Script]:
    """Random scripts; the values are distinct, so that each receive names its send."""
    values = itertools.count(1).__next__

    def step() -> tuple[str, int, Any]:
        kind = rng.choice(kinds.split())
        where = rng.randrange(channels)
        if kind == "select":
            cases = [(rng.choice(("send", "recv")), w) for w in rng.sample(range(channels), min(2, channels))]
            return kind, -1, [(k, w, values() if k == "send" else None) for k, w in cases]
        return kind, where, values() if "send" in kind else None

    return [[step() for _ in range(length)] for _ in range(threads)]


PLAIN = "send recv try_send try_recv"
CLOSES = "send recv try_send try_recv send recv close"
SELECTS = "select select send recv try_send try_recv"
PROGRAMS: list[tuple[str, tuple[int, ...]]] = [
    *((PLAIN, (capacity,)) for capacity in (0, 1, 2)),
    *((CLOSES, (capacity,)) for capacity in (0, 1, 2)),
    (SELECTS, (0, 0)),
    (SELECTS, (1, 0)),
    (SELECTS, (1, 2)),
]


def histories(rng: random.Random, rounds: int) -> Iterator[tuple[list[Event], tuple[int, ...]]]:
    """``rounds`` histories of each kind of program."""
    recorder = Recorder(3)
    try:
        for kinds, capacities in PROGRAMS * rounds:
            threads, length = rng.choice((2, 3)), rng.randint(2, 4)
            yield recorder.run(capacities, scripts(rng, threads, length, len(capacities), kinds)), capacities
    finally:
        recorder.close()
