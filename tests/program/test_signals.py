"""Ctrl-C: once ends the program in order, twice at once. Each program runs in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from helpers import ENDS

pytestmark = [
    pytest.mark.parametrize("loop", ["asyncio", "uvloop"]),
    pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX"),
]

HEAD = """
import asyncio, logging, os, signal, sys, threading, time
from goish import *
from goish.errors import *
from goish.parallel import *

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell runs in its background

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

def say(text):
    print(text, flush=True)
"""


def outcome(program: str, loop: Any) -> tuple[int, list[str], str]:
    """Exit code, lines of standard output, standard error of a program that defines main()."""
    code = HEAD + textwrap.dedent(program).replace("LOOP", repr(loop))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=ENDS)
    return done.returncode, done.stdout.split("\n")[:-1], done.stderr


def test_interrupt_cancels_main_and_ends_in_keyboard_interrupt(loop: Any) -> None:
    code, said, errors = outcome(
        """
        async def main():
            asyncio.get_running_loop().call_soon(interrupt)
            try:
                await chan().recv()
            except asyncio.CancelledError as exc:
                say(exc)
                raise

        try:
            run(main, loop=LOOP)
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        """,
        loop,
    )
    assert (code, said, errors) == (0, ["interrupted by Ctrl-C", "KeyboardInterrupt"], "")


def test_program_killed_by_interrupt_has_the_usual_exit_status(loop: Any) -> None:
    code, _, errors = outcome(
        """
        async def main():
            interrupt()
            await chan().recv()

        run(main, loop=LOOP)
        """,
        loop,
    )
    assert code == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_others_clean_up_after_an_interrupt(loop: Any) -> None:
    code, said, _ = outcome(
        """
        async def other():
            try:
                await chan().recv()
            finally:
                await asyncio.sleep(0.01)
                say("other ended")

        async def main():
            go(other)
            await gosched()
            interrupt()
            await chan().recv()

        try:
            run(main, loop=LOOP)
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        """,
        loop,
    )
    assert (code, said) == (0, ["other ended", "KeyboardInterrupt"])


def test_main_that_swallows_the_cancel_returns_its_result(loop: Any) -> None:
    code, said, _ = outcome(
        """
        async def main():
            interrupt()
            try:
                await chan().recv()
            except asyncio.CancelledError:
                return "saved"

        say(run(main, loop=LOOP))
        """,
        loop,
    )
    assert (code, said) == (0, ["saved"])


def test_interrupt_reaches_a_busy_program(loop: Any) -> None:
    code, said, _ = outcome(
        """
        async def main():
            asyncio.get_running_loop().call_later(0.02, interrupt)
            ch = chan(1)
            while True:
                await ch.send(1)
                await ch.recv()

        try:
            run(main, loop=LOOP)
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        """,
        loop,
    )
    assert (code, said) == (0, ["KeyboardInterrupt"])


def test_second_interrupt_dumps_all_goroutines_and_ends_at_once(loop: Any) -> None:
    code, said, errors = outcome(
        """
        async def other():
            await chan().recv()

        async def main():
            go.options(name="other")(other)
            await gosched()
            interrupt()
            try:
                await chan().recv()
            except asyncio.CancelledError:
                interrupt()
                say("not reached")

        try:
            run(main, loop=LOOP, grace=3600)
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        """,
        loop,
    )
    assert (code, said) == (0, ["KeyboardInterrupt"])
    assert "(main) [running]:" in errors and "in main" in errors and "in interrupt" in errors
    assert "on_interrupt" not in errors
    assert "(other) [chan receive]:" in errors


def test_second_interrupt_ends_a_goroutine_that_never_waits(loop: Any) -> None:
    code, said, errors = outcome(
        """
        beats = 0

        def press():
            for _ in range(2):
                signal.raise_signal(signal.SIGINT)
                seen = beats
                while beats < seen + 2:  # until main has heard of it: two that come together are one
                    time.sleep(0.001)

        async def main():
            global beats
            threading.Thread(target=press, daemon=True).start()
            while True:
                beats += 1

        try:
            run(main, loop=LOOP)
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        """,
        loop,
    )
    assert (code, said) == (0, ["KeyboardInterrupt"])
    assert "(main) [running]:" in errors


def test_interrupt_cuts_the_grace_short(loop: Any) -> None:
    code, said, _ = outcome(
        """
        async def stubborn():
            while True:
                try:
                    await chan().recv()
                except asyncio.CancelledError:
                    asyncio.get_running_loop().call_soon(interrupt)

        async def main():
            go(stubborn)
            await gosched()

        try:
            run(main, loop=LOOP, grace=3600)
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        """,
        loop,
    )
    assert (code, said) == (0, ["KeyboardInterrupt"])


def test_interrupt_ends_the_wait_for_the_rest_after_goexit(loop: Any) -> None:
    code, said, _ = outcome(
        """
        async def other():
            await gosched()
            interrupt()
            await sleep(3600)

        async def main():
            go(other)
            goexit()

        try:
            run(main, loop=LOOP)
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        """,
        loop,
    )
    assert (code, said) == (0, ["KeyboardInterrupt"])


def test_handler_is_taken_only_for_the_run_and_only_from_the_default(loop: Any) -> None:
    code, said, errors = outcome(
        """
        async def main():
            return signal.getsignal(signal.SIGINT)

        say(run(main, loop=LOOP) is not signal.default_int_handler)
        say(signal.getsignal(signal.SIGINT) is signal.default_int_handler)

        def own(signum, frame):
            pass

        signal.signal(signal.SIGINT, own)
        say(run(main, loop=LOOP) is own)
        say(signal.getsignal(signal.SIGINT) is own)

        signal.signal(signal.SIGINT, signal.default_int_handler)
        seen = []
        thread = threading.Thread(target=lambda: seen.append(run(main, loop=LOOP)))
        thread.start()
        thread.join()
        say(seen[0] is signal.default_int_handler)
        """,
        loop,
    )
    assert (code, said, errors) == (0, ["True"] * 5, "")


def test_keyboard_interrupt_in_a_goroutine_ends_the_program(loop: Any) -> None:
    code, said, _ = outcome(
        """
        async def other():
            raise KeyboardInterrupt

        async def main():
            go(other)
            try:
                await chan().recv()
            finally:
                say("main ended")

        try:
            run(main, loop=LOOP)
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        """,
        loop,
    )
    assert (code, said) == (0, ["main ended", "KeyboardInterrupt"])


def test_interrupt_at_any_moment_ends_the_program_in_order(loop: Any) -> None:
    """The instants are spread over a program that does everything at once; not one round may hang or lose a cleanup."""
    seed = int(os.environ.get("GOISH_SEED", 1))
    print(f"seed: {seed}")
    code, said, errors = outcome(
        f"""
        import random
        rng = random.Random({seed})

        async def worker(ch, ended):
            try:
                while True:
                    await select(ch.recv(), ch.send(1), after(0.001).recv())
                    await asyncio.sleep(0)
            finally:
                ended.append(1)

        async def main(ended):
            ch = chan()
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.0005, 0.005))
            started = [go(worker, ch, ended) for _ in range(10)]
            await gosched()
            await chan().recv()

        signal.signal(signal.SIGALRM, lambda signum, frame: signal.raise_signal(signal.SIGINT))
        for _ in range(50):
            ended = []
            try:
                run(main, ended, loop=LOOP)
            except KeyboardInterrupt:
                pass
            else:
                say("no KeyboardInterrupt")
            if len(ended) not in (0, 10):
                say(f"{{len(ended)}} of 10 cleaned up")
        say("all done")
        """,
        loop,
    )
    assert (code, said, errors) == (0, ["all done"], "")


# ── while workers run what does not end ──


def test_interrupt_ends_a_scope_whose_thread_helps(loop: Any) -> None:
    code, said, errors = outcome(
        """
        helps = threading.Event()

        def endless():
            if threading.current_thread() is threading.main_thread():
                helps.set()
            while True:
                time.sleep(0.001)
                check_cancel()

        def interrupt_it():
            helps.wait()
            interrupt()

        try:
            threading.Thread(target=interrupt_it).start()
            with sync_scope():
                for _ in range(20):
                    spawn(endless)
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        """,
        loop,
    )
    assert (code, said) == (0, ["KeyboardInterrupt"]), errors


@pytest.mark.parametrize("runs", ["run(main, loop=LOOP, grace=0.01)", "asyncio.run(main())"])
def test_interrupt_ends_the_wait_for_an_executor_that_does_not_end(loop: Any, runs: str) -> None:
    code, said, errors = outcome(
        f"""
        def endless(started):
            started.set()
            while True:
                time.sleep(0.001)

        async def main():
            async with Executor(workers=1) as ex:
                started = threading.Event()
                ex.go_thread(endless, started)
                started.wait()
                asyncio.get_running_loop().call_later(0.01, interrupt)

        try:
            {runs}
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        """,
        loop,
    )
    assert (code, said) == (0, ["KeyboardInterrupt"]), errors
    assert "Traceback" not in errors


def test_a_function_that_goes_on_though_its_executor_was_left_is_named(loop: Any) -> None:
    code, said, errors = outcome(
        """
        over = threading.Event()

        def stubborn(started):
            started.set()
            over.wait()

        class Heard(logging.Handler):
            def emit(self, record):
                say(record.getMessage())
                over.set()

        async def main():
            logging.getLogger("goish").addHandler(Heard())
            async with Executor(workers=1, name="mine") as ex:
                started = threading.Event()
                g = ex.go_thread(stubborn, started)
                started.wait()
                asyncio.get_running_loop().call_soon(interrupt)
                await g

        try:
            run(main, loop=LOOP)
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        """,
        loop,
    )
    assert code == 0, errors
    assert said[1:] == ["KeyboardInterrupt"]
    assert said[0].startswith(
        "1 call(s) of 'mine' were cancelled and go on, and are waited for; Ctrl-C ends the wait: "
    )
    assert "(stubborn, a function that neither waits in goish nor asks check_cancel())" in said[0]
