"""A group of goroutines: waits for all, ends the others when one fails, starts no more than a limit at a time.

Invariants: a member is counted before it starts and until it has ended; once the group has ended, none comes. The
failure of a member is noted before it is counted off. The body of the block is cancelled at most once, on its own
loop, and that cancel is taken back at the block's end.
Threads: any may start members, ask and cancel; the block belongs to one goroutine or task.
Not here: what is raised (_threads/verdict.py), the count of the members (chan/nursery.pyx).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Coroutine, Generator
from types import TracebackType
from typing import Any, Final, Literal, Never, NoReturn, Self

from .._checks import check_choice, check_no_loop, check_timeout, without_unknown
from .._runtime.core import (
    CancelFunc,
    Context,
    Goroutine,
    GoThread,
    Nursery,
    Weighted,
    context_hook,
    context_unhook,
    current,
    current_context,
    go_thread,
    scheduler_for,
    select,
    select_blocking,
    with_cancel_cause,
)
from .._threads.cancels import take_in
from .._threads.members import cancel_all
from .._threads.verdict import Verdict
from ..errors import DeadlockError
from .awaiting import awaited, check_awaitable, close_unstarted, goroutine_of

__all__ = ["BaseGroup"]

_UNHANDLED: Final = "unhandled errors in a Group"
_FAILED: Final = "another member of its group failed"
_BODY: Final = "the block of its group failed"
_OVER: Final = "the other members of its group have ended"


class BaseGroup:
    """Everything of a group but the verbs that start members, which differ in the types of their results."""

    @without_unknown
    def __init__(
        self,
        *given: Never,
        limit: int | None = None,
        ctx: Context | None = None,
        errors: Literal["all", "first"] = "all",
        on_error: Literal["cancel", "continue"] = "cancel",
    ) -> None:
        if given:
            raise TypeError(f"{type(self).__name__}() takes keywords alone, such as limit=10; got {given[0]!r}")
        _check_ctx(ctx)
        check_choice("errors", errors, ("all", "first"))
        check_choice("on_error", on_error, ("cancel", "continue"))
        self._slots = _slots(limit)
        self._goes_on = on_error == "continue"
        self._verdict = Verdict(_UNHANDLED, handled=self._goes_on, wraps=True, first=errors == "first")
        self._members = Nursery(self._failed, self._slots)
        self._daemons = Nursery(self._failed)
        self._given_ctx = ctx
        self._ctx: Context | None = None
        self._cancel_ctx: CancelFunc | None = None
        self._ctx_error: BaseException | None = None  # why the given context ended the group
        self._lock = threading.RLock()  # guards the next three, and the making of `_ctx`
        self._ending = False  # the members are cancelled, and none is taken any more
        self._why: object = None
        self._over = False
        self._parent: asyncio.Task[Any] | Goroutine[Any] | None = None  # that runs the block
        self._loop: asyncio.AbstractEventLoop | None = None
        # Of the block, on its loop:
        self._cancels_before = 0
        self._own_cancel = False  # the body was cancelled by the group
        self._exiting = False
        if ctx is not None:
            self._derive()
            if not context_hook(ctx, self._ctx_over):
                self._ctx_over()

    # ── the end ──

    async def wait(self) -> None:
        """Wait until all members have ended, and raise what has failed. The group has ended then. Go's ``Group.Wait``.

        Members may start others meanwhile. A cancel ends the wait only: the members go on, and failures are raised by
        the next wait. For a group without ``async with``, whose end waits; RuntimeError in it.

        Example::

            async def fail():
                raise LookupError("nothing")

            g = goish.errgroup.Group(errors="first")
            await g.go(fail)
            try:
                await g.wait()
            except LookupError as error:
                print(error)  # -> nothing
        """
        if self._parent is not None:
            raise RuntimeError("the end of the block waits for the members of this Group: no wait() for `async with`")
        with self._verdict.awaited():
            await self._until_empty()
        self._verdict.raise_for(None)
        self._raise_ctx_error()

    def wait_blocking(self, timeout: float | None = None) -> None:
        """``wait`` for threads without an event loop. ``timeout``: seconds, None to wait for ever; else TimeoutError.

        A timeout ends the wait only. SyncOnLoop on a thread whose event loop runs.

        Example::

            def main():
                g = goish.errgroup.Group()
                g.go_thread_blocking(pow, 2, 3)
                g.wait_blocking(timeout=60)

            await go_thread(main)
        """
        check_no_loop("wait_blocking()", "await g.wait(), or async with")
        timeout = check_timeout(timeout)
        if self._parent is not None:
            raise RuntimeError("the end of the block waits for the members of this Group: no wait_blocking() beside it")
        with self._verdict.awaited():
            while not self._members.close_if_empty():
                self._members.wait_blocking(timeout, "use await g.wait()")
            self._end_daemons()
            self._daemons.wait_blocking(timeout, "use await g.wait()")
            self._ends()
        self._verdict.raise_for(None)
        self._raise_ctx_error()

    def cancel(self, reason: object = None) -> None:
        """End the members and the block, and raise nothing for that. As ``TaskGroup.cancel`` of Python 3.15.

        Before the block it ends the block at its first wait; a second cancel, or one after the end, does nothing.
        Any thread.
        ``reason``: the message of their CancelledError.

        Example::

            async def nap():
                await sleep(3600)

            async with goish.errgroup.Group() as g:
                await g.go(nap)
                g.cancel()
            print("at once")  # -> at once
        """
        self._abort("its group was cancelled" if reason is None else reason)

    def set_limit(self, limit: int | None) -> None:
        """Change ``limit``; RuntimeError while a member lives. Go's ``Group.SetLimit``, where -1 is None here.

        Example::

            g = goish.errgroup.Group()
            g.set_limit(3)
            print(g.limit)  # -> 3
        """
        slots = _slots(limit)
        with self._lock:
            if not self._members.set_slots(slots):
                raise RuntimeError("the limit of a Group changes only while no member lives, and no go() waits")
            self._slots = slots

    @property
    def limit(self) -> int | None:
        """How many members may live at a time; None: any number."""
        return None if self._slots is None else self._slots.size

    def __len__(self) -> int:
        """How many members live, without daemons. Any thread; out of date at once."""
        return len(self._members)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        state = "ended" if self._over else "ending" if self._ending else "open"
        return f"<{type(self).__name__} {state} members={len(self)} limit={self.limit}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be copied or pickled: a member belongs to one")

    # ── the block ──

    async def __aenter__(self) -> Self:
        if self._parent is not None or self._over:
            raise RuntimeError("a Group is entered once, and not after its end: make another")
        parent = asyncio.current_task()
        if parent is None:
            raise RuntimeError("a Group is entered in a goroutine or task, which its members may have to cancel")
        self._cancels_before = parent.cancelling()
        self._loop = asyncio.get_running_loop()
        self._parent = parent
        if self._ending:
            self._cancel_body()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._exiting = True
        late = self._ending
        if exc is not None:
            self._abort(_BODY)
        if self._own_cancel and self._parent is not None:  # it may have come as another cancel passed through the body
            await take_in(self._parent)
        with self._verdict.awaited():
            await self._until_empty_whatever()
        return self._leave(exc, late)

    async def _until_empty_whatever(self) -> None:
        """Wait through cancels from outside, which end the members."""
        while True:
            try:
                await self._until_empty()
                return
            except (asyncio.CancelledError, DeadlockError) as error:
                self._verdict.interrupt = error
                self._abort(_BODY)

    def _leave(self, exc: BaseException | None, late: bool) -> bool:
        parent = self._parent
        assert parent is not None
        if self._own_cancel:
            parent.uncancel()
        from_outside = parent.cancelling() > self._cancels_before
        own = self._own_cancel and isinstance(exc, asyncio.CancelledError) and not from_outside
        if self._own_cancel and from_outside and self._verdict.interrupt is None:
            self._verdict.interrupt = exc if isinstance(exc, asyncio.CancelledError) else asyncio.CancelledError()
        self._verdict.raise_for(None if own else exc, late=late, cancelled=from_outside)
        if own or exc is None:
            self._raise_ctx_error()
        return own

    # ── waiting ──

    async def _until_empty(self) -> None:
        while not self._members.close_if_empty():
            await self._members.wait()
        self._end_daemons()
        await self._daemons.wait()
        self._ends()

    def _end_daemons(self) -> None:
        self._members.close()
        self._daemons.close()
        cancel_all(self._daemons, _OVER)

    def _ends(self) -> None:
        with self._lock:
            self._over = True
        self._members.end()
        self._daemons.end()
        if self._given_ctx is not None:
            context_unhook(self._given_ctx, self._ctx_over)
        if self._cancel_ctx is not None:
            self._cancel_ctx("its group has ended")

    # ── its context ──

    @property
    def ctx(self) -> Context:
        """The context of the group, derived from the one that it was given, or from the current one. For the members.

        Cancelled with the first failure as its cause, at the cancel of the group, and at its end. ``context.current()``
        in members that start after it was asked for, or given.

        Example::

            async with goish.errgroup.Group() as g:
                print(g.ctx.err())  # -> None
            print(g.ctx.err())  # -> context canceled
        """
        return self._derive()

    def _derive(self) -> Context:
        with self._lock:
            if self._ctx is None:
                self._ctx, self._cancel_ctx = with_cancel_cause(
                    current() if self._given_ctx is None else self._given_ctx
                )
                over = self._ending or self._over
                if over:
                    self._cancel_ctx(self._verdict.first or "its group has ended")
            return self._ctx

    def _ctx_over(self) -> None:
        """The given context is cancelled; on any thread."""
        assert self._given_ctx is not None
        self._ctx_error = self._given_ctx.cause()
        self._abort(str(self._ctx_error))

    def _raise_ctx_error(self) -> None:
        if self._ctx_error is not None:
            raise self._ctx_error

    # ── failures ──

    def _failed(self, g: Goroutine[Any]) -> None:
        """A member has failed; on the thread of its end."""
        if self._verdict.note(g) or not self._goes_on:
            self._abort(_FAILED)

    def _abort(self, why: object) -> None:
        with self._lock:
            if self._ending:
                return
            self._ending = True
            self._why = why
            cancel_ctx = self._cancel_ctx
        if cancel_ctx is not None:
            cancel_ctx(self._verdict.first or str(why))
        self._members.close()
        self._daemons.close()
        cancel_all(self._members, why)
        cancel_all(self._daemons, why)
        self._cancel_body()

    def _cancel_body(self) -> None:
        loop = self._loop
        if loop is None or self._exiting:
            return
        if loop is asyncio._get_running_loop():
            self._cancel_body_here()
        else:
            scheduler_for(loop).post(self._cancel_body_here)

    def _cancel_body_here(self) -> None:
        if not self._exiting and not self._own_cancel and self._parent is not None:
            self._own_cancel = True
            self._parent.cancel(self._why)

    # ── starting ──

    async def _go(self, fn: Any, /, *args: Any, **kwargs: Any) -> Goroutine[Any]:
        try:
            if self._ctx is not None:
                return await self._go_under(self._ctx, fn, args, kwargs)
            g = self._members.try_go(fn, *args, **kwargs)
            if g is None:
                await self._slot(fn)
                g = self._members.go(fn, *args, **kwargs)
        except RuntimeError:
            await self._deliver_cancel()
            raise
        return g

    async def _go_under(self, ctx: Context, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Goroutine[Any]:
        if self._slots is not None:
            await self._slot(fn)
        with _in_force(ctx):
            return self._members.go(fn, *args, **kwargs)

    def _try_go(self, fn: Any, /, *args: Any, **kwargs: Any) -> Goroutine[Any] | None:
        with _in_force(self._ctx):
            g = self._members.try_go(fn, *args, **kwargs)
        if g is None:
            close_unstarted(fn)
        return g

    async def _go_thread(self, fn: Any, /, *args: Any, **kwargs: Any) -> Goroutine[Any]:
        try:
            if self._slots is not None:
                await self._slot(fn)
            return self._start_on(go_thread, fn, args, kwargs)
        except RuntimeError:
            await self._deliver_cancel()
            raise

    def _go_thread_blocking(self, fn: Any, /, *args: Any, **kwargs: Any) -> Goroutine[Any]:
        check_no_loop("go_thread_blocking()", "await g.go_thread(...)")
        if self._slots is not None and select_blocking(self._slots.acquire(), self._members.closing().wait())[0]:
            self._members.enter()  # which it refuses
        return self._start_on(go_thread, fn, args, kwargs)

    async def _track(self, awaitable: Awaitable[Any], /) -> Goroutine[Any]:
        check_awaitable("track()", awaitable)
        g = goroutine_of(awaitable)
        if g is None:
            return await self._go(awaitable if isinstance(awaitable, Coroutine) else awaited(awaitable))
        if self._slots is not None:
            await self._slot(None)
        taken = False
        try:
            taken = self._members.adopt(g)
        finally:
            if not taken:
                self._free_slot()
        return g if taken else await self._go(awaited(awaitable))

    async def _slot(self, fn: object) -> None:
        """Wait for a slot; RuntimeError if the group ends before there is one."""
        assert self._slots is not None
        try:
            index, _, _ = await select(self._slots.acquire(), self._members.closing().wait())
            if index:
                self._members.enter()  # which it refuses
        except BaseException:
            close_unstarted(fn)
            raise

    def _start_on(self, verb: GoThread, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Goroutine[Any]:
        """Start a call on a worker. The caller has taken a slot."""
        try:
            if self._members.closed:
                close_unstarted(fn)
                self._members.enter()  # which it refuses
            with _in_force(self._ctx):
                g: Goroutine[Any] = verb(fn, *args, **kwargs)
        except BaseException:
            self._free_slot()
            raise
        try:
            self._members.adopt(g)
        except RuntimeError:  # cancelled meanwhile
            g.cancel(_FAILED)
            self._free_slot()
            raise
        return g

    def _free_slot(self) -> None:
        if self._slots is not None:
            self._slots.release()

    async def _deliver_cancel(self) -> None:
        """Where the group is cancelled, so is the body or member that would start another: that cancel comes first."""
        if self._ending:
            await asyncio.sleep(0)


@contextlib.contextmanager
def _in_force(ctx: Context | None) -> Generator[None]:
    """What is started within is under ``ctx``."""
    if ctx is None:
        yield
        return
    token = current_context.set(ctx)
    try:
        yield
    finally:
        current_context.reset(token)


def _check_ctx(ctx: object) -> None:
    if ctx is not None and not isinstance(ctx, Context):
        raise TypeError(f"ctx is a goish.context.Context or None, got {ctx!r} of type {type(ctx).__name__}")


def _slots(limit: object) -> Weighted | None:
    if limit is None:
        return None
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise TypeError(f"limit is a whole number or None (no limit), got {limit!r} of type {type(limit).__name__}")
    if limit < 0:
        raise ValueError(f"limit is 0 or more, or None for no limit (Go's -1); got {limit}")
    return Weighted(limit)
