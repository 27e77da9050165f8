"""Watch: the latest value, for any number of watchers.

It is a Broadcast that buffers one value for each watcher, the latest: a new value takes the place of one that the
watcher has not seen yet. So a set never waits, and no watcher grows.
Threads: any.
"""

from __future__ import annotations

from typing import Any, Generic, Self, TypeVar, final

from goish._runtime import core
from goish._runtime.values import EmptyType

__all__ = ["Watch", "Watcher"]

T = TypeVar("T")


@final
class Watch(Generic[T]):
    """A value that changes, and those who watch it: each sees the latest value, and not necessarily every one.

    ``value`` is what it is now. As the watch channel of Rust's tokio, or Kotlin's StateFlow. Goroutines, asyncio tasks
    on any loops, and threads may set and watch it.

    Example::

        async def follow(watcher):
            async for level in watcher:
                print(level)  # -> 3

        level = Watch(0)
        g = go(follow, level.watch())
        for n in range(1, 4):
            level.set(n)
        await gosched()
        level.close()
        await g
    """

    __slots__ = ("__weakref__", "_changes")

    def __init__(self, value: T) -> None:
        self._changes: core.Broadcast[T] = core.broadcast_of_latest(value)

    @property
    def value(self) -> T:
        """The latest value. Any thread; out of date at once."""
        return core.latest_of(self._changes)

    def set(self, value: T) -> None:
        """Sets the value, and wakes the watchers that wait. It never waits. Any thread.

        An equal value is a change, too. Raises SendOnClosed once the Watch is closed: the value stays as it is.

        Example::

            level = Watch(0)
            level.set(1)
            print(level.value)  # -> 1
        """
        self._changes.try_send(value)

    def watch(self, *, current: bool = False) -> Watcher[T]:
        """A new watcher, which waits for values that are set from now on. Any thread.

        ``current``: the value of now counts as new, so that the first wait gives it at once.

        Example::

            level = Watch(7)
            print(await level.watch(current=True).changed())  # -> 7
        """
        if not isinstance(current, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"current is True or False, got {current!r} of type {type(current).__name__}")
        subscription = self._changes.subscribe()
        if not current:
            subscription.try_recv_ok()
        return Watcher(self, subscription)

    def close(self) -> None:
        """No more values: the watchers see the last one, then their waits end. Any thread.

        Raises CloseOfClosed the second time.

        Example::

            level = Watch(0)
            watcher = level.watch()
            level.set(1)
            level.close()
            print([n async for n in watcher], level.value)  # -> [1] 1
        """
        self._changes.close()

    @property
    def closed(self) -> bool:
        """Whether it is closed. True may be relied on; False may be out of date at once."""
        return self._changes.closed

    def __repr__(self) -> str:
        closed = " closed" if self.closed else ""
        return f"<Watch {self.value!r} watchers={self._changes.subscribers}{closed}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("a Watch cannot be copied or pickled: pass it itself, goroutines and threads share it")


@final
class Watcher(Generic[T]):
    """What ``Watch.watch`` gives: ``changed()`` waits for a value that this watcher has not seen.

    ``async for value in watcher``, on threads ``for``, goes on until the Watch is closed. A ``with`` block ends it, and
    so does letting it go.

    Example::

        level = Watch(0)
        with level.watch() as watcher:
            level.set(1)
            level.set(2)
            print(await watcher.changed())  # -> 2
    """

    __slots__ = ("__weakref__", "_subscription", "_watch")

    def __init__(self, watch: Watch[T], subscription: core.Subscription[T]) -> None:
        self._watch = watch
        self._subscription = subscription

    @property
    def value(self) -> T:
        """The latest value, seen or not: as ``Watch.value``."""
        return self._watch.value

    def changed(self) -> core.Op[T]:
        """Waits for a value set since the last one seen, and gives the latest; await it, or give it to ``select``.

        Raises ChanClosed when the Watch is closed and the last value seen. Cancelled, the value counts as not seen.

        Example::

            level = Watch(0)
            watcher = level.watch()
            level.set(1)
            print(await select(watcher.changed(), after(1).recv()))  # -> (0, 1, True)
        """
        return self._subscription.recv()

    def changed_blocking(self, timeout: float | None = None) -> T:
        """``changed`` for threads without an event loop.

        ``timeout``: seconds, None to wait for ever; else TimeoutError. SyncOnLoop on a thread whose event loop runs.

        Example::

            level = Watch(0)
            watcher = level.watch()
            level.set(1)
            print(watcher.changed_blocking(timeout=1))  # -> 1
        """
        return self._subscription.recv_blocking(timeout)

    def try_changed(self) -> T | EmptyType:
        """The latest value if it was not seen yet, else EMPTY. Any thread. Raises ChanClosed as ``changed``.

        Example::

            level = Watch(0)
            watcher = level.watch()
            level.set(1)
            print(watcher.try_changed(), watcher.try_changed())  # -> 1 EMPTY
        """
        return self._subscription.try_recv()

    def close(self) -> None:
        """Ends the watching: waits raise ChanClosed. Any thread; a second close does nothing."""
        self._subscription.close()

    def __aiter__(self) -> core.Subscription[T]:
        return self._subscription

    def __iter__(self) -> core.Subscription[T]:
        return self._subscription

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._subscription.close()

    def __repr__(self) -> str:
        return f"<Watcher of {self._watch!r}>"
