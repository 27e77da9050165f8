"""Threads, loops, channels, close, cancel and select, all at once and at random, for as long as you like.

    python -m tests.stress_threads [--seconds 60] [--seed N] [--threads 4] [--loop asyncio|uvloop]      (make stress)

Each round makes channels, lets parties on threads of their own (goroutines, asyncio tasks, plain threads) do whatever
they like with them, cancels, closes, joins across loops, and ends when all have ended. Then every value that was sent
must be in one place: received, left in a channel, or undelivered. Made for free-threaded builds, and for the thread
sanitizer (docs/contributing.md).
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import faulthandler
import gc
import itertools
import random
import sys
import threading
import time
from typing import Any

import goish
from goish import EMPTY, Chan, ChanClosed, Goroutine, SendOnClosed, WaitGroup, after, chan, go, select, select_blocking

STEPS = 40  # of each actor in a round
HANG = 120.0  # seconds after which a round hangs


class Round:
    """What the parties of one round share."""

    def __init__(self, rng: random.Random) -> None:
        self.undelivered: collections.deque[int] = collections.deque()
        self.chans: list[Chan[int]] = [chan(c, on_undelivered=self.undelivered.append) for c in (0, 0, 1, 3, 64)]
        self.handles: Chan[Goroutine[Any]] = chan(256, overflow="drop_oldest")
        self.wg = WaitGroup()
        self.values = itertools.count(1).__next__
        self.sent: collections.deque[int] = collections.deque()
        self.received: collections.deque[int] = collections.deque()
        self.doubtful: collections.deque[int] = collections.deque()  # of sends that were given up: undelivered, or lost
        self.seed = rng.random()

    def tell(self, sent: int | None, received: Any) -> None:
        if sent is not None:
            self.sent.append(sent)
        if received is not None:
            self.received.append(received)

    def check(self) -> int:
        left = [value for ch in self.chans for value in ch.try_recv_many()]
        given_up = collections.Counter(self.doubtful)
        undelivered = collections.Counter(self.undelivered)
        found = collections.Counter(self.received) + collections.Counter(left) + (undelivered - given_up)
        expected = collections.Counter(self.sent)
        lost, invented = expected - found, found - expected
        assert not lost and not invented, f"lost: {sorted(lost.elements())}, invented: {sorted(invented.elements())}"
        return len(self.sent)


async def actor(shared: Round, rng: random.Random) -> None:
    """A goroutine or task that does what it likes."""
    for _ in range(rng.randrange(STEPS)):
        ch = rng.choice(shared.chans)
        value = shared.values()
        what = rng.randrange(12)
        try:
            if what <= 2:
                await sending(shared, ch, value)
            elif what <= 5:
                shared.tell(None, await ch.recv())
            elif what <= 7:
                await choosing(shared, ch, rng.choice(shared.chans), value, rng.random() < 0.3)
            elif what == 8:
                await impatient(shared, ch, rng.random() / 1000)
            elif what == 9 and (received := shared.handles.try_recv_ok()) and received[1]:
                await joining(received[0], rng.random() / 1000)
            else:
                at_once(shared, ch, value, rng)
        except (ChanClosed, SendOnClosed):
            await asyncio.sleep(0)


async def sending(shared: Round, ch: Chan[int], value: int) -> None:
    try:
        await ch.send(value)
    except asyncio.CancelledError:
        shared.doubtful.append(value)
        raise
    shared.tell(value, None)


async def choosing(shared: Round, a: Chan[int], b: Chan[int], value: int, timed: bool) -> None:
    cases = [a.recv(), b.send(value)]
    index, received, _ = await select(*cases, *([after(0.001).recv()] if timed else []))
    if index < 2:
        shared.tell(value if index == 1 else None, received if index == 0 else None)


async def impatient(shared: Round, ch: Chan[int], seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            shared.tell(None, await ch.recv())


async def joining(g: Goroutine[Any], seconds: float) -> None:
    if g is asyncio.current_task():
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            try:
                await g
            except asyncio.CancelledError:
                if not g.done() or asyncio.current_task().cancelling():  # type: ignore[union-attr]
                    raise


def at_once(shared: Round, ch: Chan[int], value: int, rng: random.Random) -> None:
    if rng.random() < 0.5:
        if ch.try_send(value):
            shared.tell(value, None)
    elif (received := ch.try_recv_ok()) is not EMPTY:
        shared.tell(None, received[0])
    ch.statistics(), len(ch), repr(ch), goish.num_goroutine()


async def loop_party(shared: Round, seed: float, kind: str) -> None:
    """A loop with some actors, which are cancelled now and then, also by others."""
    rng = random.Random(seed)
    actors: list[Any] = []
    for _ in range(8):
        body = actor(shared, random.Random(rng.random()))
        actors.append(go(body) if kind == "goroutine" else asyncio.create_task(body))
        if kind == "goroutine":
            shared.handles.try_send(actors[-1])
            actors[-1].add_done_callback(lambda _: shared.wg.done())
            shared.wg.add(1)
    for _ in range(4):
        await asyncio.sleep(rng.random() / 1000)
        rng.choice(actors).cancel()
    for each in actors:
        with contextlib.suppress(asyncio.CancelledError):
            await each


def thread_party(shared: Round, seed: float) -> None:
    rng = random.Random(seed)
    for _ in range(STEPS):
        ch = rng.choice(shared.chans)
        value = shared.values()
        what = rng.randrange(9)
        seconds = rng.random() / 1000
        with contextlib.suppress(ChanClosed, SendOnClosed):
            if what <= 1:
                blocking_send(shared, ch, value, seconds)
            elif what <= 3:
                with contextlib.suppress(TimeoutError):
                    shared.tell(None, ch.recv_blocking(seconds))
            elif what <= 5:
                blocking_choice(shared, ch, rng.choice(shared.chans), value, seconds)
            elif what == 6 and (received := shared.handles.try_recv_ok()) and received[1]:
                use_handle(received[0], seconds, rng)
            elif what == 7:
                with contextlib.suppress(TimeoutError):
                    shared.wg.wait_blocking(seconds)
            else:
                at_once(shared, ch, value, rng)


def blocking_send(shared: Round, ch: Chan[int], value: int, seconds: float) -> None:
    try:
        ch.send_blocking(value, seconds)
    except TimeoutError:
        shared.doubtful.append(value)
        return
    shared.tell(value, None)


def blocking_choice(shared: Round, a: Chan[int], b: Chan[int], value: int, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        index, received, _ = select_blocking(b.send(value), a.recv(), timeout=seconds)
        shared.tell(value if index == 0 else None, received if index == 1 else None)


def use_handle(g: Goroutine[Any], seconds: float, rng: random.Random) -> None:
    repr(g), g.done(), g.get_name(), g.state, g.wait_reason
    if rng.random() < 0.3:
        with contextlib.suppress(RuntimeError):  # its loop is closed
            g.cancel("by a thread")
    with contextlib.suppress(TimeoutError, asyncio.CancelledError):
        g.result_blocking(seconds)


def play(rng: random.Random, threads: int, loops: list[Any]) -> int:
    """One round; how many values were sent."""
    shared = Round(rng)
    parties = []
    for i in range(threads):
        kind = ("goroutine", "task", "thread")[i % 3]
        target = {"goroutine": goroutines, "task": tasks, "thread": thread_party}[kind]
        more = () if kind == "thread" else (rng.choice(loops),)
        parties.append(threading.Thread(target=guarded, args=(target, shared, rng.random(), *more)))
    for party in parties:
        party.start()
    time.sleep(rng.random() / 100)
    for ch in shared.chans:
        ch.close_once()
    for party in parties:
        party.join()
    assert not failures, failures
    return shared.check()


failures: list[BaseException] = []


def guarded(target: Any, *args: Any) -> None:
    try:
        target(*args)
    except BaseException as error:
        failures.append(error)
        raise


def goroutines(shared: Round, seed: float, loop: Any) -> None:
    goish.run(loop_party, shared, seed, "goroutine", loop=loop, deadlock="off")


def tasks(shared: Round, seed: float, loop: Any) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(loop_party(shared, seed, "task"))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options.add_argument("--threads", type=int, default=6)
    options.add_argument("--loop", choices=("asyncio", "uvloop"), action="append")
    given = options.parse_args()
    sys.setswitchinterval(1e-5)
    loops: list[Any] = [asyncio.SelectorEventLoop]
    if given.loop != ["asyncio"]:
        import uvloop

        loops = [uvloop.new_event_loop] if given.loop == ["uvloop"] else [*loops, uvloop.new_event_loop]
    print(f"seed: {given.seed}; the GIL is {'on' if getattr(sys, '_is_gil_enabled', lambda: True)() else 'off'}")
    rng = random.Random(given.seed)
    end = time.monotonic() + given.seconds
    rounds = values = 0
    while time.monotonic() < end:
        faulthandler.dump_traceback_later(HANG, exit=True)
        values += play(rng, given.threads, loops)
        rounds += 1
        if rounds % 50 == 0:
            gc.collect()
    faulthandler.cancel_dump_traceback_later()
    assert goish.num_goroutine() == 0
    print(f"{rounds} rounds, {values} values sent: none lost, none doubled")


if __name__ == "__main__":
    main()
