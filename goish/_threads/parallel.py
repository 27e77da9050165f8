"""Loops over data on an executor: the same call for many items, in as many pieces as keep its workers busy.

A range is halved: one half is spawned, the other done here, and so on down to pieces of ``grain`` items. A half that no
worker takes is done here in its turn, which costs next to nothing: so there may be many more pieces than workers. One
that a full pool does not take is done here at once: the cut is goish's matter, no reason to fail or to wait.

Invariant: whatever happens, the FlowVar of each piece is taken, so that the error of a loop comes out once, and not of
each piece as a panic besides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from types import CoroutineType
from typing import Any, Final, Generic, TypeAlias, TypeVar, overload

from .._runtime.core import FlowVar, as_goroutine, check_cancel, check_plain, try_spawn
from ..errors import SyncOnLoop
from .adopted import AdoptedExecutor, AnyExecutor, check_executor, map_adopted
from .default import default_executor
from .executor import Executor, check_open

__all__ = ["parallel_for", "parallel_map", "parallel_reduce"]

T = TypeVar("T")
R = TypeVar("R")


class _Missing:
    def __repr__(self) -> str:
        return "..."  # as help() shows it


_MISSING: Final[Any] = _Missing()
_PIECES: Final = 8  # for each worker: so that none is idle long at the end
_USAGE: Final = {
    "parallel_for": "parallel_for(fn, items)",
    "parallel_map": "parallel_map(fn, items)",
    "parallel_reduce": "parallel_reduce(combine, items, map=fn)",
}
_FOR_COROUTINES: Final = "await wait_all(*[go(fn, item) for item in items]) runs a coroutine function for each"


def parallel_for(
    fn: Callable[[T], object], items: Iterable[T], *, grain: int | None = None, executor: AnyExecutor | None = None
) -> None:
    """Call ``fn(item)`` for each of ``items``, on the workers of ``executor`` (None: the default one) and this thread.

    ``grain``: how many items are done in a row; None: as many as give each worker some pieces. The first exception is
    raised, when the calls under way are over; further items are left out then. A cancel of the call that the loop is in
    ends it in the same way, but not on an adopted executor, where it goes on to its end. With the GIL, plain Python
    functions take turns. SyncOnLoop on a thread whose event loop runs: ``await go_thread(parallel_for, fn, items)``
    there. A piece that a full executor does not take is done by the thread that cuts it, whatever ``on_full`` says.
    TypeError or ValueError for other arguments, a coroutine function too; PoolShutdown if the executor is shut down.

    Example::

        squares = [0] * 10

        def square(i):
            squares[i] = i * i

        parallel_for(square, range(10))
        print(squares[3], sum(squares))  # -> 9 285
    """
    loop = _Loop(executor, items, grain, "parallel_for", fn)
    if loop.adopted is not None:
        map_adopted(loop.adopted, fn, loop.items, loop.grain)
    else:
        loop.run(_for(fn, loop))


def parallel_map(
    fn: Callable[[T], R], items: Iterable[T], *, grain: int | None = None, executor: AnyExecutor | None = None
) -> list[R]:
    """The list of ``fn(item)`` for each of ``items``, in their order. As ``parallel_for`` otherwise.

    Example::

        print(parallel_map(abs, [-1, 2, -3]))  # -> [1, 2, 3]
    """
    loop = _Loop(executor, items, grain, "parallel_map", fn)
    if loop.adopted is not None:
        return map_adopted(loop.adopted, fn, loop.items, loop.grain)
    return [result for piece in loop.run(_map(fn, loop)) for result in piece]


@overload
def parallel_reduce(
    combine: Callable[[T, T], T],
    items: Iterable[T],
    *,
    initial: T = ...,
    map: None = None,
    grain: int | None = None,
    executor: AnyExecutor | None = None,
) -> T: ...
@overload
def parallel_reduce(
    combine: Callable[[R, R], R],
    items: Iterable[T],
    *,
    initial: R = ...,
    map: Callable[[T], R],
    grain: int | None = None,
    executor: AnyExecutor | None = None,
) -> R: ...
def parallel_reduce(
    combine: Callable[[Any, Any], Any],
    items: Iterable[Any],
    *,
    initial: Any = _MISSING,
    map: Callable[[Any], Any] | None = None,  # noqa: A002
    grain: int | None = None,
    executor: AnyExecutor | None = None,
) -> Any:
    """Combine ``items`` (or ``map(item)`` of each) to one value: ``combine(combine(a, b), c)`` ..., in their order.

    ``combine`` must be associative, for it is applied to pieces first. ``initial`` comes before the first; without it,
    TypeError if there are no items. On an adopted executor only ``map`` is called there. As ``parallel_for`` otherwise.

    Example::

        print(parallel_reduce(int.__add__, range(5), map=lambda n: n * n))  # -> 30
    """
    loop = _Loop(executor, items, grain, "parallel_reduce", combine if map is None else map)
    if loop.adopted is None:
        pieces = loop.run(_reduce(combine, map, loop))
    else:
        pieces = list(loop.items) if map is None else map_adopted(loop.adopted, map, loop.items, loop.grain)
    if initial is not _MISSING:
        pieces.insert(0, initial)
    if not pieces:
        raise TypeError("parallel_reduce() of no items needs an initial value")
    result = pieces[0]
    for piece in pieces[1:]:
        result = combine(result, piece)
    return result


# ── what is done with a piece, as long as the loop is not over ──

_Piece: TypeAlias = Callable[[Sequence[Any]], Any]


def _for(fn: Callable[[Any], object], loop: _Loop[Any]) -> _Piece:
    def piece(items: Sequence[Any]) -> None:
        result: object = None
        for item in items:
            if loop.failed:
                return
            check_cancel()
            result = fn(item)
        loop.check_results([result])

    return piece


def _map(fn: Callable[[Any], Any], loop: _Loop[Any]) -> _Piece:
    def piece(items: Sequence[Any]) -> list[Any]:
        results: list[Any] = []
        for item in items:
            if loop.failed:
                break
            check_cancel()
            results.append(fn(item))
        loop.check_results(results)
        return results

    return piece


def _reduce(combine: Callable[[Any, Any], Any], of: Callable[[Any], Any] | None, loop: _Loop[Any]) -> _Piece:
    def piece(items: Sequence[Any]) -> Any:
        result = _MISSING
        for item in items:
            if loop.failed:
                break
            check_cancel()
            value = item if of is None else of(item)
            result = value if result is _MISSING else combine(result, value)
        loop.check_results([result])
        return result

    return piece


# ── the loop ──


def _check_grain(grain: object) -> None:
    if isinstance(grain, bool) or not isinstance(grain, int):
        raise TypeError(f"grain is a whole number of items, 1 or more, or None; got {grain!r}")
    if grain < 1:
        raise ValueError(f"grain is 1 item or more; got {grain}")


class _Loop(Generic[T]):
    """One call of a parallel loop."""

    executor: Executor  # not set for a foreign executor: `adopted`

    def __init__(
        self, executor: AnyExecutor | None, items: Iterable[T], grain: int | None, what: str, fn: Callable[..., object]
    ) -> None:
        if asyncio._get_running_loop() is not None:
            raise SyncOnLoop(
                f"{what}() would block the event loop that runs on this thread: await go_thread({what}, ...)"
            )
        if grain is not None:
            _check_grain(grain)
        self.what = what
        if not callable(fn) and not isinstance(fn, CoroutineType):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"{_USAGE[what]}: the function comes first, got {fn!r} of type {type(fn).__name__}")
        check_plain(fn, "spawn", f"{what}() takes", _FOR_COROUTINES)
        given = check_executor(executor) or default_executor()
        self.adopted = given if isinstance(given, AdoptedExecutor) else None
        if isinstance(given, Executor):
            check_open(given)
            self.executor = given
        self.items: Sequence[Any] = items if isinstance(items, (list, tuple, range)) else list(items)
        self.grain = grain or max(1, len(self.items) // (_PIECES * given.workers))
        self.failed = False  # or cancelled: what has not begun is left out

    def run(self, piece: _Piece) -> list[Any]:
        return self._halve(piece, 0, len(self.items)) if self.items else []

    def _halve(self, piece: _Piece, start: int, end: int) -> list[Any]:
        """The results of the pieces from ``start`` to ``end``, in their order."""
        later: list[FlowVar[list[Any]]] = []
        done: list[Any] = []
        try:
            while end - start > self.grain and not self.failed:
                middle = start + (end - start + 1) // 2
                fv = try_spawn(self.executor, self._halve, piece, middle, end)
                if fv is not None:
                    later.append(fv)
                    end = middle
                else:
                    done += self._halve(piece, start, middle)
                    start = middle  # and when that is done there may be room again
            done.append(piece(self.items[start:end]))
        except BaseException as exc:
            self.failed = True
            if isinstance(exc, asyncio.CancelledError):
                self._cancel(later)
            self._all(later, quietly=True)
            raise
        try:
            for part in self._all(list(reversed(later))):
                done += part
        except BaseException:
            self.failed = True
            raise
        return done

    def _all(self, fvs: list[FlowVar[Any]], quietly: bool = False) -> list[Any]:
        """The results of all; the first exception, when all are over. A cancel of this thread's call ends them."""
        results: list[Any] = []
        first: BaseException | None = None
        left = list(reversed(fvs))
        while left:
            fv = left[-1]
            try:
                results.append(fv.sync())
            except BaseException as exc:
                if not fv.is_consumed():
                    self._cancel(left)
                    if not isinstance(exc, asyncio.CancelledError):
                        self._forget(left)
                        raise
                first = exc if first is None or not fv.is_consumed() else first
            if fv.is_consumed():
                left.pop()
        if first is not None and not quietly:
            raise first
        return results

    def _cancel(self, left: list[FlowVar[Any]]) -> None:
        self.failed = True
        for fv in left:
            fv.cancel("its parallel loop is cancelled")

    def _forget(self, left: list[FlowVar[Any]]) -> None:
        """Make no panic of later failures: nobody waits for these any more (Ctrl-C)."""
        for fv in left:
            as_goroutine(fv)._log_traceback = False  # pyright: ignore[reportPrivateUsage]

    def check_results(self, results: Sequence[object]) -> None:
        """TypeError if they are coroutines, which nobody would ever run: `fn` is a lambda around an ``async def``."""
        if results and isinstance(results[0], CoroutineType):
            for result in results:
                if isinstance(result, CoroutineType):
                    result.close()
            raise TypeError(
                f"{self.what}() takes plain functions (def), got one that returns coroutines: {_FOR_COROUTINES}"
            )
