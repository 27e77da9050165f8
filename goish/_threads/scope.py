"""Structured spawning: no call that was spawned within a scope outlives it."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from contextvars import Context
from inspect import Signature
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Self, TypeVar, cast, overload

from .._runtime.core import (
    FlowVar,
    Goroutine,
    GoThread,
    current_goroutine,
    current_scope,
    end_of,
    go_thread,
    join_helping,
    spawn,
    submit,
)
from ..errors import DeadlockError, SyncOnLoop
from .adopted import AnyExecutor, check_executor
from .children import Children
from .handles import joint_waits

if TYPE_CHECKING:
    from .._runtime.core import OnPanic

__all__ = ["sync_scope"]

_ROOM: Final = 64
_WHY: Final = "its sync_scope ends"
_UNHANDLED: Final = "unhandled errors in a sync_scope"

T = TypeVar("T")
P = ParamSpec("P")


class _GoThread:
    """The ``go_thread`` of a scope."""

    def __init__(self, scope: sync_scope, verb: GoThread) -> None:
        self._scope = scope
        self._verb = verb

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._scope._give(self._verb, *args, **kwargs)  # pyright: ignore[reportPrivateUsage]

    def options(
        self,
        *,
        name: str | None = None,
        context: Context | None = None,
        children: Children | None = None,
        on_panic: OnPanic | None = None,
    ) -> _GoThread:
        verb = self._verb.options(name=name, context=context, children=children, on_panic=on_panic)
        return _GoThread(self._scope, verb)

    @property
    def __signature__(self) -> Signature:
        return self._verb.__signature__

    def __repr__(self) -> str:
        return repr(self._verb)


class sync_scope:  # noqa: N801
    """Waits at its end for all that was spawned within: by ``spawn``, ``submit`` and ``go_thread``, and by those again.

    ``with sync_scope():`` blocks the thread, as ``sync`` does, and helps; ``async with sync_scope():`` waits.
    Exceptions not retrieved by then are raised together, in an ExceptionGroup; a call that fails cancels none.
    If the body itself fails, or is cancelled, all that is left is cancelled and waited for; errors of calls come before
    the cancel, which stays due. So it is at a KeyboardInterrupt or SystemExit of the body or of a call, which is then
    raised as it is, and the errors are panics. What ``go`` starts belongs to its loop, not to the scope.

    ``executor``: the one that the methods ``spawn``, ``submit`` and ``go_thread`` of the scope give work to, an adopted
    one too; None: the default one. What they are given belongs to this scope, whatever scope or thread they are called
    in; RuntimeError before it is entered and after it has ended. TypeError for other things, SyncOnLoop for ``with`` on
    a thread whose event loop runs.

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
        self._failed: list[Goroutine[Any]] = []  # not retrieved so far
        self._end: BaseException | None = None  # what ends more than a call: KeyboardInterrupt, SystemExit
        self._interrupt: BaseException | None = None  # of the wait at the end
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
    def submit(self, fn: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs) -> FlowVar[T]: ...
    @overload
    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> FlowVar[T]: ...
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> FlowVar[Any]:
        """``Executor.submit`` on the executor of the scope.

        Example::

            async with sync_scope() as scope:
                print(await scope.submit(pow, 2, 3))  # -> 8
        """
        verb = submit if self._executor is None else self._executor.submit
        return cast("FlowVar[Any]", self._give(verb, fn, *args, **kwargs))

    @property
    def go_thread(self) -> GoThread:
        """``Executor.go_thread`` on the executor of the scope.

        Example::

            async with sync_scope() as scope:
                print(await scope.go_thread(pow, 2, 3))  # -> 8
        """
        verb = go_thread if self._executor is None else self._executor.go_thread
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
            raise RuntimeError(
                "this sync_scope has ended and takes no more work: nothing that is given to it outlives it"
            )

    def _add(self, g: Goroutine[Any]) -> None:
        """Take in a goroutine that is made for a worker thread within the scope."""
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
        with self._ending(exc):
            while (g := self._next()) is not None:
                while not g.done():
                    try:
                        join_helping(g)
                    except BaseException as error:
                        self._interrupted(g, error)
                self._look_at(g)
            self._finish(exc)

    async def __aenter__(self) -> Self:
        self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._ending(exc):
            while (g := self._next()) is not None:
                while not g.done():
                    try:
                        await end_of(g)
                    except BaseException as error:
                        self._interrupted(g, error)
                self._look_at(g)
            self._finish(exc)

    def _enter(self) -> None:
        if self._token is not None:
            raise RuntimeError("a sync_scope is entered once; make another")
        self._token = current_scope.set(self)

    @contextmanager
    def _ending(self, exc: BaseException | None) -> Generator[None]:
        current_scope.reset(self._token)
        if exc is not None:
            self._cancel()
        joint_waits[id(self)] = sync_scope._will_raise, self
        try:
            yield
        finally:
            del joint_waits[id(self)]
            with self._lock:
                self._over = True
            self._failed.clear()  # errors that were not raised are panics

    def _will_raise(self, g: Goroutine[Any]) -> bool:
        """Whether ``g`` is one of its calls; asked while it waits for them at its end."""
        with self._lock:
            return g in self._left or g in self._failed

    def _interrupted(self, g: Goroutine[Any], error: BaseException) -> None:
        """The wait for ``g`` was cut off: all calls are cancelled, and still waited for, unless the program ends."""
        g.cancel(_WHY)
        self._cancel()
        if not isinstance(error, (asyncio.CancelledError, DeadlockError)):
            raise error
        self._interrupt = error

    def _cancel(self) -> None:
        with self._lock:
            left = list(self._left)
        for g in left:
            g.cancel(_WHY)

    def _next(self) -> Goroutine[Any] | None:
        """Give the last first: a thread that helps goes down before it goes on. None: the scope is over."""
        with self._lock:
            if self._left:
                return self._left.pop()
            self._over = True
            return None

    def _look_at(self, g: Goroutine[Any]) -> None:
        """A failure counts as retrieved when it is raised, and not before: the wait for others may take long."""
        if not g._log_traceback:
            return
        error = g._exception
        if isinstance(error, Exception):
            self._failed.append(g)
        elif self._end is None:
            g._log_traceback = False
            self._end = error
            self._cancel()

    def _finish(self, exc: BaseException | None) -> None:
        interrupt = self._interrupt
        if self._end is not None:
            raise self._end
        if exc is not None and not isinstance(exc, (Exception, asyncio.CancelledError)):
            return  # the end of the program: it goes on as it is
        if isinstance(exc, DeadlockError):
            interrupt = exc
        errors = [cast("Exception", g.exception()) for g in self._failed if g._log_traceback]
        if isinstance(interrupt, DeadlockError):
            if errors:  # which may be why
                interrupt.__cause__ = ExceptionGroup(_UNHANDLED, errors)
            if interrupt is not exc:
                raise interrupt
            return
        if interrupt is None and isinstance(exc, asyncio.CancelledError):
            interrupt = exc
        if isinstance(exc, Exception) and errors:
            errors.insert(0, exc)
        if interrupt is not None and (errors or isinstance(exc, Exception)):
            _cancel_again(interrupt)
        if errors:
            raise ExceptionGroup(_UNHANDLED, errors) from None
        if exc is None and interrupt is not None:
            raise interrupt


def _cancel_again(error: BaseException) -> None:
    """Cancel once more: errors come before a cancel, which stays due, as with asyncio's TaskGroup, from Python 3.13 on.

    An asyncio.Task of before would be cancelled for good: its ``uncancel`` takes nothing back.
    """
    g = current_goroutine()
    here: Goroutine[Any] | asyncio.Task[Any] | None = g
    if g is None and sys.version_info >= (3, 13) and asyncio._get_running_loop() is not None:
        here = asyncio.current_task()
    if here is not None and here.cancelling():
        here.uncancel()
        here.cancel(*error.args[:1])
