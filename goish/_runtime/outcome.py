"""The outcome of a call as a value, for ``match``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Err", "Ok"]

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Ok(Generic[T_co]):
    """What ``outcome`` gives for a call that went well: its result is ``value``.

    Example::

        match sync(spawn(pow, 2, 3).outcome()):
            case Ok(value):
                print(value)  # -> 8
    """

    value: T_co


@dataclass(frozen=True, slots=True)
class Err:
    """What ``outcome`` gives for a call that failed, or was cancelled: its exception is ``error``.

    Example::

        match sync(spawn([].index, 5).outcome()):
            case Err(ValueError() as error):
                print(type(error).__name__)  # -> ValueError
    """

    error: BaseException
