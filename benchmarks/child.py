"""One measurement in a process of its own: ``python -m benchmarks.child <rival> <workload> <n>``.

Prints the figures as JSON; with the rival alone, the names of the workloads it has.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module

from benchmarks.measure import Workloads, peak_rss
from benchmarks.rivals import RIVALS


def main(rival: str, workload: str | None = None, n: str = "1") -> None:
    workloads: Workloads = import_module(f"benchmarks.rivals.{RIVALS[rival].module}").WORKLOADS
    if workload is None:
        print(json.dumps(list(workloads)))
    else:
        print(json.dumps({"peak_bytes": peak_rss()} | workloads[workload](int(n))))


if __name__ == "__main__":
    main(*sys.argv[1:])
