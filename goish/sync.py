"""Go's package ``sync``: waiting for one another, from goroutines, asyncio tasks and threads."""

import sys
from types import ModuleType
from typing import NoReturn

from ._runtime.core import (
    Bool,
    Broadcast,
    Event,
    Int64,
    Latch,
    Map,
    Mutex,
    Ref,
    RLocker,
    RWMutex,
    Subscription,
    Uint64,
    WaitGroup,
    publish_module,
)
from ._sync.barrier import Barrier
from ._sync.cond import Cond
from ._sync.once import Once, once_func, once_value
from ._sync.pool import Pool
from ._sync.watch import Watch, Watcher

__all__ = [
    "Barrier",
    "Bool",
    "Broadcast",
    "Cond",
    "Event",
    "Int64",
    "Latch",
    "Map",
    "Mutex",
    "Once",
    "Pool",
    "RLocker",
    "RWMutex",
    "Ref",
    "Subscription",
    "Uint64",
    "WaitGroup",
    "Watch",
    "Watcher",
    "once_func",
    "once_value",
]


class _Module(ModuleType):
    def __call__(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("goish.sync is a module, as Go's; the result of a FlowVar is taken by goish.parallel.sync(fv)")


sys.modules[__name__].__class__ = _Module

publish_module(sys.modules[__name__])
