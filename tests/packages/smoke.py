"""Does an installed goish work here? Needs nothing else: ``python -I tests/packages/smoke.py``."""

from __future__ import annotations

import sys

import goish

GOROUTINES = 1_000_000
SENDERS, VALUES = 4, 25_000


async def count_a_million() -> int:
    gate: goish.Chan[None] = goish.chan()
    group = goish.WaitGroup()
    ended = 0

    async def goroutine() -> None:
        nonlocal ended
        await gate.recv_ok()
        ended += 1

    for _ in range(GOROUTINES):
        group.go(goroutine)
    gate.close()
    await group.wait()
    return ended


async def sum_across_threads() -> int:
    values: goish.Chan[int] = goish.chan(64)

    def sender() -> None:
        for value in range(VALUES):
            values.send_blocking(value)

    async def senders() -> None:
        for handle in [goish.go_thread(sender) for _ in range(SENDERS)]:
            await handle
        values.close()

    goish.go(senders)
    return sum([value async for value in values])


async def main() -> None:
    assert await count_a_million() == GOROUTINES
    assert await sum_across_threads() == SENDERS * VALUES * (VALUES - 1) // 2


if __name__ == "__main__":
    assert "site-packages" in goish.__file__, "not the installed goish"
    info = goish.build_info()
    goish.run(main())
    assert not info.debug and info.http_compiled, info
    assert info.free_threaded is not info.gil_enabled, "importing goish must not switch the GIL on"
    gil = "on" if info.gil_enabled else "off"
    print(f"goish {info.goish} works: {sys.version.split()[0]}, GIL {gil}, {info.loops[0]}")
