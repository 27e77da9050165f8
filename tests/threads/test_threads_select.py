"""Rule 5: select against select, where everybody offers and asks at once, on loops and threads, for a minute.

Who wins at one end must be who wins at the other: a pair in which both or neither had committed would double or lose
a value. All cases are offered with a value of their own, so that either would be seen.
"""

from __future__ import annotations

import itertools
import random
import time

import pytest
from helpers import REAL_LOOPS, assert_conserved
from parties import KINDS, Party, until

from goish import Chan, WaitGroup, chan

ROUND = 0.25  # seconds, at least; then all channels, loops and threads are new
ENOUGH = 100  # values that change hands in each, however long that takes
CROWD = 3  # choosers on the loop of a goroutine: they meet those on their own loop too


class Meeting:
    """Two channels, of which half send on one and receive from the other while the rest do the reverse; or a ring."""

    def __init__(self, rng: random.Random) -> None:
        self.chans: list[Chan[int]] = [chan(rng.choice((0, 0, 1))) for _ in range(rng.choice((2, 2, 3)))]
        self.stop: Chan[None] = chan()
        self.values = itertools.count().__next__
        self.sides = itertools.count().__next__  # not cycle, which threads cannot share without the GIL
        self.sent: list[list[int]] = []
        self.received: list[list[int]] = []

    async def choose(self, party: Party, seed: float) -> None:
        """Each value is offered until it is taken; the order of the cases is any."""
        rng = random.Random(seed)
        side = self.sides() % len(self.chans)
        out, back = self.chans[side], self.chans[side - 1]
        sent: list[int] = []
        received: list[int] = []
        self.sent.append(sent)
        self.received.append(received)
        value = self.values()
        while True:
            sends_first = rng.random() < 0.5
            cases = [out.send(value), back.recv()] if sends_first else [back.recv(), out.send(value)]
            index, got, _ = await party.select(*cases, self.stop.recv())
            if index == 2:
                return
            if (index == 0) == sends_first:
                assert got is None
                sent.append(value)
                value = self.values()
            else:
                received.append(got)

    async def crowd(self, party: Party, seed: float) -> None:
        wg = WaitGroup()
        for i in range(CROWD if party.kind == "goroutine" else 0):
            wg.go(self.choose, party, seed + i)
        await self.choose(party, seed - 1)
        await wg.wait()

    def hold(self, rng: random.Random) -> int:
        """How many values changed hands."""
        kinds = rng.choices(KINDS, k=rng.randint(len(self.chans), 6))
        parties = [Party(kind, rng.choice(REAL_LOOPS), self.crowd, rng.random()) for kind in kinds]
        time.sleep(ROUND)
        until(lambda: self.handed_over() > ENOUGH)
        self.stop.close()
        for party in parties:
            party.join()
        left = [ch.try_recv_many() for ch in self.chans]
        assert_conserved(itertools.chain(*self.sent), *self.received, *left)
        assert all(ch.statistics()[2:] == (0, 0, False) for ch in self.chans), "nobody waits any more"
        return self.handed_over()

    def handed_over(self) -> int:
        return sum(map(len, list(self.received)))


def meet(rng: random.Random, seconds: float) -> None:
    end = time.monotonic() + seconds
    met = [Meeting(rng).hold(rng)]
    while time.monotonic() < end:
        met.append(Meeting(rng).hold(rng))
    print(f"{sum(met)} values changed hands in {len(met)} meetings")


@pytest.mark.usefixtures("impatient_threads")
def test_selects_that_meet_across_threads_agree(rng: random.Random) -> None:
    meet(rng, 2.0)


@pytest.mark.slow
@pytest.mark.usefixtures("impatient_threads")
def test_selects_that_meet_across_threads_agree_for_a_minute(rng: random.Random) -> None:
    meet(rng, 60.0)
