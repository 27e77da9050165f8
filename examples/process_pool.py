"""Outgrowing the GIL: the same loop on threads, then on processes. The program keeps its shape."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import goish
from goish import go_thread
from goish.parallel import AdoptedExecutor, Executor, adopt, parallel_map

RANGES = [range(start, start + 5_000) for start in range(0, 40_000, 5_000)]


def count_primes(numbers: range) -> tuple[int, int]:
    """How many, and the process that counted them."""
    count = sum(n > 1 and all(n % d for d in range(2, int(n**0.5) + 1)) for n in numbers)
    return count, os.getpid()


async def count(executor: Executor | AdoptedExecutor) -> bool:
    """The loop blocks its thread until all is done, so it has one of its own. Whether this process counted any."""
    counted = await go_thread(parallel_map, count_primes, RANGES, executor=executor)
    print(f"{sum(n for n, _ in counted)} primes")
    return any(process == os.getpid() for _, process in counted)


async def main() -> None:
    async with Executor(workers=2) as threads:
        assert await count(threads)
    pool = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    async with adopt(pool) as processes:
        assert not await count(processes)


if __name__ == "__main__":
    goish.run(main)
