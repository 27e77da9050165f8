"""Asking the loops of all workers whether they are at rest, and holding them there while the answer is used.

What a loop waits for is known only on its own thread; but when the last has answered, the first may have been woken.
So the loops are asked twice. The first round only asks: a loop that has a timer, a socket or a goroutine that runs ends
it, and nothing was held up. If all are at rest, the second has each of them stay in the callback in which it answers,
until the asker lets go. Then all loops stand still at one instant, and the things posted to them since are there to be
seen: a wake-up in the inbox, a callback that is due.

Invariants: a held loop waits at most HOLD seconds unless the asker has begun to conclude, so a late loop holds up no
  other. `over` is set under `_lock`, and once it is nothing is concluded. What happens to a loop while it is held
  comes from another thread; when those are at rest too (deadlock.py looks), nothing does.
Threads: `_answer` runs on the threads of the loops, all else on that of the asker. `_lock` guards the answers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from time import perf_counter, thread_time
from typing import Final

from .._inspect.dump import describe
from .._runtime.core import Scheduler
from .._threads.workers import thread_of

__all__ = ["HOLD", "StopWorld"]

HOLD: Final = 0.05  # seconds; longer where the loops take longer to answer: the heap is large, or the machine is loaded


class StopWorld:
    """One question to ``loops``; ``heard(round)`` is called on the loop of ``asker`` if all are at rest.

    ``source`` says, on a loop's own thread, what could wake a goroutine there. With ``hold`` each loop stands still
    from then on, until ``release``, but for at most so many seconds before all have answered; ``texts`` say what their
    goroutines wait for.
    """

    def __init__(
        self,
        loops: Iterable[Scheduler],
        asker: Scheduler,
        source: Callable[[Scheduler], str | None],
        heard: Callable[[StopWorld], object],
        hold: float = 0.0,
    ) -> None:
        self.loops: Final = list(loops)
        self.unanswered: Final = set(self.loops)
        self.threads: Final[set[int]] = set()  # the threads that have answered, by native id
        self.texts: Final[list[str]] = []
        self.holds: Final = hold > 0.0
        self._patience = hold
        self.over = False
        self.spent = 0.0  # seconds that it has taken until the last has answered
        self._used = 0.0  # ... of a processor's time
        self._began = perf_counter()
        self._asker = asker
        self._source = source
        self._heard = heard
        self._lock = threading.Lock()
        self._concluding = False
        self._let_go = threading.Event()

    def ask(self) -> None:
        for one in self.loops:
            one.post(self._asked, one)

    def is_ignored(self) -> bool:
        """Whether a loop that runs has not answered yet: it is busy."""
        with self._lock:
            return any(one.loop.is_running() for one in self.unanswered)

    def bill(self) -> float:
        """The seconds of a processor's time that answers have taken since the last bill."""
        with self._lock:
            used, self._used = self._used, 0.0
            return used

    def conclude(self) -> bool:
        """Whether all are held; they stay so until ``release``."""
        with self._lock:
            self._concluding = self.holds and not self.unanswered and not self.over
            return self._concluding

    def release(self) -> None:
        """End the round: all loops go on."""
        with self._lock:
            self.over = True
        self._let_go.set()

    # ── on the threads of the loops ──

    def _asked(self, one: Scheduler) -> None:
        # In a turn of its own: with each posted call comes a drain.
        one.loop.call_soon(self._answer, one)

    def _answer(self, one: Scheduler) -> None:
        used = thread_time()
        source = "the round is over" if self.over else self._source(one)
        text = describe(one.goroutines(), thread_of) if self.holds and source is None else ""
        with self._lock:
            self.spent = perf_counter() - self._began
            self._used = max(self._used, thread_time() - used)
            self.unanswered.discard(one)
            self.threads.add(threading.get_native_id())
            if text:
                self.texts.append(text)
            last = not self.unanswered and not self.over
        if source is not None:
            self.release()
        elif last:
            self._asker.post(self._heard, self)
        if self.holds:
            self._stay()

    def _stay(self) -> None:
        if self._let_go.wait(self._patience):
            return
        with self._lock:
            concluding = self._concluding
            self.over |= not concluding
        if concluding:
            self._let_go.wait()
        else:
            self._let_go.set()
