"""Signals as values of a channel and as the cancel of a context. Each program runs in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

import pytest
from helpers import ENDS

import goish
from goish import chan, context, signal
from goish.errors import SignalReceived

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
on_both_loops = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])

HEAD = """
import asyncio, os, signal as signals, sys, threading, time
import goish
from goish import chan, context, go, go_thread, run, select, signal, sleep
from goish.errors import *
from signal import SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2

signals.signal(SIGINT, signals.default_int_handler)
PATIENCE = 100

def send(number):
    os.kill(os.getpid(), number)

def say(*words):
    print(*words, flush=True)
"""


def outcome(program: str, loop: Any = "asyncio") -> tuple[int, list[str], str]:
    code = HEAD + textwrap.dedent(program).replace("LOOP", repr(loop))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=ENDS)
    return done.returncode, done.stdout.splitlines(), done.stderr


def said(program: str, loop: Any = "asyncio") -> list[str]:
    code, lines, errors = outcome(program, loop)
    assert code == 0, errors
    return lines


@on_both_loops
@pytest.mark.parametrize("how", ["goish.run", "asyncio.Runner"])
def test_a_signal_wakes_a_loop_that_sleeps(loop: str, how: str) -> None:
    program = f"""
        async def main():
            ch = chan(1)
            signal.notify(ch, SIGUSR1)
            threading.Timer(0.1, send, (SIGUSR1,)).start()
            say((await ch.recv()).name)
            signal.stop(ch)
            say(signals.getsignal(SIGUSR1) == signals.SIG_DFL)

        if {how!r} == "goish.run":
            run(main, loop=LOOP)
        else:
            import uvloop
            factory = uvloop.new_event_loop if LOOP == "uvloop" else None
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(main())
        """
    assert said(program, loop) == ["SIGUSR1", "True"]


def test_each_channel_gets_it_and_a_full_one_drops_it() -> None:
    assert said(
        """
        small, large, other = chan(1), chan(10), chan(10)
        signal.notify(small, SIGUSR1)
        signal.notify(large, SIGUSR1, SIGUSR2)
        signal.notify(other.sender, SIGUSR2)
        signal.notify(large, SIGUSR1)
        for number in (SIGUSR1, SIGUSR2, SIGUSR1):
            send(number)
            time.sleep(0)
        say(*[s.name for s in small.try_recv_many()])
        say(*[s.name for s in large.try_recv_many()])
        say(*[s.name for s in other.try_recv_many()])
        signal.stop(large)
        send(SIGUSR1)
        time.sleep(0)
        say(len(small), len(large))
        """
    ) == ["SIGUSR1", "SIGUSR1 SIGUSR2 SIGUSR1", "SIGUSR2", "1 0"]


def test_a_plain_thread_that_blocks_is_woken() -> None:
    assert said(
        """
        ch = chan(1)
        signal.notify(ch, SIGTERM)
        threading.Timer(0.1, send, (SIGTERM,)).start()
        say(ch.recv_blocking(PATIENCE).name)
        """
    ) == ["SIGTERM"]


def test_a_busy_main_thread_delays_nothing() -> None:
    assert said(
        """
        ch = chan(1)
        signal.notify(ch, SIGUSR1)
        got = []
        thread = threading.Thread(target=lambda: got.append(ch.recv_blocking(PATIENCE)))
        thread.start()
        threading.Timer(0.05, send, (SIGUSR1,)).start()

        async def main():
            while not got:  # it never lets the loop run
                pass
            say(got[0].name)

        run(main)
        thread.join()
        """
    ) == ["SIGUSR1"]


@on_both_loops
def test_other_threads_register_where_a_loop_runs_on_the_main_one(loop: str) -> None:
    assert said(
        """
        async def main():
            def register():
                ch = chan(1)
                signal.notify(ch, SIGUSR1)
                send(SIGUSR1)
                say(ch.recv_blocking(PATIENCE).name)
                signal.stop(ch)
                signal.ignore(SIGUSR2)
                say(signal.ignored(SIGUSR2))
                signal.reset(SIGUSR2)
                say(signal.ignored(SIGUSR2))

            async def on_its_loop():
                ch = chan(1)
                signal.notify(ch, SIGUSR1)
                send(SIGUSR1)
                say((await ch.recv()).name)

            await go_thread(register)
            await go_thread(on_its_loop)

        run(main, loop=LOOP)
        """,
        loop,
    ) == ["SIGUSR1", "True", "False", "SIGUSR1"]


def test_other_threads_register_a_further_channel_without_a_loop() -> None:
    assert said(
        """
        first = chan(1)
        signal.notify(first, SIGUSR1)

        def register():
            second = chan(1)
            signal.notify(second, SIGUSR1)
            send(SIGUSR1)
            say(second.recv_blocking(PATIENCE).name)
            signal.stop(second)
            try:
                signal.notify(second, SIGUSR2)
            except RuntimeError as error:
                say(error)

        thread = threading.Thread(target=register)
        thread.start()
        while thread.is_alive():
            thread.join(0.01)
        say(first.recv_blocking(PATIENCE).name)
        """
    ) == [
        "SIGUSR1",
        "Python takes a handler of SIGUSR2 on the main thread only, which runs no event loop of goish's that could see "
        "to it: call this there first. Further channels for a signal that is caught already are taken on any thread",
        "SIGUSR1",
    ]


def test_the_handler_from_before_comes_back() -> None:
    assert said(
        """
        def mine(number, frame):
            say("mine")

        signals.signal(SIGUSR1, mine)
        ch = chan(1)
        signal.notify(ch, SIGUSR1)
        send(SIGUSR1); time.sleep(0)
        signal.stop(ch)
        say(signals.getsignal(SIGUSR1) is mine, len(ch))
        send(SIGUSR1); time.sleep(0)

        signal.notify(ch, SIGUSR1)
        signal.ignore(SIGUSR1)
        send(SIGUSR1); time.sleep(0)
        say(signal.ignored(SIGUSR1))
        signal.reset(SIGUSR1)
        say(signals.getsignal(SIGUSR1) is mine)

        signal.notify(ch, SIGUSR1)
        signal.reset()
        say(signals.getsignal(SIGUSR1) is mine)

        signal.notify(ch, SIGUSR1)
        del ch  # nothing can receive from it
        send(SIGUSR1); time.sleep(0)
        say(signals.getsignal(SIGUSR1) is mine)
        """
    ) == ["True 1", "mine", "True", "True", "True", "mine", "True"]


def test_a_stop_from_another_thread_holds_at_once() -> None:
    code, lines, _ = outcome(
        """
        ch = chan(1)
        signal.notify(ch, SIGTERM)
        thread = threading.Thread(target=signal.stop, args=(ch,))
        thread.start()
        thread.join()
        say("stopped")
        send(SIGTERM)
        time.sleep(PATIENCE)
        """
    )
    assert (code, lines) == (-15, ["stopped"])


@on_both_loops
def test_the_signal_is_the_cause_and_a_second_one_after_stop_acts_as_ever(loop: str) -> None:
    code, lines, _ = outcome(
        """
        async def main():
            ctx, stop = signal.notify_context(context.background(), SIGINT, SIGTERM)
            threading.Timer(0.05, send, (SIGTERM,)).start()
            await ctx.done().recv_ok()
            say(type(ctx.err()).__name__, ctx.cause(), ctx.cause().signal.name)
            stop()
            send(SIGTERM)
            await sleep(PATIENCE)

        run(main, loop=LOOP)
        """,
        loop,
    )
    assert (code, lines) == (-15, ["Canceled SIGTERM received SIGTERM"])


@on_both_loops
def test_ctrl_c_belongs_to_the_context_until_stop_and_then_to_run(loop: str) -> None:
    assert said(
        """
        async def main():
            ctx, stop = signal.notify_context(context.background(), SIGINT)
            send(SIGINT)
            try:
                async with ctx.scope():
                    await sleep(PATIENCE)
            except Canceled as error:
                say(error.__cause__)
            stop()
            send(SIGINT)
            try:
                await sleep(PATIENCE)
            except asyncio.CancelledError as error:
                say(error)
                raise

        try:
            run(main, loop=LOOP)
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        say(signals.getsignal(SIGINT) is signals.default_int_handler)
        """,
        loop,
    ) == ["SIGINT received", "interrupted by Ctrl-C", "KeyboardInterrupt", "True"]


@on_both_loops
def test_after_the_program_ctrl_c_is_what_it_was(loop: str) -> None:
    """Also where the program has left its channel registered."""
    assert said(
        """
        kept = chan(1)

        async def main():
            signal.notify(kept, SIGINT)

        run(main, loop=LOOP)
        send(SIGINT); time.sleep(0)
        say(len(kept))
        signal.stop(kept)
        try:
            send(SIGINT)
            time.sleep(PATIENCE)
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        """,
        loop,
    ) == ["1", "KeyboardInterrupt"]


@on_both_loops
def test_beside_a_handler_of_the_loop(loop: str) -> None:
    assert said(
        """
        async def main():
            loop = asyncio.get_running_loop()
            ch, other = chan(1), chan(1)
            loop.add_signal_handler(SIGUSR1, other.try_send, "the loop's")
            signal.notify(ch, SIGUSR2)
            send(SIGUSR1)
            send(SIGUSR2)
            say(await other.recv(), (await ch.recv()).name)
            loop.remove_signal_handler(SIGUSR1)

        run(main, loop=LOOP)
        """,
        loop,
    ) == ["the loop's SIGUSR2"]


def test_a_goroutine_that_waits_for_a_signal_is_no_deadlock() -> None:
    assert said(
        """
        async def main():
            ch = chan(1)
            signal.notify(ch, SIGUSR1)
            threading.Timer(0.5, send, (SIGUSR1,)).start()
            say((await ch.recv()).name)

        run(main)
        """
    ) == ["SIGUSR1"]


def test_a_closed_channel_is_no_error() -> None:
    assert said(
        """
        ch = chan(1)
        signal.notify(ch, SIGUSR1)
        ch.close()
        send(SIGUSR1); time.sleep(0)
        say("went on")
        """
    ) == ["went on"]


def test_bad_input_is_refused_and_changes_nothing() -> None:
    from signal import SIGHUP, SIGKILL, getsignal

    before = getsignal(SIGHUP)
    with pytest.raises(TypeError, match=r"notify\(\) takes a channel first, got 5"):
        signal.notify(5, SIGHUP)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"needs a buffer: chan\(1\), or more"):
        signal.notify(chan(), SIGHUP)
    with pytest.raises(ValueError, match="needs a buffer"):
        signal.notify(goish.NIL, SIGHUP)
    for call in (lambda *sigs: signal.notify(chan(1), *sigs), signal.ignore):
        with pytest.raises(TypeError, match="needs the signals: name each"):
            call()
        with pytest.raises(TypeError, match="such as SIGTERM, got 'SIGHUP': from signal import SIGHUP"):
            call("SIGHUP")
        with pytest.raises(ValueError, match="takes signals of this system, got 12345"):
            call(12345)
        with pytest.raises(ValueError, match="SIGKILL can be neither caught nor ignored"):
            call(SIGKILL)
    for parent in (None, SIGHUP):
        with pytest.raises(TypeError, match=r"notify_context\(\) needs a parent context first, .*; got"):
            signal.notify_context(parent, SIGHUP)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a channel is asked for, got 5"):
        signal.stop(5)  # type: ignore[arg-type]
    assert getsignal(SIGHUP) == before
    assert isinstance(SignalReceived(SIGHUP), context.Canceled)


def test_a_signal_that_comes_while_handlers_change_is_told_or_goes_where_it_went_before() -> None:
    program = """
        signals.signal(SIGUSR1, lambda *_: say("before"))
        change = signals.signal

        def change_and_send(number, handler):
            previous = change(number, handler)
            send(SIGUSR1)
            return previous

        signals.signal = change_and_send
        ch = chan(8)
        signal.notify(ch, SIGUSR1)
        say(len(ch))
        signal.stop(ch)
        say(len(ch))
        """
    assert said(program) == ["1", "before", "1"]


def test_a_handler_may_change_who_is_told_while_that_changes() -> None:
    """A plain lock would never be given back."""
    program = """
        from goish._program import signals as caught

        ch = chan(8)
        signal.notify(ch, SIGUSR1)
        signals.signal(SIGHUP, lambda *_: signal.stop(ch))
        with caught._lock:
            send(SIGHUP)
        say(signals.getsignal(SIGUSR1) == signals.SIG_DFL)
        """
    assert said(program) == ["True"]
