"""Panics: an exception in a goroutine is never lost, and on_panic says what it does."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from goish import Goroutine, Panic, WaitGroup, chan, go, gosched, run

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
        go.with_(name="worker")(fail)
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
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60)
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
        go.with_(name="worker")(fail)
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
