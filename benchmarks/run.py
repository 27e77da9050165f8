"""The driver: measures every workload and rival in a process of its own, turn by turn, and writes the report.

Rivals take turns: whatever else the machine does meanwhile meets all of them, not one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from benchmarks import report
from benchmarks.measure import Result
from benchmarks.report import Cell, Conditions, Report
from benchmarks.rivals import RIVALS, Rival, absent
from benchmarks.workloads import PARTS, WORKLOADS, Workload

ROOT = Path(__file__).resolve().parent.parent


class ChildError(Exception):
    """A measurement that ended without figures."""


@dataclass(frozen=True)
class Options:
    workloads: list[Workload]
    rivals: list[Rival]
    repeat: int
    scale: float
    timeout: float
    output: Path


def parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="the workloads of one part of the report")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="NAME")
    parser.add_argument("--rivals", nargs="+", choices=RIVALS, default=list(RIVALS), metavar="NAME")
    parser.add_argument("--repeat", type=int, default=5, help="repetitions of each measurement (default: 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the default sizes (default: 1)")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds a measurement may take (default: 300)")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"), help="directory for the report")
    given = parser.parse_args(arguments)
    return Options(
        workloads=[w for name in given.workloads if (w := WORKLOADS[name]).part == PARTS.get(given.only, w.part)],
        rivals=[RIVALS[name] for name in given.rivals],
        repeat=given.repeat,
        scale=given.scale,
        timeout=given.timeout,
        output=given.output,
    )


def child(*arguments: str, timeout: float, python: str = sys.executable) -> str:
    command = [python, "-m", "benchmarks.child", *arguments]
    try:
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise ChildError(f"took more than {timeout:g} s") from None
    if process.returncode:
        print(process.stderr, file=sys.stderr)
        last_words = process.stderr.strip().splitlines() or [f"exit status {process.returncode}"]
        raise ChildError(last_words[-1])
    return process.stdout


def measure(workload: Workload, rival: Rival, n: int, timeout: float) -> Result:
    figures: Result = json.loads(child(rival.name, workload.name, str(n), timeout=timeout))
    return figures


def competitors(rivals: list[Rival], timeout: float, notes: list[str]) -> dict[str, list[Rival]]:
    """Workload -> the rivals that have it; the absent ones are noted."""
    field: dict[str, list[Rival]] = {name: [] for name in WORKLOADS}
    for rival in rivals:
        try:
            if (reason := rival.missing()) is not None:
                raise ChildError(reason)
            names: list[str] = json.loads(child(rival.name, timeout=timeout))
        except ChildError as error:
            notes.append(f"{rival.name} left out: {error}")
            continue
        for name in names:
            field[name].append(rival)
    return field


def compete(workload: Workload, rivals: list[Rival], options: Options, notes: list[str]) -> list[Cell]:
    """Measure one workload; a rival that fails is noted and runs no more."""
    sizes = {rival.name: workload.size(options.scale * rival.fraction(workload.name)) for rival in rivals}
    cells = {rival.name: Cell(workload.name, rival.name, sizes[rival.name]) for rival in rivals}
    for repetition in range(1, options.repeat + 1):
        for rival in [rival for rival in rivals if rival.name in cells]:
            try:
                figures = measure(workload, rival, sizes[rival.name], options.timeout)
            except ChildError as error:
                del cells[rival.name]
                notes.append(f"{workload.name} by {rival.name} (n = {sizes[rival.name]:,}) failed: {error}")
                continue
            cells[rival.name].runs.append(figures)
            shown = "  ".join(report.humanize(metric, figures[metric]) for metric in workload.metrics)
            print(f"{workload.name:19}  {repetition}/{options.repeat}  {rival.name:8}  {shown}", file=sys.stderr)
    return list(cells.values())


def _output_of(*command: str) -> str:
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def commit() -> str:
    revision = _output_of("git", "rev-parse", "--short=12", "HEAD") or "unknown"
    return revision + (" (with changes)" if _output_of("git", "status", "--porcelain", "--", "goish") else "")


def cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return _output_of("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor() or "unknown"


def versions(used: Iterable[Rival | Workload]) -> dict[str, str]:
    found = {}
    for package in sorted({package for each in used for package in each.packages}):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def conditions(options: Options, arguments: Sequence[str]) -> Conditions:
    return Conditions(
        cpu=cpu_model(),
        cores=os.cpu_count() or 0,
        system=platform.platform(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        versions=versions([*options.rivals, *options.workloads]),
        commit=commit(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        command=shlex.join(["python", "-m", "benchmarks.run", *arguments]),
        load=os.getloadavg()[0],
        repeat=options.repeat,
        scale=options.scale,
    )


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    under = conditions(options, arguments)
    notes: list[str] = []
    field = competitors(options.rivals, options.timeout, notes)
    cells: list[Cell] = []
    for workload in options.workloads:
        if (reason := absent(workload.packages)) is not None:
            notes.append(f"{workload.name} left out: {reason}")
            continue
        cells += compete(workload, field[workload.name], options, notes)
    report.write(Report(under, cells, notes), options.output)
    print("\n".join([*notes, f"report in {options.output}"]), file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
