"""Panics: exceptions in goroutines that nobody awaits. Never silent; ``on_panic`` says what becomes of them.

A panic ends the program first and is printed afterwards: if the printing fails, the program has ended by then.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Literal, NoReturn, TypeAlias

from .._inspect.names import exc_info, origin, title
from .._runtime.core import (
    FREE_THREADED,
    Goroutine,
    install_host,
    panic_options,
    program_of,
    report_if_only_ref,
    wake_loops,
)
from .._threads.handles import joint_waits
from ..errors import Panic

__all__ = ["OnPanic", "Panics", "write_error"]

Listener: TypeAlias = Callable[[Goroutine[Any], BaseException], object]
OnPanic: TypeAlias = Literal["crash", "log"] | Listener

logger = logging.getLogger("goish")


class Panics:
    """Receives the panics of one program and handles them as ``on_panic`` says."""

    def __init__(self, on_panic: OnPanic, end_program: Callable[[], object]) -> None:
        self._on_panic: OnPanic = on_panic
        self._end_program = end_program
        self._first: tuple[str, BaseException] | None = None  # of "crash": the one that ends the program
        self._further = 0

    def __call__(self, g: Goroutine[Any], exc: BaseException) -> bool:
        """Whether the program ends with it. On the thread of its loop."""
        policy = _policy(g, self._on_panic)
        if policy == "log":
            _log(g, exc)
            return False
        failure = None if policy == "crash" else _failure_of(policy, g, exc)
        if policy != "crash" and failure is None:
            return False
        self._crash(g, exc)
        if failure is not None:
            _log_failure(g, failure)
        return True

    def _crash(self, g: Goroutine[Any], exc: BaseException) -> None:
        if self._first is not None:
            self._further += 1
            return
        self._first = (g.name, exc)
        self._end_program()
        print_panic(g, exc)

    @property
    def crashed(self) -> bool:
        return self._first is not None

    def raise_panic(self) -> None:
        """End the program as its first panic demands; nothing when there was none."""
        if self._first is not None:
            name, exc = self._first
            raise Panic(name) from exc

    def report_further(self) -> None:
        """Say how many panics came after the one that was printed."""
        if self._further:
            count = "1 more goroutine" if self._further == 1 else f"{self._further} more goroutines"
            write_error(f"\n{count} panicked before the program ended")


def _policy(g: Goroutine[Any], otherwise: OnPanic) -> OnPanic:
    """The policy for a panic: what the goroutine itself says, or ``"log"`` if an await was given up."""
    own, await_given_up = panic_options(g)
    if own is not None:
        return own
    return otherwise if await_given_up is None else "log"


def _failure_of(listener: Listener, g: Goroutine[Any], exc: BaseException) -> Exception | None:
    """None if the listener has dealt with it; a listener that raises has not."""
    try:
        listener(g, exc)
    except Exception as failure:
        return failure
    return None


def _log_failure(g: Goroutine[Any], failure: Exception) -> None:
    with suppress(Exception):  # the panic itself is still to report
        logger.error("on_panic failed for %s", title(g), exc_info=exc_info(failure))


def _log(g: Goroutine[Any], exc: BaseException) -> None:
    await_given_up = panic_options(g)[1]
    created = origin(g) or "main"
    if await_given_up is None:
        logger.error("%s panicked (%s)", title(g), created, exc_info=exc_info(exc))
        return
    where = ""
    if await_given_up:
        code, line = await_given_up
        where = f"awaited by {code.co_qualname} at {code.co_filename}:{line}; "
    who = title(g)
    logger.error("%s failed after an await of it was given up (%s%s)", who, where, created, exc_info=exc_info(exc))


# ── printing ──


def print_panic(g: Goroutine[Any], exc: BaseException) -> None:
    """Write panic, goroutine and origin to standard error, and have ``sys.excepthook`` show the exception."""
    written = write_error(f"panic: {_summary(exc)}\n\n{title(g)} [running]:")
    _call_hook(exc)
    if created := origin(g):
        write_error(created)
    if not written:
        with suppress(Exception):
            logger.error("%s panicked (%s)", title(g), created or "main", exc_info=exc_info(exc))


def write_error(text: str) -> bool:
    """Write to standard error, if it takes that."""
    stream = sys.stderr
    if stream is None:  # as without a console; print() would take standard output
        return False
    try:
        try:
            print(text, file=stream)
        except UnicodeError:
            print(text.encode("ascii", "backslashreplace").decode(), file=stream)
    except Exception:
        return False
    return True


def _summary(exc: BaseException) -> str:
    """One line, or what there is of it: all of this asks the exception, which may fail."""
    ways: tuple[Callable[[BaseException], str], ...] = (
        _last_lines,
        lambda exc: f"{type(exc).__qualname__}: {exc}",
        lambda exc: type(exc).__qualname__,
    )
    for show in ways:
        try:
            return show(exc)
        except KeyboardInterrupt:
            raise
        except BaseException:
            continue
    return "an exception that cannot be shown"


def _last_lines(exc: BaseException) -> str:
    return "".join(traceback.format_exception_only(exc)).strip()


def _call_hook(exc: BaseException) -> None:
    """Call it as the interpreter does at a program's end: error trackers have put theirs in place of Python's own."""
    try:
        sys.excepthook(*exc_info(exc))
    except Exception as failure:
        for heading, one in (("Error in sys.excepthook:", failure), ("\nOriginal exception was:", exc)):
            write_error(heading)
            with suppress(Exception):
                sys.__excepthook__(*exc_info(one))


# ── on worker threads, and on the loops of others ──


def end_program(g: Goroutine[Any], exc: BaseException) -> bool:
    """End the program of ``g`` with SystemExit or KeyboardInterrupt; False if there is none. Any thread."""
    program = program_of(g)
    return program is not None and program.on_panic is not None and program.post(_raise, exc)


def _raise(exc: BaseException) -> NoReturn:
    raise exc


def route(g: Goroutine[Any], exc: BaseException) -> None:
    """Give a panic to the program that ``g`` belongs to; without one to its ``on_panic``, or the log. Any thread."""
    program = program_of(g)
    hear = None if program is None else program.on_panic
    if program is None or hear is None or not program.post(hear, g, exc):
        _tell_without_program(g, exc)


def elsewhere(g: Goroutine[Any], exc: BaseException) -> None:
    """The same for a loop that no program owns: its exception handler gets the panic. On the thread of the loop."""
    created = origin(g)
    by = f"; {created}" if created else ""
    if not _dealt_with(g, exc):
        context = {"message": f"{g!r} failed and nobody awaited it{by}", "exception": exc, "goroutine": g}
        g.get_loop().call_exception_handler(context)


def _tell_without_program(g: Goroutine[Any], exc: BaseException) -> None:
    if not _dealt_with(g, exc):
        logger.error("%s failed and nobody awaited it (%s)", title(g), origin(g), exc_info=exc_info(exc))


def _dealt_with(g: Goroutine[Any], exc: BaseException) -> bool:
    """Handle a panic as the goroutine itself says; "crash" has no program to end."""
    policy = _policy(g, "crash")
    if policy == "crash":
        return False
    if policy == "log":
        _log(g, exc)
    elif (failure := _failure_of(policy, g, exc)) is not None:
        _log_failure(g, failure)
        return False
    return True


# ── failed, and still held ──


REMIND_AFTER: Final = 1.0  # seconds
AT_ONCE: Final = 0.05  # seconds; reminders due within them are logged together
GLANCE: Final = 0.01  # seconds

_lock = threading.Lock()  # guards the next two
_unseen: dict[weakref.ref[Goroutine[Any]], float] = {}  # not retrieved: each once, and when it is due, in that order
_reminding = False


def remind(g: Goroutine[Any]) -> None:
    """Log that ``g`` has failed a while ago, unless its exception is retrieved or will be. Any thread."""
    if not g._log_traceback or any(part_of(several, g) for part_of, several in list(joint_waits.values())):
        return
    exc = g._exception
    assert exc is not None
    if panic_options(g)[1] is not None:
        g._log_traceback = False  # it is logged once
        _log(g, exc)
        return
    created = origin(g)
    by = f"; {created}" if created else ""
    # As text: a handler that keeps what is logged must not keep the goroutine.
    logger.error("%s failed and nobody has awaited it so far%s", repr(g), by, exc_info=exc_info(exc))


def watch(g: Goroutine[Any]) -> None:
    """Log in a second that ``g``, which was on a worker, has failed, unless it is retrieved first. Any thread."""
    global _reminding
    with _lock:
        _unseen[weakref.ref(g)] = time.monotonic() + REMIND_AFTER
        if _reminding:
            return
        _reminding = True
    try:
        threading.Thread(target=_keep_reminding, name="goish-reminder", daemon=True).start()
    except BaseException as exc:
        _reminding = False  # the next failure starts it, or the end of the interpreter reports what is unseen
        if not isinstance(exc, Exception):
            raise


def _keep_reminding() -> None:
    global _reminding
    while True:
        with _lock:
            due = next(iter(_unseen.values()), None)
            _reminding = due is not None
        if due is None:
            return
        _wait(due + AT_ONCE)
        for known in _due():
            if (g := known()) is not None:
                remind(g)
        g = None


def _due() -> list[weakref.ref[Goroutine[Any]]]:
    """The goroutines to log now, which are watched no longer."""
    now = time.monotonic()
    with _lock:
        found = [known for known, due in _unseen.items() if due <= now]
        for known in found:
            del _unseen[known]
    return found


def _wait(until: float) -> None:
    """Wait, as long as an awaiter may yet come; goroutines that nobody holds are reported meanwhile."""
    if not FREE_THREADED:
        time.sleep(max(0.0, until - time.monotonic()))
        return
    began = time.monotonic()
    pause = GLANCE
    while (left := until - time.monotonic()) > 0.0:
        time.sleep(min(left, GLANCE))
        with _lock:
            failed = list(_unseen)
        for known in failed:
            report_if_only_ref(known)
        if time.monotonic() - began >= pause:
            pause *= 2  # rarer and rarer: it wakes every loop
            wake_loops(_run_python)


def _run_python() -> None:
    """Nothing; but a thread that runs Python frees what others have let go."""


def _after_fork() -> None:
    """In a forked child: the thread that logs is the parent's, and so are the goroutines that it would log."""
    global _lock, _unseen, _reminding
    _lock = threading.Lock()
    _unseen = {}
    _reminding = False
    joint_waits.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
install_host(panic_of_call=route, panic_elsewhere=elsewhere, remind=remind, watch_failed=watch, end_program=end_program)
