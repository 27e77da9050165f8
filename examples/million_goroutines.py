"""A million goroutines at once, beside a million tasks of asyncio.TaskGroup: the time and the memory that one takes.

The same program twice: start N, let each wait until all of them wait, wake them all, count them as they end. Each run
has a process of its own, so that neither finds memory that the other has left. Both use the same event loop (uvloop
where it is installed) and Python's default garbage collector settings.

    python examples/million_goroutines.py --goroutines 100_000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import goish

MOST = 10_000_000
UPDATES = 100  # of the progress bar, in each of the two phases
TITLES = {"goish": "goish goroutines", "asyncio": "asyncio.TaskGroup"}

Report = Callable[..., None]


# ── what is measured ──


async def run_goish(n: int, report: Report) -> None:
    gate = goish.Chan[None]()
    all_wait, all_done = goish.WaitGroup(), goish.WaitGroup()
    step = max(1, n // UPDATES)
    ended = 0

    async def goroutine() -> None:
        nonlocal ended
        all_wait.done()
        await gate.recv_ok()
        ended += 1
        if ended % step == 0:
            report(ended=ended)

    all_wait.add(n)
    with measured(report) as waiting:
        for i in range(n):
            all_done.go(goroutine)
            if i % step == 0:
                report(started=i)
        await all_wait.wait()
        waiting()
        gate.close()
        await all_done.wait()
    report(ended=ended)


async def run_asyncio(n: int, report: Report) -> None:
    gate, all_wait = asyncio.Event(), asyncio.Event()
    step = max(1, n // UPDATES)
    begun = ended = 0

    async def task() -> None:
        nonlocal begun, ended
        begun += 1
        if begun == n:
            all_wait.set()
        await gate.wait()
        ended += 1
        if ended % step == 0:
            report(ended=ended)

    with measured(report) as waiting:
        async with asyncio.TaskGroup() as group:
            for i in range(n):
                group.create_task(task())
                if i % step == 0:
                    report(started=i)
            await all_wait.wait()
            waiting()
            gate.set()
    report(ended=ended)


WORKLOADS: dict[str, Callable[[int, Report], Coroutine[Any, Any, None]]] = {"goish": run_goish, "asyncio": run_asyncio}


@contextmanager
def measured(report: Report) -> Iterator[Callable[[], None]]:
    """Times the block and reports the memory in use when it calls what it is given."""
    before = memory()
    start = perf_counter()
    yield lambda: report(bytes=memory() - before)
    report(seconds=perf_counter() - start)


def memory() -> int:
    """Bytes that this process holds now; where the system does not tell, the most it ever held."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


# ── a process for each ──


def child(library: str, n: int) -> None:
    """Run one workload and tell the parent about it, a JSON object a line."""
    main = WORKLOADS[library](n, tell)
    if library == "goish":
        goish.run(main)
    else:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(main)


def tell(**news: float) -> None:
    print(json.dumps(news), flush=True)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What goish.run takes too: uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def news_of(library: str, n: int) -> Iterator[dict[str, float]]:
    """Run one workload in a child process and yield what it tells."""
    command = [sys.executable, __file__, "--goroutines", str(n), "--only", library]
    # A session of its own: Ctrl-C comes to the parent alone, which ends the child.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                yield json.loads(line)
        except BaseException:
            process.kill()
            raise
    if process.returncode == -signal.SIGKILL:
        sys.exit(f"{TITLES[library]}: the system ended the process, most likely for want of memory; try fewer")
    if process.returncode != 0:
        sys.exit(f"{TITLES[library]}: the process failed with exit code {process.returncode}")


# ── what is shown ──


def run(library: str, n: int, show: Callable[[str, dict[str, float]], None]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for news in news_of(library, n):
        figures |= news
        show(library, news)
    if figures["ended"] != n:
        sys.exit(f"{TITLES[library]}: {n:,} were started and {figures['ended']:,.0f} ended")
    return figures


def run_plainly(n: int) -> dict[str, dict[str, float]]:
    """One line for each thing that happens."""

    def show(library: str, news: dict[str, float]) -> None:
        if "bytes" in news:
            print(f"{TITLES[library]}: {n:,} of them wait", flush=True)
        if "seconds" in news:
            print(f"{TITLES[library]}: all woken and counted, {news['seconds']:.2f} s", flush=True)

    return {library: run(library, n, show) for library in WORKLOADS}


def run_with_bars(n: int) -> dict[str, dict[str, float]]:
    """A progress bar for each library: half full when all of them wait, full when all have ended."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    name, doing = TextColumn("{task.description:<18}"), TextColumn("{task.fields[doing]:<28}")
    with Progress(name, BarColumn(), doing, TimeElapsedColumn()) as progress:
        bars = {key: progress.add_task(title, total=2 * n, doing="", start=False) for key, title in TITLES.items()}

        def show(library: str, news: dict[str, float]) -> None:
            bar = bars[library]
            if "started" in news:
                progress.start_task(bar)
                progress.update(bar, completed=news["started"], doing=f"{news['started']:,.0f} started")
            elif "bytes" in news:
                progress.update(bar, completed=n, doing=f"{n:,} wait")
            elif "ended" in news:
                progress.update(bar, completed=n + news["ended"], doing=f"{news['ended']:,.0f} woken and counted")

        return {library: run(library, n, show) for library in WORKLOADS}


HEADINGS = ("", "seconds", "ns each", "bytes each")


def table_rows(n: int, figures: dict[str, dict[str, float]]) -> list[tuple[str, ...]]:
    rows = [
        (TITLES[library], f"{f['seconds']:.2f}", f"{f['seconds'] / n * 1e9:,.0f}", f"{f['bytes'] / n:,.0f}")
        for library, f in figures.items()
    ]
    seconds, size = (ratio(figures["asyncio"][key], figures["goish"][key]) for key in ("seconds", "bytes"))
    return [*rows, ("asyncio / goish", seconds, seconds, size)]


def ratio(a: float, b: float) -> str:
    return f"{a / b:.1f}" if b else "-"


def print_plain_table(rows: list[tuple[str, ...]]) -> None:
    for name, *figures in (HEADINGS, *rows):
        print(f"{name:<18}", *(f"{figure:>12}" for figure in figures))


def print_rich_table(title: str, rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading else "left")
    for row in rows[:-1]:
        table.add_row(*row)
    table.add_section()
    table.add_row(*rows[-1])
    Console().print(table)


# ── the command ──


def count(text: str) -> int:
    try:
        n = int(text)
    except ValueError:
        n = 0
    if not 1 <= n <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MOST:_}")
    return n


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--goroutines",
        type=count,
        default=1_000_000,
        metavar="N",
        help=f"how many, from 1 to {MOST:_} (default: 1_000_000, which takes about 1.5 GB of memory)",
    )
    # How it calls itself: run this one and tell about it in JSON.
    parser.add_argument("--only", choices=WORKLOADS, help=argparse.SUPPRESS)
    return parser.parse_args()


def use_rich() -> bool:
    try:
        import rich  # noqa: F401
    except ImportError:
        return False
    return sys.stdout.isatty()


def main() -> None:
    arguments = parse_arguments()
    n: int = arguments.goroutines
    if arguments.only:
        child(arguments.only, n)
        return
    loop = "uvloop" if loop_factory() else "asyncio's own loop"
    title = f"{n:,} at the same time, Python {sys.version.split()[0]}, {loop}"
    if use_rich():
        print_rich_table(title, table_rows(n, run_with_bars(n)))
    else:
        figures = run_plainly(n)
        print(f"\n{title}")
        print_plain_table(table_rows(n, figures))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
