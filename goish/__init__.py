"""goish: Go's concurrency for Python's asyncio world.

Running goroutines: ``run``, ``go``, ``go_thread``, ``Goroutine``, ``gosched``, ``sleep``, ``goexit``,
``num_goroutine``, ``current_goroutine``, ``set_workers``. Channels: ``chan``, ``Chan``, ``PriorityChan``, ``SendChan``,
``RecvChan``, ``NIL``, ``EMPTY`` and its ``EmptyType``, ``after``, ``select``, ``try_select``, ``select_blocking``; what
they give: ``Op``, ``Received``, ``ChanStatistics``, ``Flavor``. Waiting for many: ``WaitGroup``, ``wait_all``,
``wait_any``, ``ended``. Stopping: ``CancelToken``, ``check_cancel``. With asyncio: ``new_event_loop``,
``task_factory``. For a bug report: ``build_info``. What can go wrong: the errors, all of them ``GoishError`` but
``Panic``.

Modules: ``goish.parallel`` (executors, ``spawn`` and ``sync``, parallel loops); Go's packages ``goish.sync``,
``goish.context``, ``goish.errgroup``, ``goish.semaphore``, ``goish.singleflight``, ``goish.rate``, ``goish.time`` and
``goish.signal``; ``goish.net`` and ``goish.http`` (servers), ``goish.streams`` (pipelines), ``goish.runtime``,
``goish.debug``, ``goish.loops``, ``goish.errors``, ``goish.anyio``. Import from these and from ``goish``; all other
modules begin with an underscore and are private.

``NIL`` is Go's nil channel: a send or receive on it waits for ever (a cancel ends it), a case of ``select`` on it is
never ready, and closing it raises ``CloseOfNil``.
"""

import os as _os
import sys as _sys
from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from goish import errors as errors
from goish import loops as loops

# These two give the core what it needs of them.
from goish._context import after as _after  # noqa: F401  # pyright: ignore[reportUnusedImport]
from goish._context import scope as _scope  # noqa: F401  # pyright: ignore[reportUnusedImport]
from goish._inspect.build import build_info
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
    "build_info",
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
_publish(_sys.modules[__name__])

if TYPE_CHECKING:
    from goish import context as context
    from goish import debug as debug
    from goish import errgroup as errgroup
    from goish import http as http
    from goish import net as net
    from goish import parallel as parallel
    from goish import rate as rate
    from goish import runtime as runtime
    from goish import semaphore as semaphore
    from goish import signal as signal
    from goish import singleflight as singleflight
    from goish import streams as streams
    from goish import sync as sync
    from goish import time as time
else:
    _LAZY = (
        "context",
        "debug",
        "errgroup",
        "http",
        "net",
        "parallel",
        "rate",
        "runtime",
        "semaphore",
        "signal",
        "singleflight",
        "streams",
        "sync",
        "time",
    )

    def __getattr__(name: str) -> object:
        """Import a module when it is asked for: together they take longer than all that a program needs to start."""
        if name in _LAZY:
            return _import_module(f"goish.{name}")
        text = f"module 'goish' has no attribute {name!r}"
        if not name.startswith("_"):
            from goish._inspect.elsewhere import where_is

            text += where_is(name)
        raise AttributeError(text, name=name, obj=_sys.modules[__name__])

    def __dir__() -> list[str]:
        return [*{*globals(), *_LAZY}]


del TYPE_CHECKING
