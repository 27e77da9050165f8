"""Panics: exceptions in goroutines that nobody awaits. Never silent; ``on_panic`` says what becomes of them."""

from __future__ import annotations

import logging
import sys
import sysconfig
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, Literal, TypeAlias

from . import debug
from ._runtime.core import Goroutine, tell_if_forsaken
from .errors import Panic

Listener: TypeAlias = Callable[[Goroutine[Any], BaseException], object]
OnPanic: TypeAlias = Literal["crash", "log"] | Listener

logger = logging.getLogger("goish")


def check_on_panic(on_panic: object) -> None:
    if not callable(on_panic) and on_panic not in ("crash", "log"):
        raise ValueError(f'on_panic is "crash", "log" or a callable taking (goroutine, exception), got {on_panic!r}')


class Panics:
    """Receives the panics of one program and does with them what ``on_panic`` says."""

    def __init__(self, on_panic: OnPanic, end_program: Callable[[], object]) -> None:
        self._on_panic = on_panic
        self._end_program = end_program
        self._first: tuple[str, BaseException] | None = None  # of "crash": the one that ends the program
        self._further = 0

    def __call__(self, g: Goroutine[Any], exc: BaseException) -> None:
        if callable(self._on_panic):
            self._tell(self._on_panic, g, exc)
        elif self._on_panic == "crash":
            self._crash(g, exc)
        else:
            logger.error("%s panicked (%s)", debug.title(g), debug.origin(g) or "main", exc_info=exc)

    def _crash(self, g: Goroutine[Any], exc: BaseException) -> None:
        if self._first is not None:
            self._further += 1
            return
        self._first = (g.name, exc)
        print(format_panic(g, exc), file=sys.stderr)
        self._end_program()

    def _tell(self, listener: Listener, g: Goroutine[Any], exc: BaseException) -> None:
        try:
            listener(g, exc)
        except Exception:
            logger.exception("on_panic failed for %s, which panicked with %r", debug.title(g), exc)

    @property
    def crashed(self) -> bool:
        return self._first is not None

    def raise_panic(self) -> None:
        """End the program as its first panic demands; nothing when there was none."""
        if self._first is not None:
            name, exc = self._first
            raise Panic(name) from exc

    def report_further(self) -> None:
        """Tell how many panics came after the one that was printed."""
        if self._further:
            count = "1 more goroutine" if self._further == 1 else f"{self._further} more goroutines"
            print(f"\n{count} panicked before the program ended", file=sys.stderr)


def format_panic(g: Goroutine[Any], exc: BaseException) -> str:
    summary = "".join(traceback.format_exception_only(exc)).strip()
    lines = [f"panic: {summary}", "", f"{debug.title(g)} [running]:", "".join(traceback.format_exception(exc)).rstrip()]
    if created := debug.origin(g):
        lines.append(created)
    return "\n".join(lines)


# ── on worker threads ──

# The program whose goroutine, or whose goroutine's goroutine, this is. Copied with the context: it costs nothing until
# looked at.
PROGRAM: ContextVar[Callable[[Goroutine[Any], BaseException], bool] | None] = ContextVar("goish.program", default=None)


def end_program(g: Goroutine[Any], exc: BaseException) -> bool:
    """End the program of ``g`` with SystemExit or KeyboardInterrupt; False if there is none. Any thread."""
    tell = g.get_context().get(PROGRAM)
    return tell is not None and tell(g, exc)


def route(g: Goroutine[Any], exc: BaseException) -> None:
    """Tell the program that ``g`` belongs to of its panic; without one the log tells it. Any thread."""
    tell = g.get_context().get(PROGRAM)
    if tell is None or not tell(g, exc):
        logger.error("%s failed and nobody awaited it (%s)", debug.title(g), debug.origin(g), exc_info=exc)


# ── failed, and still held ──

REMIND_AFTER: Final = 1.0  # seconds
FREE_THREADED: Final = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
GLANCE: Final = 0.01  # seconds

_lock = threading.Lock()  # guards the next two
_unseen: dict[weakref.ref[Goroutine[Any]], None] = {}  # each once, whoever has it watched
_reminding = False


def watch(g: Goroutine[Any]) -> None:
    """Have the log tell in a second that ``g`` has failed, unless somebody has seen to it by then. Any thread."""
    global _reminding
    with _lock:
        _unseen[weakref.ref(g)] = None
        if _reminding:
            return
        _reminding = True
    try:
        threading.Thread(target=_remind, name="goish-reminder", daemon=True).start()
    except RuntimeError:  # the interpreter ends, which tells of them; or there is no further thread
        _reminding = False


def _remind() -> None:
    global _reminding, _unseen
    while True:
        _wait()
        with _lock:
            failed, _unseen = _unseen, {}
            _reminding = bool(failed)
        if not failed:
            return
        for known in failed:
            if (g := known()) is not None and g._log_traceback:
                created = debug.origin(g)
                by = f"; {created}" if created else ""
                logger.error("%r failed and nobody has awaited it so far%s", g, by, exc_info=g._exception)
        g = None


def _wait() -> None:
    """For as long as somebody may yet see to it; those that nobody holds are told of meanwhile."""
    until = time.monotonic() + REMIND_AFTER
    while (left := until - time.monotonic()) > 0.0:
        time.sleep(min(left, GLANCE) if FREE_THREADED else left)
        if FREE_THREADED:
            with _lock:
                failed = list(_unseen)
            for known in failed:
                tell_if_forsaken(known)


def after_fork() -> None:
    """In a forked child: the thread that reminds is the parent's, and so is what it would remind of."""
    global _lock, _unseen, _reminding
    _lock = threading.Lock()
    _unseen = {}
    _reminding = False
