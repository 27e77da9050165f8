"""Many values in a row: ``send_many`` and ``recv_many`` are ordinary code over ``send``, ``recv`` and ``select``.

A cancel that comes when something has been sent or received already does not undo it: the call returns what happened,
and the cancel is delivered at the next wait.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Iterable
from typing import Any

from goish._runtime import core
from goish.errors import SendOnClosed


async def send_many(ch: core.Chan[Any], values: Iterable[Any]) -> int:
    """How many of ``values`` were sent, in order."""
    items = list(values)
    for n, item in enumerate(items):
        try:
            await ch.send(item)
        except CancelledError as exc:
            if n == 0:
                raise
            core.cancel_later(exc)
            return n
        except SendOnClosed as exc:
            exc.value = items[n:]
            raise
    return len(items)


async def recv_many(ch: core.Chan[Any], most: int, linger: float) -> list[Any]:
    """One value, what else is there, and what comes within ``linger`` seconds; empty when closed and drained."""
    value, ok = await ch.recv_ok()
    if not ok:
        return []
    values = [value, *ch.try_recv_batch(most - 1)]
    if linger > 0.0:
        await _linger(ch, values, most, core.after(linger))
    return values


async def _linger(ch: core.Chan[Any], values: list[Any], most: int, alarm: core.RecvChan[float]) -> None:
    try:
        while len(values) < most:
            index, value, ok = await core.select(ch.recv(), alarm.recv())
            if index == 1 or not ok:
                return
            values += [value, *ch.try_recv_batch(most - len(values) - 1)]
    except CancelledError as exc:
        core.cancel_later(exc)
