"""The sites of a server on threads: each on the loop of a worker of its own pool.

All accept from one listener, whose connections belong to no loop until they are first read: the loop of one site looks
at the socket, and gives connections to the sites in turns.
Threads: ``run_site`` runs on each of the workers; the rest on the starting loop.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from typing import Any

from .._runtime.core import Goroutine, select
from .._threads.executor import Executor
from .._threads.handles import ended
from .report import Report, merged

__all__ = ["merged_of", "run_on_threads", "threads_are_parallel"]


def threads_are_parallel() -> bool:
    """Whether Python runs without the GIL."""
    return not getattr(sys, "_is_gil_enabled", lambda: True)()


async def run_on_threads(run_site: Callable[[], Coroutine[Any, Any, Report]], workers: int, name: str) -> Report:
    """``run_site()`` on that many loops; if one fails, or this is cancelled, all are cancelled."""
    pool = Executor(workers, name=name)
    try:
        return await merged_of([pool.go_thread(run_site) for _ in range(workers)])
    finally:
        # Not awaited: a handler that ignores its cancel keeps its thread, and not the report.
        pool.shutdown(wait=False)


async def merged_of(sites: list[Goroutine[Report]]) -> Report:
    """The reports, merged. At the first failure the other sites are cancelled, and it is raised."""
    try:
        while waiting := [ended(site) for site in sites if not site.done()]:
            await select(*waiting)
            for site in sites:
                if site.done():
                    site.result()
        return merged([site.result() for site in sites])
    finally:
        for site in sites:
            site.cancel()
        for site in sites:
            await ended(site)
            if not site.cancelled():
                site.exception()  # is no panic: that of the first one is raised
