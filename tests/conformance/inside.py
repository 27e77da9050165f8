"""Inside the process of a suite: which loops it gets, and the record of what happened, a line of JSON for each thing.

A line is written as a test starts and as it ends, so that the record also tells which test a process died in.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Hang(KeyboardInterrupt):
    """A test took too long. A KeyboardInterrupt, as that is what leaves an event loop at once."""


class Record:
    def __init__(self, path: str, limit: float) -> None:
        self.file = open(path, "a", buffering=1)  # noqa: SIM115
        self.limit = limit
        self.inside = False  # a test
        signal.signal(signal.SIGALRM, self.on_alarm)

    def on_alarm(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, self.limit)  # again, should the first one be swallowed
        raise Hang(f"took more than {self.limit:g} seconds")

    def write(self, **what: object) -> None:
        self.file.write(json.dumps(what) + "\n")

    def started(self, test: str) -> None:
        self.write(test=test, outcome="started")
        self.inside = True
        signal.setitimer(signal.ITIMER_REAL, self.limit)

    def ended(self, test: str, outcome: str, why: str = "") -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.inside = False
        self.write(test=test, outcome=outcome, why=why)

    def close(self) -> None:
        """How many goroutines there were says that the suite indeed ran on them."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        if not self.inside:  # or the alarm hit pytest itself: the tests after this one get another process
            self.write(goroutines=goroutines() if os.environ["CONFORMANCE_RUN"] == "goish" else 0)
        self.file.close()


def goroutines() -> int:
    import goish

    async def last() -> int:
        return goish.go(asyncio.sleep, 0).id - 1

    return goish.run(last)


def names(variable: str) -> set[str]:
    """The lines of the file that is named by an environment variable."""
    path = os.environ.get(variable)
    return set(Path(path).read_text().splitlines()) if path else set()


def open_record() -> Record:
    return Record(os.environ["CONFORMANCE_RECORD"], float(os.environ["CONFORMANCE_LIMIT"]))


def install(loop: str, run: str) -> None:
    """Let new loops be of this kind: ``run`` is "control" or "goish".

    ``loop`` is what asyncio makes if not told otherwise, "selector" or "uvloop". Loops of the other kind get the
    factory, too.
    """
    try:
        import uvloop
    except ImportError:
        assert loop != "uvloop"
    else:
        if run == "goish":
            uvloop.new_event_loop = goish_uvloop()
        if loop == "uvloop":
            the_default_loop_is(uvloop.new_event_loop)
    if run == "goish":
        asyncio_gets_the_factory()


def asyncio_gets_the_factory() -> None:
    import goish

    base: Any = asyncio.BaseEventLoop
    stock = base.__init__

    def init(self: asyncio.BaseEventLoop) -> None:
        stock(self)
        self.set_task_factory(goish.task_factory)

    base.__init__ = init


def goish_uvloop() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop

    import goish

    stock = uvloop.new_event_loop

    def new_event_loop() -> asyncio.AbstractEventLoop:
        ours, uvloop.new_event_loop = uvloop.new_event_loop, stock  # goish asks uvloop for a loop, too
        try:
            return goish.new_event_loop()
        finally:
            uvloop.new_event_loop = ours

    new_event_loop.__module__ = "uvloop"  # anyio's suite looks at it to know what uvloop is excused from
    return new_event_loop


def the_default_loop_is(new: Callable[[], asyncio.AbstractEventLoop]) -> None:
    events: Any = asyncio.events
    for name in ("BaseDefaultEventLoopPolicy", "_BaseDefaultEventLoopPolicy"):
        if hasattr(events, name):  # in its class, as the suites put in fresh policies
            getattr(events, name).new_event_loop = lambda self: new()
    if hasattr(asyncio, "EventLoop"):
        # Classes of tests keep it as an attribute, as if it were the class that it is.
        asyncio.EventLoop = staticmethod(new)  # type: ignore[misc, assignment]
