"""What the rivals measure with: the clock, the memory, and the form of a result.

Only the workload is timed: imports, starting the loop and setting the scene are not.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

Result: TypeAlias = dict[str, float]  # metric -> figure per item
Workloads: TypeAlias = Mapping[str, Callable[[int], Result]]
AsyncWorkload: TypeAlias = Callable[[int], Coroutine[Any, Any, Result]]

_STATM = Path("/proc/self/statm")


def per_item(seconds: float, n: int, metric: str = "ns") -> Result:
    return {metric: seconds / n * 1e9}


def since(start: float, n: int) -> Result:
    return per_item(perf_counter() - start, n)


def rss() -> int:
    """Bytes of memory this process holds now (its peak where the system does not tell)."""
    if _STATM.exists():
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    return peak_rss()


def peak_rss() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def bind(run: Callable[[AsyncWorkload, int], Result], workloads: Mapping[str, AsyncWorkload]) -> Workloads:
    """Make plain functions of coroutine functions: each call starts an event loop with ``run``."""
    return {name: partial(run, workload) for name, workload in workloads.items()}
