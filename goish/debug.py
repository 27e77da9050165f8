"""Seeing inside: what every goroutine does (``dump``), which of them nothing can ever wake (``leaks``), how many failed
unseen (``panics``).

All only look: they cost nothing until called and change nothing. A dump may be taken from a signal handler.
Threads: a dump shows those of all threads (without the GIL, of other threads only what ``go_thread`` and executors were
given to do); leaks are looked for on this thread.
"""

from __future__ import annotations

import gc
import inspect
import os
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from traceback import FrameSummary, StackSummary
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CodeType,
    FrameType,
    FunctionType,
    GeneratorType,
    ModuleType,
)
from typing import Any, Final, TextIO, TypeAlias

from ._runtime.core import (
    NIL,
    Goroutine,
    Op,
    Scheduler,
    debug_extra_refs,
    everyone,
    goroutines,
    loop_thread,
    panics,
    parked_on,
)

__all__ = ["dump", "leaks", "panics"]

_Place: TypeAlias = tuple[str, int, str]  # file, line, function


def dump(file: TextIO | None = None) -> None:
    """Write what each live goroutine does to ``file`` (standard error): state, stack, origin.

    Where there are none it says ``no goroutines``. Those that do the same at the same place are shown once, with their
    number::

        goroutine 1 (main) [chan receive, 3 minutes]:
          File "app.py", line 12, in main
            await results.recv()

        100 goroutines (7, 8, 9, 10, 11, ...) [chan send]:
          File "app.py", line 5, in worker
            await results.send(n)
          created by main at app.py:11

    Example::

        goish.debug.dump()
    """
    print(describe(everyone()) or "no goroutines", file=file or sys.stderr)


def describe(gs: Iterable[Goroutine[Any]]) -> str:
    """The text of a dump of these goroutines, oldest first; empty if there are none."""
    groups: dict[tuple[object, ...], list[Goroutine[Any]]] = {}
    for g in sorted(gs, key=lambda g: g.id):
        groups.setdefault((_doing(g), g.created_by, *_stack(g)), []).append(g)
    return "\n\n".join(_describe_group(group) for group in groups.values())


def title(g: Goroutine[Any]) -> str:
    return f"goroutine {_label(g)}"


def origin(g: Goroutine[Any]) -> str | None:
    """Where the goroutine was started; None for the main one."""
    if g.created_by is None or g.created_by[0].co_filename == _RUNTIME:
        return None
    code, line = g.created_by
    return f"created by {code.co_qualname} at {code.co_filename}:{line}"


_HERE: Final = os.path.dirname(__file__)
_RUNTIME: Final = os.path.join(_HERE, "runtime.py")
_OWN: Final = (__file__, _RUNTIME, os.path.join(_HERE, "workers.py"), threading.__file__)  # what goish does itself
_SHOWN_IDS: Final = 5  # enough to find them in a log


def _describe_group(group: Sequence[Goroutine[Any]]) -> str:
    first = group[0]
    if len(group) == 1:
        who = title(first)
    else:
        more = ", ..." if len(group) > _SHOWN_IDS else ""
        who = f"{len(group)} goroutines ({', '.join(_label(g) for g in group[:_SHOWN_IDS])}{more})"
    lines = [f"{who} [{_doing(first)}{_waiting_time(group)}]:"]
    lines += (line.rstrip("\n") for line in _source_lines(_stack(first)))
    if created := origin(first):
        lines.append(f"  {created}")
    return "\n".join(lines)


def _label(g: Goroutine[Any]) -> str:
    return str(g.id) if g.name == f"goroutine-{g.id}" else f"{g.id} ({g.name})"


def _doing(g: Goroutine[Any]) -> str:
    return g.wait_reason or g.state


def _waiting_time(group: Sequence[Goroutine[Any]]) -> str:
    """How long the longest has waited, in minutes as Go has it; nothing below one."""
    since = [g.waiting_since for g in group if g.waiting_since is not None]
    minutes = int(group[0].get_loop().time() - min(since)) // 60 if since else 0
    return f", {minutes} minute{'s' if minutes > 1 else ''}" if minutes else ""


# ── stacks ──


def _stack(g: Goroutine[Any]) -> tuple[_Place, ...]:
    """Where the goroutine stands: from the function it was started with down to the innermost await or call."""
    coro = g.get_coro()
    if g.state == "running":
        return _running_stack(_frame_of(coro), _frame_elsewhere(g))
    return tuple(_place(frame.f_code, frame.f_lineno) for frame in _await_chain(coro))


def _frame_of(coro: object) -> FrameType | None:
    return getattr(coro, "cr_frame", None) or getattr(coro, "gi_frame", None)


def _place(code: CodeType, line: int) -> _Place:
    return code.co_filename, line, code.co_qualname


def _source_lines(stack: Iterable[_Place]) -> list[str]:
    return StackSummary.from_list([FrameSummary(file, line, name) for file, line, name in stack]).format()


def _frame_elsewhere(g: Goroutine[Any]) -> FrameType | None:
    """The innermost frame of one that runs on another thread; None for one of this thread."""
    from .workers import thread_of  # it stands on panics.py, which stands on this

    thread = loop_thread(g) or thread_of(g)
    frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]
    return None if thread in (None, threading.get_ident()) else frames.get(thread)


def describe_thread(thread: threading.Thread) -> str:
    """Where a thread stands that is blocked in a goish call and runs no goroutine."""
    frame = sys._current_frames().get(thread.ident or 0)  # pyright: ignore[reportPrivateUsage]
    stack = () if frame is None else _running_stack(None, frame)
    lines = [f"thread {thread.name} [blocked in a goish call]:", *(line.rstrip("\n") for line in _source_lines(stack))]
    return "\n".join(lines)


def _running_stack(outermost: FrameType | None, innermost: FrameType | None) -> tuple[_Place, ...]:
    """The calls from the goroutine's coroutine down to the caller of this module (who runs awaits nothing)."""
    places: list[_Place] = []
    frame = innermost or inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_filename not in _OWN:
            places.append(_place(frame.f_code, frame.f_lineno))
        if frame is outermost:
            break
        frame = frame.f_back
    return tuple(reversed(places))


# How the kinds of suspended code name their frame and what they await.
_SUSPENDABLE: Final = {
    "coroutine": ("cr_frame", "cr_await"),
    "generator": ("gi_frame", "gi_yieldfrom"),
    "async_generator": ("ag_frame", "ag_await"),
}
# What the interpreter puts between an await and the code that runs; none of them tells what it holds.
_WRAPPERS: Final = frozenset(
    {"coroutine_wrapper", "async_generator_asend", "async_generator_athrow", "anext_awaitable"}
)


def _await_chain(awaitable: object) -> Iterator[FrameType]:
    while awaitable is not None:
        kind = type(awaitable).__name__
        if kind in _SUSPENDABLE:
            frame, awaits = (getattr(awaitable, name, None) for name in _SUSPENDABLE[kind])
            if isinstance(frame, FrameType):
                yield frame
            awaitable = awaits
        else:
            awaitable = _wrapped(awaitable) if kind in _WRAPPERS else None


def _wrapped(wrapper: object) -> object | None:
    kinds = _WRAPPERS.union(_SUSPENDABLE)
    return next((part for part in gc.get_referents(wrapper) if type(part).__name__ in kinds), None)


# ── leaks ──
#
# A goroutine leaks when it waits for others on channels (or wait groups, or goroutines) that only it and its like hold.
# That is what a garbage collector finds out about cycles: among the objects which the parked goroutines can reach, one
# with more references than come from inside is held from outside; so is all that it reaches, and reaching a channel
# means reaching the goroutines parked on it. Whoever is left over leaks.
#
# Invariant: a reference from inside that is not counted makes an object look held: it hides a leak, never invents one.
#   One counted twice would invent leaks.
# Rejected: letting go of the registry and running the garbage collector, whose finalizer would see what is unreachable.
#   It has to track and resurrect every parked goroutine, and a finalizer of the program may run meanwhile.


def leaks() -> list[Goroutine[Any]]:
    """The goroutines that wait for something which nothing outside of them can reach any more, oldest first.

    They would wait for ever: nobody holds their channels, wait groups or handles. Sound (whoever is listed is lost),
    and not complete: a channel that is still in a global variable counts as reachable, used or not. Looks at this
    thread's goroutines; NotImplementedError on a free-threaded Python.

    Example::

        async def listen(channel):
            await channel.recv()

        go(listen, chan())
        await gosched()
        print(len(goish.debug.leaks()))  # -> 1
    """
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        raise NotImplementedError(
            "debug.leaks() counts references, and a free-threaded Python does not keep all of them; "
            "run the program on a Python with the GIL to look for leaks"
        )
    with _undisturbed():
        heap = _Heap([g for g in goroutines() if type(g.waiting_on) is Op])
        return sorted(heap.unreachable(), key=lambda g: g.id)


@contextmanager
def _undisturbed() -> Generator[None]:
    """Nothing else runs meanwhile, and no garbage holds on to anything."""
    gc.collect()
    collecting, interval = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(3600)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        time.sleep(0)  # a thread that began to wait meanwhile would go on waiting for the long interval: its turn
        if collecting:
            gc.enable()


# Shared by everybody and leading everywhere: what they hold counts as held from outside.
_OUTSIDE: Final = (type, ModuleType, CodeType, BuiltinFunctionType, Scheduler)
_ATOMS: Final = frozenset({type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented)})
# Since 3.14 a generator suspended by a plain yield may name an object twice for one reference: on its stack, borrowed
# from a variable. Nothing is borrowed across an await or a yield from, and what is awaited is owned.
_YIELD_BORROWS: bool = sys.version_info >= (3, 14)


class _Heap:
    """What the parked goroutines can reach."""

    def __init__(self, parked: list[Goroutine[Any]]) -> None:
        self.objects: list[Any] = parked  # each once; the goroutines in question come first
        self.parked = len(parked)
        self.index = {id(g): i for i, g in enumerate(parked)}
        self.inside = [0] * self.parked  # references to each from the others
        self._collect()

    def _collect(self) -> None:
        done = 0
        while done < len(self.objects):
            for part in self._parts(done):
                self._count(part)
            done += 1

    def _count(self, part: object) -> None:
        i = self.index.setdefault(id(part), len(self.objects))
        if i == len(self.objects):
            self.objects.append(part)
            self.inside.append(0)
        self.inside[i] += 1

    def _parts(self, i: int) -> Iterator[object]:
        """What the object refers to, as often as it does."""
        if type(self.objects[i]) is Goroutine and i >= self.parked:
            return iter(())  # it runs or waits for the outside world: what it holds is not lost
        return (part for part in _referents(self.objects[i]) if _is_inside(part))

    def unreachable(self) -> list[Goroutine[Any]]:
        reached = set(self._held_from_outside())
        frontier = list(reached)
        while frontier:
            i = frontier.pop()
            found = {self.index.get(id(part)) for part in chain(self._parts(i), _wakes(self.objects[i]))}
            fresh = [j for j in found if j is not None and j not in reached]
            reached.update(fresh)
            frontier += fresh
        return [g for i, g in enumerate(self.objects[: self.parked]) if i not in reached]

    def _held_from_outside(self) -> Iterator[int]:
        asking = _references([object()], 0)
        for i, inside in enumerate(self.inside):
            if _references(self.objects, i) - asking > inside + debug_extra_refs(self.objects[i]):
                yield i


def _references(objects: list[Any], i: int) -> int:
    # One way of asking for all objects, so that the references of the asking itself are always the same.
    return sys.getrefcount(objects[i])


def _is_inside(part: object) -> bool:
    kind = type(part)
    return kind not in _ATOMS and not issubclass(kind, _OUTSIDE) and not _is_namespace(part)


def _is_namespace(part: object) -> bool:
    return type(part) is dict and "__builtins__" in part and "__name__" in part


def _referents(holder: object) -> Iterable[object]:
    parts = gc.get_referents(holder)
    if _YIELD_BORROWS and issubclass(type(holder), (GeneratorType, AsyncGeneratorType)):
        return _owned(parts, getattr(holder, _SUSPENDABLE[type(holder).__name__][1]))
    if type(holder) is FunctionType:
        shared = (holder.__globals__, getattr(holder, "__builtins__", None))
        return [part for part in parts if not any(part is each for each in shared)]
    return parts


def _owned(parts: list[object], awaited: object | None) -> Iterable[object]:
    """Each part once, and what is awaited once more if a variable names it too."""
    named = [part for part in parts if part is awaited]
    return [*{id(part): part for part in parts}.values(), *named[:1] * (len(named) > 1)]


def _wakes(holder: object) -> list[Op[Any]]:
    """The waits that whoever holds this object can end."""
    return [] if holder is NIL else parked_on(holder)
