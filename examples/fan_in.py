"""Fan-in: one select receives from several channels; a closed one becomes None, a case that is never ready."""

import goish
from goish import Chan, Op, RecvChan, SendChan, go, select

SOURCES = ("north", "east", "south", "west")
READINGS = 3


async def station(name: str, out: SendChan[str]) -> None:
    for reading in range(1, READINGS + 1):
        await out.send(f"{name} {reading}")
        await goish.gosched()
    out.close()


async def merge(sources: list[RecvChan[str]], out: SendChan[str]) -> None:
    cases: list[Op[str] | None] = [source.recv() for source in sources]
    while any(cases):
        index, reading, ok = await select(*cases)
        if ok:
            await out.send(reading)
        else:
            cases[index] = None
    out.close()


async def main() -> None:
    channels = [Chan[str]() for _ in SOURCES]
    for name, channel in zip(SOURCES, channels, strict=True):
        go(station, name, channel.sender)
    merged = Chan[str]()
    go(merge, [channel.receiver for channel in channels], merged.sender)
    readings = [reading async for reading in merged]
    print(f"{len(readings)} readings from {len(SOURCES)} stations:")
    print(", ".join(sorted(readings)))


if __name__ == "__main__":
    goish.run(main)
