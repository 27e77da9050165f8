"""A loop whose clock stands still while anybody works and jumps to the next timer when all wait: no test ever sleeps.

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner: ...
    goish.run(main, loop=VirtualClockLoop)

A jump happens where the loop would sleep in its selector. With no timer to jump to, it sleeps for real, so that a
thread or a socket may still wake it.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

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
