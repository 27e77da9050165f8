"""anyio's own tests of locks, on goish's: ``python -m tests.conformance.anyio_locks``.

Run is ``tests/test_synchronization.py`` of anyio's source archive, but for trio and for those in ``NOT_RUN`` of
anyio_names.py, each with its reason: first on asyncio's tasks, then on goroutines. The exit code is 1 if a test fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from .needed import HERE, OWN, VENV, folder_of, link_goish, make_venv
from .suites import LIBRARIES

RUNS = {"control": "asyncio's tasks", "goish": "goroutines"}


def main() -> int:
    make_venv()
    folder = folder_of(next(library for library in LIBRARIES if library.name == "anyio"))
    path = os.pathsep.join((str(HERE), str(link_goish())))
    failed = False
    for run, where in RUNS.items():
        record = OWN / f"anyio_locks-{run}.jsonl"
        record.unlink(missing_ok=True)
        environment = {
            **os.environ,
            "PYTHONPATH": path,
            "CONFORMANCE_RUN": run,
            "CONFORMANCE_LOOP": "selector",
            "CONFORMANCE_RECORD": str(record),
            "CONFORMANCE_LIMIT": "20",
        }
        options = ("-q", "-p", "pytest_loops", "-p", "anyio_names", "-p", "no:cacheprovider", "--rootdir", ".")
        print(f"On {where}:", flush=True)
        tests = (VENV, "-m", "pytest", *options, "-k", "not trio", "tests/test_synchronization.py")
        failed |= bool(subprocess.run(tests, cwd=folder, env=environment, check=False).returncode)
        last = record.read_text().splitlines()[-1] if record.exists() else "{}"
        print(f"{json.loads(last).get('goroutines', 'unknown how many')} goroutines\n", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
