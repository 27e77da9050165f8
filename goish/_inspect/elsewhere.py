"""Where a name is that was asked of goish itself: in one of its modules, or under another name.

Imported when a name is missing, as it imports whatever might have it.
"""

from __future__ import annotations

from importlib import import_module

__all__ = ["where_is"]

MODULES = (
    *("errors", "parallel", "sync", "net", "http", "streams", "context", "errgroup", "time", "runtime", "signal"),
    *("semaphore", "singleflight", "rate", "debug", "loops"),
)

# What other libraries have.
INSTEAD = {
    "anyio": 'import goish.anyio (pip install "goish[anyio]")',
    "Lock": "goish.sync.Mutex",
    "Queue": "chan(n)",
    "Semaphore": "goish.semaphore.Weighted(n)",
    "TaskGroup": "goish.errgroup.Group",
    "create_task": "go(f, x)",
    "timeout": "goish.context.fail_after(seconds), or asyncio.timeout",
    "to_thread": "go_thread(f, x)",
    "wait": "await wait_all(g, h), await wait_any(g, h)",
    "wait_for": "async with asyncio.timeout(seconds)",
}


def where_is(name: str) -> str:
    """A hint for the message of the error, or nothing."""
    if name in INSTEAD:
        return f": {INSTEAD[name]}"
    found = [module for module in MODULES if name in import_module(f"goish.{module}").__all__]
    return f": it is goish.{found[0]}.{name}" if found else ""
