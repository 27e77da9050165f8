"""A table in which an entry is put once and taken out once, from any thread.

Keys compare by user code, which may raise, and take long; it runs under no lock, and no thread waits for another's.
An entry is marked as gone before it is taken out: one that is gone counts as not there, and may be replaced.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from .._runtime.core import Bool, Map

__all__ = ["Entry", "KeyTable", "check_key"]


class Entry:
    """What is kept under a key; a base class."""

    def __init__(self) -> None:
        self.gone = Bool()


K = TypeVar("K", bound=Hashable)
E = TypeVar("E", bound=Entry)


def check_key(key: object) -> None:
    """TypeError unless ``key`` can be hashed."""
    try:
        hash(key)
    except TypeError as exc:
        raise TypeError(f"a key is hashable, got {key!r} of type {type(key).__name__}") from exc


class KeyTable(Generic[K, E]):
    """Entries by key."""

    def __init__(self) -> None:
        self._entries: Map[K, E] = Map()

    def put(self, key: K, entry: E) -> E:
        """Put ``entry`` under ``key``, or give the one that is there."""
        while True:
            known, there = self._entries.load_or_store(key, entry)
            if not there or not known.gone.load():
                return known
            if self._entries.compare_and_swap(key, known, entry):
                return entry

    def take_out(self, key: K, entry: E) -> bool:
        """Take ``entry`` out. False if it was taken out before."""
        if entry.gone.swap(True):
            return False
        self._entries.compare_and_delete(key, entry)
        return True

    def get(self, key: K) -> E | None:
        """The entry under ``key``, or None."""
        entry = self._entries.load(key)
        return None if entry is None or entry.gone.load() else entry

    def items(self) -> list[tuple[K, E]]:
        return [(key, entry) for key, entry in self._entries.range() if not entry.gone.load()]

    def __len__(self) -> int:
        return len(self._entries)
