"""Goroutines by key, at most one for each.

Invariant: an entry stands under its key from before its goroutine starts until after its end (keys.py).
Threads: any.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from types import TracebackType
from typing import Any, Final, NoReturn, ParamSpec, Self, TypeVar

from .._runtime.core import Goroutine, Nursery, Op, end_of, gosched
from .._threads.members import cancel_all, end_all
from .awaiting import close_unstarted
from .keys import Entry, KeyTable, check_key

__all__ = ["KeyedGroup"]

T = TypeVar("T")
P = ParamSpec("P")

_REPLACED: Final = "another takes its place in the KeyedGroup"
_ENDS: Final = "the block of its KeyedGroup ends"


class _Live(Entry):
    def __init__(self) -> None:
        super().__init__()
        self.handle: Goroutine[Any] | None = None  # None: it is about to start


class KeyedGroup:
    """At most one live goroutine for each key: find it, cancel it, replace it. tokio-util's ``JoinMap``.

    ``async with KeyedGroup() as group:`` cancels those that live at the end of the block, and waits for them.
    Failures are as without it: a panic if nobody awaits the goroutine. Keys are hashable, TypeError if not. Any
    thread may call it.

    Example::

        async def watch(room):
            await sleep(3600)

        async with goish.errgroup.KeyedGroup() as group:
            group.start("kitchen", watch, "kitchen")
            print(list(group.keys()))  # -> ['kitchen']
    """

    def __init__(self) -> None:
        self._live: KeyTable[Hashable, _Live] = KeyTable()
        self._members = Nursery()

    def start(
        self, key: Hashable, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Goroutine[T]:
        """Start ``fn(*args, **kwargs)`` under ``key``, as ``goish.go`` does. RuntimeError if one lives under it.

        Example::

            async def work():
                await sleep(0.001)

            async with goish.errgroup.KeyedGroup() as group:
                group.start("a", work)
                try:
                    group.start("a", work)
                except RuntimeError:
                    print("there is one")  # -> there is one
        """
        g = self._start(key, fn, args, kwargs)
        if g is None:
            close_unstarted(fn)
            raise RuntimeError(
                f"a goroutine lives under the key {key!r}: get(key) finds it, replace(key, fn) ends it first"
            )
        return g

    async def replace(
        self, key: Hashable, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Goroutine[T]:
        """Cancel what lives under ``key``, wait for its end, and start ``fn(*args, **kwargs)`` in its place.

        A cancel of the wait starts nothing; the old one is cancelled all the same. Of several at a time each has its
        turn.

        Example::

            async def work(n):
                await sleep(3600)

            async with goish.errgroup.KeyedGroup() as group:
                old = group.start("a", work, 1)
                new = await group.replace("a", work, 2)
                print(old.cancelled(), group.get("a") is new)  # -> True True
        """
        try:
            while (g := self._start(key, fn, args, kwargs)) is None:
                await self._end(key)
        except BaseException:
            close_unstarted(fn)
            raise
        return g

    async def _end(self, key: Hashable) -> None:
        live = self._live.get(key)
        if live is None:
            return
        if live.handle is None:  # another thread is about to start it
            await gosched()
            return
        live.handle.cancel(_REPLACED)
        await end_of(live.handle)
        self._live.take_out(key, live)

    def _start(self, key: Hashable, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Goroutine[Any] | None:
        """None: one lives under the key."""
        check_key(key)
        fresh = _Live()
        while (known := self._live.put(key, fresh)) is not fresh:
            if known.handle is None or not known.handle.done():
                return None
            self._live.take_out(key, known)
        try:
            g = fresh.handle = self._members.go(fn, *args, **kwargs)
        except BaseException:
            self._live.take_out(key, fresh)
            raise
        g.add_done_callback(lambda _: self._live.take_out(key, fresh))
        return g

    def get(self, key: Hashable) -> Goroutine[Any] | None:
        """The goroutine that lives under ``key``, or None."""
        check_key(key)
        live = self._live.get(key)
        return None if live is None or live.handle is None or live.handle.done() else live.handle

    def cancel(self, key: Hashable, msg: object = None) -> bool:
        """Cancel what lives under ``key``. False if nothing does.

        Example::

            async def work():
                await sleep(3600)

            group = goish.errgroup.KeyedGroup()
            group.start("a", work)
            print(group.cancel("a"), group.cancel("b"))  # -> True False
            await group.wait()
        """
        g = self.get(key)
        return g is not None and g.cancel(msg)

    def keys(self) -> list[Any]:
        """The keys under which a goroutine lives."""
        return [key for key, live in self._live.items() if live.handle is not None and not live.handle.done()]

    def cancel_all(self, msg: object = None) -> None:
        """Cancel all that live."""
        cancel_all(self._members, msg)

    def wait(self) -> Op[None]:
        """Waits until none lives; await it, or make it a case of ``select``. A cancel ends the wait only."""
        return self._members.wait()

    def __len__(self) -> int:
        """How many live. Out of date at once."""
        return len(self._members)

    def __bool__(self) -> bool:
        return True

    def __contains__(self, key: Hashable) -> bool:
        return self.get(key) is not None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await end_all(self._members, _ENDS)

    def __repr__(self) -> str:
        return f"<KeyedGroup members={len(self)}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a KeyedGroup cannot be copied or pickled: a goroutine belongs to one")
