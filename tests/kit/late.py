"""A pytest plugin under which each short timer is due when it has been armed: ``pytest -p late``.

Whoever arms it is held up for as long as it takes, as on a machine that stops at just that moment.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import uvloop

SHORT = 0.1  # seconds; what is longer is meant to come late


def hold_up(seconds: float) -> None:
    if 0.0 < seconds < SHORT:
        time.sleep(seconds + 0.001)


class LateLoop(uvloop.Loop):  # type: ignore[misc]
    def call_later(self, delay: Any, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = super().call_later(delay, callback, *args, context=context)
        hold_up(delay)
        return handle


# For the loop's type has its name at several places.
LateLoop.__name__, LateLoop.__module__ = uvloop.Loop.__name__, uvloop.Loop.__module__
uvloop.Loop = LateLoop
uvloop.new_event_loop = LateLoop

start = threading.Timer.start


def start_and_hold_up(self: threading.Timer) -> None:
    start(self)
    hold_up(self.interval)


threading.Timer.start = start_and_hold_up  # type: ignore[method-assign]

call_at = asyncio.BaseEventLoop.call_at


def call_at_and_hold_up(
    self: asyncio.BaseEventLoop, when: float, callback: Any, *args: Any, context: Any = None
) -> asyncio.TimerHandle:
    handle = call_at(self, when, callback, *args, context=context)
    if type(self).time is asyncio.BaseEventLoop.time:  # not in virtual time
        hold_up(when - self.time())
    return handle


asyncio.BaseEventLoop.call_at = call_at_and_hold_up  # type: ignore[method-assign]
