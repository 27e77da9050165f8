"""Goroutines that a server waits for at its shutdown, and nothing more: their results and failures are their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, NoReturn, ParamSpec, Self, TypeVar, overload

from .._checks import check_timeout
from .._runtime.core import Bool, Goroutine, Nursery, Op, go_thread
from .._threads.members import cancel_all
from .awaiting import awaited_quietly, check_awaitable, close_unstarted, goroutine_of

__all__ = ["TaskTracker"]

T = TypeVar("T")
P = ParamSpec("P")


class TaskTracker:
    """Waits until it is closed and all that it tracks has ended. tokio-util's ``TaskTracker``.

    Work may come at any time, from any loop and any thread. What comes after ``close`` counts as long as something
    tracked lives; after that it is refused with RuntimeError: none is added behind the back of ``wait``. A tracker
    keeps nothing of what has ended. Failures are as without it: a panic if nobody awaits the goroutine.

    ``async with TaskTracker() as tracker:`` closes it at the end of the block, and waits.

    Example::

        async def serve(n):
            await sleep(0.001 * n)

        tracker = goish.errgroup.TaskTracker()
        for n in range(3):
            tracker.go(serve, n)
        tracker.close()
        await tracker.wait()
        print(len(tracker))  # -> 0
    """

    def __init__(self) -> None:
        self._members = Nursery(zero_is_end=True)
        self._closed = Bool()
        self._members.hold()

    @overload
    def go(self, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs) -> Goroutine[T]: ...
    @overload
    def go(self, fn: Coroutine[Any, Any, T], /) -> Goroutine[T]: ...
    def go(self, fn: Any, /, *args: Any, **kwargs: Any) -> Goroutine[Any]:
        """Start ``fn(*args, **kwargs)`` as ``goish.go`` does, and track it."""
        return self._members.go(fn, *args, **kwargs)

    @overload
    def go_thread(
        self, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Goroutine[T]: ...
    @overload
    def go_thread(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Goroutine[T]: ...
    def go_thread(self, fn: Any, /, *args: Any, **kwargs: Any) -> Goroutine[Any]:
        """Start ``fn(*args, **kwargs)`` on a worker thread as ``goish.go_thread`` does, and track it.

        Example::

            async with goish.errgroup.TaskTracker() as tracker:
                h = tracker.go_thread(pow, 2, 5)
            print(await h)  # -> 32
        """
        try:
            self._members.enter()
        except RuntimeError:
            close_unstarted(fn)
            raise
        try:
            g: Goroutine[Any] = go_thread(fn, *args, **kwargs)
            self._members.adopt(g)
        finally:
            self._members.let_go()
        return g

    def track(self, awaitable: Awaitable[T], /) -> Goroutine[Any]:
        """Track what was started elsewhere: a handle of goish, an asyncio task or future. Starts a coroutine.

        Gives the goroutine that is tracked; nothing cancels or retrieves what it waits for. TypeError for other things.

        Example::

            async with goish.errgroup.TaskTracker() as tracker:
                tracker.track(asyncio.create_task(asyncio.sleep(0.001)))
                print(len(tracker))  # -> 1
        """
        check_awaitable("track()", awaitable)
        g = goroutine_of(awaitable)
        if g is not None and self._members.adopt(g):
            return g
        if isinstance(awaitable, Coroutine):
            return self.go(awaitable)  # pyright: ignore[reportUnknownArgumentType]
        return self.go(awaited_quietly(awaitable))

    def close(self) -> bool:
        """From now on ``wait`` ends when nothing tracked lives. False if it was closed already. Any thread."""
        if self._closed.swap(True):
            return False
        self._members.let_go()
        return True

    def reopen(self) -> bool:
        """Takes ``close`` back: it takes work, and ``wait`` waits. False if it was open. Any thread."""
        self._members.hold()  # first: a close that follows lets it go
        if self._closed.swap(False):
            return True
        self._members.let_go()
        return False

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called, without ``reopen`` since."""
        return self._closed.load()

    def cancel(self, msg: object = None) -> None:
        """Cancel all that is tracked, such as after a time of grace. Does not close it. Any thread."""
        cancel_all(self._members, msg)

    def wait(self) -> Op[None]:
        """Waits until it is closed and nothing tracked lives; await it, or make it a case of ``select``.

        A cancel ends the wait only. Any number may wait, on any loop.

        Example::

            tracker = goish.errgroup.TaskTracker()
            tracker.close()
            print(await select(tracker.wait(), after(60).recv()))  # -> (0, None, True)
        """
        return self._members.wait()

    def wait_blocking(self, timeout: float | None = None) -> None:
        """``wait`` for threads without an event loop. ``timeout``: seconds, None to wait for ever; else TimeoutError.

        SyncOnLoop on a thread whose event loop runs.
        """
        timeout = check_timeout(timeout)
        self._members.wait_blocking(timeout, "use await tracker.wait()")

    def __len__(self) -> int:
        """How many live that it tracks. Any thread; out of date at once."""
        return len(self._members)

    def __bool__(self) -> bool:
        return True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        await self.wait()

    def __repr__(self) -> str:
        return f"<TaskTracker {'closed' if self.closed else 'open'} members={len(self)}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a TaskTracker cannot be copied or pickled: its copies would wait apart")
