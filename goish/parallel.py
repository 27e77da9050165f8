"""Task parallelism, after the RFC of Nim's threads: results of calls on workers, scopes, executors, loops over data.

``spawn`` and ``submit`` give a ``FlowVar``, whose result ``sync`` takes on a thread and ``await`` in a coroutine.
``sync_all``, ``sync_any`` and ``sync_scope`` take several. ``parallel_for``, ``parallel_map`` and ``parallel_reduce``
cut a loop into pieces. An ``Executor`` is a pool of its own; ``adopt`` makes one of any
``concurrent.futures.Executor``.
"""

import sys

from ._runtime.core import FlowVar, Pending, as_goroutine, publish_module, spawn, submit, sync
from ._runtime.outcome import Err, Ok
from ._threads.adopted import AdoptedExecutor, AnyExecutor, adopt
from ._threads.default import default_executor, set_default_executor
from ._threads.executor import Executor, ExecutorStatistics
from ._threads.handles import sync_all, sync_any
from ._threads.parallel import parallel_for, parallel_map, parallel_reduce
from ._threads.scope import sync_scope

__all__ = [
    "AdoptedExecutor",
    "AnyExecutor",
    "Err",
    "Executor",
    "ExecutorStatistics",
    "FlowVar",
    "Ok",
    "Pending",
    "adopt",
    "as_goroutine",
    "default_executor",
    "parallel_for",
    "parallel_map",
    "parallel_reduce",
    "set_default_executor",
    "spawn",
    "submit",
    "sync",
    "sync_all",
    "sync_any",
    "sync_scope",
]

publish_module(sys.modules[__name__])
