"""Structured spawning: no call and no goroutine that was started within a scope outlives it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from contextvars import Context
from inspect import Signature
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Self, TypeVar, cast, overload

from .._runtime.core import (
    FlowVar,
    Goroutine,
    GoThread,
    Nursery,
    current_scope,
    go_thread,
    join_helping,
    scope_closes,
    scope_opens,
    spawn,
    submit,
)
from ..errors import DeadlockError, SyncOnLoop
from .adopted import AnyExecutor, check_executor
from .children import Children
from .members import cancel_all
from .verdict import Verdict

if TYPE_CHECKING:
    from .._runtime.core import OnPanic

__all__ = ["sync_scope"]

_WHY: Final = "its sync_scope ends"

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
    """Waits at its end for all that was started within: by ``spawn``, ``submit``, ``go_thread``, ``go``, and by those.

    ``with sync_scope():`` blocks the thread, as ``sync`` does, and helps; ``async with sync_scope():`` waits.
    Exceptions not retrieved by then are raised together, in an ExceptionGroup; a call that fails cancels none.
    If the body itself fails, or is cancelled, all that is left is cancelled and waited for; errors of calls come before
    the cancel, which stays due. So it is at a KeyboardInterrupt or SystemExit of the body or of a call, which is then
    raised as it is, and the errors are panics. A goroutine that ``go`` starts within belongs to the scope, too.

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
        self._verdict = Verdict("unhandled errors in a sync_scope", handled=True)
        self._members = Nursery(self._failed)
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
        if self._token is None:
            raise RuntimeError("this sync_scope was not entered yet, so it takes no work: `with sync_scope() as scope`")
        try:
            self._members.enter()
        except RuntimeError:
            raise RuntimeError(
                "this sync_scope has ended and takes no more work: nothing that is given to it outlives it"
            ) from None
        token = current_scope.set(self._members)
        try:
            return verb(*args, **kwargs)
        finally:
            current_scope.reset(token)
            self._members.let_go()

    def __enter__(self) -> Self:
        if asyncio._get_running_loop() is not None:
            raise SyncOnLoop("a sync_scope would block the event loop that runs on this thread: use `async with`")
        self._enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._ending(exc):
            while not self._members.close_if_empty():
                self._join()
            self._verdict.raise_for(exc)

    async def __aenter__(self) -> Self:
        self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._ending(exc):
            while not self._members.close_if_empty():
                try:
                    await self._members.wait()
                except BaseException as error:
                    self._interrupted(error)
            self._verdict.raise_for(exc)

    def _enter(self) -> None:
        if self._token is not None:
            raise RuntimeError("a sync_scope is entered once; make another")
        scope_opens()
        self._token = current_scope.set(self._members)

    @contextmanager
    def _ending(self, exc: BaseException | None) -> Generator[None]:
        current_scope.reset(self._token)
        if exc is not None:
            cancel_all(self._members, _WHY)
        try:
            with self._verdict.awaited():
                yield
        finally:
            self._members.end()
            self._verdict.drop()
            scope_closes()

    def _join(self) -> None:
        """Wait for the members, the last first: a thread that helps goes down before it goes on."""
        left = [g for g in reversed(self._members.alive()) if not g.done()]
        try:
            if not left:  # they are about to be counted off, or a thread is about to give another
                self._members.wait_blocking(None, "use `async with`")
            for g in left:
                join_helping(g)
        except BaseException as error:
            self._interrupted(error)

    def _interrupted(self, error: BaseException) -> None:
        """The wait was cut off: all calls are cancelled, and still waited for, unless the program ends."""
        cancel_all(self._members, _WHY)
        if not isinstance(error, (asyncio.CancelledError, DeadlockError)):
            raise error
        self._verdict.interrupt = error

    def _failed(self, g: Goroutine[Any]) -> None:
        """A member has failed; on the thread of its end."""
        if self._verdict.note(g):
            cancel_all(self._members, _WHY)
