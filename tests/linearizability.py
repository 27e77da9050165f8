"""Is a history of channel operations linearizable? Recording histories from real threads, and Wing and Gong's search.

    python -m tests.linearizability [--histories 1000000] [--seed N] [--overlap 0.95]      (make histories)

A history is a list of ``Event``: what was called, when it began and ended, and what it gave. It is linearizable if the
operations can be put into one order, in which each takes effect at an instant between its begin and its end, and which
the sequential channel below would have answered in the same way. A rendezvous on an unbuffered channel is two
operations that take effect at the same instant.

Threads: the clock is a counter that all share, so that "ended before the other began" is never wrong.
Recorded is also how it ends: the recorder closes the channels when all parties have ended or wait, and takes what is
left in them, so that a value that was lost is missed.
"""

from __future__ import annotations

import argparse
import collections
import faulthandler
import itertools
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import goish
from goish import EMPTY, Chan, ChanClosed, SendOnClosed, chan
from goish._runtime.core import parked_threads

CLOSED, REFUSED, DEFAULT, GIVEN_UP = "closed", "refused", "default", "given up"
SENDS = ("send", "try_send", "send_in_time")
RECEIVES = ("recv", "try_recv_ok", "recv_in_time")
CHOICES = ("select", "select_in_time")
SOON = 2e-5  # seconds: some are in time, and some are not
TURNS = 30  # for which one waits for the others before a step, at most: some microseconds
PATIENCE = float(os.environ.get("GOISH_PATIENCE", "30"))  # seconds after which somebody was not woken


class Event(NamedTuple):
    begin: int
    end: int
    kind: str  # close, or one of the above; ..._in_time: with a timeout
    chan: int  # of a select: -1
    value: Any  # what was to be sent; of a select: its cases, (kind, chan, value)
    result: Any  # what was received, True; CLOSED, REFUSED (try_*), DEFAULT, GIVEN_UP; of a select (case, result)
    last: bool = False  # the recorder's


# ── the sequential channel ──

State = tuple[tuple[tuple[Any, ...], bool], ...]  # of each channel: its buffer, and whether it is closed


def effects(event: Event) -> tuple[str, int, Any, Any]:
    """What a completed event did: kind, channel, value and result; a select is the case that happened."""
    if event.kind not in CHOICES or event.result in (DEFAULT, GIVEN_UP):
        return event.kind, event.chan, event.value, event.result
    case, result = event.result
    kind, where, value = event.value[case]
    return kind, where, value, result


def alone(event: Event, state: State, capacities: tuple[int, ...]) -> State | None:
    """The state after the event, if it can take effect by itself; else None."""
    if event.result == GIVEN_UP:
        return state
    if event.kind in CHOICES and event.result == DEFAULT:
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
    elif kind in SENDS:
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
        if sender[0] in SENDS and receiver[0] in RECEIVES and sender[1] == receiver[1]:
            where = sender[1]
            if capacities[where] == 0 and not state[where][1] and sender[3] is True and receiver[3] == sender[2]:
                return True
    return False


# ── the search ──


def linearizable(history: list[Event], capacities: tuple[int, ...]) -> bool:
    """Wing and Gong's search, with Lowe's memory of what was tried; the first try nearly always does."""
    events = sorted(history)
    initial: State = tuple(((), False) for _ in capacities)
    tried: set[tuple[int, State]] = set()
    stack = [steps(events, (1 << len(events)) - 1, initial, capacities)]
    while stack:
        for left, state in stack[-1]:
            if not left:
                return True
            if (left, state) not in tried:
                tried.add((left, state))
                stack.append(steps(events, left, state, capacities))
                break
        else:
            stack.pop()
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
    """Whether operations of parties overlap; how the recorder ends it all does not count."""
    events = sorted(event for event in history if not event.last)
    return any(later.begin < earlier.end for earlier, later in itertools.pairwise(events))


def balance(history: list[Event]) -> tuple[int, int]:
    """How many values were lost, and how many were received twice or came from nowhere."""
    done = [effects(event) for event in history]
    sent = collections.Counter(value for kind, _, value, result in done if kind in SENDS and result is True)
    got = collections.Counter(result for kind, _, _, result in done if kind in RECEIVES and type(result) is int)
    return (sent - got).total(), (got - sent).total()


# ── recording ──

Step = tuple[str, int, Any, int]  # kind, channel, value; and for how many turns to wait for the others before it
Script = list[Step]
OVER = 1 << 30


class StopWorld:
    """One history in the making, which all threads see as one object."""

    def __init__(self, capacities: tuple[int, ...], scripts: list[Script]) -> None:
        self.scripts = scripts
        self.chans: list[Chan[Any]] = [chan(capacity) for capacity in capacities]
        self.progress = [0] * len(scripts)  # of each party: at which step it is, from 1 on; OVER
        self.events: list[list[Event]] = [[] for _ in scripts]  # each party's own


class Recorder:
    """Runs scripts on real channels and notes what happened when.

    What is to overlap must begin together. So its threads live from one history to the next and meet by turning, since
    one that sleeps takes longer to wake than a history lasts; and they wait for each other again before each step, but
    not for long, as somebody may be blocked.
    """

    def __init__(self, threads: int) -> None:
        self.clock = itertools.count().__next__
        self.round = StopWorld((), [])
        self.over = False
        self.threads = [threading.Thread(target=self._live, args=(i,), daemon=True) for i in range(threads)]
        for thread in self.threads:
            thread.start()

    def close(self) -> None:
        self.over = True
        for thread in self.threads:
            thread.join(PATIENCE)

    def run(self, capacities: tuple[int, ...], scripts: list[Script]) -> list[Event]:
        self.round = this = StopWorld(capacities, scripts)
        self._wait(lambda: min(this.progress) == OVER or self._quiet(this))
        if not any(step[0] in CHOICES for script in scripts for step in script):
            self._check_who_waits(this)
        ends = [
            self._last(ch, "close", where) for where, ch in enumerate(this.chans)
        ]  # whoever still waits is released
        self._wait(lambda: min(this.progress) == OVER)
        for where, ch in enumerate(this.chans):
            for _ in range(capacities[where] + 2):  # were there more, that would be seen by then
                ends.append(self._last(ch, "recv", where))
                if ends[-1].result == CLOSED:
                    break
        return [*itertools.chain(*this.events), *ends]

    def _last(self, ch: Chan[Any], kind: str, where: int) -> Event:
        begin = self.clock()
        result = once(ch, kind, None)
        return Event(begin, self.clock(), kind, where, None, result, True)

    def _quiet(self, this: StopWorld) -> bool:
        return {self.threads[i].native_id for i, step in enumerate(this.progress) if step != OVER} <= parked_threads()

    def _check_who_waits(self, this: StopWorld) -> None:
        """Nobody waits for what is there; an order of what has happened would not show it."""
        for ch in this.chans:
            found = ch.statistics()
            assert not found.receivers_waiting or not (found.buffered or found.senders_waiting), (found, this.events)
            assert not found.senders_waiting or found.buffered == found.capacity, (found, this.events)

    def _wait(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, f"somebody was not woken: {self.round.events}"
            os.sched_yield()

    def _live(self, i: int) -> None:
        if hasattr(os, "sched_setaffinity"):  # or two that yield to each other share a core
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(0, {cores[i % len(cores)]})
        known = None
        while not self.over:
            if self.round is known:
                os.sched_yield()
                continue
            known = self.round
            if i < len(known.scripts):
                self._play(known, i)

    def _play(self, this: StopWorld, i: int) -> None:
        clock, chans, events, progress = self.clock, this.chans, this.events[i], this.progress
        progress[i] = 1
        while min(progress) < 1:
            os.sched_yield()
        for step, (kind, where, value, turns) in enumerate(this.scripts[i], 1):
            progress[i] = step
            while turns and min(progress) < step:
                turns -= 1
            begin = clock()
            result = choose(chans, kind, value) if kind in CHOICES else once(chans[where], kind, value)
            events.append(Event(begin, clock(), kind, where, value, result))
        progress[i] = OVER


def once(ch: Chan[Any], kind: str, value: Any) -> Any:
    try:
        if kind == "send":
            ch.send_blocking(value)
            return True
        if kind == "recv":
            return ch.recv_blocking()
        if kind == "try_send":
            return ch.try_send(value) or REFUSED
        if kind == "try_recv_ok":
            received = ch.try_recv_ok()
            return REFUSED if received is EMPTY else received[0] if received[1] else CLOSED
        if kind == "send_in_time":
            ch.send_blocking(value, SOON)
            return True
        if kind == "recv_in_time":
            return ch.recv_blocking(SOON)
        return ch.close_once()
    except (SendOnClosed, ChanClosed):
        return CLOSED
    except TimeoutError:
        return GIVEN_UP


def choose(chans: list[Chan[Any]], kind: str, cases: list[tuple[str, int, Any]]) -> Any:
    ops = [chans[w].send(v) if kind == "send" else chans[w].recv() for kind, w, v in cases]
    try:
        index, value, ok = goish.select_blocking(*ops, timeout=SOON if kind == "select_in_time" else None)
    except SendOnClosed as refused:
        return next((i, CLOSED) for i, case in enumerate(cases) if case[2] == refused.value)
    except TimeoutError:
        return GIVEN_UP
    if index < 0:
        return DEFAULT
    if cases[index][0] == "send":
        return index, True
    return index, value if ok else CLOSED


def scripts(rng: random.Random, threads: int, length: int, channels: int, kinds: str) -> list[Script]:
    """Random scripts; the values are distinct, so that each receive names its send."""
    values = itertools.count(1).__next__

    def step() -> Step:
        kind = rng.choice(kinds.split())
        where = rng.randrange(channels)
        if kind in CHOICES:
            cases = [(rng.choice(("send", "recv")), w) for w in rng.sample(range(channels), min(2, channels))]
            return kind, -1, [(k, w, values() if k == "send" else None) for k, w in cases], rng.randint(0, TURNS)
        return kind, where, values() if "send" in kind else None, rng.randint(0, TURNS)

    return [[step() for _ in range(length)] for _ in range(threads)]


PLAIN = "send recv send recv try_send try_recv_ok"
CLOSES = f"{PLAIN} {PLAIN} close"
SELECTS = "select select send recv try_send try_recv_ok"
TIMES = "send recv send_in_time recv_in_time select_in_time"
PROGRAMS: list[tuple[str, tuple[int, ...]]] = [
    *((PLAIN, (capacity,)) for capacity in (0, 1, 2)),
    *((CLOSES, (capacity,)) for capacity in (0, 1, 2)),
    (SELECTS, (0, 0)),
    (SELECTS, (1, 0)),
    (SELECTS, (1, 2)),
    (TIMES, (0,)),
    (TIMES, (1, 0)),
]


def histories(rng: random.Random, rounds: int) -> Iterator[tuple[list[Event], tuple[int, ...]]]:
    """``rounds`` histories of each kind of program."""
    recorder = Recorder(3)
    try:
        for kinds, capacities in PROGRAMS * rounds:
            threads, length = rng.choice((2, 3)), rng.randint(4, 8)
            yield recorder.run(capacities, scripts(rng, threads, length, len(capacities), kinds)), capacities
    finally:
        recorder.close()


# ── a great many ──


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--histories", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options.add_argument("--seconds", type=float, default=float("inf"), help="ends then, with fewer of them")
    options.add_argument("--overlap", type=float, default=0.0, help="fails if a smaller part of them does")
    given = options.parse_args()
    sys.setswitchinterval(1e-6)  # with the GIL, threads take turns as often as they can
    print(
        f"seed: {given.seed}; the GIL is {'on' if getattr(sys, '_is_gil_enabled', lambda: True)() else 'off'}",
        flush=True,
    )
    rounds = -(-given.histories // len(PROGRAMS))
    total = operations = overlapped = wrong = lost = doubled = 0
    started = time.monotonic()
    for history, capacities in histories(random.Random(given.seed), rounds):
        if time.monotonic() - started > given.seconds:
            break
        total += 1
        operations += len(history)
        overlapped += overlapping(history)
        missing, invented = balance(history)
        lost, doubled = lost + missing, doubled + invented
        if missing or invented or not linearizable(history, capacities):
            wrong += 1
            print(f"capacities {capacities}, lost {missing}, doubled {invented}: {sorted(history)}", flush=True)
    took = time.monotonic() - started
    print(
        f"{total} histories of {operations} operations in {took:.0f} s, {overlapped / total:.2%} with some that overlap"
    )
    print(f"{wrong} not linearizable, {lost} values lost, {doubled} doubled")
    return bool(wrong) or overlapped / total < given.overlap


if __name__ == "__main__":
    faulthandler.enable()
    sys.exit(main())
