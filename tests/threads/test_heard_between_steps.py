"""A loop that always has something to run hears of other threads between two steps, not when its slice is over."""

from __future__ import annotations

import asyncio
import queue
import threading
import time

import pytest
from helpers import LOOPS, REAL_LOOPS
from parties import PATIENCE

import goish
from goish import Chan, chan, go, gosched

ROUNDS = 1000  # where the machine is busy, a slice may be over before anything else
STEPS, SLICE = 32, 0.001  # from one look to the next, and seconds: drain.pyx, lend.pyx


@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_what_a_thread_has_sent_is_received_before_the_next_turn_of_the_loop(loop: str) -> None:
    asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
    has_sent = threading.Event()
    sent: Chan[None] = chan()
    order: list[str] = []

    def sends() -> None:
        while asked.get(timeout=PATIENCE):
            assert sent.try_send(None)
            has_sent.set()

    async def receives() -> None:
        async for _ in sent:
            order.append("received")

    async def main() -> None:
        receiver = go(receives)
        for _ in range(ROUNDS):
            await gosched()  # until the receiver waits
            order.clear()
            asyncio.get_running_loop().call_soon(order.append, "turn")
            asked.put(True)
            assert has_sent.wait(PATIENCE)
            has_sent.clear()
            while len(order) < 2:
                await gosched()
            if order == ["received", "turn"]:
                break
        asked.put(False)
        sent.close()
        await receiver

    async def looks_take() -> float:
        began = time.perf_counter()
        for _ in range(STEPS):
            await gosched()
        return time.perf_counter() - began

    thread = threading.Thread(target=sends)
    thread.start()
    goish.run(main, loop=LOOPS[loop])
    thread.join(PATIENCE)
    if order != ["received", "turn"] and min(goish.run(looks_take, loop=LOOPS[loop]) for _ in range(10)) > SLICE:
        pytest.skip("a slice is over here before the loop looks (a sanitizer)")
    assert order == ["received", "turn"]
