"""What becomes of the goroutines that a call on a worker has started by ``go`` and that live when it is over.

They are kept, and cost nothing here. Or the call is over when they are: then its function is wrapped, and a mark in the
context, which ``go`` copies, tells all goroutines that are started in it, or by those again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextvars import ContextVar
from typing import Any, Final, Literal, TypeAlias

from .._runtime.core import (
    GoExit,
    Goroutine,
    current_goroutine,
    end_of,
    goroutines,
    install_host,
    is_coroutine,
    join_child,
)

__all__ = ["Children", "with_children"]

Children: TypeAlias = Literal["keep", "await", "cancel"]

_FAMILY: ContextVar[object] = ContextVar("goish.family", default=None)
_WHY: Final = "the call that started it is over"


def with_children(fn: Any, cancels: bool, is_async: bool) -> Any:
    """``fn``, as a call that is over when the goroutines that it has started are; ``cancels``: by being cancelled."""
    return _Async(fn, cancels) if is_async else _Plain(fn, cancels)


class _Family:
    """The goroutines that a call has started on its thread, and those that they have started."""

    def __init__(self, cancels: bool) -> None:
        self.cancels = cancels
        self.told: set[Goroutine[Any]] = set()
        self.interrupt: asyncio.CancelledError | None = None  # of the call: its end is the end of all

    def left(self) -> Iterator[Goroutine[Any]]:
        """Give one of those that live, until there are none."""
        here = current_goroutine()
        while alive := [g for g in goroutines() if g is not here and g.get_context().get(_FAMILY) is self]:
            if self.cancels:
                for g in alive:
                    self.cancel(g)
            yield alive[0]

    def cancel(self, g: Goroutine[Any]) -> None:
        if g not in self.told:  # once: it may be cleaning up
            self.told.add(g)
            g.cancel(_WHY)

    def failed(self, exc: BaseException) -> None:
        """The call has failed: its goroutines are not left to themselves, as in a ``sync_scope``."""
        self.cancels |= not isinstance(exc, GoExit)

    def interrupted(self, exc: asyncio.CancelledError) -> None:
        self.interrupt = exc
        self.cancels = True

    def over(self) -> None:
        if self.interrupt is not None:
            raise self.interrupt

    def join(self) -> None:
        for g in self.left():
            try:
                join_child(g)
            except asyncio.CancelledError as exc:
                self.interrupted(exc)
        self.over()

    async def joined(self) -> None:
        for g in self.left():
            try:
                await end_of(g)
            except asyncio.CancelledError as exc:
                self.interrupted(exc)
        self.over()


class _Minded:
    def __init__(self, fn: Any, cancels: bool) -> None:
        self._fn = fn
        self._cancels = cancels
        self.__qualname__ = getattr(fn, "__qualname__", type(fn).__name__)


class _Plain(_Minded):
    _fn: Callable[..., Any]

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        family = _Family(self._cancels)
        token = _FAMILY.set(family)
        try:
            result = self._fn(*args, **kwargs)
        except BaseException as exc:
            family.failed(exc)
            raise
        finally:
            _FAMILY.reset(token)
            family.join()
        return _Coroutine(result, self._cancels) if is_coroutine(result) else result


class _Async(_Minded):
    """Minds a coroutine function, or a coroutine that has not started."""

    async def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        coro = self._fn if is_coroutine(self._fn) else self._fn(*args, **kwargs)
        return await _minded(coro, self._cancels)

    def _close_unstarted(self) -> None:
        if is_coroutine(self._fn):
            self._fn.close()


class _Coroutine(Coroutine[Any, Any, Any]):
    """A minded coroutine. The one in it is closed with it, also if neither has started."""

    def __init__(self, coro: Coroutine[Any, Any, Any], cancels: bool) -> None:
        self._inner = coro
        self._minded = _minded(coro, cancels)

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._minded.__await__()

    def send(self, value: Any, /) -> Any:
        return self._minded.send(value)

    def throw(self, *exc: Any) -> Any:
        try:
            return self._minded.throw(*exc)
        except BaseException:
            self._inner.close()
            raise

    def close(self) -> None:
        self._minded.close()
        self._inner.close()


async def _minded(coro: Coroutine[Any, Any, Any], cancels: bool) -> Any:
    family = _Family(cancels)
    token = _FAMILY.set(family)
    try:
        result = await coro
    except GeneratorExit:  # its loop is closed: nothing can be waited for any more
        raise
    except BaseException as exc:
        family.failed(exc)
        _FAMILY.reset(token)
        await family.joined()
        raise
    _FAMILY.reset(token)
    await family.joined()
    return result


install_host(with_children=with_children)
