"""A worker pool: a few goroutines take jobs from one channel and put results into another, closed after the last."""

import goish
from goish import Chan, RecvChan, SendChan, WaitGroup, go

WORKERS = 3
JOBS = 9


async def worker(name: int, jobs: RecvChan[int], results: SendChan[tuple[int, int, int]]) -> None:
    async for job in jobs:
        await goish.sleep(0.01)  # the work: a request, a query
        await results.send((job, name, job * job))


async def feed(jobs: SendChan[int]) -> None:
    for job in range(1, JOBS + 1):
        await jobs.send(job)
    jobs.close()


async def close_when_done(workers: WaitGroup, results: SendChan[tuple[int, int, int]]) -> None:
    await workers.wait()
    results.close()


async def main() -> None:
    jobs, results = Chan[int](), Chan[tuple[int, int, int]]()
    workers = WaitGroup()
    for name in range(WORKERS):
        workers.go(worker, name, jobs.receiver, results.sender)
    go(feed, jobs.sender)
    go(close_when_done, workers, results.sender)

    finished = sorted([result async for result in results])
    for job, _, square in finished:
        print(f"job {job}: {square}")
    print(f"{len({name for _, name, _ in finished})} workers took part")


if __name__ == "__main__":
    goish.run(main)
