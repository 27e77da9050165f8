"""One check each for what several calls take: the error says what was given, what is allowed, what to use instead."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Callable
from typing import Any, TypeVar

from .errors import SyncOnLoop

__all__ = [
    "check_choice",
    "check_flag",
    "check_no_loop",
    "check_seconds",
    "check_text",
    "check_timeout",
    "check_whole",
    "without_unknown",
]

F = TypeVar("F", bound=Callable[..., Any])


def check_whole(name: str, value: object) -> int:
    """A whole number, 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is a whole number, 1 or more; got {value!r} of type {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name} is 1 or more; got {value}")
    return value


def check_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, got {type(value).__name__}")
    return value


def check_choice(name: str, value: object, choices: tuple[str, ...], otherwise: str = "") -> None:
    if value not in choices:
        allowed = ", ".join(f'"{choice}"' for choice in choices)
        raise ValueError(f"{name} is one of {allowed}{otherwise and ', ' + otherwise}; got {value!r}")


def check_flag(name: str, value: object) -> None:
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"{name} is True, False or None, got {value!r} of type {type(value).__name__}")


def check_seconds(name: str, value: object) -> None:
    """Zero or more; infinity is a number too."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is a number of seconds, got {value!r}")
    if not value >= 0:
        raise ValueError(f"{name} is a number of seconds, zero or more, got {value!r}")


def check_timeout(timeout: object) -> None:
    if timeout is None:
        return
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(
            f"timeout is a number of seconds or None (wait for ever), got {timeout!r} of type {type(timeout).__name__}"
        )
    if math.isnan(timeout):
        raise ValueError("timeout is a number of seconds or None (wait for ever), not NaN")


def without_unknown(fn: F) -> F:
    """Has ``help`` show a function without its ``**unknown``, which is there for the sake of an error."""
    signature = inspect.signature(fn)
    shown = [parameter for parameter in signature.parameters.values() if parameter.name != "unknown"]
    setattr(fn, "__signature__", signature.replace(parameters=shown))  # noqa: B010
    return fn


def check_no_loop(what: str, instead: str) -> None:
    """SyncOnLoop if an event loop runs on this thread, which must not be blocked."""
    if asyncio._get_running_loop() is not None:
        raise SyncOnLoop(f"{what} would block the event loop that runs on this thread: {instead}")
