"""Event loops whose tasks are goroutines."""

from __future__ import annotations

import asyncio
import sys
from typing import cast

from ._runtime.core import Clock, publish_module, task_factory
from ._runtime.loop_type import best_loop_type

__all__ = ["new_event_loop", "task_factory"]


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Make an event loop whose tasks are goroutines: uvloop's where it is installed, else asyncio's own.

    Whatever takes a loop factory takes this: ``asyncio.Runner(loop_factory=goish.new_event_loop)``,
    ``uvicorn app:app --loop goish:new_event_loop``, ``goish.run(main, loop=goish.new_event_loop)``. All libraries that
    run on it start their tasks as goroutines then (see ``task_factory``), and its timers, of which every timeout is
    one, are goish's own. Any thread may call it.

    Example::

        async def main():
            return type(asyncio.current_task()).__name__

        with asyncio.Runner(loop_factory=goish.new_event_loop) as runner:
            print(runner.run(main()))  # -> Goroutine
    """
    loop = _with_clock(best_loop_type())()
    loop.set_task_factory(task_factory)
    return loop


_with_clocks: dict[type, type[asyncio.AbstractEventLoop]] = {}


def _with_clock(base: type[asyncio.AbstractEventLoop]) -> type[asyncio.AbstractEventLoop]:
    if base not in _with_clocks:
        # With the name of its base, by which some libraries recognise uvloop.
        made = type(base.__name__, (Clock, base), {"__module__": base.__module__})
        _with_clocks[base] = cast("type[asyncio.AbstractEventLoop]", made)
    return _with_clocks[base]


publish_module(sys.modules[__name__])
