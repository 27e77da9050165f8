"""The tests on every Python that goish supports: ``python -m tests.pythons [VERSION ...] [--builder COMMAND]``.

A version is "3.14", or "3.14t" without the GIL. Its interpreter is the one whose path the builder prints when it is
given the version, or else ``pythonVERSION`` on the PATH. All are looked for before the first is tested, and one that is
missing ends the command. Each gets an environment of its own, build/venv-VERSION, and ``make test``; last comes a table
of all.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.11", "3.12", "3.13", "3.14", "3.14t", "3.15", "3.15t")
COUNTS = re.compile(r"\b(\d+) (passed|failed|skipped|error)")
TELL = """if True:
    import sys, sysconfig
    print(f"{sys.version_info[0]}.{sys.version_info[1]}" + "t" * bool(sysconfig.get_config_var("Py_GIL_DISABLED")))
    print(sys.executable)"""


@dataclass
class Outcome:
    """What the tests on one Python came to."""

    version: str
    code: int
    counts: Counter[str]
    seconds: float

    def row(self) -> str:
        result = "passed" if self.code == 0 else "FAILED"
        numbers = " | ".join(str(self.counts[kind]) for kind in ("passed", "failed", "error", "skipped"))
        return f"| {self.version} | {result} | {numbers} | {self.seconds:.0f} |"


def found(version: str, builder: str | None) -> str | None:
    """The path of an interpreter of this version."""
    if builder is not None:
        built = subprocess.run([*shlex.split(builder), version], stdout=subprocess.PIPE, text=True, check=False)
        if built.returncode == 0:
            return own_path(built.stdout.strip(), version)
    return own_path(f"python{version}", version)


def own_path(interpreter: str, version: str) -> str | None:
    """Where an interpreter says that it is, if it is of this version."""
    chosen = {**os.environ, "PYENV_VERSION": version}  # what pyenv puts on the PATH runs a version only if it is named
    try:
        asked = subprocess.run([interpreter, "-c", TELL], env=chosen, capture_output=True, text=True, check=False)
    except OSError:
        return None
    told, _, path = asked.stdout.strip().partition("\n")
    return path if told == version else None


def tested(version: str, interpreter: str, arguments: str) -> Outcome:
    """Runs the tests, showing what they print."""
    print(f"\n== CPython {version}: {interpreter}", flush=True)
    command = ["make", "test", f"PY={interpreter}", f"VENV=build/venv-{version}"]
    counts: Counter[str] = Counter()
    began = time.monotonic()
    with subprocess.Popen([*command, f"ARGS={arguments}"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            if re.search(r" in \d[\d.]*s\b", line):
                counts.update({kind: int(number) for number, kind in COUNTS.findall(line)})
    return Outcome(version, process.returncode, counts, time.monotonic() - began)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.pythons", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("versions", nargs="*", default=VERSIONS, metavar="VERSION", help="default: all")
    parser.add_argument("--builder", help="command that prints the path of an interpreter, given its version")
    parser.add_argument("--tests", default="--slow", help='arguments for the tests (default: "--slow")')
    given = parser.parse_args(arguments)
    interpreters = {version: found(version, given.builder) for version in given.versions}
    if missing := [version for version, interpreter in interpreters.items() if interpreter is None]:
        print(f"no CPython {', '.join(missing)}: neither from the builder nor on the PATH", file=sys.stderr)
        return 1
    outcomes = [tested(version, interpreter or "", given.tests) for version, interpreter in interpreters.items()]
    print("\n| CPython | tests | passed | failed | errors | skipped | seconds |\n|---|---|---:|---:|---:|---:|---:|")
    print(*(outcome.row() for outcome in outcomes), sep="\n", flush=True)
    return max(outcome.code for outcome in outcomes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
