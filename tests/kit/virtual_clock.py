"""Loops whose clock stands still while anybody works.

VirtualClockLoop jumps to the next timer when all wait: no test ever sleeps. With no timer to jump to, it sleeps for
real, so that a thread or a socket may still wake it.

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner: ...
    goish.run(main, loop=VirtualClockLoop)

PatientLoop sleeps until the next timer, for those who talk to the world outside: what they do takes no time, however
slow the machine is, so of two timers the earlier one always comes first. ``python virtual_clock.py program.py`` runs a
program so.
"""

from __future__ import annotations

import asyncio
import asyncio.events
import contextlib
import runpy
import selectors
import sys
import time
from collections.abc import Callable
from typing import Any

import goish._program.run
import goish._threads.workers
import goish.loops

START = 1000.0  # not 0: a time that is taken for a delay, or the other way round, must show


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An asyncio loop in virtual time. goish reads ``loop.time()`` because this class overrides ``time``."""

    def __init__(self) -> None:
        self.now = START
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self.now


class _JumpingSelector(selectors.DefaultSelector):
    """Moves the clock of its loop forward instead of waiting."""

    def __init__(self, loop: VirtualClockLoop) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        events: list[Any] = super().select(0)
        if not events:
            self.loop.now += max(timeout, 0.0)
        return events


class PatientLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose clock goes on only while the loop waits."""

    def __init__(self) -> None:
        self.now = START
        super().__init__(_PatientSelector(self))

    def time(self) -> float:
        return self.now


class _PatientSelector(selectors.DefaultSelector):
    def __init__(self, loop: PatientLoop) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        began = time.monotonic()
        events: list[Any] = super().select(timeout)
        waited = time.monotonic() - began
        if timeout is not None:
            self.loop.now += min(waited, max(timeout, 0.0)) if events else max(timeout, 0.0)
        return events


def be_patient(replace: Callable[[Any, str, object], object] = setattr) -> None:
    """From now on asyncio.run, goish.run and goish.new_event_loop make PatientLoops."""
    modules: list[Any] = [asyncio, asyncio.events]
    with contextlib.suppress(ImportError):
        import uvloop

        modules.append(uvloop)
    for module in modules:
        replace(module, "new_event_loop", PatientLoop)
    for user in (goish.loops, goish._program.run, goish._threads.workers):
        replace(user, "best_loop_type", lambda: PatientLoop)


if __name__ == "__main__":
    be_patient()
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
