"""The concurrent prime sieve: a chain of goroutines, one for each prime, each dropping the multiples of its own."""

import goish
from goish import Chan, RecvChan, SendChan, go

PRIMES = 25


async def generate(numbers: SendChan[int]) -> None:
    n = 2
    while True:
        await numbers.send(n)
        n += 1


async def drop_multiples(prime: int, numbers: RecvChan[int], rest: SendChan[int]) -> None:
    async for n in numbers:
        if n % prime:
            await rest.send(n)


async def main() -> None:
    numbers = Chan[int]()
    go(generate, numbers.sender)
    for _ in range(PRIMES):
        prime = await numbers.recv()
        print(prime, end=" ")
        rest = Chan[int]()
        go(drop_multiples, prime, numbers.receiver, rest.sender)
        numbers = rest
    print()
    # The filters still wait for numbers: main is over, so goish.run cancels them.


if __name__ == "__main__":
    goish.run(main)
