"""asyncio with eager tasks, on uvloop: a task that does not wait never meets the event loop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from time import perf_counter
from typing import Any

import uvloop

from benchmarks import programs
from benchmarks.measure import AsyncWorkload, Result, bind, since
from benchmarks.rivals.asyncio_ import COROUTINES

assert sys.version_info >= (3, 12)


def eager_task(loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
    """Do what `asyncio.eager_task_factory` does, also on the Pythons where that trips over an argument of uvloop's."""
    options["eager_start"] = True
    return asyncio.Task(coro, loop=loop, **options)


async def spawn_join(n: int) -> Result:
    counter = 0

    async def increment() -> None:
        nonlocal counter
        counter += 1

    start = perf_counter()
    async with asyncio.TaskGroup() as group:  # the fastest here: it does not keep a task that is done at once
        for _ in range(n):
            group.create_task(increment())
    result = since(start, n)
    assert counter == n
    return result


async def eagerly(workload: AsyncWorkload, n: int) -> Result:
    asyncio.get_running_loop().set_task_factory(eager_task)
    return await workload(n)


WORKLOADS = bind(
    lambda workload, n: uvloop.run(eagerly(workload, n)), COROUTINES | programs.HTTP | {"spawn_join": spawn_join}
)
