"""Many values in a row: ``send_many`` and ``recv_many`` are ordinary code over ``send``, ``recv`` and ``select``.

A send that is cut off raises, and the exception says how far it came: the next line must not take it for complete. A
receive that is cut off when something has been received already returns that, and the cancel is delivered at the next
wait: values that have left the channel must not be lost.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Iterable
from typing import Any

from goish._runtime import core
from goish.errors import ChanFull, Lagged, SendOnClosed


async def send_many(ch: core.Chan[Any], values: Iterable[Any]) -> int:
    """How many of ``values`` were sent, in order."""
    items = list(values)
    sent = 0
    try:
        for item in items:
            await core.send_or_return(ch, item)
            sent += 1
    except (CancelledError, ChanFull, SendOnClosed) as exc:
        exc.sent, exc.unsent = sent, items[sent:]  # type: ignore[union-attr]
        if not isinstance(exc, CancelledError):
            exc.value = items[sent:]
        raise
    except GeneratorExit:  # its coroutine is closed: the value that was being sent comes back to nobody
        if sent < len(items):
            core.report_undelivered(ch, items[sent])
        raise
    return sent


async def recv_many(ch: core.Chan[Any], most: int, linger: float) -> list[Any]:
    """One value, what else is there, and what comes within ``linger`` seconds; empty when closed and drained."""
    value, ok = await ch.recv_ok()
    if not ok:
        return []
    values = [value, *core.recv_rest(ch, most - 1)]
    if linger > 0.0:
        await _linger(ch, values, most, core.after(linger))
    return values


async def _linger(ch: core.Chan[Any], values: list[Any], most: int, alarm: core.RecvChan[float]) -> None:
    try:
        while len(values) < most:
            index, value, ok = await core.select(ch.recv(), alarm.recv())
            if index == 1 or not ok:
                return
            values += [value, *core.recv_rest(ch, most - len(values) - 1)]
    except CancelledError as exc:
        core.cancel_later(exc)
    except Lagged as exc:
        core.tell_later(ch, exc.missed)
    except BaseException:  # as when its coroutine is closed: nobody gets them
        for value in values:
            core.report_undelivered(ch, value)
        raise
