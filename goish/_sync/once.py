"""Go's ``sync.Once`` and its functions: what is done once, for however many callers.

The first caller claims the run; the others wait for its end. A coroutine runs in a goroutine of its own, so that the
cancel of a caller, even the first, harms no other. A plain function runs in its caller.

Invariant: once a run is claimed, ``over`` is set at its end, whatever ends it. A forked child does not have what runs
in the parent: its first caller claims the run anew.
Threads: any. The claim is one step, without a lock.
"""

from __future__ import annotations

import functools
import os
import threading
from asyncio import CancelledError
from collections.abc import Callable, Coroutine
from typing import Any, Generic, NoReturn, ParamSpec, TypeVar, cast, overload

from .._checks import check_function, check_no_loop, is_async
from .._runtime.core import Event, GoExit, Goroutine, Ref, current_goroutine, go, is_coroutine

__all__ = ["Once", "once_func", "once_value"]

P = ParamSpec("P")
T = TypeVar("T")


class _Run:
    """The claim to a run, and its end."""

    __slots__ = ("_claim", "over")

    def __init__(self) -> None:
        # The process, and what runs there: the goroutine, or the thread of a plain function by its number.
        self._claim: Ref[tuple[int, object]] = Ref((0, None))
        self.over = Event()

    def claim(self) -> bool:
        """Whether the caller is the first in this process, of a run that is not over."""
        claim, here = self._claim.load(), os.getpid()
        if claim[0] == here or self.over.is_set() or (claim[0] and _has_forked(claim[1])):
            return False
        return self._claim.compare_and_swap(claim, (here, threading.get_ident()))

    def finish(self) -> None:
        self._claim.store((os.getpid(), None))
        self.over.set()

    def start(self, coro: Coroutine[Any, Any, T]) -> Goroutine[T]:
        """Run a coroutine in a goroutine of its own; its end is the end of the run."""

        def end(_: object) -> None:
            coro.close()
            self.finish()

        g = go(self._finishing(coro))
        self._claim.store((os.getpid(), g))
        g.add_done_callback(end)  # it may end before it begins
        return g

    async def _finishing(self, coro: Coroutine[Any, Any, T]) -> T:
        try:
            return await coro
        finally:
            self.finish()

    async def wait(self, name: str) -> None:
        self._refuse_recursion(name)
        await self.over.wait()

    def wait_blocking(self, name: str, instead: str) -> None:
        self._refuse_recursion(name)
        if not self.over.is_set():
            check_no_loop(name, instead)
            self.over.wait_blocking()

    def _refuse_recursion(self, name: str) -> None:
        runner = self._claim.load()[1]
        if runner is not None and (runner == threading.get_ident() or runner is current_goroutine()):
            raise RuntimeError(f"{name} is called by the function that it runs: it would wait for itself")


def _has_forked(runner: object) -> bool:
    """In a child: whether this code is within the run. Of its threads only the main one was there in the parent."""
    main = threading.main_thread().ident
    return runner is current_goroutine() if isinstance(runner, Goroutine) else runner == threading.get_ident() == main


class Once:
    """Does something once, for however many callers. Go's ``sync.Once``.

    In a forked child what is not done by then is done anew: what runs in the parent ends there only.

    Example::

        once = Once()

        async def connect():
            print("connecting")  # -> connecting

        await wait_all(*[go(once.do, connect) for _ in range(3)])
        print(once.done())  # -> True
    """

    __slots__ = ("__weakref__", "_run")

    def __init__(self) -> None:
        self._run = _Run()

    def done(self) -> bool:
        """Whether it was done. Any thread."""
        return self._run.over.is_set()

    async def do(self, fn: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Calls ``fn(*args, **kwargs)`` if this is the first call of ``do``; in any case it is done when this returns.

        ``fn`` is a coroutine function, which runs in a goroutine of its own, or a plain function, which runs here;
        TypeError for anything else. If it raises, the first caller gets the exception, and it counts as done
        nevertheless. A cancel ends the wait of this caller only. RuntimeError if ``fn`` itself calls ``do``, which
        would wait for itself. Go's ``Once.Do``.

        Example::

            def greet(name):
                print("hello", name)  # -> hello ann

            once = Once()
            await once.do(greet, "ann")
            await once.do(greet, "bob")
        """
        run = self._run
        if run.over.is_set() and callable(fn):
            return
        check_function("do()", fn)
        if not run.claim():
            await run.wait("Once.do")
            return
        g: Goroutine[Any] | None = None
        try:
            called = fn(*args, **kwargs)
            if is_coroutine(called):  # also one that Cython has compiled
                g = run.start(called)
        finally:
            if g is None:
                run.finish()
        if g is not None:
            await g

    def do_blocking(self, fn: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """``do`` for threads without an event loop; ``fn`` is a plain function.

        TypeError for a coroutine function, SyncOnLoop on a thread whose event loop runs. Ctrl-C ends the wait.

        Example::

            def greet(name):
                print("hello", name)  # -> hello ann

            Once().do_blocking(greet, "ann")
        """
        check_function(
            "do_blocking()", fn, "a plain function and its arguments", "use await once.do(fn) in a goroutine"
        )
        check_no_loop("do_blocking()", "use await once.do(fn)")
        if self._run.claim():
            try:
                fn(*args, **kwargs)
            finally:
                self._run.finish()
        elif not self._run.over.is_set():
            self._run.wait_blocking("Once.do_blocking", "use await once.do(fn)")

    def __repr__(self) -> str:
        return f"<Once {'done' if self.done() else 'not done'}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Once cannot be copied or pickled: its copies would do it again")


class _Value(Generic[T]):
    """What a function gives or raises, for all callers."""

    __slots__ = ("_error", "_fn", "_name", "_run", "_traceback", "_value")

    def __init__(self, fn: Callable[[], object]) -> None:
        self._fn: Callable[[], object] | None = fn
        self._name: str = getattr(fn, "__qualname__", repr(fn))
        self._run = _Run()
        self._error: BaseException | None = RuntimeError(
            f"{self._name} has no result: it was cancelled or called goexit() before it was done, "
            "or its event loop has ended"
        )
        self._traceback: Any = None

    async def get(self) -> T:
        run = self._run
        if not run.over.is_set():
            if run.claim():
                run.start(self._take())
            await run.wait(self._name)
        return self._outcome()

    async def _take(self) -> None:
        assert self._fn is not None
        try:
            self._succeed(await cast("Coroutine[Any, Any, T]", self._fn()))
        except (CancelledError, GeneratorExit, GoExit) as exc:  # not of the callers: none was cancelled
            cast("RuntimeError", self._error).__cause__ = exc
        except BaseException as exc:
            self._fail(exc)
        finally:
            self._fn = None

    def get_blocking(self) -> T:
        run = self._run
        if not run.over.is_set():
            if run.claim():
                self._take_here()
            else:
                run.wait_blocking(self._name, "another thread runs it: call it once before the loop starts")
        return self._outcome()

    def _take_here(self) -> None:
        assert self._fn is not None
        try:
            value = self._fn()
            if is_coroutine(value):
                value.close()
                raise TypeError(f"{self._name} is a plain function that gives a coroutine, which is good for one await")
            self._succeed(cast("T", value))
        except GoExit:  # of this caller alone
            raise
        except BaseException as exc:
            self._fail(exc)
        finally:
            self._fn = None
            self._run.finish()

    def _succeed(self, value: T) -> None:
        self._value = value
        self._error = None

    def _fail(self, error: BaseException) -> None:
        self._error = error
        self._traceback = error.__traceback__

    def _outcome(self) -> T:
        if self._error is not None:
            raise self._error.with_traceback(self._traceback)
        return self._value


@overload
def once_value(fn: Callable[[], Coroutine[Any, Any, T]]) -> Callable[[], Coroutine[Any, Any, T]]: ...


@overload
def once_value(fn: Callable[[], T]) -> Callable[[], T]: ...


def once_value(fn: Callable[[], Any]) -> Callable[[], Any]:
    """Gives a function that calls ``fn()`` once, and then gives the same result to every caller. Go's ``OnceValue``.

    Of an ``async def`` it is awaited: ``fn`` runs in a goroutine of its own, and a cancel ends the wait of that caller
    only. If ``fn`` raises, every caller gets the same exception. Afterwards nothing refers to ``fn``. Any thread may
    call it; on a thread whose event loop runs, a plain function that another thread is running just then is SyncOnLoop.
    RuntimeError if ``fn`` calls it itself. TypeError for what cannot be called.

    Example::

        @once_value
        async def config():
            print("reading")  # -> reading
            return {"debug": True}

        print(await config() is await config())  # -> True
    """
    if not callable(fn):
        raise TypeError(f"once_value() takes a function without arguments, got {fn!r} of type {type(fn).__name__}")
    value: _Value[Any] = _Value(fn)
    if is_async(fn):

        async def get() -> Any:
            return await value.get()

        return _named_like(get, fn)

    def get_here() -> Any:
        return value.get_blocking()

    return _named_like(get_here, fn)


@overload
def once_func(  # type: ignore[overload-overlap]
    fn: Callable[[], Coroutine[Any, Any, object]],
) -> Callable[[], Coroutine[Any, Any, None]]: ...


@overload
def once_func(fn: Callable[[], object]) -> Callable[[], None]: ...


def once_func(fn: Callable[[], Any]) -> Callable[[], Any]:
    """Gives a function that calls ``fn()`` once; later calls do nothing. Go's ``OnceFunc``. As ``once_value``.

    Example::

        @once_func
        def warn():
            print("deprecated")  # -> deprecated

        warn()
        warn()
    """
    check_function("once_func()", fn, "a function without arguments")
    value: _Value[Any] = _Value(fn)
    if is_async(fn):

        async def call() -> None:
            await value.get()

        return _named_like(call, fn)

    def call_here() -> None:
        value.get_blocking()

    return _named_like(call_here, fn)


def _named_like(wrapper: Callable[[], Any], fn: Callable[[], Any]) -> Callable[[], Any]:
    functools.update_wrapper(wrapper, fn)
    del cast("Any", wrapper).__wrapped__  # which would keep fn alive
    return wrapper
