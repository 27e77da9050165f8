"""Stops processes at random for some milliseconds, as a machine does on which much else runs.

A test that arms a short timer and then counts on getting somewhere before it rings passes nearly always, and fails
where the machine is busy. With ``python -m tests --stall`` it fails soon. The random numbers come from the seed of the
tests; the moments are those of the machine, so a failure may take a few runs to come again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress

__all__ = ["stalled"]

BETWEEN = (0.002, 0.006)  # seconds that a process runs from one stop to the next
STOPS = {(0.002, 0.004): 1000, (0.06, 0.06): 5, (0.3, 0.3): 1}  # seconds that it stands, and how often


@contextmanager
def stalled(process: subprocess.Popen[bytes], seed: str) -> Generator[None]:
    """In the block the process, which leads a group, and those that it starts run by fits and starts."""
    over = threading.Event()
    stopper = threading.Thread(target=stop_and_go, args=(process.pid, random.Random(seed), over))
    stopper.start()
    try:
        yield
    except KeyboardInterrupt:  # the terminal tells its own group alone
        send(process.pid, signal.SIGINT)
        raise
    finally:
        over.set()
        stopper.join()


def stop_and_go(group: int, rng: random.Random, over: threading.Event) -> None:
    while not over.wait(rng.uniform(*BETWEEN)):
        [stop] = rng.choices([*STOPS], [*STOPS.values()])
        send(group, signal.SIGSTOP)
        over.wait(rng.uniform(*stop))
        send(group, signal.SIGCONT)


def send(group: int, what: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, what)
