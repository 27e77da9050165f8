"""Which channels and contexts get which signals.

Python calls a handler on the main thread, between two instructions of whatever runs there. So the handler takes no
lock: what it reads is replaced as a whole, never changed. A signal that no target wants any more goes where it went
before.

Threads: any; what must happen on the main thread goes through a loop that runs there.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from .._runtime.core import scheduler_on
from ..errors import GoishError

__all__ = ["Target", "add", "check_signals", "forget", "ignore", "is_ignored", "remove", "reset", "tidy"]

Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None


class Target(Protocol):
    """Takes a signal on the main thread, and returns at once: a channel's ``try_send``, or the cancel of a context."""

    def __call__(self, received: signal.Signals, /) -> object: ...


_Entry: TypeAlias = tuple[weakref.ref[Any], str]  # the object and its method; it is gone when nothing can receive


class _Caught(NamedTuple):
    """What becomes of one signal."""

    targets: tuple[_Entry, ...]
    previous: Handler  # the handler before goish's


_caught: dict[int, _Caught] = {}
_ignored: dict[int, Handler] = {}  # what ignore() has replaced
_lock = threading.RLock()  # guards the change of both; the handler reads without it. Finalizers may re-enter it


def _on_signal(number: int, frame: FrameType | None) -> None:
    caught = _caught.get(number)
    if caught is None or not _tell(caught, signal.Signals(number)):
        _pass_on(number, frame, None if caught is None else caught.previous)
        return
    loop = asyncio._get_running_loop()
    if loop is not None:  # it may sleep: what a handler makes runnable does not wake it
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_nothing)


def _nothing() -> None:
    pass


def _tell(caught: _Caught, received: signal.Signals) -> bool:
    """Whether any target is left."""
    told = False
    for reference, method in caught.targets:
        target = reference()
        if target is not None:
            told = True
            with suppress(GoishError):  # closed, or full: the signal is dropped
                getattr(target, method)(received)
    return told


def _pass_on(number: int, frame: FrameType | None, previous: Handler) -> None:
    """Nothing wants it any more: as if goish had never been here."""
    signal.signal(number, signal.SIG_DFL if previous is None else previous)
    _caught.pop(number, None)
    if callable(previous) and not isinstance(previous, signal.Handlers):
        previous(number, frame)
    elif previous != signal.SIG_IGN:
        os.kill(os.getpid(), number)


# ── changes ──


def check_signals(call: str, numbers: Iterable[object]) -> tuple[signal.Signals, ...]:
    """The signals that are given; they can be caught."""
    found: list[signal.Signals] = []
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int):
            named = f": from signal import {number}" if isinstance(number, str) and hasattr(signal, number) else ""
            raise TypeError(f"{call}() takes signals of Python's module signal, such as SIGTERM, got {number!r}{named}")
        if number not in signal.valid_signals():
            raise ValueError(f"{call}() takes signals of this system, got {number!r}")
        if number in _UNCATCHABLE:
            raise ValueError(f"{call}(): {signal.Signals(number).name} can be neither caught nor ignored")
        found.append(signal.Signals(number))
    if not found:
        raise TypeError(f"{call}() needs the signals: name each, such as SIGINT, SIGTERM")
    return tuple(found)


_UNCATCHABLE: Final = {getattr(signal, name) for name in ("SIGKILL", "SIGSTOP") if hasattr(signal, name)}


def add(target: object, method: str, numbers: Iterable[signal.Signals]) -> None:
    """Have ``target.method(signal)`` called for each of these from now on."""
    entry = weakref.ref(target), method
    for number in numbers:
        with _lock:
            caught = _caught.get(number)
            if caught is not None:
                _caught[number] = caught._replace(targets=_joined(caught.targets, entry))
        if caught is None or signal.getsignal(number) != _on_signal:
            _on_main_thread(partial(_install, entry), number)


def _joined(targets: tuple[_Entry, ...], entry: _Entry) -> tuple[_Entry, ...]:
    return targets if any(reference() is entry[0]() for reference, _ in targets) else (*targets, entry)


def _install(entry: _Entry, number: int) -> None:
    """Note the target first: a signal may come as soon as the handler is there."""
    with _lock:
        caught, previous = _caught.get(number), signal.getsignal(number)
        if caught is None or previous != _on_signal:
            targets = () if caught is None else caught.targets
            caught = _Caught(targets, _ignored.pop(number, previous))
        _caught[number] = caught._replace(targets=_joined(caught.targets, entry))
        signal.signal(number, _on_signal)


def remove(target: object) -> None:
    """Call ``target`` no more. Signals that have no other go where they went before."""
    with _lock:
        for number in list(_caught):
            caught = _caught[number]
            left = tuple(entry for entry in caught.targets if entry[0]() not in (None, target))
            _caught[number] = caught._replace(targets=left)
    tidy()


def tidy() -> None:
    """Put back the handlers of signals that no target wants. On other threads: nothing, the next signal does so."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in list(_caught):
        with _lock:
            caught = _caught.get(number)
            if caught is not None and all(reference() is None for reference, _ in caught.targets):
                _put_back(number)


def _put_back(number: int) -> None:
    """Put the handler back first: a signal that finds goish's, and nothing noted, would end the program."""
    with _lock:
        caught = _caught.get(number)
        if caught is not None and signal.getsignal(number) == _on_signal:
            signal.signal(number, signal.SIG_DFL if caught.previous is None else caught.previous)
        _caught.pop(number, None)


def ignore(numbers: Iterable[signal.Signals]) -> None:
    for number in numbers:
        _on_main_thread(_ignore, number)


def _ignore(number: int) -> None:
    previous = signal.signal(number, signal.SIG_IGN)
    with _lock:
        caught = _caught.pop(number, None)
        if number not in _ignored:
            _ignored[number] = previous if caught is None else caught.previous


def is_ignored(number: int) -> bool:
    return signal.getsignal(number) == signal.SIG_IGN


def reset(numbers: Iterable[signal.Signals]) -> None:
    """Undo what ``add`` and ``ignore`` have done; empty: for all signals."""
    named: list[int] = list(numbers)
    for number in named or [*_caught, *_ignored]:
        if number in _caught:
            _on_main_thread(_put_back, number)
        elif number in _ignored:
            _on_main_thread(_unignore, number)


def _unignore(number: int) -> None:
    previous = _ignored.pop(number, None)
    if is_ignored(number):
        signal.signal(number, signal.SIG_DFL if previous is None else previous)


def forget(number: int, handler: object, instead: Handler) -> None:
    """``handler``, of a program that is over, is put back nowhere any more; ``instead`` is."""
    with _lock:
        caught = _caught.get(number)
        if caught is not None and caught.previous == handler:
            _caught[number] = caught._replace(previous=instead)
        if _ignored.get(number) == handler:
            _ignored[number] = instead


_PATIENCE: Final = 10.0  # seconds for a loop on the main thread to take its turn


def _on_main_thread(change: Callable[[int], None], number: int) -> None:
    main = threading.main_thread()
    if threading.current_thread() is main:
        change(number)
        return
    sched = scheduler_on(main.ident or 0)
    made = threading.Event()
    if sched is None or not sched.post(_make, change, number, made):
        raise RuntimeError(
            f"Python takes a handler of {signal.Signals(number).name} on the main thread only, which runs no event "
            "loop of goish's that could see to it: call this there first. Further channels for a signal that is caught "
            "already are taken on any thread"
        )
    if not made.wait(_PATIENCE):
        raise RuntimeError(f"the event loop of the main thread did not take its turn within {_PATIENCE:g} s")


def _make(change: Callable[[int], None], number: int, made: threading.Event) -> None:
    try:
        change(number)
    finally:
        made.set()
