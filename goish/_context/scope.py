"""Blocks: a cancel of their context cancels the goroutine or task that is in there, and becomes an error at the end.

The cancel of a block is a ``cancel()`` of its task, taken back by ``uncancel()`` at the end, as asyncio.timeout does.
So blocks, asyncio.timeout, TaskGroup and cancels from outside nest in any order, and each takes back its own.

Threads: the context may be cancelled on any; then the task is cancelled on the thread of its loop.
Not here: contexts (chan/context.pyx), goroutines that are bound to one as a whole (chan/bind.pyx).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import ContextVar, Token
from threading import RLock
from types import TracebackType
from typing import Any, Final, NoReturn, Self, TypeAlias

from .._runtime.core import (
    CancelFunc,
    Context,
    Goroutine,
    cancel_is_due,
    context_hook,
    context_message,
    context_unhook,
    current,
    current_context,
    current_goroutine,
    goroutine_rebind,
    goroutine_release_context,
    install_host,
    number_as_float,
    with_cancel,
    with_deadline,
    with_timeout,
    without_cancel,
)
from .._threads.cancels import take_in
from ..errors import Canceled

__all__ = ["Scope", "Shield", "fail_after", "fail_at", "move_on_after", "move_on_at", "scope", "shield"]

_Task: TypeAlias = "asyncio.Task[Any] | Goroutine[Any]"


def _task_here() -> tuple[_Task, asyncio.AbstractEventLoop | None]:
    loop = asyncio._get_running_loop()
    task: _Task | None = current_goroutine() if loop is None else asyncio.current_task(loop)
    if task is None:
        raise RuntimeError("a block cancels the goroutine or task that is in it, but this code runs in none")
    return task, loop


class Scope:
    """A block with a context of its own, ``current()`` in there: what ``scope``, ``fail_after`` and the like give.

    ``async with`` in a goroutine or asyncio task; in a function on a worker, ``with``. A cancel of its context cancels
    the body; the end of the block cancels its context, so what was started under it knows. It is entered once.

    Example::

        from goish import context

        async with context.move_on_after(0.001) as block:
            await chan().recv()
        print(block.cancelled_caught, block.ctx.err())  # -> True context deadline exceeded
    """

    # In the class until they change, so that a block is cheap to make.
    _ctx: Context | None = None
    _cancel: CancelFunc | None = None
    _task: _Task | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _before = 0  # cancels of the task as the block was entered
    _outer: _Block | None = None
    _hooked = False
    _interrupted = False
    _tokens: tuple[Token[Any], ...] = ()
    _caught = False

    def __init__(self, parent: Context | None, limit: float | None, absolute: bool, moves_on: bool) -> None:
        self._parent = parent
        self._limit = limit
        self._absolute = absolute
        self._moves_on = moves_on
        self._lock = RLock()  # guards _hooked and _interrupted, where the block is on a worker

    @property
    def ctx(self) -> Context:
        """Its context; RuntimeError before it is entered."""
        if self._ctx is None:
            raise RuntimeError("a block has a context from when it is entered")
        return self._ctx

    @property
    def cancelled_caught(self) -> bool:
        """Whether the block was cut off by the cancel of its context."""
        return self._caught

    def cancel(self, cause: BaseException | str | None = None) -> bool:
        """Cancels its context, and with that the body; False if that is over. Any thread.

        ``cause``: what ``ctx.cause()`` gives. TypeError if it is no exception and no text, RuntimeError before it is
        entered.
        """
        if self._cancel is None:
            raise RuntimeError("a block can be cancelled from when it is entered")
        return self._cancel(cause)

    def __enter__(self) -> Self:
        if self._ctx is not None:
            raise RuntimeError("a block is entered once: make another")
        self._task, self._loop = _task_here()
        self._before = self._task.cancelling()
        self._ctx, self._cancel = self._derived(self._parent or current())
        self._outer = _innermost.get()
        self._tokens = _innermost.set(self), current_context.set(self._ctx)
        self._hook()
        return self

    def _derived(self, parent: Context) -> tuple[Context, CancelFunc]:
        if self._limit is None:
            return with_cancel(parent)
        return (with_deadline if self._absolute else with_timeout)(parent, self._limit)

    # ── the cancel ──

    def _hook(self) -> None:
        self._hooked = True
        if not context_hook(self.ctx, self._fire):
            self._interrupt()

    def _unhook(self) -> bool:
        """Whether a cancel might have come: none comes any more."""
        with self._lock:
            was = self._hooked and not self._interrupted
            self._hooked = False
        if self._ctx is not None:
            context_unhook(self._ctx, self._fire)
        return was

    def _fire(self) -> None:
        """The hook: the context is cancelled, on any thread."""
        if self._loop is None or asyncio._get_running_loop() is self._loop:
            self._interrupt()
            return
        with suppress(RuntimeError):  # the loop is closed: its task has ended, or never goes on
            self._loop.call_soon_threadsafe(self._interrupt)

    def _interrupt(self) -> None:
        if self._loop is not None:
            self._cancel_task()
        else:
            with self._lock:  # the end of a block on a worker waits for a cancel that has begun on another thread
                self._cancel_task()

    def _cancel_task(self) -> None:
        task = self._task
        if task is not None and self._hooked and not self._interrupted:
            self._interrupted = True
            task.cancel(context_message(self.ctx))

    # ── the end ──

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        caught = self._leave(error)
        if self.ctx.err() is None:  # otherwise that is a reason to leave, not the other way round
            self.cancel(_why_left(error))
        if not caught or error is None:
            return False
        self._caught = True
        if not self._moves_on:
            self._fail(error)
        return True

    def _leave(self, error: BaseException | None) -> bool:
        """Takes the cancel back; whether ``error`` is that cancel."""
        self._unhook()
        task, self._task = self._task, None
        if self._tokens:
            block, ctx = self._tokens
            current_context.reset(ctx)
            _innermost.reset(block)
        if task is None or not self._interrupted:
            return False
        return task.uncancel() <= self._before and isinstance(error, asyncio.CancelledError)

    def _fail(self, error: BaseException) -> NoReturn:
        failure, cause = self.ctx.err(), self.ctx.cause()
        assert failure is not None
        assert cause is not None
        raise failure from (error if type(cause) is type(failure) and cause.args == failure.args else cause)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        task = self._task
        try:
            return self.__exit__(kind, error, traceback)
        finally:
            # Also one of a block within this one, which could not tell it from the cancel that was passing through.
            if self._interrupted and task is not None and task.cancelling() <= self._before:
                await take_in(task)

    def _hold_back(self, due: bool) -> bool:
        """For a shield: no cancel comes until ``_hook``; whether that is needed. ``due``: a cancel awaits the task."""
        if self._unhook():
            return True
        if not due or not self._interrupted or self._task is None:
            return False
        self._interrupted = False
        self._task.uncancel()
        return True

    def __repr__(self) -> str:
        state = "new" if self._ctx is None else "left" if self._task is None else "entered"
        return f"<Scope {state}>" if self._ctx is None else f"<Scope {state} {self._ctx!r}>"


def _why_left(error: BaseException | None) -> BaseException | None:
    """The cause for what is still under way. Not the error itself, whose frames hold the context."""
    if error is None:
        return None
    if isinstance(error, asyncio.CancelledError):
        return Canceled(*error.args)
    return Canceled(f"the block was left by {type(error).__name__}")


class Shield:
    """What ``shield`` gives. It is entered once.

    Example::

        from goish import context

        block = context.shield()
        async with block:
            print(context.current().err())  # -> None
    """

    def __init__(self) -> None:
        self._task: _Task | None = None
        self._outer: _Block | None = None
        self._held: list[Scope] = []
        self._bound: Context | None = None
        self._tokens: tuple[Token[Any], ...] = ()

    def __enter__(self) -> Self:
        if self._tokens:
            raise RuntimeError("a block is entered once: make another")
        self._task, _ = _task_here()
        due = cancel_is_due(self._task)
        self._outer = block = _innermost.get()
        while block is not None and block._task is self._task:
            if isinstance(block, Scope) and block._hold_back(due):  # pyright: ignore[reportPrivateUsage]
                self._held.append(block)
            block = block._outer
        if isinstance(self._task, Goroutine):
            self._bound = goroutine_release_context(self._task)
        self._tokens = _innermost.set(self), current_context.set(without_cancel(current()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        for token in reversed(self._tokens):
            token.var.reset(token)
        if self._bound is not None and isinstance(task, Goroutine):
            goroutine_rebind(task, self._bound)
        for block in self._held:
            block._hook()  # pyright: ignore[reportPrivateUsage]

    async def __aenter__(self) -> Self:
        self.__enter__()
        if self._held and self._task is not None and not self._task.cancelling():
            await take_in(self._task)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


_Block: TypeAlias = "Scope | Shield"
# The innermost block that this code is in. It goes along with contextvars: a block of another task is not this one's.
_innermost: Final[ContextVar[_Block | None]] = ContextVar("goish.block", default=None)


def scope(parent: Context | None = None) -> Scope:
    """A block that a cancel of ``parent`` cancels, or that of what is ``current()``; gives its ``Scope``.

    The body is cancelled where it waits, and the block then raises ``Canceled``, or DeadlineExceeded, from the cause.
    The context of the block, ``block.ctx``, is cancelled with ``parent``, by ``block.cancel(cause)``, and when the
    block is left: so a cancel of the task, or an ``asyncio.timeout``, cancels what is done under the context.
    ``ctx.scope()`` is ``scope(ctx)``.

    Example::

        from goish import context

        async def listen():
            await chan().recv()

        async with context.scope() as block:
            g = go.options(ctx=block.ctx)(listen)
        await asyncio.wait([g])
        print(g.cancelled())  # -> True
    """
    return Scope(_checked(parent), None, False, moves_on=False)


def fail_after(seconds: float | None, *, ctx: Context | None = None) -> Scope:
    """A block that raises DeadlineExceeded, a TimeoutError, if it takes longer; None: as ``scope``. As in anyio.

    ``ctx``: the context it is under; None: what is ``current()``. An earlier deadline of that one wins. TypeError for
    no number, ValueError for NaN.

    Example::

        from goish import context

        try:
            async with context.fail_after(0.001):
                await chan().recv()
        except TimeoutError as error:
            print(error)  # -> context deadline exceeded
    """
    return Scope(_checked(ctx), _number("fail_after", seconds), False, moves_on=False)


def fail_at(when: float | None, *, ctx: Context | None = None) -> Scope:
    """``fail_after`` with a time of the loop's clock, ``loop.time()``.

    Example::

        from goish import context

        async with context.fail_at(asyncio.get_running_loop().time() + 60) as block:
            print(block.ctx.deadline() is not None)  # -> True
    """
    return Scope(_checked(ctx), _number("fail_at", when), True, moves_on=False)


def move_on_after(seconds: float | None, *, ctx: Context | None = None) -> Scope:
    """A block that is left, without an error, if it takes longer; then ``block.cancelled_caught``. As in anyio.

    Otherwise as ``fail_after``. A cancel of ``ctx`` leaves it too.

    Example::

        from goish import context

        async with context.move_on_after(0.001) as block:
            await chan().recv()
        print(block.cancelled_caught)  # -> True
    """
    return Scope(_checked(ctx), _number("move_on_after", seconds), False, moves_on=True)


def move_on_at(when: float | None, *, ctx: Context | None = None) -> Scope:
    """``move_on_after`` with a time of the loop's clock, ``loop.time()``.

    Example::

        from goish import context

        async with context.move_on_at(asyncio.get_running_loop().time()) as block:
            await chan().recv()
        print(block.cancelled_caught)  # -> True
    """
    return Scope(_checked(ctx), _number("move_on_at", when), True, moves_on=True)


def shield() -> Shield:
    """A block that no context cancels: the cancel comes when it is left. For cleaning up, under a limit of its own.

    It holds back the blocks around it in this goroutine or task, and ``go.options(ctx=)``; ``current()`` in there is
    never cancelled. A ``cancel()`` of the goroutine or task itself is not held back.

    Example::

        from goish import context

        async with context.fail_after(0.001):
            async with context.shield():
                await sleep(0.01)
                print("cleaned up")  # -> cleaned up
    """
    return Shield()


def _checked(ctx: Context | None) -> Context | None:
    if ctx is not None and not isinstance(ctx, Context):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"a block is under a goish.context.Context, got {ctx!r} of type {type(ctx).__name__}")
    return ctx


def _number(call: str, seconds: float | None) -> float | None:
    if seconds is None:
        return None
    return number_as_float(seconds, call, "() takes a number of seconds or None")


install_host(make_scope=scope)
