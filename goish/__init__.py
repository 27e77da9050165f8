"""goish: Go's concurrency for Python's asyncio world.

Running goroutines: ``run``, ``go``, ``go_thread``, ``Goroutine``, ``gosched``, ``sleep``, ``goexit``,
``num_goroutine``, ``current_goroutine``. Channels: ``chan``, ``Chan``, ``PriorityChan``, ``SendChan``, ``RecvChan``,
``NIL``, ``EMPTY`` and its ``EmptyType``, ``after``, ``select``, ``try_select``, ``select_blocking``. Waiting for many:
``WaitGroup``, ``wait_all``, ``wait_any``, ``ended``. Stopping: ``CancelToken``, ``check_cancel``. With asyncio:
``new_event_loop``, ``task_factory``. What can go wrong: the errors, all of them ``GoishError`` but ``Panic``.

Modules: ``goish.parallel`` (executors, ``spawn`` and ``sync``, parallel loops), ``goish.sync`` (Go's package),
``goish.runtime``, ``goish.debug``, ``goish.loops``, ``goish.errors``, ``goish.anyio``. Import from these and from
``goish``; all other modules begin with an underscore and are private.

``NIL`` is Go's nil channel: a send or receive on it waits for ever (a cancel ends it), a case of ``select`` on it is
never ready, and closing it raises ``CloseOfNil``.
"""

import os as _os
import sys as _sys

from goish import debug as debug
from goish import errors as errors
from goish import loops as loops
from goish import parallel as parallel
from goish import runtime as runtime
from goish import semaphore as semaphore
from goish import sync as sync
from goish._program.run import goexit, run
from goish._runtime.core import (
    NIL,
    CancelToken,
    Chan,
    Goroutine,
    Op,
    PriorityChan,
    RecvChan,
    SendChan,
    WaitGroup,
    after,
    chan,
    check_cancel,
    current_goroutine,
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
from goish._runtime.core import publish_module as _publish
from goish._runtime.core import set_own_files as _set_own_files
from goish._runtime.values import EMPTY, ChanStatistics, EmptyType, Flavor, Received
from goish._threads import workers as _workers
from goish._threads.default import set_workers
from goish._threads.handles import ended, wait_all, wait_any
from goish.errors import (
    ChanClosed,
    ChanFull,
    ChanMisuse,
    CloseOfClosed,
    CloseOfNil,
    DeadlockError,
    GoishError,
    Panic,
    SendOnClosed,
)
from goish.loops import new_event_loop

__version__ = "0.1.0"

__all__ = [
    "EMPTY",
    "NIL",
    "CancelToken",
    "Chan",
    "ChanClosed",
    "ChanFull",
    "ChanMisuse",
    "ChanStatistics",
    "CloseOfClosed",
    "CloseOfNil",
    "DeadlockError",
    "EmptyType",
    "Flavor",
    "GoishError",
    "Goroutine",
    "Op",
    "Panic",
    "PriorityChan",
    "Received",
    "RecvChan",
    "SendChan",
    "SendOnClosed",
    "WaitGroup",
    "after",
    "chan",
    "check_cancel",
    "current_goroutine",
    "ended",
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
    "wait_all",
    "wait_any",
]

_set_own_files(_os.path.join(_os.path.dirname(__file__), ""), _workers.__file__)
for _module in (parallel, sync, semaphore, runtime, debug, loops, _sys.modules[__name__]):
    _publish(_module)
