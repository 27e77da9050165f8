"""Panics: an exception in a goroutine is never lost, and on_panic says what it does."""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from helpers import ENDS, waiting
from parties import until
from virtual_clock import VirtualClockLoop

from goish import (
    Chan,
    Goroutine,
    Panic,
    WaitGroup,
    chan,
    current_goroutine,
    go,
    go_thread,
    gosched,
    run,
    sleep,
    wait_all,
    wait_any,
)
from goish.parallel import sync_all, sync_any, sync_scope

LOOPS = ["asyncio", "uvloop"]
pytestmark = pytest.mark.parametrize("loop", LOOPS)


async def fail(message: str = "broken") -> None:
    raise ValueError(message)


async def wait_for_ever() -> None:
    await chan().recv()


# ── crash ──


def test_panic_ends_the_program(loop: Any) -> None:
    async def main() -> None:
        go(fail)
        await wait_for_ever()

    with pytest.raises(Panic) as caught:
        run(main, loop=loop)
    assert caught.value.code == 2
    assert isinstance(caught.value.__cause__, ValueError)
    assert caught.value.goroutine.startswith("goroutine-")


def test_report_says_what_who_where_and_whence(loop: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        go.options(name="worker")(fail)
        await wait_for_ever()

    with pytest.raises(Panic):
        run(main, loop=loop)
    report = capsys.readouterr().err.splitlines()
    assert report[:2] == ["panic: ValueError: broken", ""]
    assert report[2].startswith("goroutine ") and report[2].endswith(" (worker) [running]:")
    assert report[3] == "Traceback (most recent call last):"
    assert report[-2] == "ValueError: broken"
    origin = "created by test_report_says_what_who_where_and_whence.<locals>.main at "
    assert report[-1].startswith(f"{origin}{__file__}:")


def test_exit_code_is_2_and_nothing_is_printed_twice(loop: Any) -> None:
    program = f"""
        import goish

        async def fail():
            raise ValueError("broken")

        async def main():
            goish.go(fail)
            await goish.chan().recv()

        goish.run(main, loop={loop!r})
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=ENDS
    )
    assert done.returncode == 2
    assert done.stderr.count("ValueError: broken") == 2  # the head line and the end of the traceback
    assert done.stdout == ""


def test_main_and_the_others_clean_up_after_a_panic(loop: Any) -> None:
    ended = []

    async def other() -> None:
        try:
            await wait_for_ever()
        finally:
            ended.append("other")

    async def main() -> None:
        go(other)
        go(fail)
        try:
            await wait_for_ever()
        except asyncio.CancelledError:
            ended.append("main")
            raise

    with pytest.raises(Panic):
        run(main, loop=loop)
    assert sorted(ended) == ["main", "other"]


def test_first_panic_counts_and_the_further_ones_are_counted(loop: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        for n in range(4):
            go(fail, f"number {n}")
        await wait_for_ever()

    with pytest.raises(Panic) as caught:
        run(main, loop=loop)
    assert str(caught.value.__cause__) == "number 0"
    report = capsys.readouterr().err
    assert report.count("panic:") == 1
    assert report.rstrip().endswith("3 more goroutines panicked before the program ended")


def test_panic_while_main_never_waits_is_not_lost(loop: Any) -> None:
    async def main() -> str:
        go(fail)
        await gosched()
        return "result"

    with pytest.raises(Panic):
        run(main, loop=loop)


def test_panic_while_shutting_down_is_not_lost(loop: Any) -> None:
    async def bad_cleanup() -> None:
        try:
            await wait_for_ever()
        finally:
            raise ValueError("broken")

    async def main() -> str:
        go(bad_cleanup)
        await gosched()
        return "result"

    with pytest.raises(Panic) as caught:
        run(main, loop=loop)
    assert str(caught.value.__cause__) == "broken"


def test_panic_does_not_release_a_wait_group(loop: Any) -> None:
    passed = []

    async def main() -> None:
        wg = WaitGroup()
        wg.go(fail)
        await wg.wait()
        passed.append(1)

    with pytest.raises(Panic):
        run(main, loop=loop)
    assert passed == []


def test_exception_of_main_wins_over_later_panics(loop: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async def bad_cleanup() -> None:
        try:
            await wait_for_ever()
        finally:
            raise ValueError("later")

    async def main() -> None:
        go(bad_cleanup)
        await gosched()
        raise KeyError("first")

    with pytest.raises(KeyError, match="first"):
        run(main, loop=loop)
    assert "panic: ValueError: later" in capsys.readouterr().err


def test_panic_wins_over_later_exception_of_main(loop: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        go(fail)
        try:
            await wait_for_ever()
        finally:
            raise KeyError("later")

    with caplog.at_level(logging.ERROR, "goish"), pytest.raises(Panic):
        run(main, loop=loop)
    assert [type(record.exc_info[1]) for record in caplog.records if record.exc_info] == [KeyError]


def test_panic_after_main_left_by_goexit_ends_the_program(loop: Any) -> None:
    from goish import goexit

    async def main() -> None:
        go(wait_for_ever)
        go(fail)
        goexit()

    with pytest.raises(Panic):
        run(main, loop=loop)


# ── what is no panic ──


def test_exception_that_is_awaited_in_time_is_no_panic(loop: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> str:
        g = go(fail)
        for _ in range(10):
            await gosched()
        assert g.done()
        try:
            await g
        except ValueError:
            return "seen"
        return "not raised"

    assert run(main, loop=loop) == "seen"
    assert capsys.readouterr().err == ""


def test_cancelled_goroutine_is_no_panic(loop: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> str:
        go(wait_for_ever).cancel()
        await gosched()
        go(wait_for_ever)
        await gosched()
        return "result"

    assert run(main, loop=loop) == "result"
    assert capsys.readouterr().err == ""


def test_panic_is_deferred_until_the_handle_is_dropped(loop: Any) -> None:
    steps = []

    async def main() -> None:
        g = go(fail)
        await gosched()
        await gosched()
        assert g.done()
        steps.append("held")
        del g
        await wait_for_ever()

    with pytest.raises(Panic):
        run(main, loop=loop)
    assert steps == ["held"]


def test_panic_is_deferred_until_the_end_while_the_handle_is_held(loop: Any) -> None:
    held: list[Goroutine[None]] = []

    async def main() -> str:
        held.append(go(fail))
        await gosched()
        await gosched()
        return "result"

    with pytest.raises(Panic) as caught:
        run(main, loop=loop)
    assert isinstance(caught.value.__cause__, ValueError)
    held.clear()


def test_every_failure_is_reported_once_whatever_the_collector_does(loop: Any) -> None:
    seen: list[str] = []

    async def main() -> None:
        for n in range(100):
            go(fail, str(n))
            if n % 10 == 0:
                gc.collect()
                await gosched()

    run(main, loop=loop, on_panic=lambda g, exc: seen.append(str(exc)))
    assert sorted(seen, key=int) == [str(n) for n in range(100)]


# ── log, callable ──


def test_log_goes_on_and_logs_each_with_its_traceback(loop: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> str:
        go(fail, "one")
        go(fail, "two")
        await gosched()
        await gosched()
        return "result"

    with caplog.at_level(logging.ERROR, "goish"):
        assert run(main, loop=loop, on_panic="log") == "result"
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["one", "two"]
    assert all("created by " in record.getMessage() for record in caplog.records)


def test_wait_group_is_released_where_the_program_goes_on(loop: Any) -> None:
    async def main() -> str:
        wg = WaitGroup()
        wg.go(fail)
        await wg.wait()
        return "result"

    assert run(main, loop=loop, on_panic="log") == "result"


def test_callable_gets_goroutine_and_exception(loop: Any) -> None:
    seen: list[tuple[str, str]] = []

    async def main() -> str:
        go.options(name="worker")(fail)
        await gosched()
        await gosched()
        return "result"

    assert run(main, loop=loop, on_panic=lambda g, exc: seen.append((g.name, str(exc)))) == "result"
    assert seen == [("worker", "broken")]


def test_callable_that_fails_ends_the_program_with_the_panic_and_is_logged(
    loop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def listener(g: Goroutine[Any], exc: BaseException) -> None:
        raise RuntimeError("listener")

    async def main() -> None:
        go(fail)
        await wait_for_ever()

    with caplog.at_level(logging.ERROR, "goish"), pytest.raises(Panic) as caught:
        run(main, loop=loop, on_panic=listener)
    assert str(caught.value.__cause__) == "broken"
    (record,) = caplog.records
    assert record.exc_info is not None and isinstance(record.exc_info[1], RuntimeError)


# ── a panic ends the program whatever else fails ──


class OddTruth(Exception):
    def __bool__(self) -> bool:
        raise ValueError("ambiguous")


class OddText(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class OddNotes(Exception):
    @property
    def __notes__(self) -> list[str]:
        raise ValueError("no notes")


class OddType(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in ("__qualname__", "__module__"):
            raise ValueError("no name")
        return super().__getattribute__(name)


class OddName(Exception, metaclass=OddType):
    pass


def with_cause(exc: BaseException) -> BaseException:
    error = LookupError("outer")
    error.__cause__ = exc
    return error


def with_note(exc: BaseException) -> BaseException:
    exc.__notes__ = [exc]  # type: ignore[list-item]
    return exc


ODD: dict[str, Callable[[], BaseException]] = {
    "truth": lambda: OddTruth("x"),
    "text": OddText,
    "notes": OddNotes,
    "name": OddName,
    "note": lambda: with_note(OddText()),
    "cause": lambda: with_cause(OddTruth("x")),
    "text of the cause": lambda: with_cause(OddText()),
    "member": lambda: ExceptionGroup("several", [OddTruth("x"), OddText(), OddNotes()]),
}


@pytest.mark.parametrize("on_panic", ["crash", "log"])
@pytest.mark.parametrize("odd", ODD)
def test_exception_that_cannot_be_shown_is_a_panic_as_any(
    odd: str, on_panic: Any, loop: Any, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    exc = ODD[odd]()
    ended: list[str] = []

    async def fail_oddly() -> None:
        raise exc

    async def main() -> None:
        go(fail_oddly)
        try:
            await (wait_for_ever() if on_panic == "crash" else settle())
        finally:
            ended.append("main")

    logging.getLogger("goish").addFilter(lambda record: False)  # pytest's handler fails where others only complain
    try:
        if on_panic == "crash":
            with pytest.raises(Panic) as caught:
                run(main, loop=loop)
            assert caught.value.__cause__ is exc
            report = capsys.readouterr().err
            assert report.startswith("panic: ") and "created by " in report
        else:
            run(main, loop=loop, on_panic=on_panic)
    finally:
        logging.getLogger("goish").filters.clear()
    assert ended == ["main"]


UNWRITABLE = {
    "closed": "sys.stderr.close()",
    "none": "sys.stderr = None",
    "full": "os.dup2(os.open('/dev/full', os.O_WRONLY), 2)",
    "broken pipe": "r, w = os.pipe(); os.dup2(w, 2); os.close(r)",
    "odd": "sys.stderr = type('Odd', (), {'write': None, 'flush': lambda self: None})()",
    "narrow": "sys.stderr = io.TextIOWrapper(io.BytesIO(), 'ascii', 'strict')",
}


@pytest.mark.skipif(sys.platform == "win32", reason="no /dev/full")
@pytest.mark.parametrize("state", UNWRITABLE)
def test_panic_ends_the_program_whatever_standard_error_is(state: str, loop: Any) -> None:
    program = f"""
        import io, logging, os, sys
        import goish

        logging.basicConfig(stream=sys.stdout, format="%(message)s")

        async def fail():
            raise ValueError("bröken")

        async def main():
            goish.go(fail)
            try:
                await goish.chan().recv()
            finally:
                print("main was cancelled")

        {UNWRITABLE[state]}
        goish.run(main, loop={loop!r})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], stdout=-1, text=True, timeout=ENDS)
    assert done.returncode == 2
    said = done.stdout.splitlines()
    assert "main was cancelled" in said
    if state != "narrow":  # which has taken it
        assert any(line.endswith("ValueError: bröken") for line in said)  # in the log


def test_main_is_being_cancelled_before_anything_is_printed(loop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cancelling: list[int] = []
    mains: list[Goroutine[Any]] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            cancelling.append(mains[0].cancelling())
            return super().write(text)

    async def main() -> None:
        mains.append(here())
        go(fail)
        await wait_for_ever()

    monkeypatch.setattr(sys, "stderr", Stream())
    with pytest.raises(Panic):
        run(main, loop=loop)
    assert cancelling
    assert set(cancelling) == {1}


def here() -> Goroutine[Any]:
    g = current_goroutine()
    assert g is not None
    return g


def test_main_that_cannot_be_cancelled_does_not_hold_up_the_end(loop: Any) -> None:
    class Stubborn(asyncio.Future[None]):
        def cancel(self, msg: object = None) -> bool:
            raise RuntimeError("it does not let itself")

    async def main() -> None:
        go(fail)
        await Stubborn()

    with pytest.raises(Panic):
        run(main, loop=loop, grace=0.01)


def test_replaced_excepthook_sees_the_panic_once(loop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, ...]] = []
    broken: list[BaseException] = []

    async def fail_with(exc: BaseException) -> None:
        raise exc

    async def main() -> None:
        broken.extend([ValueError("first"), ValueError("second")])
        for exc in broken:
            go(fail_with, exc)
        await wait_for_ever()

    monkeypatch.setattr(sys, "excepthook", lambda *args: seen.append(args))
    with pytest.raises(Panic):
        run(main, loop=loop)
    ((kind, exc, traceback),) = seen
    assert (kind, exc, traceback) == (ValueError, broken[0], broken[0].__traceback__)
    assert traceback is not None


@pytest.mark.parametrize("on_panic", ["log", lambda g, exc: None], ids=["log", "callable"])
def test_excepthook_sees_no_panic_that_does_not_end_the_program(
    on_panic: Any, loop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []

    async def main() -> None:
        go(fail)
        await settle()

    monkeypatch.setattr(sys, "excepthook", lambda *args: seen.append(args))
    run(main, loop=loop, on_panic=on_panic)
    assert seen == []


def test_excepthook_that_fails_is_shown_with_the_panic(
    loop: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hook(*args: object) -> None:
        raise RuntimeError("the hook")

    async def main() -> None:
        go(fail)
        await wait_for_ever()

    monkeypatch.setattr(sys, "excepthook", hook)
    with pytest.raises(Panic):
        run(main, loop=loop)
    report = capsys.readouterr().err
    assert report.index("RuntimeError: the hook") < report.rindex("ValueError: broken")


def test_callable_may_end_the_program_in_its_own_way_and_the_other_panics_are_heard(loop: Any) -> None:
    heard: list[str] = []

    def listener(g: Goroutine[Any], exc: BaseException) -> None:
        heard.append(str(exc))
        if len(heard) == 1:
            sys.exit(7)

    async def main() -> None:
        for name in ("one", "two", "three"):
            go(fail, name)
        await wait_for_ever()

    with pytest.raises(SystemExit) as caught:
        run(main, loop=loop, on_panic=listener)
    assert caught.value.code == 7
    assert heard == ["one", "two", "three"]


# ── awaited, and given up ──


async def settle() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


async def by_a_timeout(g: Goroutine[None]) -> None:
    async with asyncio.timeout(0.001):
        await g


async def by_a_cancel(g: Goroutine[None]) -> None:
    async def awaits() -> None:
        await g

    awaiter = go(awaits)
    await gosched()
    awaiter.cancel()
    await awaiter


async def by_a_cancel_before_the_wait(g: Goroutine[None]) -> None:
    here().cancel()
    await g


async def by_a_cancelled_task(g: Goroutine[None]) -> None:
    async def awaits() -> None:
        await g

    task = asyncio.get_running_loop().create_task(awaits())
    await settle()
    task.cancel()
    await task


async def by_wait_for(g: Goroutine[None]) -> None:
    await asyncio.wait_for(g, 0.001)


async def by_wait_for_of_a_shield(g: Goroutine[None]) -> None:
    await asyncio.wait_for(asyncio.shield(g), 0.001)


async def by_asyncio_wait(g: Goroutine[None]) -> None:
    await asyncio.wait([g], timeout=0.001)


async def by_as_completed(g: Goroutine[None]) -> None:
    for one in asyncio.as_completed([g], timeout=0.001):
        await one


async def by_wait_any(g: Goroutine[None]) -> None:
    await wait_any(g, go(settle))


async def by_wait_any_that_is_cancelled(g: Goroutine[None]) -> None:
    async with asyncio.timeout(0.001):
        await wait_any(g, go(wait_for_ever))


async def by_wait_all_that_waits_for_another(g: Goroutine[None]) -> None:
    forever = go(wait_for_ever)
    try:
        async with asyncio.timeout(0.001):
            await wait_all(forever, g)
    finally:
        forever.cancel()


async def by_a_coroutine_that_is_closed(g: Goroutine[None]) -> None:
    async def awaits() -> None:
        await g

    coro = awaits()
    coro.send(None)
    coro.close()


async def by_a_thread(g: Goroutine[None]) -> None:
    await asyncio.to_thread(g.result_blocking, timeout=0.001)


async def by_a_thread_that_does_not_wait(g: Goroutine[None]) -> None:
    await asyncio.to_thread(g.result_blocking, timeout=0)


async def by_sync_all_that_waits_for_another(g: Goroutine[None]) -> None:
    forever = go(wait_for_ever)
    try:
        await asyncio.to_thread(sync_all, forever, g, timeout=0.001)
    finally:
        forever.cancel()


async def by_sync_any(g: Goroutine[None]) -> None:
    await asyncio.to_thread(sync_any, g, timeout=0.001)


WAYS = [
    by_a_timeout,
    by_a_cancel,
    by_a_cancel_before_the_wait,
    by_a_cancelled_task,
    by_wait_for,
    by_wait_for_of_a_shield,
    by_asyncio_wait,
    by_as_completed,
    by_wait_any,
    by_wait_any_that_is_cancelled,
    by_wait_all_that_waits_for_another,
    by_a_coroutine_that_is_closed,
    by_a_thread,
    by_a_thread_that_does_not_wait,
    by_sync_all_that_waits_for_another,
    by_sync_any,
]
# Where the awaiting place is not on any stack when the await is given up.
NOWHERE = (by_wait_for_of_a_shield, by_as_completed)


def given_up(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if "failed after an await of it was given up" in record.getMessage()]


async def fail_later(gate: Chan[None]) -> None:
    await gate.recv()
    raise ConnectionError("later")


def fail_later_on_a_thread(gate: Chan[None]) -> None:
    gate.recv_blocking()
    raise ConnectionError("later")


@pytest.mark.parametrize("start", [go, go_thread])
@pytest.mark.parametrize("way", WAYS)
def test_goroutine_that_fails_after_its_await_was_given_up_is_logged_and_no_panic(
    way: Any, start: Any, loop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    if way is by_wait_for and sys.version_info < (3, 12):
        pytest.skip("wait_for cancels what it waits for, and waits for its end")
    if way is by_wait_for_of_a_shield and sys.version_info >= (3, 14):
        pytest.skip("what asyncio's shield let go, it logs itself")
    gates: list[Chan[None]] = []

    async def handler() -> None:
        gates.append(chan())
        g = start(fail_later if start is go else fail_later_on_a_thread, gates[0])
        with suppress(TimeoutError, asyncio.CancelledError):
            await way(g)

    async def main() -> str:
        await go(handler)
        gc.collect()  # some ways leave a cycle
        await gates[0].send(None)
        while not given_up(caplog):
            await asyncio.sleep(0.001)
            gc.collect()  # without the GIL other threads let go of it late
        return "went on"

    with caplog.at_level(logging.ERROR, "goish"):
        assert run(main, loop=loop, deadlock="off") == "went on"
    (record,) = given_up(caplog)
    assert record.exc_info is not None and isinstance(record.exc_info[1], ConnectionError)
    assert "created by " in record.getMessage()
    if way not in NOWHERE and "thread" not in way.__name__ and "sync" not in way.__name__:
        assert f"awaited by {way.__name__}" in record.getMessage()


def test_place_of_a_thread_that_gave_up_is_named(loop: Any, caplog: pytest.LogCaptureFixture) -> None:
    def waits(g: Goroutine[None]) -> None:
        with suppress(TimeoutError):
            g.result_blocking(timeout=0.001)

    async def main() -> None:
        gate: Chan[None] = chan()
        await asyncio.to_thread(waits, go(fail_later, gate))
        await gate.send(None)

    with caplog.at_level(logging.ERROR, "goish"):
        run(main, loop=loop)
    (record,) = given_up(caplog)
    assert "awaited by test_place_of_a_thread_that_gave_up_is_named.<locals>.waits at " in record.getMessage()


def test_goroutine_that_is_given_up_and_awaited_again_raises_as_ever(
    loop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        gate: Chan[None] = chan()
        g = go(fail_later, gate)
        with pytest.raises(TimeoutError):
            await by_a_timeout(g)
        await gate.send(None)
        with pytest.raises(ConnectionError):
            await g

    with caplog.at_level(logging.ERROR, "goish"):
        run(main, loop=loop)
    assert caplog.records == []


@pytest.mark.parametrize("start", [go, go_thread])
def test_awaiter_that_is_cancelled_as_the_goroutine_fails_leaves_the_failure_to_the_log(
    start: Any, loop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def awaits(gate: Chan[None]) -> None:
        await start(fail_later, gate)

    async def cancel(awaiter: Goroutine[None]) -> None:
        awaiter.cancel()

    async def main() -> None:
        gate: Chan[None] = chan()
        awaiter = go(awaits, gate)
        await turns_until(lambda: waiting(gate) == (0, 1))
        gate.try_send(None)  # it fails in this slice, which wakes the awaiter ...
        go(cancel, awaiter)  # ... before which this comes
        with suppress(asyncio.CancelledError, ConnectionError):
            await awaiter
        if awaiter.cancelled():
            await turns_until(lambda: given_up(caplog))

    with caplog.at_level(logging.ERROR, "goish"):
        run(main, loop=loop, deadlock="off")
    if start is go:
        assert len(given_up(caplog)) == 1


def test_loser_that_never_was_awaited_panics_beside_one_that_was(loop: Any) -> None:
    async def main() -> None:
        gate: Chan[None] = chan()
        await by_wait_any(go(fail_later, gate))
        await gate.send(None)
        await settle()
        go(fail, "never awaited")
        await wait_for_ever()

    with pytest.raises(Panic) as caught:
        run(main, loop=loop)
    assert str(caught.value.__cause__) == "never awaited"


# ── on_panic of one goroutine ──


async def fail_at_once() -> None:
    raise ValueError("broken")


def fail_at_once_on_a_thread() -> None:
    raise ValueError("broken")


OWN: list[Any] = [(go, fail_at_once), (go_thread, fail_at_once), (go_thread, fail_at_once_on_a_thread)]
own = pytest.mark.parametrize(("verb", "fn"), OWN, ids=["go", "go_thread, a coroutine", "go_thread"])


async def turns_until(holds: Callable[[], object]) -> None:
    while not holds():
        await asyncio.sleep(0.001)


@own
def test_own_log_goes_before_the_crash_of_the_program(
    verb: Any, fn: Any, loop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> str:
        verb.options(on_panic="log")(fn)
        await turns_until(lambda: caplog.records)
        return "went on"

    with caplog.at_level(logging.ERROR, "goish"):
        assert run(main, loop=loop) == "went on"
    (record,) = caplog.records
    assert " panicked (created by " in record.getMessage()


@own
def test_own_callable_is_called_on_the_thread_of_the_program(verb: Any, fn: Any, loop: Any) -> None:
    seen: list[tuple[str, str, int]] = []

    async def main() -> int:
        listener = lambda g, exc: seen.append((g.name, str(exc), threading.get_ident()))
        verb.options(name="worker", on_panic=listener)(fn)
        await turns_until(lambda: seen)
        return threading.get_ident()

    assert seen == [] and [("worker", "broken", run(main, loop=loop))] == seen


@own
def test_own_crash_goes_before_the_log_of_the_program(verb: Any, fn: Any, loop: Any) -> None:
    async def main() -> None:
        verb.options(on_panic="crash")(fn)
        await wait_for_ever()

    with pytest.raises(Panic):
        run(main, loop=loop, on_panic="log", deadlock="off")


@own
def test_own_callable_that_fails_ends_the_program(verb: Any, fn: Any, loop: Any) -> None:
    def listener(g: Goroutine[Any], exc: BaseException) -> None:
        raise RuntimeError("listener")

    async def main() -> None:
        verb.options(on_panic=listener)(fn)
        await wait_for_ever()

    with pytest.raises(Panic) as caught:
        run(main, loop=loop, on_panic="log", deadlock="off")
    assert isinstance(caught.value.__cause__, ValueError)


def test_own_crash_holds_also_where_an_await_was_given_up(loop: Any) -> None:
    async def main() -> None:
        gate: Chan[None] = chan()
        g = go.options(on_panic="crash")(fail_later, gate)
        with pytest.raises(TimeoutError):
            await by_a_timeout(g)
        del g
        await gate.send(None)
        await wait_for_ever()

    with pytest.raises(Panic):
        run(main, loop=loop)


def test_own_on_panic_leaves_an_awaited_failure_to_the_awaiter(loop: Any) -> None:
    seen: list[object] = []

    async def main() -> None:
        with pytest.raises(ValueError, match="broken"):
            await go.options(on_panic=lambda g, exc: seen.append(exc))(fail)

    run(main, loop=loop)
    assert seen == []


@pytest.mark.parametrize("outside", [asyncio.run, None], ids=["asyncio", "no loop"])
def test_own_on_panic_holds_without_a_program(outside: Any, loop: Any, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def listener(g: Goroutine[Any], exc: BaseException) -> None:
        seen.append(g.name)

    async def main() -> None:
        go.options(name="go", on_panic=listener)(fail)
        go.options(on_panic="log")(fail)
        await turns_until(lambda: len(seen) == len(caplog.records) == 1)

    with caplog.at_level(logging.ERROR, "goish"):
        if outside is not None:
            outside(main())
            assert seen == ["go"]
        else:
            go_thread.options(name="call", on_panic=listener)(fail_at_once_on_a_thread)
            go_thread.options(on_panic="log")(fail_at_once_on_a_thread)
            until(lambda: len(seen) == len(caplog.records) == 1)
            assert seen == ["call"]
    (record,) = caplog.records
    assert record.name == "goish" and " panicked (created by " in record.getMessage()


async def plain_coroutine_function(g: Goroutine[Any], exc: BaseException) -> None:
    pass


@pytest.mark.parametrize("bad", ["shout", 1, b"log", plain_coroutine_function])
def test_bad_on_panic_is_refused_at_the_call(bad: Any, loop: Any) -> None:
    with pytest.raises(ValueError, match=r'on_panic is "crash", "log" or a plain function \(def\)'):
        go.options(on_panic=bad)
    with pytest.raises(ValueError, match=r'"crash", "log"'):
        go_thread.options(on_panic=bad)
    with pytest.raises(ValueError, match=r'"crash", "log"'):
        sync_scope().go_thread.options(on_panic=bad)
    with pytest.raises(ValueError, match=r'"crash", "log"'):
        run(settle, loop=loop, on_panic=bad)


# ── reminders ──


def reminders(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "nobody has awaited it so far" in record.getMessage()]


def test_reminder_comes_a_second_after_that_goroutine_has_failed(loop: Any, caplog: pytest.LogCaptureFixture) -> None:
    del loop  # in virtual time
    times: dict[str, float] = {}

    async def main() -> None:
        clock = asyncio.get_running_loop().time
        start = clock()
        held: list[Goroutine[None]] = []
        for tick in range(60):
            if tick in (0, 5, 15):
                held.append(go.options(name=f"failed-{tick}")(fail))
            await sleep(0.1)
            for message in reminders(caplog):
                times.setdefault(message, clock() - start)
        for g in held:
            assert g.exception() is not None

    with caplog.at_level(logging.ERROR, "goish"):
        run(main, loop=VirtualClockLoop)
    assert len(times) == 3
    for tick, told in zip((0, 5, 15), times.values(), strict=True):
        assert tick / 10 + 1.0 <= told + 0.01 <= tick / 10 + 1.2


def test_goroutine_that_is_awaited_within_a_second_is_not_reminded_of(
    loop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    del loop

    async def main() -> None:
        for _ in range(20):
            g = go(fail)
            await sleep(0.9)
            with pytest.raises(ValueError, match="broken"):
                await g

    with caplog.at_level(logging.ERROR, "goish"):
        run(main, loop=VirtualClockLoop)
    assert caplog.records == []


async def sleep_long() -> None:
    await sleep(10)


@pytest.mark.parametrize("wait", [wait_all, asyncio.gather, lambda *gs: asyncio.wait(gs)])
def test_failure_that_a_wait_for_several_will_raise_is_not_reminded_of(
    wait: Any, loop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    del loop

    async def main() -> None:
        slow, failed = go(sleep_long), go(fail)
        with suppress(ValueError):
            await wait(slow, failed)
        assert failed.exception() is not None

    with caplog.at_level(logging.ERROR, "goish"):
        run(main, loop=VirtualClockLoop)
    assert caplog.records == []
