"""goish: Go's concurrency for Python's asyncio world.

Running goroutines: ``run``, ``go``, ``Goroutine``, ``gosched``, ``sleep``, ``goexit``, ``num_goroutine``,
``current_goroutine``. Channels: ``chan``, ``Chan``, ``PriorityChan``, ``SendChan``, ``RecvChan``, ``NIL``, ``EMPTY``,
``after``, ``select``, ``try_select``, ``select_blocking``. Waiting for many: ``WaitGroup``. With asyncio:
``new_event_loop``, ``task_factory``. What can go wrong: the errors, all of them
``GoishError`` but ``Panic``.

``NIL`` is Go's nil channel: a send or receive on it waits for ever (a cancel ends it), a case of ``select`` on it is
never ready, and closing it raises ``CloseOfNil``.
"""

from goish._runtime.core import (
    NIL,
    Chan,
    Goroutine,
    Op,
    PriorityChan,
    RecvChan,
    SendChan,
    WaitGroup,
    after,
    chan,
    current_goroutine,
    current_worker,
    go,
    go_thread,
    gosched,
    num_goroutine,
    select,
    select_blocking,
    sleep,
    task_factory,
    try_select,
)
from goish._runtime.values import EMPTY, ChanStatistics, Flavor, Received
from goish.errors import (
    ChanClosed,
    ChanFull,
    ChanPanic,
    CloseOfClosed,
    CloseOfNil,
    DeadlockError,
    FlavorError,
    GoishError,
    Panic,
    PoolFull,
    PoolShutdown,
    SendOnClosed,
)
from goish.executor import set_workers
from goish.loops import new_event_loop
from goish.runtime import goexit, run

__version__ = "0.1.0"

__all__ = [
    "EMPTY",
    "NIL",
    "Chan",
    "ChanClosed",
    "ChanFull",
    "ChanPanic",
    "ChanStatistics",
    "CloseOfClosed",
    "CloseOfNil",
    "DeadlockError",
    "Flavor",
    "FlavorError",
    "GoishError",
    "Goroutine",
    "Op",
    "Panic",
    "PoolFull",
    "PoolShutdown",
    "PriorityChan",
    "Received",
    "RecvChan",
    "SendChan",
    "SendOnClosed",
    "WaitGroup",
    "after",
    "chan",
    "current_goroutine",
    "current_worker",
    "go",
    "go_thread",
    "goexit",
    "gosched",
    "new_event_loop",
    "num_goroutine",
    "run",
    "select",
    "select_blocking",
    "set_workers",
    "sleep",
    "task_factory",
    "try_select",
]
