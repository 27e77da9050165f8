"""The program and its goroutines: ``run`` starts and ends it; what goroutines there are, and how many workers."""

import sys

from ._program.run import goexit, run
from ._runtime.core import (
    current_goroutine,
    current_worker,
    goroutines,
    gosched,
    num_goroutine,
    publish_module,
    seed,
)
from ._threads.default import set_workers

__all__ = [
    "current_goroutine",
    "current_worker",
    "goexit",
    "goroutines",
    "gosched",
    "num_goroutine",
    "run",
    "seed",
    "set_workers",
]

publish_module(sys.modules[__name__])
