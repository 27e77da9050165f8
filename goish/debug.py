"""Seeing inside: what every goroutine does (``dump``), which of them nothing can ever wake (``leaks``), which wait for
each other's locks (``lock_cycles``), how many failures were never retrieved (``panics``).

All only look: they cost nothing until called and change nothing. A signal handler may take a dump.
Threads: a dump shows those of all threads (without the GIL, of other threads only the calls that ``go_thread`` and
executors were given); leaks are looked for on this thread.
"""

from __future__ import annotations

import sys
from typing import Any, TextIO

from ._inspect.build import BuildInfo, build_info
from ._inspect.cycles import cycles
from ._inspect.dump import describe
from ._inspect.leaks import leaks
from ._runtime.core import Goroutine, all_goroutines, panics, publish_module
from ._threads.workers import thread_of

__all__ = ["BuildInfo", "build_info", "dump", "leaks", "lock_cycles", "panics"]


def dump(file: TextIO | None = None) -> None:
    """Write what each live goroutine does to ``file`` (standard error): state, stack, origin.

    Without goroutines it says ``no goroutines``. Those that do the same at the same place are shown once, with their
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
    if file is not None and not hasattr(file, "write"):  # pyright: ignore[reportUnnecessaryComparison]
        raise TypeError(f"file is a text file that is open, got {file!r} of type {type(file).__name__}")
    print(describe(all_goroutines(), thread_of) or "no goroutines", file=file or sys.stderr)


def lock_cycles() -> list[list[Goroutine[Any]]]:
    """The rings of goroutines that wait for each other's locks: each waits for a lock that the next one holds.

    Where a whole program sleeps, the deadlock detector says so by itself. This one finds a ring while others go on. The
    locks are ``Mutex`` and ``RWMutex`` (writers); functions on workers are among the goroutines. Two looks that give
    the same are needed to be sure, because the others go on meanwhile.

    Example::

        from goish.sync import Mutex

        async def take(one, other):
            async with one:
                await gosched()
                async with other:
                    pass

        a, b = Mutex(), Mutex()
        pair = [go.options(name="ab")(take, a, b), go.options(name="ba")(take, b, a)]
        for _ in range(5):
            await gosched()
        print([[g.name for g in ring] for ring in goish.debug.lock_cycles()])  # -> [['ab', 'ba']]
        for g in pair:
            g.cancel()
    """
    return cycles(all_goroutines(), thread_of)


publish_module(sys.modules[__name__])
