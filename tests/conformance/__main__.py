"""python -m tests.conformance [SUITE ...]: suites that others wrote, first on stock loops, then with goroutines.

A suite is "cpython" (all modules of CPython's that are listed in suites.py), one of those modules, a library of
suites.py, such as anyio, or "autobahn" (WebSockets; the control is uvicorn). Without any, all run. Prints a Markdown
table. Exit code 1: a test fails with goroutines only, does so again in a second and third run, and is not among the
expected ones (suites.py).

All that is needed comes into build/conformance/: a venv with the dependency group "conformance", the source archives
of the libraries at the versions in that venv, the records of the runs. goish is the one of the Python that runs this.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from .needed import HERE, OWN, PYTHON, VENV, Skipped, find_autobahn, folder_of, link_goish, make_venv
from .servers import SERVERS, MissingServer
from .suites import CPYTHON, EXPECTED, LIBRARIES, Library

RUNS = ("control", "goish")


@dataclass
class Tests:
    """What a run of a suite came to."""

    outcomes: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    goroutines: int = 0

    @property
    def failed(self) -> set[str]:
        return {test for test, outcome in self.outcomes.items() if outcome in ("failed", "started")}

    @property
    def run(self) -> int:
        return sum(outcome != "skipped" for outcome in self.outcomes.values())


@dataclass(frozen=True)
class Job:
    """A suite on a kind of loop: a row of the table."""

    suite: str
    loop: str
    command: tuple[str, ...]  # "RUN" in it stands for control or goish
    library: Library | None = None


@dataclass(frozen=True)
class Place:
    """Where a suite runs."""

    folder: Path
    server: dict[str, str]  # variables that tell it where its server is


# ---- running ----


def run(job: Job, kind: str, place: Place, only: set[str] | None = None) -> Tests:  # only: in a second or third run
    """Runs the tests of a suite; a process that dies in one of them is followed by one for the tests after it."""
    records = OWN / "records"
    records.mkdir(parents=True, exist_ok=True)
    base = records / f"{job.suite}-{job.loop}-{kind}{'-again' if only else ''}"
    record, skip, chosen, output = (base.with_name(f"{base.name}.{end}") for end in ("jsonl", "skip", "only", "out"))
    record.write_text("")
    output.write_text("")
    chosen.write_text("\n".join(sorted(only or ())))
    tests = Tests()
    for _ in range(10):
        skip.write_text("\n".join(tests.outcomes))
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(HERE), str(link_goish()))),
            **place.server,
            "CONFORMANCE_RUN": kind,
            "CONFORMANCE_LOOP": "uvloop" if job.loop == "uvloop" else "selector",
            "CONFORMANCE_RECORD": str(record),
            "CONFORMANCE_LIMIT": str(ARGS.limit),
            "CONFORMANCE_SKIP": str(skip),
            "CONFORMANCE_ONLY": str(chosen),
        }
        args = [kind if a == "RUN" else a.format(**place.server) for a in job.command]
        with output.open("a") as out:
            try:
                subprocess.run(args, cwd=place.folder, env=environment, stdin=subprocess.DEVNULL, stdout=out,
                               stderr=subprocess.STDOUT, timeout=ARGS.timeout, check=False)  # fmt: skip
            except subprocess.TimeoutExpired:
                out.write("\nended by the timeout\n")
        if read(record, tests):
            break
    else:
        tests.outcomes[f"{job.suite} as a whole"] = "failed"
        tests.why[f"{job.suite} as a whole"] = f"its processes do not come to their end, see {output.name}"
    return tests


def read(record: Path, tests: Tests) -> bool:
    """Whether the process came to its end."""
    ended = False
    for line in record.read_text().splitlines():
        what = json.loads(line)
        ended = "goroutines" in what
        if ended:
            tests.goroutines = what["goroutines"]
        else:
            tests.outcomes[what["test"]] = what["outcome"]
            tests.why[what["test"]] = what.get("why", "the process died in it")
    return ended


def compare(job: Job) -> tuple[str, list[str]]:
    """A row of the table, and a line for every failure that is goish's alone."""
    if job.suite == "autobahn":
        return compared(job, Place(OWN, find_autobahn()))
    folder = OWN if job.library is None else folder_of(job.library)
    if job.library is None or job.library.server is None:
        return compared(job, Place(folder, {}))
    try:
        with SERVERS[job.library.server]() as where:
            return compared(job, Place(folder, where))
    except MissingServer as missing:
        raise Skipped(str(missing)) from None


def compared(job: Job, place: Place) -> tuple[str, list[str]]:
    control, ours = (run(job, kind, place) for kind in RUNS)
    alone = again = ours.failed - control.failed
    for _ in range(2):
        again = again - {test for test in again if expected(test, ours)}
        if again:
            again = (again & run(job, "goish", place, again).failed) - run(job, "control", place, again).failed
    lines = [] if ours.run else ["nothing was run (GOISH ALONE)"]
    for test in sorted(alone):
        short, reason = test.rpartition("/")[2].replace("test.test_asyncio.", ""), expected(test, ours)
        verdict = f"expected: {reason}" if reason else "GOISH ALONE" if test in again else "unsteady"
        lines.append(f"`{short}` ({verdict})")
        print(
            f"{job.suite} {job.loop}: {short}: {verdict}\n    {' '.join(ours.why.get(test, '').split())}",
            file=sys.stderr,
        )
    return (
        f"| {job.suite} | {job.loop} | {ours.run} | {len(control.failed)} | {len(ours.failed)} | "
        f"{'<br>'.join(lines) or 'none'} | {ours.goroutines} |",
        [line for line in lines if "GOISH ALONE" in line],
    )


def expected(test: str, tests: Tests) -> str | None:
    what = f"{test}: {tests.why.get(test, '')}"
    return next((reason for pattern, reason in EXPECTED.items() if fnmatch(what, pattern)), None)


# ---- the command ----


def jobs(wanted: Sequence[str], loops: Sequence[str]) -> Iterator[Job]:
    every = not wanted
    for module in CPYTHON:
        if every or "cpython" in wanted or module in wanted:
            if module == "test_eager_task_factory" and sys.version_info < (3, 12):
                continue
            for loop in loops:
                child = (str(VENV), str(HERE / "cpython_child.py"), module, loop, "RUN")
                yield Job(module, loop, child)
    for library in LIBRARIES:
        if every or library.name in wanted:
            options = ("-q", "-p", "pytest_loops", "-p", "no:cacheprovider", "--tb=short", "--rootdir", ".")
            config = ("-c", os.devnull) if library.no_config else ()
            child = (str(VENV), "-m", "pytest", *options, *config, *library.options)
            yield Job(library.name, library.loops, child, library)
    if every or "autobahn" in wanted:
        yield Job("autobahn", "uvloop", (str(VENV), str(HERE / "autobahn_child.py"), "RUN"))


def main() -> int:
    known = {"cpython", *CPYTHON, *(s.name for s in LIBRARIES), "autobahn"}
    if unknown := set(ARGS.suites) - known:
        sys.exit(f"no such suite: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    wanted = list(jobs(ARGS.suites, ARGS.loops))
    make_venv(libraries=any(job.library is not None or job.suite == "autobahn" for job in wanted))
    print(f"CPython {sys.version.split()[0]}{' free-threaded' if PYTHON.endswith('t') else ''}\n")
    print("| suite | loop | run | control fails | goish fails | goish alone | goroutines |")
    print("|---|---|---:|---:|---:|---|---:|", flush=True)
    bad = []
    for job in wanted:
        try:
            row, alone = compare(job)
        except Skipped as why:
            row, alone = f"| {job.suite} | {job.loop} | skipped: {why} | | | | |", []
        print(row, flush=True)
        bad += alone
    return 1 if bad else 0


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("suites", nargs="*", metavar="SUITE")
    parser.add_argument("--loops", nargs="+", choices=("selector", "uvloop"), default=("selector", "uvloop"),
                        help="the loops for CPython's modules")  # fmt: skip
    parser.add_argument("--limit", type=float, default=20, help="seconds for one test (default: 20)")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one process (default: 900)")
    return parser.parse_args()


ARGS = parsed()
sys.exit(main())
