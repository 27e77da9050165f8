"""Go's ``sync.Pool``: things at rest that are used again, kept for each thread, and dropped when memory is collected.

Each thread puts into a list of its own and takes from there; if that is empty it takes from the lists of others. A full
collection of the garbage collector drops what has lain there since the one before (Go's victim cache).

Threads: any. Lists and dicts are changed by single methods, which are one step each; no lock.
"""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Generic, NoReturn, TypeVar

from .._runtime.core import FREE_THREADED

__all__ = ["Pool"]

T = TypeVar("T")


class Pool(Generic[T]):
    """Things at rest that are used again, such as buffers. Go's ``sync.Pool``.

    ``new``: a function without arguments that makes one where there is none. What is in a pool may go at any time. Any
    thread. TypeError unless ``new`` can be called.

    Example::

        buffers = Pool(lambda: bytearray(4096))
        with buffers.borrow() as buffer:
            buffer[:5] = b"hello"
        print(bytes(buffers.get()[:5]))  # -> b'hello'
    """

    __slots__ = ("__weakref__", "_new", "_rest", "_victims")

    def __init__(self, new: Callable[[], T] | None = None) -> None:
        if new is not None and not callable(new):
            raise TypeError(f"new is a function that makes a value, got {new!r} of type {type(new).__name__}")
        self._new = new
        self._rest: dict[int, list[T]] = {}  # by thread
        self._victims: dict[int, list[T]] = {}  # what the next collection drops
        _pools.add(weakref.ref(self, _pools.discard))

    def get(self) -> T | None:
        """Takes a value out, any; if there is none, what ``new()`` gives, or None without it. Go's ``Get``.

        Example::

            print(Pool(list).get(), Pool().get())  # -> [] None
        """
        own = self._rest.get(threading.get_ident())
        try:
            return own.pop()  # type: ignore[union-attr]
        except (AttributeError, IndexError):
            return self._take_elsewhere()

    def _take_elsewhere(self) -> T | None:
        for lists in (self._rest, self._victims):
            for each in lists.copy().values():
                try:
                    return each.pop()
                except IndexError:
                    pass
        return None if self._new is None else self._new()

    def put(self, value: T | None) -> None:
        """Puts a value in, which its user must not use any more; None is ignored. Go's ``Put``.

        Example::

            pool = Pool()
            pool.put("a")
            print(pool.get())  # -> a
        """
        if value is None:
            return
        own = self._rest.get(threading.get_ident())
        if own is None:
            own = self._rest.setdefault(threading.get_ident(), [])
        own.append(value)

    @contextmanager
    def borrow(self) -> Generator[T]:
        """A value for the time of the block, after which it is put back, also after an exception.

        RuntimeError if there is none and the pool has no ``new``.

        Example::

            with Pool(list).borrow() as scratch:
                scratch.append(1)
        """
        value = self.get()
        if value is None:
            raise RuntimeError("borrow() of an empty Pool that has no new=: there is nothing to borrow")
        try:
            yield value
        finally:
            self.put(value)

    def _age(self) -> None:
        self._victims, self._rest = self._rest, {}

    def __repr__(self) -> str:
        return f"<Pool of {sum(map(len, self._rest.copy().values())) + sum(map(len, self._victims.copy().values()))}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Pool cannot be copied or pickled: its copies would give out the same things")


_pools: set[weakref.ref[Pool[Any]]] = set()

# Which collections are full ones. From 3.14 on, where the collector works in increments, the oldest generation is never
# collected by itself; without the GIL there are no generations, and what comes by itself counts as of the youngest.
_FULL = 0 if FREE_THREADED else 2 if gc.get_threshold()[2] else 1


def _on_collection(phase: str, info: dict[str, int]) -> None:
    if phase == "start" and info["generation"] >= _FULL:
        for each in _pools.copy():
            if (pool := each()) is not None:
                pool._age()  # pyright: ignore[reportPrivateUsage]


gc.callbacks.append(_on_collection)
