"""Go's package ``sync``: waiting for one another, from goroutines, asyncio tasks and threads."""

import sys
from types import ModuleType
from typing import NoReturn

from ._runtime.core import Mutex, RLocker, RWMutex, WaitGroup

__all__ = ["Mutex", "RLocker", "RWMutex", "WaitGroup"]


class _Module(ModuleType):
    def __call__(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("goish.sync is a module, as Go's; the result of a FlowVar is taken by goish.parallel.sync(fv)")


sys.modules[__name__].__class__ = _Module
