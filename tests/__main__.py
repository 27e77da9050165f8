"""Runs the tests in several processes at once, then those that want the machine for themselves: ``python -m tests``.

What is given is passed on to pytest. With a choice (a path, ``-k``, ``-m``) all runs in one process, which starts sooner.
Processes rather than pytest-xdist: that keeps a thread in each, and beside a thread that might send, no goroutine is in a
deadlock.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time

SHARDS = 2 * (os.process_cpu_count() if sys.version_info >= (3, 13) else os.cpu_count() or 1)
NOTHING_TO_RUN = 5  # pytest's exit code
CHOICES = ("-k", "-m", "--lf", "--ff", "--co", "--pdb")


def is_choice(argument: str) -> bool:
    return argument.startswith(CHOICES) or os.path.exists(argument.partition("::")[0])


def pytest(*arguments: str) -> list[str]:
    return [sys.executable, *flags(), "-m", "pytest", "-q", *arguments]


def flags() -> list[str]:
    """Those this interpreter was given, such as -X dev."""
    return subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]


def main(arguments: list[str]) -> int:
    if any(map(is_choice, arguments)):
        return subprocess.call(pytest(*arguments))
    os.environ.setdefault("GOISH_SEED", str(random.SystemRandom().randrange(2**32)))
    return run_shards(arguments) or subprocess.call(pytest("-m", "serial", *arguments))


def run_shards(arguments: list[str]) -> int:
    """All but the serial tests, each in one of the processes; shows all that a failing one has printed."""
    began = time.monotonic()
    shards = []
    for i in range(SHARDS):
        output = tempfile.TemporaryFile("w+", errors="replace")
        command = pytest("-m", "not serial", f"--shard={i + 1}/{SHARDS}", *arguments)
        shards.append((subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT), output))
    failed = 0
    for process, output in shards:
        code = process.wait()
        output.seek(0)
        lines = output.read().splitlines()
        if code not in (0, NOTHING_TO_RUN):
            failed = code
            print(*lines, sep="\n", flush=True)
        elif lines:
            print(lines[-1], flush=True)
    print(f"{SHARDS} processes: {time.monotonic() - began:.0f} s", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
