"""asyncio on uvloop."""

from __future__ import annotations

import uvloop

from benchmarks import programs
from benchmarks.measure import bind
from benchmarks.rivals.asyncio_ import COROUTINES

WORKLOADS = bind(lambda workload, n: uvloop.run(workload(n)), COROUTINES | programs.HTTP)
