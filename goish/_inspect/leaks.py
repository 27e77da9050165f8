"""Goroutines that nothing can ever wake.

A goroutine leaks when it waits for others on channels (or wait groups, or goroutines) that only it and its like hold.
That is what a garbage collector finds out about cycles: among the objects which the parked goroutines can reach, one
with more references than come from inside is held from outside; so is all that it reaches, and reaching a channel
means reaching the goroutines parked on it. The goroutines that are left over leak.

Invariant: a reference from inside that is not counted makes an object look held: it hides a leak, never invents one.
One counted twice would invent leaks.

Rejected: letting go of the registry and running the garbage collector, whose finalizer would see what is unreachable.
It has to track and resurrect every parked goroutine, and a finalizer of the program may run meanwhile.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from types import AsyncGeneratorType, BuiltinFunctionType, CodeType, FunctionType, GeneratorType, ModuleType
from typing import Any, Final

from .._runtime.core import NIL, Goroutine, Op, Scheduler, debug_extra_refs, goroutines, parked_on
from .dump import SUSPENDABLE

__all__ = ["leaks"]


def leaks() -> list[Goroutine[Any]]:
    """The goroutines that wait for something which nothing outside of them can reach any more, oldest first.

    They would wait for ever: nobody holds their channels, wait groups or handles. Sound (each one listed is lost),
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


# Types that all share and that lead everywhere: what they hold counts as held from outside.
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
        """The objects that it refers to, each as often as it does."""
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
    # A single way to reach all objects, so that the references of the count itself are always the same.
    return sys.getrefcount(objects[i])


def _is_inside(part: object) -> bool:
    kind = type(part)
    return kind not in _ATOMS and not issubclass(kind, _OUTSIDE) and not _is_namespace(part)


def _is_namespace(part: object) -> bool:
    return type(part) is dict and "__builtins__" in part and "__name__" in part


def _referents(holder: object) -> Iterable[object]:
    parts = gc.get_referents(holder)
    if _YIELD_BORROWS and issubclass(type(holder), (GeneratorType, AsyncGeneratorType)):
        return _owned(parts, getattr(holder, SUSPENDABLE[type(holder).__name__][1]))
    if type(holder) is FunctionType:
        shared = (holder.__globals__, getattr(holder, "__builtins__", None))
        return [part for part in parts if not any(part is each for each in shared)]
    return parts


def _owned(parts: list[object], awaited: object | None) -> Iterable[object]:
    """Each part once, and what is awaited once more if a variable names it too."""
    named = [part for part in parts if part is awaited]
    return [*{id(part): part for part in parts}.values(), *named[:1] * (len(named) > 1)]


def _wakes(holder: object) -> list[Op[Any]]:
    """The waits that a holder of this object can end."""
    return [] if holder is NIL else parked_on(holder)
