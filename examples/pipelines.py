"""Go's "Pipelines and cancellation", first part: squares, fan-out, fan-in, an early end. By hand, then by streams.

By hand, as on go.dev/blog/pipelines: each stage closes its output, and ``done`` tells the stages that nobody listens.
"""

import goish
from goish import Chan, RecvChan, SendChan, WaitGroup, go, select, streams


async def generate(numbers: list[int], out: SendChan[int], done: RecvChan[None]) -> None:
    for n in numbers:
        if (await select(out.send(n), done.recv()))[0] == 1:
            break
    out.close()


async def square(source: RecvChan[int], out: SendChan[int], done: RecvChan[None]) -> None:
    async for n in source:
        if (await select(out.send(n * n), done.recv()))[0] == 1:
            break
    out.close()


async def forward(source: RecvChan[int], out: SendChan[int], done: RecvChan[None]) -> None:
    async for n in source:
        if (await select(out.send(n), done.recv()))[0] == 1:
            return


async def merge(sources: list[RecvChan[int]], out: SendChan[int], done: RecvChan[None]) -> None:
    senders = WaitGroup()
    for source in sources:
        senders.go(forward, source, out, done)
    await senders.wait()
    out.close()


async def by_hand() -> None:
    done = Chan[None]()
    numbers, merged = Chan[int](), Chan[int]()
    squares = [Chan[int](), Chan[int]()]
    go(generate, [2, 3, 4], numbers, done)
    for out in squares:  # two goroutines share the work
        go(square, numbers, out, done)
    go(merge, [out.receiver for out in squares], merged, done)
    print("by hand:", await merged.recv() in (4, 9))
    done.close()  # nobody receives the others
    while goish.num_goroutine() > 1:
        await goish.gosched()


async def with_streams() -> None:
    async def square(n: int) -> int:
        return n * n

    stage = streams.stage(square, workers=2, ordered=False)
    async with streams.pipeline([2, 3, 4], stage) as squares:
        print("streams:", await anext(squares) in (4, 9))


async def main() -> None:
    for program in (by_hand, with_streams):
        await program()
        print(goish.num_goroutine(), "goroutine is left")


if __name__ == "__main__":
    goish.run(main)
