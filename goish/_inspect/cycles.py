"""Goroutines that wait for each other's locks in a ring, although the program goes on.

Each waits for one lock, and one goroutine holds that: so from each leads one way, and a ring is where it comes back.
A lock that readers hold leads nowhere: it has many holders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .._runtime.core import Goroutine, holder_awaited

__all__ = ["cycles"]


def cycles(
    gs: Iterable[Goroutine[Any]], find_thread: Callable[[Goroutine[Any]], int | None]
) -> list[list[Goroutine[Any]]]:
    """The rings, each from its oldest goroutine on: every one waits for a lock that the next one holds."""
    by_id = {g.id: g for g in gs}
    on_thread = {find_thread(g): g for g in by_id.values() if g.state == "running"}
    following: dict[int, Goroutine[Any]] = {}
    for g in by_id.values():
        number, thread = holder_awaited(g.waiting_on) or (0, 0)
        holder = by_id.get(number) if number else on_thread.get(thread) if thread else None
        if holder is not None:
            following[g.id] = holder
    found: list[list[Goroutine[Any]]] = []
    seen: set[int] = set()
    for first in sorted(following):
        ring = _ring(first, following, seen)
        if ring:
            found.append([by_id[number] for number in ring])
    return found


def _ring(first: int, following: dict[int, Goroutine[Any]], seen: set[int]) -> list[int]:
    """The ring to which the way from ``first`` leads, unless it was come across before."""
    way: dict[int, None] = {}
    at = first
    while at in following and at not in seen:
        seen.add(at)
        way[at] = None
        at = following[at].id
    if at not in way:
        return []
    ring = list(way)[list(way).index(at) :]
    start = ring.index(min(ring))
    return ring[start:] + ring[:start]
