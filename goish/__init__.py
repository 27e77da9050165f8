"""goish: Go's concurrency for Python's asyncio world.

Running goroutines: ``run``, ``go``, ``Goroutine``, ``gosched``, ``sleep``, ``goexit``, ``num_goroutine``,
``current_goroutine``. Channels: ``chan``, ``Chan``, ``PriorityChan``, ``SendChan``, ``RecvChan``, ``NIL``, ``EMPTY``,
``after``, ``select``, ``try_select``, ``select_blocking``. Waiting for many: ``WaitGroup``, ``wait_all``, ``wait_any``,
``ended``. On threads: ``go_thread``, ``spawn``, ``submit``, ``sync``, ``sync_scope``, ``Executor``, ``CancelToken``,
``parallel_map``. With asyncio: ``new_event_loop``, ``task_factory``. What can go wrong: the errors, all of them
``GoishError`` but ``Panic``.

``NIL`` is Go's nil channel: a send or receive on it waits for ever (a cancel ends it), a case of ``select`` on it is
never ready, and closing it raises ``CloseOfNil``.
"""

import os as _os

from goish import debug as debug
from goish import runtime as runtime
from goish import workers as _workers
from goish._runtime.core import (
    NIL,
    CancelToken,
    Chan,
    FlowVar,
    Goroutine,
    Op,
    Pending,
    PriorityChan,
    RecvChan,
    SendChan,
    WaitGroup,
    after,
    as_goroutine,
    chan,
    check_cancel,
    current_goroutine,
    current_worker,
    go,
    go_thread,
    gosched,
    num_goroutine,
    select,
    select_blocking,
    sleep,
    spawn,
    submit,
    sync,
    task_factory,
    try_select,
)
from goish._runtime.core import set_own_files as _set_own_files
from goish._runtime.values import EMPTY, ChanStatistics, Err, Flavor, Ok, Received
from goish.adopted import AdoptedExecutor, adopt
from goish.default import default_executor, set_default_executor, set_workers
from goish.errors import (
    ChanClosed,
    ChanFull,
    ChanMisuse,
    CloseOfClosed,
    CloseOfNil,
    DeadlockError,
    FlavorError,
    FlowVarConsumed,
    GoishError,
    NotSpawned,
    Panic,
    PoolFull,
    PoolShutdown,
    SendOnClosed,
    SyncOnLoop,
)
from goish.executor import Executor, ExecutorStatistics
from goish.flow import ended, sync_all, sync_any, wait_all, wait_any
from goish.loops import new_event_loop
from goish.parallel import parallel_for, parallel_map, parallel_reduce
from goish.runtime import goexit, run
from goish.scope import sync_scope

__version__ = "0.1.0"

_set_own_files(_os.path.join(_os.path.dirname(__file__), ""), _workers.__file__)

__all__ = [
    "EMPTY",
    "NIL",
    "AdoptedExecutor",
    "CancelToken",
    "Chan",
    "ChanClosed",
    "ChanFull",
    "ChanMisuse",
    "ChanStatistics",
    "CloseOfClosed",
    "CloseOfNil",
    "DeadlockError",
    "Err",
    "Executor",
    "ExecutorStatistics",
    "Flavor",
    "FlavorError",
    "FlowVar",
    "FlowVarConsumed",
    "GoishError",
    "Goroutine",
    "NotSpawned",
    "Ok",
    "Op",
    "Panic",
    "Pending",
    "PoolFull",
    "PoolShutdown",
    "PriorityChan",
    "Received",
    "RecvChan",
    "SendChan",
    "SendOnClosed",
    "SyncOnLoop",
    "WaitGroup",
    "adopt",
    "after",
    "as_goroutine",
    "chan",
    "check_cancel",
    "current_goroutine",
    "current_worker",
    "default_executor",
    "ended",
    "go",
    "go_thread",
    "goexit",
    "gosched",
    "new_event_loop",
    "num_goroutine",
    "parallel_for",
    "parallel_map",
    "parallel_reduce",
    "run",
    "select",
    "select_blocking",
    "set_default_executor",
    "set_workers",
    "sleep",
    "spawn",
    "submit",
    "sync",
    "sync_all",
    "sync_any",
    "sync_scope",
    "task_factory",
    "try_select",
    "wait_all",
    "wait_any",
]
