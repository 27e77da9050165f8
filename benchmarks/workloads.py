"""What is measured: the named workloads, their sizes, and the shape that all rivals must give them.

The rivals' code is in rivals/, one file each; README.md says in words what each workload does.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

MPMC_PAIRS = 16
MPMC_BUFFER = 128
FANIN_BUFFER = 8
FANIN_ITEMS = 20_000  # a small fan-in is repeated until it has moved about as many, or a timer tick would show
RING_NODES = 1_000
SKYNET_CHILDREN = 10
NAP_SECONDS = (1.0, 2.0)
SPIN_SECONDS = 3.0  # a spinner that starves the loop must end some time
TREE_LEVELS = 6
TREE_BRANCHES = 6
TREE_TASKS = sum(TREE_BRANCHES**level for level in range(1, TREE_LEVELS + 1))  # the root is no task
TREE_IO_SECONDS = 0.05
TREE_HIT_SHARE = 0.9
TREE_CPU_SHARE = 0.5
TREE_FACTORIAL = 500
TCP_CHUNK = 4096
HTTP_CLIENTS = 64
HANDOFF_PARTIES = 16
WRITER_SHARE = 10  # one lock in so many is a writer's
PERMITS = 4
GROUP_LIMIT = 100
CONTEXT_DEPTH = 10  # with the leaves
SHORT_NAP_SECONDS = (0.0, 1.0)
SUBSCRIBERS = 1_000
SUBSCRIBER_BUFFER = 16
FLIGHT_CALLERS = 100

PRIMITIVES = "Goroutines, channels, select"
LOCKS = "Locks, groups, timers"
PROGRAMS = "Programs of asyncio, unchanged"
PARTS = {"channels": PRIMITIVES, "sync": LOCKS, "programs": PROGRAMS}  # what --only calls them


@dataclass(frozen=True)
class Workload:
    """One row of the table, or two: ``n`` items of ``unit``, and what is reported of each."""

    name: str
    n: int
    unit: str
    metrics: tuple[str, ...] = ("ns",)  # the suffix is the unit: "ns", "cpu_ns", "bytes"; "rate" is items per second
    least: int = 1  # --scale stops here: below it the shape is another one, or the clock too coarse
    part: str = PRIMITIVES  # of the report
    packages: tuple[str, ...] = ()  # what it needs, whoever runs it

    def size(self, fraction: float) -> int:
        return max(self.least, round(self.n * fraction))


def _tree(name: str) -> Workload:
    return Workload(name, 5 * TREE_TASKS, "task", least=TREE_TASKS, part=PROGRAMS)


def _http(name: str, *packages: str) -> Workload:
    metrics = ("rate", "cpu_ns", "p50_ns", "p99_ns")
    return Workload(name, 30_000, "request", metrics, least=1_000, part=PROGRAMS, packages=("uvloop", *packages))


def _locks(name: str, n: int, unit: str, metrics: tuple[str, ...] = ("ns",), least: int = 1) -> Workload:
    return Workload(name, n, unit, metrics, least, LOCKS)


_TABLE = (
    Workload("spawn_join", 1_000_000, "goroutine"),
    Workload("parked", 1_000_000, "goroutine", ("ns", "bytes")),
    Workload("pingpong", 500_000, "round trip"),
    Workload("prodcons_0", 1_000_000, "value"),
    Workload("prodcons_1", 1_000_000, "value"),
    Workload("prodcons_1024", 1_000_000, "value"),
    Workload("prodcons_unbounded", 1_000_000, "value"),
    Workload("mpmc", 1_000_000, "value", least=MPMC_PAIRS),
    Workload("channels", 100_000, "channel", ("ns", "bytes")),
    Workload("fanin_1k", 1_000, "value", ("ns", "drain_ns"), least=1_000),
    Workload("fanin_10k", 10_000, "value", ("ns", "drain_ns"), least=1_000),
    Workload("fanin_100k", 100_000, "value", ("ns", "drain_ns"), least=1_000),
    Workload("fanin_1m", 1_000_000, "value", ("ns", "drain_ns"), least=1_000),
    Workload("cancel_newest", 100_000, "cancel"),
    Workload("cancel_random", 100_000, "cancel"),
    Workload("select_4", 500_000, "select"),
    Workload("select_4_fresh", 500_000, "select"),
    Workload("select_100", 200_000, "select"),
    Workload("select_100_fresh", 200_000, "select"),
    Workload("ring", 1_000_000, "hop", least=RING_NODES),
    Workload("sieve", 1_000, "hop", least=10),
    Workload("skynet", 1_000_000, "leaf"),
    Workload("sleepers", 100_000, "goroutine", ("cpu_ns",)),
    Workload("fairness", 1_000, "echo", ("p50_ns", "p99_ns", "spin_ns"), least=200),
    _locks("mutex", 1_000_000, "lock"),
    _locks("mutex_handoff", 500_000, "lock", least=HANDOFF_PARTIES),
    _locks("mutex_threads", 100_000, "lock", least=2),
    _locks("rwmutex", 500_000, "lock", least=HANDOFF_PARTIES),
    _locks("cond", 200_000, "turn", least=2),
    _locks("cond_threads", 20_000, "turn", least=2),
    _locks("semaphore", 1_000_000, "permit"),
    _locks("semaphore_handoff", 500_000, "permit", least=HANDOFF_PARTIES),
    _locks("semaphore_threads", 20_000, "permit", least=2),
    _locks("errgroup", 100_000, "member"),
    _locks("context_leaves", 100_000, "leaf", ("ns", "make_ns")),
    _locks("context_goroutines", 100_000, "goroutine"),
    _locks("sleepers_1m", 1_000_000, "goroutine", ("cpu_ns",)),
    _locks("broadcast", 1_000_000, "value", least=SUBSCRIBERS),
    _locks("singleflight", 200_000, "call", least=FLIGHT_CALLERS),
    _tree("tree_none"),
    _tree("tree_none_taskgroup"),
    _tree("tree_io"),
    _tree("tree_io_taskgroup"),
    _tree("tree_memoization"),
    _tree("tree_cpu_io"),
    Workload("tcp_streams", 50_000, "chunk", part=PROGRAMS),
    _http("http_starlette", "starlette", "uvicorn", "httptools"),
    _http("http_aiohttp", "aiohttp"),
)

WORKLOADS = {workload.name: workload for workload in _TABLE}


def fanin_rounds(senders: int) -> int:
    return max(1, FANIN_ITEMS // senders)


def cancel_order(name: str, n: int) -> list[int]:
    """The order in which the ``n`` parked senders are cancelled: a permutation of 0..n-1, 0 being the oldest."""
    order = list(reversed(range(n)))
    if name == "random":
        random.Random(n).shuffle(order)
    return order


def picks(width: int, n: int) -> list[int]:
    """To which of ``width`` channels the producer of a select workload sends, ``n`` times."""
    return random.Random(width).choices(range(width), k=n)


def naps(n: int, between: tuple[float, float] = NAP_SECONDS) -> list[float]:
    """How long each sleeper sleeps; all differ, so that no rival gains by sharing a timer."""
    generator = random.Random(n)
    return [generator.uniform(*between) for _ in range(n)]


def short_naps(n: int) -> list[float]:
    return naps(n, SHORT_NAP_SECONDS)


def skynet_leaves(n: int) -> int:
    """The greatest full tree with at most ``n`` leaves."""
    leaves = 1
    while leaves * SKYNET_CHILDREN <= n:
        leaves *= SKYNET_CHILDREN
    return leaves


def sieve_hops(last_prime: int) -> int:
    """How many sends it takes until the sieve has let ``last_prime`` through.

    A candidate goes to as many filters as its smallest prime factor has primes up to it, itself included.
    """
    primes: list[int] = []
    hops = 0
    for candidate in range(2, last_prime + 1):
        for rank, prime in enumerate(primes, 1):
            if candidate % prime == 0:
                hops += rank
                break
            if prime * prime > candidate:
                primes.append(candidate)
                hops += len(primes)
                break
        else:
            primes.append(candidate)
            hops += len(primes)
    return hops
