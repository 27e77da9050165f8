"""One goroutine, for the time of a block."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, TypeVar

from .._runtime.core import Goroutine
from .group import Group

__all__ = ["go_scoped"]

T = TypeVar("T")
P = ParamSpec("P")


@asynccontextmanager
async def go_scoped(
    fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
) -> AsyncGenerator[Goroutine[T]]:
    """A goroutine for the time of a block: cancelled at its end, which waits for it. tokio-util's ``AbortOnDrop``.

    If it fails, the block is cancelled, and its exception is raised. If it ends, the block goes on.

    Example::

        async def heartbeat():
            while True:
                await sleep(1)

        async with goish.errgroup.go_scoped(heartbeat) as h:
            print(h.done())  # -> False
        print(h.cancelled())  # -> True
    """
    async with Group(errors="first") as group:
        yield group.go_daemon(fn, *args, **kwargs)
