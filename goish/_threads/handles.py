"""Several results at once: ``sync_all`` and ``sync_any`` block a thread, ``wait_all`` and ``wait_any`` are awaited.

All take any mixture of what ``go``, ``go_thread``, ``spawn`` and ``submit`` return, and of asyncio's tasks and futures,
those of other loops too; ``ended`` makes a case of ``select`` of any of them.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import math
from collections.abc import Callable, Coroutine, Iterable, Sequence
from time import monotonic
from typing import Any, Final, Never, TypeAlias, TypeVar, cast, overload

from .._checks import check_no_loop, check_timeout, without_unknown
from .._runtime.core import (
    Chan,
    FlowVar,
    Goroutine,
    Op,
    RecvChan,
    chan,
    end_of,
    flowvar_take,
    given_up,
    go,
    go_thread,
    goroutine_behind,
    goroutine_end_channel,
    join_helping,
    scheduler_for,
    select,
    sync,
)

__all__ = ["Handle", "call_on", "end_of_handle", "ended", "joint_waits", "sync_all", "sync_any", "wait_all", "wait_any"]

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")
T6 = TypeVar("T6")
T7 = TypeVar("T7")
T8 = TypeVar("T8")

# The waits for several handles that will raise what fails among them, by the id of what they wait for: that, and a
# function that says whether a goroutine is part of it.
joint_waits: Final[dict[int, tuple[Callable[[Any, Goroutine[Any]], bool], object]]] = {}

Handle: TypeAlias = Goroutine[T] | FlowVar[T] | asyncio.Future[T]

_KINDS: Final = (Goroutine, FlowVar, asyncio.Future)


@overload
def sync_all(a: Handle[T1], b: Handle[T2], /, *, timeout: float | None = None) -> tuple[T1, T2]: ...
@overload
def sync_all(a: Handle[T1], b: Handle[T2], c: Handle[T3], /, *, timeout: float | None = None) -> tuple[T1, T2, T3]: ...
@overload
def sync_all(
    a: Handle[T1], b: Handle[T2], c: Handle[T3], d: Handle[T4], /, *, timeout: float | None = None
) -> tuple[T1, T2, T3, T4]: ...
@overload
def sync_all(
    a: Handle[T1], b: Handle[T2], c: Handle[T3], d: Handle[T4], e: Handle[T5], /, *, timeout: float | None = None
) -> tuple[T1, T2, T3, T4, T5]: ...
@overload
def sync_all(
    a: Handle[T1],
    b: Handle[T2],
    c: Handle[T3],
    d: Handle[T4],
    e: Handle[T5],
    f: Handle[T6],
    /,
    *,
    timeout: float | None = None,
) -> tuple[T1, T2, T3, T4, T5, T6]: ...
@overload
def sync_all(
    a: Handle[T1],
    b: Handle[T2],
    c: Handle[T3],
    d: Handle[T4],
    e: Handle[T5],
    f: Handle[T6],
    g: Handle[T7],
    /,
    *,
    timeout: float | None = None,
) -> tuple[T1, T2, T3, T4, T5, T6, T7]: ...
@overload
def sync_all(
    a: Handle[T1],
    b: Handle[T2],
    c: Handle[T3],
    d: Handle[T4],
    e: Handle[T5],
    f: Handle[T6],
    g: Handle[T7],
    h: Handle[T8],
    /,
    *,
    timeout: float | None = None,
) -> tuple[T1, T2, T3, T4, T5, T6, T7, T8]: ...
@overload
def sync_all(*handles: Handle[T], timeout: float | None = None) -> tuple[T, ...]: ...
def sync_all(*handles: Any, timeout: float | None = None) -> tuple[Any, ...]:
    """Block this thread until all are done, and take their results, in this order. See ``sync``.

    If some failed, it waits for the others all the same and raises: the exception if it is one, an ExceptionGroup if
    there are several. ``timeout``: seconds for all together, None for ever; TimeoutError if some were not done by then:
    no result is taken then, and none is lost. TypeError for other things, SyncOnLoop on a thread whose event loop runs:
    ``await wait_all(...)`` there.

    Example::

        def main():
            return sync_all(spawn(pow, 2, 3), spawn(pow, 3, 2))

        print(await go_thread(main))  # -> (8, 9)
    """
    _check(handles, "sync_all")
    check_no_loop("sync_all()", "await wait_all(...)")
    _join_all(handles, timeout)
    return _results(handles, "sync_all")


def _join_all(handles: Sequence[Handle[Any]], timeout: float | None) -> None:
    """Wait until all are done, taking nothing."""
    timeout = check_timeout(timeout)
    deadline = _deadline(timeout)
    key = id(handles)
    joint_waits[key] = _are_behind, handles
    try:
        for handle in handles:
            if _is_over(handle):
                continue
            left = None if timeout is None else max(0.0, deadline - monotonic())
            behind = _behind(handle)
            if isinstance(behind, Goroutine):
                join_helping(behind, left)
            else:
                _join(behind, left)
    except BaseException as exc:
        _give_up(handles)
        if _is_late(exc, deadline):
            raise TimeoutError(f"sync_all(): not within {timeout:g} s") from None
        raise
    finally:
        joint_waits.pop(key, None)


def _deadline(timeout: float | None) -> float:
    return math.inf if timeout is None else monotonic() + timeout


def _is_late(exc: BaseException, deadline: float) -> bool:
    """Whether it is the end of the wait. A signal handler may raise a TimeoutError too."""
    return isinstance(exc, TimeoutError) and monotonic() >= deadline


def _join(future: asyncio.Future[Any], timeout: float | None) -> None:
    waiting = go_thread(end_of_handle, future)
    try:
        join_helping(waiting, timeout)
    except BaseException:
        waiting.cancel("nobody waits any more")
        raise


@overload
def sync_any(a: Handle[T1], b: Handle[T2], /, *, timeout: float | None = None) -> tuple[int, T1 | T2]: ...
@overload
def sync_any(
    a: Handle[T1], b: Handle[T2], c: Handle[T3], /, *, timeout: float | None = None
) -> tuple[int, T1 | T2 | T3]: ...
@overload
def sync_any(
    a: Handle[T1], b: Handle[T2], c: Handle[T3], d: Handle[T4], /, *, timeout: float | None = None
) -> tuple[int, T1 | T2 | T3 | T4]: ...
@overload
def sync_any(
    a: Handle[T1], b: Handle[T2], c: Handle[T3], d: Handle[T4], e: Handle[T5], /, *, timeout: float | None = None
) -> tuple[int, T1 | T2 | T3 | T4 | T5]: ...
@overload
def sync_any(
    a: Handle[T1],
    b: Handle[T2],
    c: Handle[T3],
    d: Handle[T4],
    e: Handle[T5],
    f: Handle[T6],
    /,
    *,
    timeout: float | None = None,
) -> tuple[int, T1 | T2 | T3 | T4 | T5 | T6]: ...
@overload
def sync_any(
    a: Handle[T1],
    b: Handle[T2],
    c: Handle[T3],
    d: Handle[T4],
    e: Handle[T5],
    f: Handle[T6],
    g: Handle[T7],
    /,
    *,
    timeout: float | None = None,
) -> tuple[int, T1 | T2 | T3 | T4 | T5 | T6 | T7]: ...
@overload
def sync_any(
    a: Handle[T1],
    b: Handle[T2],
    c: Handle[T3],
    d: Handle[T4],
    e: Handle[T5],
    f: Handle[T6],
    g: Handle[T7],
    h: Handle[T8],
    /,
    *,
    timeout: float | None = None,
) -> tuple[int, T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8]: ...
@overload
def sync_any(*handles: Handle[T], timeout: float | None = None) -> tuple[int, T]: ...
def sync_any(*handles: Any, timeout: float | None = None) -> tuple[int, Any]:
    """Block this thread until one is done: its position among ``handles``, and its result, which is taken.

    The others are left as they are: a FlowVar of them may still be synced. Its exception is raised if that one failed.
    ``timeout``: seconds, None for ever; TimeoutError if none was done by then. SyncOnLoop on a thread whose event loop
    runs: ``await wait_any(...)`` there. ValueError without handles.

    Example::

        def main():
            token = CancelToken()
            slow, fast = submit(token.done().recv_ok_blocking), submit(pow, 2, 3)
            first = sync_any(slow, fast)
            token.cancel()
            sync(slow)
            return first

        print(await go_thread(main))  # -> (1, 8)
    """
    _check(handles, "sync_any")
    _check_not_empty(handles, "sync_any")
    check_no_loop("sync_any()", "await wait_any(...)")
    timeout = check_timeout(timeout)
    deadline = _deadline(timeout)
    first = go_thread(_first, handles)
    try:
        i = first.result_blocking(timeout)
    except BaseException as exc:
        first.cancel("nobody waits any more")
        _give_up(handles)
        if _is_late(exc, deadline):
            raise TimeoutError(f"sync_any(): not within {timeout:g} s") from None
        raise
    _give_up_others(handles, i)
    return i, _sync(handles[i])


@overload
async def wait_all(a: Handle[T1], b: Handle[T2], /) -> tuple[T1, T2]: ...
@overload
async def wait_all(a: Handle[T1], b: Handle[T2], c: Handle[T3], /) -> tuple[T1, T2, T3]: ...
@overload
async def wait_all(a: Handle[T1], b: Handle[T2], c: Handle[T3], d: Handle[T4], /) -> tuple[T1, T2, T3, T4]: ...
@overload
async def wait_all(
    a: Handle[T1], b: Handle[T2], c: Handle[T3], d: Handle[T4], e: Handle[T5], /
) -> tuple[T1, T2, T3, T4, T5]: ...
@overload
async def wait_all(
    a: Handle[T1], b: Handle[T2], c: Handle[T3], d: Handle[T4], e: Handle[T5], f: Handle[T6], /
) -> tuple[T1, T2, T3, T4, T5, T6]: ...
@overload
async def wait_all(
    a: Handle[T1], b: Handle[T2], c: Handle[T3], d: Handle[T4], e: Handle[T5], f: Handle[T6], g: Handle[T7], /
) -> tuple[T1, T2, T3, T4, T5, T6, T7]: ...
@overload
async def wait_all(
    a: Handle[T1],
    b: Handle[T2],
    c: Handle[T3],
    d: Handle[T4],
    e: Handle[T5],
    f: Handle[T6],
    g: Handle[T7],
    h: Handle[T8],
    /,
) -> tuple[T1, T2, T3, T4, T5, T6, T7, T8]: ...
@overload
async def wait_all(*handles: Handle[T]) -> tuple[T, ...]: ...
@without_unknown
async def wait_all(*handles: Any, **unknown: Never) -> tuple[Any, ...]:
    """Wait until all are done, and take their results, in this order.

    If some failed, it waits for the others all the same and raises: the exception if it is one, an ExceptionGroup if
    there are several. A cancel ends the wait and leaves them as they are. TypeError for other things. Where one may
    wait for another that fails, use ``asyncio.TaskGroup``, which cancels the others: this waits for them for ever.

    Example::

        async def square(n):
            return n * n

        print(await wait_all(go(square, 3), go_thread(pow, 2, 3), spawn(pow, 2, 4)))  # -> (9, 8, 16)
    """
    _check_keywords(unknown, "wait_all")
    _check(handles, "wait_all")
    key = id(handles)
    joint_waits[key] = _are_behind, handles
    try:
        for handle in handles:
            if not _is_over(handle):
                await end_of_handle(handle)
    except BaseException:
        _give_up(handles)
        raise
    finally:
        joint_waits.pop(key, None)
    return _results(handles, "wait_all")


@overload
async def wait_any(a: Handle[T1], b: Handle[T2], /) -> tuple[int, T1 | T2]: ...
@overload
async def wait_any(a: Handle[T1], b: Handle[T2], c: Handle[T3], /) -> tuple[int, T1 | T2 | T3]: ...
@overload
async def wait_any(a: Handle[T1], b: Handle[T2], c: Handle[T3], d: Handle[T4], /) -> tuple[int, T1 | T2 | T3 | T4]: ...
@overload
async def wait_any(
    a: Handle[T1], b: Handle[T2], c: Handle[T3], d: Handle[T4], e: Handle[T5], /
) -> tuple[int, T1 | T2 | T3 | T4 | T5]: ...
@overload
async def wait_any(
    a: Handle[T1], b: Handle[T2], c: Handle[T3], d: Handle[T4], e: Handle[T5], f: Handle[T6], /
) -> tuple[int, T1 | T2 | T3 | T4 | T5 | T6]: ...
@overload
async def wait_any(
    a: Handle[T1], b: Handle[T2], c: Handle[T3], d: Handle[T4], e: Handle[T5], f: Handle[T6], g: Handle[T7], /
) -> tuple[int, T1 | T2 | T3 | T4 | T5 | T6 | T7]: ...
@overload
async def wait_any(
    a: Handle[T1],
    b: Handle[T2],
    c: Handle[T3],
    d: Handle[T4],
    e: Handle[T5],
    f: Handle[T6],
    g: Handle[T7],
    h: Handle[T8],
    /,
) -> tuple[int, T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8]: ...
@overload
async def wait_any(*handles: Handle[T]) -> tuple[int, T]: ...
@without_unknown
async def wait_any(*handles: Any, **unknown: Never) -> tuple[int, Any]:
    """Wait until one is done: its position among ``handles``, and its result, which is taken.

    The others are left as they are: one that fails later, and that nobody awaits, is logged. Its exception is raised
    if that one failed. A cancel ends the wait and leaves them as they are. TypeError for other things, ValueError
    without any.

    Example::

        async def forever():
            await chan().recv()

        slow = go(forever)
        print(await wait_any(slow, go_thread(pow, 2, 3)))  # -> (1, 8)
        slow.cancel()
    """
    _check_keywords(unknown, "wait_any")
    _check(handles, "wait_any")
    _check_not_empty(handles, "wait_any")
    try:
        i = await _first(handles)
    except BaseException:
        _give_up(handles)
        raise
    _give_up_others(handles, i)
    return i, _result_of(handles[i])


def ended(handle: Handle[Any], /) -> Op[None, None]:
    """Waits for the end of ``handle``; await it, or give it to ``select``. Its result, or exception, stays to be taken.

    Gives None; in a ``select`` it is the case ``(i, None, False)``, as a closed channel is. A cancel ends the wait and
    leaves the handle as it is. Any number may wait, again and again: a ``select`` that another case has won leaves
    nothing behind. TypeError for other things. Any thread.

    Example::

        results = chan()
        g = go_thread(pow, 2, 3)
        index, value, ok = await select(results.recv(), ended(g))
        print(index, await g)  # -> 1 8
    """
    _check((handle,), "ended")
    return _end_channel(_behind(handle)).wait_closed()


def _end_channel(behind: Goroutine[Any] | asyncio.Future[Any]) -> RecvChan[Any]:
    """The channel that is closed at the end. There is one for each, however often it is asked for."""
    return goroutine_end_channel(behind) if isinstance(behind, Goroutine) else _end_of_future(behind)


def _end_of_future(future: asyncio.Future[Any]) -> RecvChan[Any]:
    """The end channel of a future, made once; the future keeps it."""
    known: Chan[Any] | None = getattr(future, "_goish_ended", None)
    if known is not None:
        return known.receiver
    over: Chan[Any] = chan()

    def end(_: object) -> None:
        over.close()

    if future.done():
        over.close()
    elif future.get_loop() is asyncio._get_running_loop():
        future.add_done_callback(end)
    else:
        call_on(future.get_loop(), future.add_done_callback, end)
    with contextlib.suppress(AttributeError):  # of a class with __slots__
        future._goish_ended = over  # type: ignore[attr-defined]
    return over.receiver


# ── waiting for one of any kind ──


async def _first(handles: Sequence[Handle[Any]]) -> int:
    for i, handle in enumerate(handles):
        if _is_over(handle):
            return i
    watched: list[Goroutine[Any]] = []
    watchers: list[Goroutine[None]] = []
    try:
        for handle in handles:
            behind = _behind(handle)
            if not isinstance(behind, Goroutine):
                behind = go(end_of_handle, behind)
                watchers.append(behind)
            watched.append(behind)
        return (await select(*[goroutine_end_channel(g).wait_closed() for g in watched], biased=True))[0]
    finally:
        for watcher in watchers:
            watcher.cancel()


def _sync(handle: Handle[T]) -> T:
    if isinstance(handle, (Goroutine, FlowVar)):
        return sync(handle)
    if not handle.done():
        _join(handle, None)
    return handle.result()


async def end_of_handle(handle: Handle[Any]) -> None:
    """Wait until it is done. Does not consume the result; cancelling the waiter does not cancel it."""
    behind = _behind(handle)
    if isinstance(behind, Goroutine):
        await end_of(behind)
    elif behind.done():
        return
    elif behind.get_loop() is asyncio.get_running_loop():
        await asyncio.wait([behind])
    else:
        over: Chan[None] = chan(1)

        def tell(_: asyncio.Future[Any]) -> None:
            over.try_send(None)

        call_on(behind.get_loop(), behind.add_done_callback, tell)
        await over.recv()


def call_on(loop: asyncio.AbstractEventLoop, fn: Callable[..., object], *args: object) -> None:
    """Call ``fn`` on ``loop``, not by ``call_soon_threadsafe``, which is unsafe beside the loop's ``close``."""
    if not scheduler_for(loop).post(fn, *args):
        raise RuntimeError(f"{loop!r} is closed")


def _results(handles: Sequence[Handle[Any]], what: str) -> tuple[Any, ...]:
    """The results of handles that are done. Without a wait no cancel comes between, and all that is taken is given."""
    results: list[Any] = []
    errors: list[BaseException] = []
    for handle in handles:
        try:
            results.append(_result_of(handle))
        except BaseException as exc:
            errors.append(exc)
    _raise(errors, what)
    return tuple(results)


def _result_of(handle: Handle[T]) -> T:
    """The result of a handle that is done."""
    return flowvar_take(handle) if isinstance(handle, FlowVar) else handle.result()


def _behind(handle: Handle[T]) -> Goroutine[T] | asyncio.Future[T]:
    """The object that ends; a FlowVar only has its result."""
    return goroutine_behind(handle) if isinstance(handle, FlowVar) else handle


def _goroutines(handles: Sequence[Handle[Any]]) -> list[Goroutine[Any]]:
    """The goroutines behind the handles, but for results that are taken already."""
    behind = (_behind(handle) for handle in handles if not _is_consumed(handle))
    return [g for g in behind if isinstance(g, Goroutine)]


def _are_behind(handles: Sequence[Handle[Any]], g: Goroutine[Any]) -> bool:
    return g in _goroutines(handles)


def _give_up(handles: Sequence[Handle[Any]]) -> None:
    for g in _goroutines(handles):
        given_up(g)


def _give_up_others(handles: Sequence[Handle[Any]], i: int) -> None:
    _give_up([handle for handle in handles if handle is not handles[i]])


def _is_consumed(handle: Handle[Any]) -> bool:
    return isinstance(handle, FlowVar) and handle.is_consumed()


def _is_over(handle: Handle[Any]) -> bool:
    if isinstance(handle, FlowVar):
        return handle.is_consumed() or handle.is_ready()
    return handle.done()


def _raise(errors: list[BaseException], what: str) -> None:
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BaseExceptionGroup(f"{len(errors)} of the calls of {what}() failed", errors)


def _check_keywords(unknown: dict[str, Never], what: str) -> None:
    for keyword in unknown:
        if keyword == "timeout":
            raise TypeError(
                f"{what}() takes no timeout: asyncio.timeout(seconds) around the await; "
                f"on a thread {what.replace('wait', 'sync')}(..., timeout=seconds)"
            )
        raise TypeError(f"{what}() got an unexpected keyword argument {keyword!r}")


def _check(handles: Sequence[object], what: str) -> None:
    for handle in handles:
        if not isinstance(handle, _KINDS):
            raise TypeError(
                f"{what}() takes what go(), go_thread(), spawn() and submit() return, or asyncio futures; "
                f"got {handle!r} of type {type(handle).__name__}{_instead(handle, what)}"
            )


def _instead(handle: object, what: str) -> str:
    if isinstance(handle, Op):
        cast("Any", handle).close()  # so that it does not complain, besides, that nobody awaited it
        return ": an operation is awaited by itself, or in a coroutine: go(coro)"
    if isinstance(handle, Coroutine):
        return ": go(coro) starts a coroutine"
    if isinstance(handle, concurrent.futures.Future):
        return ": asyncio.wrap_future(future), or adopt(...) its executor"
    return f": {what}(*handles)" if isinstance(handle, Iterable) else ""


def _check_not_empty(handles: Sequence[object], what: str) -> None:
    if not handles:
        raise ValueError(f"{what}() needs at least one to wait for")
