"""The two ways to find tests that go by seconds do what they say: processes stand still, and timers come at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ENDS, REAL_LOOPS

from tests.stalls import stalled

KIT = Path(__file__).parents[1] / "kit"

STANDS_STILL = """
import time
seen, last = 0, time.monotonic()
while seen < 50:
    now = time.monotonic()
    seen, last = seen + (now - last > 0.0015), now
"""
STARTS = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {STANDS_STILL!r}]).returncode)"

RINGS = """
import late, asyncio, threading, time, uvloop

async def main():
    rang = []
    asyncio.get_running_loop().call_later(0.09, rang.append, "rang")
    for _ in range(3):
        await asyncio.sleep(0)
    print(*rang)

began = time.monotonic()
threading.Timer(0.09, int).start()
assert time.monotonic() - began > 0.09

asyncio.Runner(loop_factory=LOOP).run(main())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process can be stopped")
def test_a_process_and_what_it_starts_stand_still_now_and_then_and_go_on() -> None:
    process = subprocess.Popen([sys.executable, "-c", STARTS], process_group=0)
    with stalled(process, "seed"):
        assert process.wait(ENDS) == 0


@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_a_short_timer_has_rung_when_the_loop_turns(loop: str) -> None:
    program = RINGS.replace("LOOP", "asyncio.SelectorEventLoop" if loop == "asyncio" else "uvloop.new_event_loop")
    environment = {**os.environ, "PYTHONPATH": str(KIT)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=ENDS, check=True)
    assert done.stdout == "rang\n"
