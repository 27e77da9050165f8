"""One server: ``python -m benchmarks.servers.serve <rival> <workload> <port>`` serves until it is killed.

With the rival alone, prints the names of the workloads it has, as JSON.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module

from benchmarks.servers.rivals import RIVALS, Servers


def main(rival: str, workload: str | None = None, port: str = "0") -> None:
    servers: Servers = import_module(f"benchmarks.servers.rivals.{RIVALS[rival].module}").SERVERS
    if workload is None:
        print(json.dumps(list(servers)))
    else:
        servers[workload](int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
