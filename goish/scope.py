"""Structured spawning: no call that was spawned within a scope outlives it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextvars import Context
from inspect import Signature
from threading import get_ident
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar, cast, overload

from ._runtime.core import (
    FlowVar,
    Goroutine,
    GoThread,
    Pending,
    current_scope,
    go_thread,
    join_helping,
    spawn,
    submit,
)
from .adopted import AnyExecutor, check_executor
from .errors import SyncOnLoop

__all__ = ["sync_scope"]

_ROOM: Final = 64

T = TypeVar("T")
P = ParamSpec("P")


class _GoThread:
    """The ``go_thread`` of a scope."""

    def __init__(self, scope: sync_scope, verb: GoThread) -> None:
        self._scope = scope
        self._verb = verb

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._scope._give(self._verb, *args, **kwargs)  # pyright: ignore[reportPrivateUsage]

    def with_(self, *, name: str | None = None, context: Context | None = None) -> _GoThread:
        return _GoThread(self._scope, self._verb.with_(name=name, context=context))

    @property
    def __signature__(self) -> Signature:
        return self._verb.__signature__

    def __repr__(self) -> str:
        return repr(self._verb)


class sync_scope:  # noqa: N801
    """Waits at its end for all that was spawned within: by ``spawn``, ``submit`` and ``go_thread``, and by those again.

    ``with sync_scope():`` blocks the thread, as ``sync`` does, and helps; ``async with sync_scope():`` waits.
    Exceptions that nobody has seen by then are raised together, in an ExceptionGroup. If the body itself fails, or is
    cancelled, all that is left is cancelled and waited for; so it is at a KeyboardInterrupt or SystemExit of the body
    or of a call, which is then raised as it is. What ``go`` starts belongs to its loop, not to the scope.

    ``executor``: the one that the methods ``spawn``, ``submit`` and ``go_thread`` of the scope give work to, an adopted
    one too; None: the default one. TypeError for other things, SyncOnLoop for ``with`` on a thread whose event loop
    runs.

    Example::

        def leaf(n):
            done.append(n)

        def tree(n):
            for i in range(n):
                spawn(leaf, i)

        done = []
        async with sync_scope():
            spawn(tree, 2)
            spawn(tree, 3)
        print(sorted(done))  # -> [0, 0, 1, 1, 2]
    """

    def __init__(self, executor: AnyExecutor | None = None) -> None:
        self._executor = check_executor(executor)
        self._lock = threading.Lock()  # guards the next four
        self._left: list[Goroutine[Any]] = []
        self._sweep_at = _ROOM
        self._over = False
        self._givers: list[int] = []  # threads that are within a verb of the scope's
        self._errors: list[BaseException] = []
        self._end: BaseException | None = None  # what ends more than a call: KeyboardInterrupt, SystemExit
        self._token: Any = None

    @overload
    def spawn(self, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs) -> FlowVar[T]: ...
    @overload
    def spawn(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> FlowVar[T]: ...
    def spawn(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> FlowVar[Any]:
        """``Executor.spawn`` on the executor of the scope.

        Example::

            async with sync_scope() as scope:
                print(await scope.spawn(pow, 2, 3))  # -> 8
        """
        verb = spawn if self._executor is None else self._executor.spawn
        return cast("FlowVar[Any]", self._give(verb, fn, *args, **kwargs))

    @overload
    def submit(self, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs) -> Pending[T]: ...
    @overload
    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Pending[T]: ...
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Pending[Any]:
        """``Executor.submit`` on the executor of the scope.

        Example::

            async with sync_scope() as scope:
                print(await scope.submit(pow, 2, 3))  # -> 8
        """
        verb = submit if self._executor is None else self._executor.submit
        return cast("Pending[Any]", self._give(verb, fn, *args, **kwargs))

    @property
    def go_thread(self) -> GoThread:
        """``Executor.go_thread`` on the executor of the scope.

        Example::

            async with sync_scope() as scope:
                print(await scope.go_thread(pow, 2, 3))  # -> 8
        """
        verb = go_thread if self._executor is None else cast("GoThread", self._executor.go_thread)
        return cast("GoThread", _GoThread(self, verb))

    def _give(self, verb: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call ``verb`` within this scope, whatever scope the caller is in."""
        with self._lock:
            self._check_running()
            self._givers.append(get_ident())
        token = current_scope.set(self)
        try:
            return verb(*args, **kwargs)
        finally:
            current_scope.reset(token)
            with self._lock:
                self._givers.remove(get_ident())

    def _check_running(self) -> None:
        if self._token is None:
            raise RuntimeError("this sync_scope was not entered yet, so it takes no work: `with sync_scope() as scope`")
        if self._over:
            raise RuntimeError("this sync_scope has ended and takes no more work: nothing that is given to it outlives it")

    def add(self, g: Goroutine[Any]) -> None:
        """Called for each goroutine that is made for a worker thread within the scope."""
        with self._lock:
            if self._over:
                if get_ident() in self._givers:
                    self._check_running()  # it has ended meanwhile
                return
            self._left.append(g)
            if len(self._left) >= self._sweep_at:
                self._left = [g for g in self._left if not g.done() or g._log_traceback]
                self._sweep_at = 2 * len(self._left) + _ROOM

    def __enter__(self) -> Self:
        if asyncio._get_running_loop() is not None:
            raise SyncOnLoop("a sync_scope would block the event loop that runs on this thread: use `async with`")
        self._enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        current_scope.reset(self._token)
        cancelled: asyncio.CancelledError | None = None
        if exc is not None:
            self._cancel()
        while (g := self._next()) is not None:
            if (error := self._join(g)) is not None:
                cancelled = error
            self._note_error(g)
        self._finish(exc, cancelled)

    async def __aenter__(self) -> Self:
        self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        current_scope.reset(self._token)
        cancelled: asyncio.CancelledError | None = None
        if exc is not None:
            self._cancel()
        while (g := self._next()) is not None:
            while not g.done():
                try:
                    await asyncio.wait([g])  # type: ignore[type-var]
                except asyncio.CancelledError as error:
                    cancelled = error
                    g.cancel("its sync_scope ends")
                    self._cancel()
            self._note_error(g)
        self._finish(exc, cancelled)

    def _enter(self) -> None:
        if self._token is not None:
            raise RuntimeError("a sync_scope is entered once; make another")
        self._token = current_scope.set(self)

    def _join(self, g: Goroutine[Any]) -> asyncio.CancelledError | None:
        """Block until it is over, also when this thread's own call is cancelled: then that is returned."""
        cancelled: asyncio.CancelledError | None = None
        while True:
            try:
                join_helping(g)
            except BaseException as exc:
                g.cancel("its sync_scope ends")
                self._cancel()
                if not isinstance(exc, asyncio.CancelledError):
                    raise
                cancelled = exc
            else:
                return cancelled

    def _cancel(self) -> None:
        with self._lock:
            left = list(self._left)
        for g in left:
            g.cancel("its sync_scope ends")

    def _next(self) -> Goroutine[Any] | None:
        """The last first: a thread that helps goes down before it goes on. None: the scope is over."""
        with self._lock:
            if self._left:
                return self._left.pop()
            self._over = True
            return None

    def _note_error(self, g: Goroutine[Any]) -> None:
        if not g._log_traceback or (error := g.exception()) is None:
            return
        if isinstance(error, Exception):
            self._errors.append(error)
        elif self._end is None:
            self._end = error
            self._cancel()

    def _finish(self, exc: BaseException | None, cancelled: asyncio.CancelledError | None) -> None:
        if self._end is not None:
            raise self._end
        if exc is None and cancelled is not None:
            raise cancelled
        if exc is not None and not isinstance(exc, Exception):
            return  # a cancel or the end of the program: it goes on as it is
        if self._errors:
            raise BaseExceptionGroup(
                "unhandled errors in a sync_scope", ([exc] if exc else []) + self._errors
            ) from None
