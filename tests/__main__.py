"""Runs the tests in several processes, then by themselves those that measure the machine: ``python -m tests``.

What is given is passed on to pytest. With a choice (a path, ``-k``, ``-m``) all runs in one process, which starts
sooner. With ``--stall`` all but the tests that measure the machine run, in processes that are stopped again and again
(stalls.py). Processes rather than pytest-xdist: it keeps a thread in each, and beside a thread that might send a value,
no goroutine is in a deadlock.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from typing import IO

from tests.stalls import stalled

SHARDS = 2 * len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4
SUMMARY = re.compile(r"\d+ (passed|deselected).* in [\d.]+s")
AS_IT_SHOULD = re.compile(r"\S+::.* (PASSED|SKIPPED|XFAIL)\b.*%\]$")
NOTHING_TO_RUN = 5  # pytest's exit code
STALL = "--stall"
CHOICES = ("-k", "-m", "--lf", "--ff", "--co", "--pdb")


def is_choice(argument: str) -> bool:
    return argument.startswith(CHOICES) or os.path.exists(argument.partition("::")[0])


def pytest(*arguments: str) -> list[str]:
    return [sys.executable, *flags(), "-m", "pytest", *arguments]


def flags() -> list[str]:
    """Those this interpreter was given, such as -X dev."""
    return subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]


def main(arguments: list[str]) -> int:
    stall = STALL in arguments
    arguments = [argument for argument in arguments if argument != STALL]
    os.environ.setdefault("GOISH_SEED", str(random.SystemRandom().randrange(2**32)))
    if any(map(is_choice, arguments)):
        return run(arguments, stall)
    return run_shards(arguments, stall) or (0 if stall else run(["-m", "serial", *arguments], stall))


def run(arguments: list[str], stall: bool) -> int:
    """What is chosen, in one process."""
    process = subprocess.Popen(pytest("-q", *arguments), process_group=0 if stall else None)
    with stalled(process, os.environ["GOISH_SEED"]) if stall else contextlib.nullcontext():
        return process.wait()


def run_shards(arguments: list[str], stall: bool) -> int:
    """All but the serial tests, each in one of the processes; shows all that a failing one has printed."""
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(SHARDS)]
        shards = [start(output, i, arguments, stall) for i, output in enumerate(files, 1)]
        for i, (process, _) in enumerate(shards if stall else []):
            stack.enter_context(stalled(process, f"{os.environ['GOISH_SEED']} {i}"))
        codes = [show(*shard) for shard in shards]
    print(f"{SHARDS} processes: {time.monotonic() - began:.0f} s", flush=True)
    return max(codes)


def start(output: IO[bytes], i: int, arguments: list[str], stall: bool) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    command = pytest("-v", "-m", "not serial", f"--shard={i}/{SHARDS}", *arguments)
    group = 0 if stall else None  # of its own
    return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, process_group=group), output


def show(process: subprocess.Popen[bytes], output: IO[bytes]) -> int:
    """Waits for its end."""
    code = process.wait()
    output.seek(0)
    lines = output.read().decode(errors="replace").splitlines()
    if code in (0, NOTHING_TO_RUN):
        lines, code = [line for line in lines if SUMMARY.search(line)], 0
    lines = [line for line in lines if not AS_IT_SHOULD.match(line)]  # the test in which a process died is in sight
    if code < 0:
        lines.append(f"killed by {signal.Signals(-code).name}")
    print(*lines, sep="\n", flush=True)
    return abs(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
