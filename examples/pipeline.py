"""A pipeline: each stage is a goroutine that closes its output when its input ends; a slow one slows down the rest."""

import goish
from goish import Chan, RecvChan, SendChan, go

TEXT = "the quick brown fox jumps over the lazy dog while the other dog sleeps"
BUFFER = 4


async def words(text: str, out: SendChan[str]) -> None:
    for word in text.split():
        await out.send(word)
    out.close()


async def longer_than(length: int, source: RecvChan[str], out: SendChan[str]) -> None:
    async for word in source:
        if len(word) > length:
            await out.send(word)
    out.close()


async def upper(source: RecvChan[str], out: SendChan[str]) -> None:
    async for word in source:
        await out.send(word.upper())
    out.close()


async def main() -> None:
    all_words, long_words, loud_words = (Chan[str](BUFFER) for _ in range(3))
    go(words, TEXT, all_words.sender)
    go(longer_than, 3, all_words.receiver, long_words.sender)
    go(upper, long_words.receiver, loud_words.sender)
    async for word in loud_words:
        print(word)


if __name__ == "__main__":
    goish.run(main)
