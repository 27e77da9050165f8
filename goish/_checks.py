"""One check each for what several calls take: the error says what was given, what is allowed, what to use instead."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Final, TypeVar

from ._runtime.core import number_as_float
from .errors import SyncOnLoop

__all__ = [
    "check_choice",
    "check_count",
    "check_flag",
    "check_function",
    "check_no_loop",
    "check_seconds",
    "check_text",
    "check_timeout",
    "check_whole",
    "is_async",
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


def check_count(name: str, value: object) -> int:
    """A whole number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is a whole number, 0 or more; got {value!r} of type {type(value).__name__}")
    if value < 0:
        raise ValueError(f"{name} is 0 or more; got {value}")
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


def check_function(what: str, fn: object, takes: str = "a function and its arguments", instead: str = "") -> None:
    """What runs when it is called: a call of a generator function, async or not, runs nothing of it.

    ``instead``: of a coroutine function, which is refused too then.
    """
    if not callable(fn):
        raise TypeError(f"{what} takes {takes}, got {fn!r} of type {type(fn).__name__}")
    flags = _flags(fn)
    if flags & inspect.CO_ASYNC_GENERATOR or flags & _GENERATOR == inspect.CO_GENERATOR:
        kind = "an async generator" if flags & inspect.CO_ASYNC_GENERATOR else "a generator"
        raise TypeError(f"{what} takes {takes}, got {fn!r}, {kind}, of which a call runs nothing")
    if instead and is_async(fn):
        raise TypeError(f"{what} takes {takes}, got {fn!r}: {instead}")


_GENERATOR: Final = inspect.CO_GENERATOR | inspect.CO_ITERABLE_COROUTINE  # both: a coroutine of ``types.coroutine``


def _flags(fn: Any) -> int:
    while isinstance(fn, partial):
        fn = fn.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    flags: int = getattr(getattr(fn, "__code__", None), "co_flags", 0)  # pyright: ignore[reportUnknownArgumentType]
    return flags


def is_async(fn: object) -> bool:
    """Whether it is a coroutine function, or an object that is called like one."""
    if isinstance(fn, BuiltinFunctionType):
        return False
    if isinstance(fn, (FunctionType, MethodType)):
        return inspect.iscoroutinefunction(fn)
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(getattr(fn, "__call__", None))  # noqa: B004


def check_seconds(name: str, value: object) -> float:
    """Zero or more; infinity is a number too."""
    seconds = number_as_float(value, name, " is a number of seconds, zero or more")
    if seconds < 0:
        raise ValueError(f"{name} is a number of seconds, zero or more; got {value!r}")
    return seconds


def check_timeout(timeout: object) -> float | None:
    if timeout is None:
        return None
    return number_as_float(timeout, "timeout", " is a number of seconds or None (wait for ever)")


def without_unknown(fn: F) -> F:
    """Has ``help`` show a function without ``*given`` and ``**unknown``, which are there for the sake of an error."""
    signature = inspect.signature(fn)
    shown = [parameter for parameter in signature.parameters.values() if parameter.name not in ("given", "unknown")]
    setattr(fn, "__signature__", signature.replace(parameters=shown))  # noqa: B010
    return fn


def check_no_loop(what: str, instead: str) -> None:
    """SyncOnLoop if an event loop runs on this thread, which must not be blocked."""
    if asyncio._get_running_loop() is not None:
        raise SyncOnLoop(f"{what} would block the event loop that runs on this thread: {instead}")
