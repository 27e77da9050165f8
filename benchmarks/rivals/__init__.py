"""Who competes.  Each rival has a module here that maps the workloads it can do to functions ``(n) -> figures``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec

from benchmarks.compiled import tool


def absent(packages: Iterable[str]) -> str | None:
    """Which of ``packages`` are not installed, in words, or None."""
    names = [package for package in packages if find_spec(package) is None]
    return f"{', '.join(names)} not installed" if names else None


@dataclass(frozen=True)
class Rival:
    """One column of the table.

    ``share`` is the part of a workload's size this rival is given, where all of it would take minutes or gigabytes;
    "" stands for the workloads not named.
    """

    name: str
    module: str
    packages: tuple[str, ...] = ()
    python: tuple[int, int] = (3, 0)
    command: str = ""  # what builds it
    share: Mapping[str, float] = field(default_factory=dict)

    def missing(self) -> str | None:
        """Why this rival cannot compete here, or None."""
        if sys.version_info < self.python:
            return f"needs Python {self.python[0]}.{self.python[1]}"
        if self.command and tool(self.command) is None:
            return f"{self.command} not installed"
        return absent(self.packages)

    def fraction(self, workload: str) -> float:
        return self.share.get(workload, self.share.get("", 1.0))


_QUADRATIC_CANCEL = {"cancel_newest": 0.1, "cancel_random": 0.1}
# These are about how many there are, so everybody gets all of them that it can bear.
_CROWDS = dict.fromkeys(("channels", "fanin_1k", "fanin_10k", "fanin_100k", "fanin_1m", "sleepers"), 1.0)
_CANCEL_SCOPES = {"cancel_newest": 1.0, "cancel_random": 1.0}
_SLOW = {"": 0.1, "sieve": 0.5, **_CROWDS}
_SLOW_LOCKS = {"errgroup": 1.0, "context_goroutines": 1.0}
_GREENLETS = {"spawn_join": 0.1, "parked": 0.1, "ring": 0.1, "sieve": 0.5, "skynet": 0.1, **_QUADRATIC_CANCEL}

_TABLE = (
    Rival("goish", "goish_", ("goish",)),
    Rival("asyncio", "asyncio_", share=_QUADRATIC_CANCEL),
    Rival("uvloop", "uvloop_", ("uvloop",), share=_QUADRATIC_CANCEL),
    Rival("eager", "eager_", ("uvloop",), python=(3, 12), share=_QUADRATIC_CANCEL),
    Rival("anyio", "anyio_", ("anyio", "uvloop"), share=_SLOW | _CANCEL_SCOPES | _SLOW_LOCKS),
    Rival("trio", "trio_", ("trio",), share=_SLOW | _CANCEL_SCOPES | _SLOW_LOCKS),
    Rival("gevent", "gevent_", ("gevent",), share=_GREENLETS),
    Rival("aiochan", "aiochan_", ("aiochan", "uvloop"), share=_SLOW | {"select_100": 0.02, "select_100_fresh": 0.02}),
    Rival("janus", "janus_", ("janus", "uvloop"), share=_SLOW),
    Rival("aiologic", "aiologic_", ("aiologic", "uvloop"), share=_SLOW),
    Rival("threading", "threading_"),
    Rival("go_1", "go_1_", command="go"),
    Rival("go", "go_", command="go"),
    Rival("tokio_1", "tokio_1_", command="cargo"),
    Rival("tokio", "tokio_", command="cargo"),
)

RIVALS = {rival.name: rival for rival in _TABLE}
