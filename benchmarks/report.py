"""The report: results.json with every figure, results.md with the tables, results.svg with the picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.measure import Result
from benchmarks.rivals import RIVALS
from benchmarks.workloads import WORKLOADS, Workload

_NANOSECONDS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))
_BYTES = ((2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))


@dataclass
class Cell:
    """What one rival did in one workload."""

    workload: str
    rival: str
    n: int
    runs: list[Result] = field(default_factory=list)  # in order of repetition

    def median(self, metric: str) -> float:
        return median(run[metric] for run in self.runs)

    def best(self, metric: str) -> float:
        best = max if metric == "rate" else min
        return best(run[metric] for run in self.runs)


@dataclass
class Conditions:
    """Under which the figures were obtained."""

    cpu: str
    cores: int
    system: str
    python: str
    versions: dict[str, str]
    commit: str
    date: str
    command: str
    load: float  # the system's load average when the run began: above 0.5 or so the machine was not ours
    repeat: int
    scale: float


@dataclass
class Report:
    conditions: Conditions
    cells: list[Cell]
    notes: list[str]


@dataclass(frozen=True)
class Row:
    """One metric of one workload, over all rivals."""

    workload: Workload
    metric: str
    cells: dict[str, Cell]

    @property
    def title(self) -> str:
        if self.metric in ("ns", "bytes"):
            return self.workload.name
        return f"{self.workload.name} {self.metric.removesuffix('_ns')}"

    @property
    def n(self) -> int:
        return max(cell.n for cell in self.cells.values())

    def cost(self, cell: Cell) -> float:
        """Less is better; for a rate, the time that it gives each item."""
        figure = cell.median(self.metric)
        return 1e9 / figure if self.metric == "rate" else figure

    def best_peer(self) -> Cell | None:
        peers = [cell for name, cell in self.cells.items() if name != "goish"]
        return min(peers, key=self.cost, default=None)


def humanize(metric: str, figure: float) -> str:
    """Three significant digits and a unit that keeps them readable: ``4.63 µs``."""
    if metric == "rate":
        return f"{figure:,.0f}/s"
    if metric == "growth":
        return f"{figure:+.1%}"
    units = _BYTES if metric == "bytes" else _NANOSECONDS
    size, unit = next((pair for pair in units if abs(figure) >= pair[0]), units[-1])
    scaled = figure / size
    return f"{scaled:,.{2 if scaled < 10 else 1 if scaled < 100 else 0}f} {unit}"


def rows(cells: list[Cell]) -> Iterator[Row]:
    for workload in WORKLOADS.values():
        mine = {cell.rival: cell for cell in cells if cell.workload == workload.name}
        if mine:
            yield from (Row(workload, metric, mine) for metric in workload.metrics)


def _cell(row: Row, rival: str) -> str:
    cell = row.cells.get(rival)
    if cell is None:
        return ""
    smaller = "" if cell.n == row.n else f"<br>n = {cell.n:,}"
    middle, best = (humanize(row.metric, figure) for figure in (cell.median(row.metric), cell.best(row.metric)))
    return f"{middle} ({best}){smaller}"


def _ratio(row: Row) -> str:
    mine, peer = row.cells.get("goish"), row.best_peer()
    if mine is None or peer is None:
        return ""
    return f"{row.cost(peer) / row.cost(mine):.3g}x {peer.rival}"


def _table(title: str, some: list[Row]) -> list[str]:
    if not some:
        return []
    rivals = [name for name in RIVALS if any(name in row.cells for row in some)]
    lines = [f"## {title}", ""]
    lines.append(f"| workload | n | per | {' | '.join(rivals)} | goish vs best peer |")
    lines.append("|---|---:|---|" + "---:|" * len(rivals) + "---|")
    for row in some:
        figures = " | ".join(_cell(row, rival) for rival in rivals)
        lines.append(f"| {row.title} | {row.n:,} | {row.workload.unit} | {figures} | {_ratio(row)} |")
    return [*lines, ""]


def markdown(report: Report) -> str:
    under = report.conditions
    every = list(rows(report.cells))
    libraries = ", ".join(f"{name} {version}" for name, version in under.versions.items())
    lines = [
        "# Benchmark results",
        "",
        f"* {under.cpu}, {under.cores} cores, {under.system}",
        f"* {under.python}; {libraries}",
        f"* commit {under.commit}, {under.date}",
        f"* `{under.command}`, begun at a load of {under.load:.1f}",
        "",
        f"Median (and best) per item over {under.repeat} runs.  In the last column, 3x means that the best peer needs",
        "three times what goish needs.",
        "",
    ]
    for part in dict.fromkeys(row.workload.part for row in every):
        lines += _table(part, [row for row in every if row.workload.part == part and row.metric != "bytes"])
    lines += _table("Memory", [row for row in every if row.metric == "bytes"])
    if report.notes:
        lines += ["## Notes", "", *(f"* {note}" for note in report.notes), ""]
    return "\n".join(lines)


def plot(report: Report, path: Path) -> None:
    """Draw one line per workload and one dot per rival, on a logarithmic scale."""
    from matplotlib.figure import Figure  # not needed to measure

    times = [row for row in rows(report.cells) if row.metric not in ("bytes", "rate")]
    figure = Figure(figsize=(9, 1.2 + 0.32 * len(times)), layout="constrained")
    axes = figure.add_subplot()
    for rival in RIVALS:
        points = [
            (row.cells[rival].median(row.metric), height) for height, row in enumerate(times) if rival in row.cells
        ]
        if points:
            marker, size = ("D", 55) if rival == "goish" else ("o", 28)
            figures, heights = zip(*points, strict=True)
            axes.scatter(figures, heights, label=rival, marker=marker, s=size, zorder=3)
    axes.set_xscale("log")
    axes.set_xlabel("nanoseconds per item (less is better)")
    axes.set_yticks(range(len(times)), [row.title for row in times])
    axes.invert_yaxis()
    axes.grid(color="0.9", zorder=0)
    axes.set_axisbelow(True)
    under = report.conditions
    axes.set_title(f"{under.cpu}, {under.cores} cores, {under.python}, commit {under.commit}", fontsize="small")
    figure.legend(loc="outside lower center", ncols=len(RIVALS), fontsize="small", frameon=False)
    figure.savefig(path)


def write(report: Report, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    try:
        plot(report, directory / "results.svg")
    except ImportError:
        report.notes.append("no picture: matplotlib not installed")
    (directory / "results.json").write_text(json.dumps(asdict(report), indent=1) + "\n")
    (directory / "results.md").write_text(markdown(report))
