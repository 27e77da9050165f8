"""Cancelling all members of a Nursery, and waiting for their ends.

Threads: any.
Not here: the membership itself (chan/nursery.pyx).
"""

from __future__ import annotations

import asyncio
import contextlib

from .._runtime.core import Nursery

__all__ = ["cancel_all", "emptied", "end_all"]


def cancel_all(members: Nursery, why: object) -> None:
    for g in members.alive():
        with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended, or will never run
            g.cancel(why)


async def emptied(members: Nursery) -> asyncio.CancelledError | None:
    """Wait until none lives, also through cancels, of which it gives the last. It takes none from then on."""
    interrupt: asyncio.CancelledError | None = None
    while not members.close_if_empty():
        try:
            await members.wait()
        except asyncio.CancelledError as exc:
            interrupt = exc
    return interrupt


async def end_all(members: Nursery, why: object) -> None:
    """Close it, cancel the members and wait for their end; a cancel of the wait comes after that."""
    members.close()
    cancel_all(members, why)
    interrupt = await emptied(members)
    if interrupt is not None:
        raise interrupt
