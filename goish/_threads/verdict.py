"""What goes wrong among goroutines that belong together, and what is raised in the end: for scopes and for groups.

Invariant: a failure counts as retrieved when it is raised, and not before: the wait for the others may take long, or be
cancelled. One that is never raised is a panic, as of any goroutine.
Threads: ``note`` any, under a lock; the rest is for the waiter at the end.
Not here: the members, and their cancel (scope.py, goish/_group).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Generator
from typing import Any, Final, cast

from .._runtime.core import Goroutine
from ..errors import DeadlockError
from .cancels import cancel_again
from .handles import joint_waits

__all__ = ["Verdict"]

_ROOM: Final = 64


class Verdict:
    """Collects the failures of the members.

    ``message``: of the ExceptionGroup. ``handled``: a failure that was retrieved meanwhile is not raised again.
    ``wraps``: the body's own exception goes into the ExceptionGroup even if it is alone, as with ``asyncio.TaskGroup``.
    ``first``: the first exception is raised as it is, and the others are noted on it.
    """

    def __init__(self, message: str, *, handled: bool = False, wraps: bool = False, first: bool = False) -> None:
        self._message = message
        self._handled = handled
        self._wraps = wraps
        self._first = first
        self._lock = threading.RLock()  # guards the next three; a __del__ may ask within
        self._failed: list[Goroutine[Any]] = []
        self._sweep_at = _ROOM  # those that were handled go
        self._end: BaseException | None = None  # what ends more than a member: KeyboardInterrupt, SystemExit
        self.interrupt: BaseException | None = None  # of the wait at the end

    def note(self, g: Goroutine[Any]) -> bool:
        """Look at a member that has ended. True if its exception ends more than the member."""
        error = g._exception
        if error is None:
            return False
        with self._lock:
            if isinstance(error, Exception):
                self._failed.append(g)
                if self._handled and len(self._failed) >= self._sweep_at:
                    self._failed = self.failures()
                    self._sweep_at = 2 * len(self._failed) + _ROOM
                return False
            first = self._end is None
            if first:
                self._end = error
        if first:
            g._log_traceback = False
        return True

    def knows(self, g: Goroutine[Any]) -> bool:
        """Whether it will raise what ``g`` has raised."""
        with self._lock:
            return g in self._failed

    @contextlib.contextmanager
    def awaited(self) -> Generator[None]:
        """While the members are waited for, failures are its own to raise, and not logged."""
        joint_waits[id(self)] = Verdict.knows, self
        try:
            yield
        finally:
            joint_waits.pop(id(self), None)

    def failures(self) -> list[Goroutine[Any]]:
        """The members that have failed, in the order of their ends, but for those that were handled."""
        with self._lock:
            return [g for g in self._failed if g._log_traceback or not self._handled]

    @property
    def first(self) -> BaseException | None:
        """The exception of the member that failed first, or None."""
        with self._lock:
            return self._end or (self._failed[0]._exception if self._failed else None)

    def drop(self) -> None:
        """It is over: what was not raised is a panic."""
        with self._lock:
            dropped, self._failed = self._failed, []
        dropped.clear()

    def raise_for(self, exc: BaseException | None, *, late: bool = False, cancelled: bool = True) -> None:
        """Raise what takes the place of ``exc``, the exception of the body; return where that goes on as it is.

        ``late``: a member had failed before the body did. ``cancelled``: an interrupt is a cancel from outside, which
        stays due where an error comes before it.
        """
        if self._end is not None:
            _raise(self._end)
        if exc is not None and not isinstance(exc, (Exception, asyncio.CancelledError)):
            return  # the end of the program
        errors = [error for g in self.failures() if (error := cast("Exception", g.exception())) is not exc]
        if isinstance(exc, DeadlockError):
            self.interrupt = exc
        if isinstance(self.interrupt, DeadlockError):
            self._raise_deadlock(self.interrupt, exc, errors)
            return
        if self.interrupt is None and isinstance(exc, asyncio.CancelledError):
            self.interrupt = exc
        if isinstance(exc, Exception) and (errors or (self._wraps and not self._first)):
            errors.insert(len(errors) if late else 0, exc)
        if self.interrupt is not None and cancelled and (errors or isinstance(exc, Exception)):
            cancel_again(self.interrupt)
        if errors:
            self._raise_errors(errors, exc)
        elif exc is None and self.interrupt is not None:
            raise self.interrupt

    def _raise_deadlock(self, interrupt: DeadlockError, exc: BaseException | None, errors: list[Exception]) -> None:
        if errors:  # which may be why
            interrupt.__cause__ = ExceptionGroup(self._message, errors)
        if interrupt is not exc:
            raise interrupt

    def _raise_errors(self, errors: list[Exception], exc: BaseException | None) -> None:
        if not self._first:
            raise ExceptionGroup(self._message, errors) from None
        for other in errors[1:]:
            with contextlib.suppress(Exception):  # a class of its own may refuse notes
                errors[0].add_note(f"then failed, too: {other!r}")
        if errors[0] is not exc:
            _raise(errors[0])


def _raise(error: BaseException) -> None:
    """Raise it with the cause and context that it has."""
    context = error.__context__
    try:
        raise error
    finally:
        BaseException.__setattr__(error, "__context__", context)  # a frozen class refuses its own
