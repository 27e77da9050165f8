"""goish on several Pythons: ``python -m benchmarks.pythons --pythons build/venv-3.13/bin/python ...``.

Each is an interpreter that has goish. They take turns, as the rivals of ``benchmarks.run`` do. Prints a Markdown table:
a row for each Python, the medians.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from statistics import median

from benchmarks.report import humanize
from benchmarks.run import ROOT, child, commit, cpu_model
from benchmarks.workloads import WORKLOADS

USUAL = ("spawn_join", "pingpong", "prodcons_0", "prodcons_1024", "select_4")
NAMES_ITSELF = """if True:
    import platform, sysconfig
    import goish
    print(platform.python_version() + ("t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""))"""

Figures = dict[tuple[str, str], list[float]]  # of a Python and a workload


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pythons", description=__doc__)
    parser.add_argument("--pythons", nargs="+", default=[sys.executable], metavar="PATH")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=USUAL, metavar="NAME")
    parser.add_argument("--repeat", type=int, default=5, help="repetitions of each measurement (default: 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the default sizes (default: 1)")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds a measurement may take (default: 300)")
    return parser.parse_args(arguments)


def version_of(python: str) -> str:
    asked = subprocess.run([python, "-c", NAMES_ITSELF], cwd=ROOT, capture_output=True, text=True, check=False)
    if asked.returncode:
        sys.exit(f"{python} has no goish: {asked.stderr.strip().splitlines()[-1]}")
    return asked.stdout.strip()


def measure(pythons: dict[str, str], options: argparse.Namespace) -> Figures:
    figures: Figures = {}
    for workload in options.workloads:
        size = str(WORKLOADS[workload].size(options.scale))
        for turn in range(1, options.repeat + 1):
            for version, python in pythons.items():
                taken = json.loads(child("goish", workload, size, timeout=options.timeout, python=python))["ns"]
                figures.setdefault((version, workload), []).append(taken)
                print(f"{workload:14}  {turn}/{options.repeat}  {version:8}  {humanize('ns', taken)}", file=sys.stderr)
    return figures


def table(versions: Sequence[str], workloads: Sequence[str], figures: Figures) -> list[str]:
    lines = [f"| CPython | {' | '.join(workloads)} |", "|---|" + "---:|" * len(workloads)]
    for version in versions:
        medians = (humanize("ns", median(figures[version, workload])) for workload in workloads)
        lines.append(f"| {version} | {' | '.join(medians)} |")
    return lines


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    pythons = {version_of(python): python for python in options.pythons}
    figures = measure(pythons, options)
    print(f"{cpu_model()}, commit {commit()}, medians of {options.repeat}, per item\n")
    print(*table(list(pythons), options.workloads, figures), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
