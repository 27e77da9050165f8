"""A cancel that a block has accounted for: taken in before it is met elsewhere, or made due once more.

The count of cancels (``cancelling``) says whose a CancelledError is. Whether one is still to be raised is another
matter: up to Python 3.12 a task's ``uncancel`` leaves that as it is.
Threads: the task's own.
Not here: who cancels, and counts (_context/scope.py, _group/base.py).
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Any

from .._runtime.core import Goroutine, cancel_is_due, current_goroutine

__all__ = ["cancel_again", "take_in"]


async def take_in(task: asyncio.Task[Any] | Goroutine[Any]) -> None:
    """Meet a cancel of ``task``, the running one, that has come and is not raised yet."""
    if cancel_is_due(task):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)


def cancel_again(error: BaseException) -> None:
    """Cancel once more: errors come before a cancel, which stays due, as with asyncio's TaskGroup, from Python 3.13 on.

    An asyncio.Task of before would be cancelled for good: its ``uncancel`` takes nothing back.
    """
    g = current_goroutine()
    here: Goroutine[Any] | asyncio.Task[Any] | None = g
    if g is None and sys.version_info >= (3, 13) and asyncio._get_running_loop() is not None:
        here = asyncio.current_task()
    if here is not None and here.cancelling():
        here.uncancel()
        here.cancel(*error.args[:1])
