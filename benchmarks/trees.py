"""Trees of tasks: programs of asyncio that know nothing of goish, run as they are by all who can run such programs.

The shape is that of pyperformance's async_tree benchmarks: every node starts six, six levels deep, and waits for them.
What differs is what the leaves do, and whether `gather` or a `TaskGroup` waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from math import factorial
from random import Random
from time import perf_counter
from typing import TypeAlias

from benchmarks.measure import AsyncWorkload, Result, since
from benchmarks.workloads import (
    TREE_BRANCHES,
    TREE_CPU_SHARE,
    TREE_FACTORIAL,
    TREE_HIT_SHARE,
    TREE_IO_SECONDS,
    TREE_LEVELS,
    TREE_TASKS,
)

Leaf: TypeAlias = Callable[[], Awaitable[None]]
Grow: TypeAlias = Callable[["Tree", int], Awaitable[None]]


async def none() -> None:
    pass


async def io() -> None:
    await asyncio.sleep(TREE_IO_SECONDS)


def memoization() -> Leaf:
    """Look something up that is there nine times of ten; what is not takes the time of `io`."""
    known = 0
    cache = {known: known}
    fresh = count(known + 1)
    chance = Random(TREE_TASKS).random

    async def leaf() -> None:
        key = known if chance() < TREE_HIT_SHARE else next(fresh)
        if key not in cache:
            await io()
            cache[key] = key

    return leaf


def cpu_io() -> Leaf:
    """Compute, or do what `io` does: each in half of the leaves."""
    chance = Random(TREE_TASKS).random

    async def leaf() -> None:
        if chance() < TREE_CPU_SHARE:
            factorial(TREE_FACTORIAL)
        else:
            await io()

    return leaf


class Tree:
    def __init__(self, leaf: Leaf) -> None:
        self._leaf = leaf
        self.leaves = 0

    async def gather(self, level: int) -> None:
        if level == 0:
            self.leaves += 1
            return await self._leaf()
        await asyncio.gather(*[self.gather(level - 1) for _ in range(TREE_BRANCHES)])

    async def taskgroup(self, level: int) -> None:
        if level == 0:
            self.leaves += 1
            return await self._leaf()
        async with asyncio.TaskGroup() as group:
            for _ in range(TREE_BRANCHES):
                group.create_task(self.taskgroup(level - 1))


async def trees(make_leaf: Callable[[], Leaf], grow: Grow, n: int) -> Result:
    """As many trees as have about ``n`` tasks, one after the other."""
    rounds = max(1, round(n / TREE_TASKS))
    tree = Tree(make_leaf())
    start = perf_counter()
    for _ in range(rounds):
        await grow(tree, TREE_LEVELS)
    result = since(start, rounds * TREE_TASKS)
    assert tree.leaves == rounds * TREE_BRANCHES**TREE_LEVELS
    return result


COROUTINES: dict[str, AsyncWorkload] = {
    "tree_none": partial(trees, lambda: none, Tree.gather),
    "tree_none_taskgroup": partial(trees, lambda: none, Tree.taskgroup),
    "tree_io": partial(trees, lambda: io, Tree.gather),
    "tree_io_taskgroup": partial(trees, lambda: io, Tree.taskgroup),
    "tree_memoization": partial(trees, memoization, Tree.gather),
    "tree_cpu_io": partial(trees, cpu_io, Tree.gather),
}
