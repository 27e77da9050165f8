# ruff: noqa: E501 - the core as it stands, and as it must not be
"""Planted mistakes: is each caught? A test that cannot fail says nothing.

    python -m tests.mutants [NAME...]      (make mutants)

Builds the core again and again, each time with one mistake in it, and runs random histories on real threads
(linearizability.py) until one is not linearizable or loses a value, somebody is not woken, or the process dies. Exits
with the number of those that were not caught. Some are mistakes only without the GIL, and are left out with it.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
SECONDS = 120.0  # for each; the sound core passes that long


class Mutant(NamedTuple):
    part: str
    right: str
    wrong: str
    without_gil: bool = False


MUTANTS = {
    "nothing": Mutant("transfer", "# ---- afterwards, without the lock ----", ""),
    "missing lock": Mutant(
        "handoff",
        "    goish_lock(&ch.lock)\n    happened = chan_take(ch, value, aside)\n"
        "    if op != NULL and happened == WOULD_BLOCK and not ch.flags & C_NIL:\n        waitq_push(&ch.receivers, <Op>op)\n"
        "    goish_unlock(&ch.lock)\n",
        "    happened = chan_take(ch, value, aside)\n"
        "    if op != NULL and happened == WOULD_BLOCK and not ch.flags & C_NIL:\n        waitq_push(&ch.receivers, <Op>op)\n",
        without_gil=True,
    ),
    "wake before write": Mutant(
        "transfer",
        "            Py_INCREF(<object>value)\n            value = value_unwrapped(ch, value)\n",
        "            op_wake(<Op>receiver)\n            Py_INCREF(<object>value)\n            value = value_unwrapped(ch, value)\n",
        without_gil=True,
    ),
    "double pop": Mutant(
        "ring",
        "    r.head = (r.head + 1) & (r.size - 1)\n    r.count -= 1\n    return item",
        "    if r.count > 1:\n        r.head = (r.head + 1) & (r.size - 1)\n    else:\n        Py_INCREF(<object>item)\n"
        "        Py_INCREF(<object>item)\n        return item\n    r.count -= 1\n    return item",
    ),
    "lost close wake": Mutant("handoff", "    last = claim_all(&ch.senders, last)\n", ""),
    "lost wake": Mutant(
        "transfer",
        "    sender = waitq_claim(&ch.senders)\n        if sender != NULL:\n            value[0] = value_unwrapped(ch, sent_value(sender))\n"
        "            aside.wake = op_to_wake(sender)\n",
        "    sender = waitq_claim(&ch.senders)\n        if sender != NULL:\n            value[0] = value_unwrapped(ch, sent_value(sender))\n",
    ),
    "send after close": Mutant(
        "transfer", "    if ch.closed:\n        return CLOSED\n    if ch.receivers", "    if ch.receivers"
    ),
    "closed before drained": Mutant(
        "transfer",
        "    if ch.buffer.count > 0:\n        value[0]",
        "    if ch.buffer.count > 0 and not ch.closed:\n        value[0]",
    ),
    "one too many": Mutant(
        "transfer", "    if ch.buffer.count < ch.capacity:\n", "    if ch.buffer.count <= ch.capacity:\n"
    ),
    "sender not moved up": Mutant(
        "transfer",
        "        if ch.senders.head != NULL:\n            sender = waitq_claim",
        "        if False:\n            sender = waitq_claim",
    ),
    "stale waiter": Mutant("select", "    linked = case.flags & F_LINKED\n", "    linked = False\n"),
    "select decided twice": Mutant(
        "waitq",
        "        if not goish_swap_state(&(<Op>owner).state, OP_WAITING, OP_DONE):\n            return False\n",
        "        (<Op>owner).state = OP_DONE\n",
        without_gil=True,  # with it, a thread prunes dead waiters and claims in one go; on one loop test_select_rules.py catches it
    ),
    "given up too late": Mutant(
        "handoff",
        "    if not op_unlink(op, &ch.senders, &ch.lock):\n        return False\n    value, op",
        "    op_unlink(op, &ch.senders, &ch.lock)\n    value, op",
    ),
    "queue forgotten": Mutant(
        "handoff",
        "not ch.flags & C_NIL:\n        waitq_push(&ch.receivers, <Op>op)\n",
        "not ch.flags & C_NIL and ch.receivers.head == NULL:\n        waitq_push(&ch.receivers, <Op>op)\n",
    ),
}


def part_of(mutant: Mutant, root: Path = ROOT) -> Path:
    return next((root / "goish" / "_runtime").glob(f"*/{mutant.part}.pyx"))


def mistaken(mutant: Mutant, text: str) -> str:
    """The part with the mistake in it."""
    assert text.count(mutant.right) == 1, f"{mutant.part}.pyx has changed: {mutant.right!r} is not there"
    return text.replace(mutant.right, mutant.wrong)


def plant(mutant: Mutant, where: Path) -> None:
    """A copy of the package with the mistake in it, built there."""
    shutil.copytree(ROOT / "goish", where / "goish", ignore=shutil.ignore_patterns("*.so", "core.c", "__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, where)
    part = part_of(mutant, where)
    part.write_text(mistaken(mutant, part.read_text()))
    build = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    subprocess.run(build, cwd=where, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def caught(where: Path) -> str | None:
    """How the mistake came to light; None if it did not."""
    environment = dict(os.environ, PYTHONPATH=f"{where}{os.pathsep}{ROOT / 'tests'}", GOISH_PATIENCE="5")
    search = [sys.executable, "-X", "faulthandler", __file__, "--search"]
    try:
        done = subprocess.run(search, env=environment, capture_output=True, text=True, timeout=SECONDS + 60)
    except subprocess.TimeoutExpired:
        return "it hangs"
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        return f"killed by signal {-done.returncode}"
    return done.stderr.strip().splitlines()[-1][:100]


def search() -> None:
    from linearizability import balance, histories, linearizable

    sys.setswitchinterval(1e-6)
    end = time.monotonic() + SECONDS
    rng = random.Random()
    while time.monotonic() < end:
        for history, capacities in histories(rng, 100):
            assert linearizable(history, capacities), f"not linearizable: {sorted(history)}"
            assert balance(history) == (0, 0), f"lost or doubled: {sorted(history)}"


def main(names: list[str]) -> int:
    survivors = 0
    for name, mutant in MUTANTS.items():
        if (names and name not in names) or (mutant.without_gil and not FREE_THREADED):
            continue
        with tempfile.TemporaryDirectory() as where:
            plant(mutant, Path(where))
            started = time.monotonic()
            how = caught(Path(where))
        survivors += (how is None) == (name != "nothing")
        took = time.monotonic() - started
        print(f"{name:24} {'passes' if how is None else f'caught after {took:.0f} s: {how}'}", flush=True)
    return survivors


if __name__ == "__main__":
    if sys.argv[1:] == ["--search"]:
        search()
    else:
        sys.exit(main(sys.argv[1:]))
