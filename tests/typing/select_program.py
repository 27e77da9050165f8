"""The README's program with select, with types: checked by mypy and pyright, never run.

tests/product/test_stub.py sees to it that it is the README's but for the annotations.
"""

import goish
from goish import Chan, after, chan, go, select


async def worker(name: str, jobs: Chan[str], results: Chan[str]) -> None:
    async for job in jobs:
        await goish.sleep(0.01)
        await results.send(f"{name} did {job}")


async def main() -> None:
    jobs: Chan[str]
    results: Chan[str]
    done: list[str]
    jobs, results = chan(), chan(8)
    for name in ("ann", "bob"):
        go(worker, name, jobs, results)
    todo, done = ["the dishes", "the beds", "the laundry"], []
    while len(done) < 3:
        hand_out = jobs.send(todo[0]) if todo else None
        match await select(results.recv(), hand_out, after(1.0).recv()):
            case 0, result, _:
                done.append(result)
            case 1, _, _:
                del todo[0]
            case 2, _, _:
                raise TimeoutError
    print(*done, sep="\n")


goish.run(main)
