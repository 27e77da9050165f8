"""A signal handler that runs again and again, between any two instructions of the main thread.

Not by a periodic timer: its last signal, which another thread may have taken and not yet passed on, would come when the
handler is gone, and Python complain of it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager

from parties import until

__all__ = ["alarms"]

EVERY = 0.001  # seconds


@contextmanager
def alarms(act: Callable[[], object]) -> Generator[None]:
    """In the block, ``act()`` a thousand times a second, also amidst itself. At its end the last one has been."""
    over = False
    due = True

    def handler(*_: object) -> None:
        nonlocal due
        due = not over
        if due:
            signal.setitimer(signal.ITIMER_REAL, EVERY)
        act()

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, EVERY)
    try:
        yield
    finally:
        over = True
        until(lambda: not due)
        signal.signal(signal.SIGALRM, before)
