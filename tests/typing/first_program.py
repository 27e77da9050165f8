"""The README's first program, with types: checked by mypy and pyright, never run.

tests/product/test_stub.py sees to it that it is the README's but for the annotations.
"""

import goish
from goish import Chan, RecvChan, SendChan, chan, go


async def squares(numbers: RecvChan[int], out: SendChan[int]) -> None:
    async for n in numbers:
        await out.send(n * n)
    out.close()


async def main() -> None:
    numbers: Chan[int]
    results: Chan[int]
    numbers, results = chan(10), chan()
    numbers.try_send_many(range(5))
    numbers.close()
    go(squares, numbers, results)
    print([n async for n in results])


goish.run(main)
