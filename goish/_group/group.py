"""The group as programs have it: the verbs that start members of any kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar, overload

from .._runtime.core import Goroutine
from .base import BaseGroup

__all__ = ["Group"]

T = TypeVar("T")
P = ParamSpec("P")


class Group(BaseGroup):
    """Goroutines that belong together. Go's ``errgroup.Group``; what ``asyncio.TaskGroup`` is, with a limit.

    ``async with Group() as g:`` waits at the end of the block for all members, and so does ``await g.wait()`` without a
    block. The first member that fails, or a body that fails, ends the others: they are cancelled, as the body is.

    ``limit``: so many members live at a time, and ``go`` waits for its turn; None: no limit, 0: none ever starts.
    ``errors``: ``"all"`` raises an ExceptionGroup of all failures, as ``asyncio.TaskGroup``; ``"first"`` raises the
    first as it is, as Go, with the others in its notes. ``on_error``: ``"cancel"``, or ``"continue"``: the others go
    on, and a failure that was retrieved by ``await`` of its handle is not raised again.

    ``ctx``: a ``goish.context.Context``. Its cancel ends the group, whose end raises the cause unless something else
    has failed; the property ``ctx`` of the group is derived from it.

    A failure of a member is no panic; KeyboardInterrupt and SystemExit end the program at once. A member that ends
    cancelled, or by ``goexit``, is no failure. A cancel of the block cancels the members and waits for them; errors
    come before it, and it stays due. Any thread may start members. TypeError or ValueError for other arguments.

    Example::

        async def square(n):
            return n * n

        async with goish.errgroup.Group(limit=10) as g:
            handles = [await g.go(square, n) for n in range(5)]
        print([h.result() for h in handles])  # -> [0, 1, 4, 9, 16]
    """

    @overload
    async def go(
        self, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Goroutine[T]: ...
    @overload
    async def go(self, fn: Coroutine[Any, Any, T], /) -> Goroutine[T]: ...
    async def go(self, fn: Any, /, *args: Any, **kwargs: Any) -> Goroutine[Any]:
        """Start ``fn(*args, **kwargs)`` as a member, as ``goish.go`` does, and give its Goroutine. Go's ``Group.Go``.

        Waits while as many members live as ``limit`` says; in order. A cancel of that wait starts nothing. RuntimeError
        once the group has ended, or was cancelled, which ends that wait, too.

        Example::

            async def work():
                return "done"

            async with goish.errgroup.Group(limit=1) as g:
                h = await g.go(work)
                print(await h)  # -> done
        """
        return await self._go(fn, *args, **kwargs)

    @overload
    def try_go(
        self, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Goroutine[T] | None: ...
    @overload
    def try_go(self, fn: Coroutine[Any, Any, T], /) -> Goroutine[T] | None: ...
    def try_go(self, fn: Any, /, *args: Any, **kwargs: Any) -> Goroutine[Any] | None:
        """``go`` if that needs no wait: the Goroutine, or None if the group is at its limit. Go's ``Group.TryGo``.

        A coroutine that is not started is closed.

        Example::

            async def nap():
                await sleep(0.001)

            async with goish.errgroup.Group(limit=1) as g:
                print(g.try_go(nap) is None, g.try_go(nap) is None)  # -> False True
        """
        return self._try_go(fn, *args, **kwargs)

    @overload
    async def go_thread(
        self, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Goroutine[T]: ...
    @overload
    async def go_thread(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Goroutine[T]: ...
    async def go_thread(self, fn: Any, /, *args: Any, **kwargs: Any) -> Goroutine[Any]:
        """Start ``fn(*args, **kwargs)`` as a member on a worker thread, as ``goish.go_thread`` does. Else as ``go``.

        Example::

            async with goish.errgroup.Group() as g:
                h = await g.go_thread(pow, 2, 10)
            print(h.result())  # -> 1024
        """
        return await self._go_thread(fn, *args, **kwargs)

    @overload
    def go_thread_blocking(
        self, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Goroutine[T]: ...
    @overload
    def go_thread_blocking(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Goroutine[T]: ...
    def go_thread_blocking(self, fn: Any, /, *args: Any, **kwargs: Any) -> Goroutine[Any]:
        """``go_thread`` for threads without an event loop: blocks while the group is at its limit. Else SyncOnLoop.

        Example::

            def main():
                g = goish.errgroup.Group(limit=2)
                handles = [g.go_thread_blocking(pow, 2, n) for n in range(4)]
                g.wait_blocking()
                return [h.result() for h in handles]

            print(await go_thread(main))  # -> [1, 2, 4, 8]
        """
        return self._go_thread_blocking(fn, *args, **kwargs)

    async def track(self, awaitable: Awaitable[T], /) -> Goroutine[T]:
        """Take in what was started elsewhere: an asyncio task or future of any loop, a handle of goish, any awaitable.

        Gives a Goroutine that ends as it does. Its failure is a member's, and the group's cancel reaches it. Else as
        ``go``; TypeError for what cannot be awaited.

        Example::

            async def work():
                return 7

            async with goish.errgroup.Group() as g:
                h = await g.track(asyncio.create_task(work()))
            print(h.result())  # -> 7
        """
        return await self._track(awaitable)

    @overload
    def go_daemon(
        self, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Goroutine[T]: ...
    @overload
    def go_daemon(self, fn: Coroutine[Any, Any, T], /) -> Goroutine[T]: ...
    def go_daemon(self, fn: Any, /, *args: Any, **kwargs: Any) -> Goroutine[Any]:
        """Start a member that is not waited for: it is cancelled when the others have ended. No limit counts it.

        Example::

            async def heartbeat():
                while True:
                    await sleep(1)

            async with goish.errgroup.Group() as g:
                h = g.go_daemon(heartbeat)
            print(h.cancelled())  # -> True
        """
        return self._daemons.go(fn, *args, **kwargs)
