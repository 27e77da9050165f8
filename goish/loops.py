"""Event loops whose tasks are goroutines."""

from __future__ import annotations

import asyncio

from ._runtime.core import task_factory

__all__ = ["new_event_loop", "task_factory"]


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Make an event loop whose tasks are goroutines: uvloop's where it is installed, else asyncio's own.

    Whatever takes a loop factory takes this: ``asyncio.Runner(loop_factory=goish.new_event_loop)``,
    ``uvicorn app:app --loop goish:new_event_loop``, ``goish.run(main, loop=goish.new_event_loop)``. All libraries that
    run on it start their tasks as goroutines then (see ``task_factory``). Any thread may call it.

    Example::

        async def main():
            return type(asyncio.current_task()).__name__

        with asyncio.Runner(loop_factory=goish.new_event_loop) as runner:
            print(runner.run(main()))  # -> Goroutine
    """
    try:
        import uvloop
    except ImportError:
        loop = asyncio.new_event_loop()
    else:
        loop = uvloop.new_event_loop()
    loop.set_task_factory(task_factory)
    return loop
