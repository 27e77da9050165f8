"""A group whose members give one kind of result: in the order of their starts, or of their ends."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, Literal, ParamSpec, Self, TypeVar, overload

from .._runtime.core import Chan, Context, Goroutine, chan
from .base import BaseGroup

__all__ = ["Completed", "ResultGroup"]

T = TypeVar("T")
P = ParamSpec("P")


class ResultGroup(BaseGroup, Generic[T]):
    """A ``Group`` that keeps its members for the sake of their results; made, used and ended as a ``Group``.

    Example::

        async def square(n):
            return n * n

        async with goish.errgroup.ResultGroup(limit=2) as g:
            for n in range(5):
                await g.go(square, n)
        print(g.results())  # -> [0, 1, 4, 9, 16]
    """

    def __init__(
        self,
        *,
        limit: int | None = None,
        ctx: Context | None = None,
        errors: Literal["all", "first"] = "all",
        on_error: Literal["cancel", "continue"] = "cancel",
    ) -> None:
        super().__init__(limit=limit, ctx=ctx, errors=errors, on_error=on_error)
        self._kept: list[Goroutine[T]] = []  # grows only
        self._given = 0  # to iterators, or about to be; `_lock` guards it
        self._done: Chan[Goroutine[T]] = chan(math.inf)

    @overload
    async def go(
        self, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Goroutine[T]: ...
    @overload
    async def go(self, fn: Coroutine[Any, Any, T], /) -> Goroutine[T]: ...
    async def go(self, fn: Any, /, *args: Any, **kwargs: Any) -> Goroutine[T]:
        """As ``Group.go``."""
        return self._keep(await self._go(fn, *args, **kwargs))

    @overload
    def try_go(
        self, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Goroutine[T] | None: ...
    @overload
    def try_go(self, fn: Coroutine[Any, Any, T], /) -> Goroutine[T] | None: ...
    def try_go(self, fn: Any, /, *args: Any, **kwargs: Any) -> Goroutine[T] | None:
        """As ``Group.try_go``."""
        g = self._try_go(fn, *args, **kwargs)
        return None if g is None else self._keep(g)

    @overload
    async def go_thread(
        self, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Goroutine[T]: ...
    @overload
    async def go_thread(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Goroutine[T]: ...
    async def go_thread(self, fn: Any, /, *args: Any, **kwargs: Any) -> Goroutine[T]:
        """As ``Group.go_thread``."""
        return self._keep(await self._go_thread(fn, *args, **kwargs))

    async def track(self, awaitable: Awaitable[T], /) -> Goroutine[T]:
        """As ``Group.track``."""
        return self._keep(await self._track(awaitable))

    def _keep(self, g: Goroutine[T]) -> Goroutine[T]:
        self._kept.append(g)
        g.add_done_callback(self._done.try_send)
        return g

    async def _next_done(self) -> Goroutine[T]:
        with self._lock:
            if self._given >= len(self._kept):
                raise StopAsyncIteration
            self._given += 1
        try:
            return await self._done.recv()
        except BaseException:
            with self._lock:
                self._given -= 1
            raise

    def results(self) -> list[T]:
        """What the members have returned, in the order of their starts, but for those that failed or were cancelled.

        RuntimeError while a member lives.
        """
        if not all(g.done() for g in self._kept):
            raise RuntimeError("the results are there when the members have ended: after the block, or after wait()")
        return [g.result() for g in self._kept if not g.cancelled() and g._exception is None]

    def as_completed(self) -> Completed[T]:
        """An asynchronous iterator that gives the members as they end; it is over when it has given all.

        For ``async for`` in the block. Each member is given once, whichever iterator asks. Await it for its result.

        Example::

            async def nap(seconds):
                await sleep(seconds)
                return seconds

            async with goish.errgroup.ResultGroup() as g:
                for seconds in (0.02, 0.001):
                    await g.go(nap, seconds)
                print([await h async for h in g.as_completed()])  # -> [0.001, 0.02]
        """
        return Completed(self)


class Completed(Generic[T]):
    """The members of a ``ResultGroup`` as they end."""

    def __init__(self, group: ResultGroup[T]) -> None:
        self._group = group

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Goroutine[T]:
        return await self._group._next_done()  # pyright: ignore[reportPrivateUsage]
