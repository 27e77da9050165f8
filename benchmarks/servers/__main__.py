"""Servers beside one another: ``python -m benchmarks.servers``.

Each measurement starts a server on one CPU and its clients on the other; the rivals take turns.  Prints a table for
each workload, the cheapest server first, and writes them all to ``servers.md`` and ``servers.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.compiled import tool
from benchmarks.report import Cell, humanize
from benchmarks.run import ChildError, commit, cpu_model, versions
from benchmarks.servers import certificate
from benchmarks.servers.process import ROOT, ServerError, measure
from benchmarks.servers.rivals import RIVALS
from benchmarks.servers.workloads import STORMS, WORKLOADS, Workload

LOOK_SECONDS = 120.0  # Go's first build takes some
BUSY = 0.95  # of the clients' CPU: beyond it they, not the server, set the rate


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.servers", description=__doc__)
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="NAME")
    parser.add_argument("--rivals", nargs="+", choices=RIVALS, default=list(RIVALS), metavar="NAME")
    parser.add_argument("--repeat", type=int, default=5, help="rounds of each workload (default: 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the default sizes (default: 1)")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"), help="directory for the report")
    return parser.parse_args(arguments)


def workloads_of(rival: str) -> list[str]:
    if (reason := RIVALS[rival].missing()) is not None:
        raise ChildError(reason)
    command = [sys.executable, "-m", "benchmarks.servers.serve", rival]
    try:
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        raise ChildError(f"does not tell its workloads within {LOOK_SECONDS:g} s") from None
    if process.returncode:
        raise ChildError(process.stderr.strip().splitlines()[-1])
    names: list[str] = json.loads(process.stdout)
    return names


def field(rivals: list[str], notes: list[str]) -> dict[str, list[str]]:
    """Workload -> the rivals that have it; the absent ones are noted."""
    found: dict[str, list[str]] = {name: [] for name in WORKLOADS}
    for rival in rivals:
        try:
            for name in workloads_of(rival):
                found[name].append(rival)
        except ChildError as error:
            notes.append(f"{rival} left out: {error}")
    return found


def compete(workload: Workload, rivals: list[str], options: argparse.Namespace, notes: list[str]) -> list[Cell]:
    """Measure one workload; a rival that fails is noted and runs no more."""
    n = workload.size(options.scale)
    cells = {rival: Cell(workload.name, rival, n) for rival in rivals}
    for repetition in range(1, options.repeat + 1):
        for rival in list(cells):
            try:
                figures = measure(rival, workload, n)
            except (ServerError, OSError) as error:  # of a process that is gone
                del cells[rival]
                notes.append(f"{workload.name} by {rival} failed: {error}")
                continue
            cells[rival].runs.append(figures)
            shown = "  ".join(humanize(metric, figures[metric]) for metric in workload.metrics)
            print(f"{workload.name:15} {repetition}/{options.repeat}  {rival:14}  {shown}", file=sys.stderr)
    return list(cells.values())


def table(workload: Workload, cells: list[Cell]) -> list[str]:
    """Medians, the cheapest first; a rate that the clients may have set is marked."""
    titles = [metric.removesuffix("_ns") for metric in workload.metrics]
    lines = [f"## {workload.name}, per {workload.unit}", "", f"| | {' | '.join(titles)} |"]
    lines.append("|---|" + "---:|" * len(titles))
    cost = "bytes" if workload.holds else "cpu_ns"
    for cell in sorted(cells, key=lambda cell: cell.median(cost)):
        shown = [humanize(metric, cell.median(metric)) for metric in workload.metrics]
        if "rate" in workload.metrics and cell.median("client_busy") > BUSY:
            shown[workload.metrics.index("rate")] += " \\*"
        lines.append(f"| {cell.rival} | {' | '.join(shown)} |")
    return [*lines, ""]


def conditions(options: argparse.Namespace, arguments: Sequence[str]) -> list[str]:
    packages = {package for rival in options.rivals for package in RIVALS[rival].packages}
    return [
        f"* {cpu_model()}, {os.cpu_count()} cores, Python {sys.version.split()[0]}, commit {commit()}",
        f"* {', '.join(f'{name} {version}' for name, version in found(packages).items())}",
        f"* `python -m benchmarks.servers {' '.join(arguments)}`, begun at a load of {os.getloadavg()[0]:.1f}",
        f"* medians of {options.repeat} rounds; a rate with \\* is as much as the clients can ask for",
    ]


def found(packages: set[str]) -> dict[str, str]:
    return versions([rival for rival in RIVALS.values() if packages.intersection(rival.packages)])


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    if not hasattr(os, "sched_setaffinity"):
        sys.exit("benchmarks.servers: needs Linux, for the CPU and the memory of a process as /proc tells them")
    lines = ["# Servers", "", *conditions(options, arguments), ""]
    notes: list[str] = []
    try:
        certificate.make()
    except ModuleNotFoundError as error:
        notes.append(f"echo_tls left out: {error}")
        options.workloads = [name for name in options.workloads if name != "echo_tls"]
    if tool("go") is None:
        notes.append(f"{', '.join(STORMS)} left out: Go, in which their clients are written, is not installed")
        options.workloads = [name for name in options.workloads if name not in STORMS]
    competitors = field(options.rivals, notes)
    cells: list[Cell] = []
    for name in options.workloads:
        measured = compete(WORKLOADS[name], competitors[name], options, notes)
        cells += measured
        lines += table(WORKLOADS[name], measured)
    lines += [f"* {note}" for note in notes]
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "servers.md").write_text("\n".join(lines) + "\n")
    (options.output / "servers.json").write_text(json.dumps([asdict(cell) for cell in cells], indent=1) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
