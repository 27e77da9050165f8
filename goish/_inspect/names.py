"""The name of a goroutine in errors, logs and dumps: its name, its number, where it was started."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from types import CodeType
from typing import Any, Final

from .._runtime.core import Goroutine, function_name, holder_awaited

__all__ = ["exc_info", "held_by", "is_own", "label", "log_names", "name_of", "origin", "title"]

_PACKAGE: Final = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")
_SHOWN: Final = 20  # are named; the rest are counted

logger = logging.getLogger("goish")


def is_own(code: CodeType) -> bool:
    """Whether goish, or the threading module, does this itself: a stack is shown without it."""
    return code.co_filename.startswith(_PACKAGE) or code.co_filename == threading.__file__


def title(g: Goroutine[Any]) -> str:
    return f"goroutine {label(g)}"


def label(g: Goroutine[Any]) -> str:
    return str(g.id) if g.name == f"goroutine-{g.id}" else f"{g.id} ({g.name})"


def held_by(g: Goroutine[Any], others: Mapping[int, Goroutine[Any]]) -> str | None:
    """The holder of the lock that the goroutine waits for; None if it waits for no lock, or that is not known."""
    found = holder_awaited(g.waiting_on)
    if found is None or found == (0, 0):
        return None
    number, thread = found
    if number:
        return f"held by {title(others[number])}" if number in others else f"held by goroutine {number}"
    return next(
        (f"held by thread {one.name}" for one in threading.enumerate() if one.ident == thread), "held by a thread"
    )


def origin(g: Goroutine[Any]) -> str | None:
    """The place where the goroutine was started; None for the main one."""
    if g.created_by is None or is_own(g.created_by[0]):
        return None
    code, line = g.created_by
    return f"created by {code.co_qualname} at {code.co_filename}:{line}"


def name_of(g: Goroutine[Any], begun: bool = True) -> str:
    """The name, and the function unless the name says it: a number tells nobody which function it is."""
    function = function_name(g)
    if function is not None:
        function += ", a function that neither waits in goish nor asks check_cancel()" if begun else ""
    elif g.name == f"goroutine-{g.id}":
        function = getattr(g.get_coro(), "__qualname__", None)
    return g.name if function is None else f"{g.name} ({function})"


def log_names(what: str, names: Sequence[str]) -> None:
    """Warn that as many ``what`` as there are names; nothing if there are none."""
    if names:
        shown = ", ".join(names[:_SHOWN])
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        logger.warning("%d %s: %s%s", len(names), what, shown, more)


def exc_info(exc: BaseException) -> tuple[type[BaseException], BaseException, Any]:
    """The triple for logging, which would ask an exception whether it is true, and some do not know."""
    return type(exc), exc, exc.__traceback__
