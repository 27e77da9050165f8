"""run(): what goes in, what comes out, and that everything has ended afterwards."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import uvloop

from goish import Chan, DeadlockError, chan, current_goroutine, go, goexit, gosched, run, select, sleep
from goish.runtime import goroutines, seed

LOOPS = ["asyncio", "uvloop"]
LONG = 3600.0


# ── what goes in ──


@pytest.mark.parametrize("loop", LOOPS)
def test_main_gets_the_arguments_and_its_result_is_returned(loop: Any) -> None:
    async def main(a: int, b: int) -> int:
        return a + b

    assert run(main, 1, 2, loop=loop) == 3


@pytest.mark.parametrize("loop", LOOPS)
def test_main_may_be_a_coroutine_or_a_partial(loop: Any) -> None:
    async def main(n: int) -> int:
        return n

    assert run(main(1), loop=loop) == 1
    assert run(functools.partial(main, 2), loop=loop) == 2


def test_loop_names_the_loop_or_makes_it() -> None:
    async def main() -> type:
        return type(asyncio.get_running_loop())

    class OwnLoop(asyncio.SelectorEventLoop):
        pass

    assert run(main) is uvloop.Loop
    assert run(main, loop="auto") is uvloop.Loop
    assert run(main, loop="uvloop") is uvloop.Loop
    assert run(main, loop="asyncio") is asyncio.SelectorEventLoop
    assert run(main, loop=OwnLoop) is OwnLoop


@pytest.mark.parametrize("debug", [True, False])
def test_debug_is_asyncio_debug_mode(debug: bool) -> None:
    async def main() -> bool:
        return asyncio.get_running_loop().get_debug()

    assert run(main, debug=debug) is debug


async def nothing() -> None:
    pass


def plain() -> None:
    pass


@pytest.mark.parametrize(
    ("args", "options", "error", "words"),
    [
        ((plain,), {}, TypeError, "coroutine function"),
        ((None,), {}, TypeError, "coroutine function"),
        ((functools.partial(plain),), {}, TypeError, "returned NoneType"),
        ((nothing,), {"loop": "x"}, ValueError, "loop is one of"),
        ((nothing,), {"loop": None}, ValueError, "loop is one of"),
        ((nothing,), {"on_panic": "x"}, ValueError, "on_panic is"),
        ((nothing,), {"deadlock": "x"}, ValueError, "deadlock is one of"),
        ((nothing,), {"grace": -1}, ValueError, "zero or more"),
        ((nothing,), {"grace": float("nan")}, ValueError, "zero or more"),
        ((nothing,), {"grace": "1"}, TypeError, "number of seconds"),
        ((nothing,), {"grace": True}, TypeError, "number of seconds"),
    ],
)
def test_bad_argument_is_answered_at_the_call(args: Any, options: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        run(*args, **options)


def test_coroutine_with_arguments_is_refused() -> None:
    with pytest.raises(TypeError, match="pass the function"):
        run(nothing(), 1)


@pytest.mark.parametrize("loop", LOOPS)
def test_run_inside_a_running_loop_names_go(loop: Any) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"go\(fn, \*args\)"):
            run(nothing)
        with pytest.raises(RuntimeError, match=r"go\(fn, \*args\)"):
            run(nothing())

    run(main, loop=loop)


# ── what comes out ──


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_exception_of_main_propagates(error: BaseException, loop: Any) -> None:
    async def main() -> None:
        await gosched()
        raise error

    with pytest.raises(type(error)) as caught:
        run(main, loop=loop)
    assert caught.value is error or isinstance(error, asyncio.CancelledError)


@pytest.mark.parametrize("loop", LOOPS)
def test_system_exit_in_a_goroutine_ends_the_program_with_its_code(loop: Any) -> None:
    ended = []

    async def leaver() -> None:
        raise SystemExit(7)

    async def main() -> None:
        go(leaver)
        try:
            await chan().recv()
        finally:
            ended.append(1)

    with pytest.raises(SystemExit) as caught:
        run(main, loop=loop)
    assert caught.value.code == 7
    assert ended == [1]


# Both end in the same turn of the loop: the loop is told to stop for main's end after it was ended by the SystemExit.
@pytest.mark.parametrize("loop", LOOPS)
def test_system_exit_at_the_very_end_of_main_leaves_time_to_clean_up(loop: Any) -> None:
    ended = []

    async def other() -> None:
        try:
            await chan().recv()
        finally:
            await asyncio.sleep(0.001)
            ended.append(1)

    async def leaver() -> None:
        raise SystemExit(7)

    async def main() -> None:
        go(other)
        await gosched()
        go(leaver)

    with pytest.raises(SystemExit) as caught:
        run(main, loop=loop)
    assert caught.value.code == 7
    assert ended == [1]


@pytest.mark.parametrize("loop", LOOPS)
def test_main_is_a_goroutine_named_main(loop: Any) -> None:
    async def main() -> tuple[str, bool]:
        g = current_goroutine()
        assert g is not None
        return g.name, asyncio.current_task() is g  # type: ignore[comparison-overlap]

    assert run(main, loop=loop) == ("main", True)


@pytest.mark.parametrize("loop", LOOPS)
def test_context_is_inherited_and_not_leaked(loop: Any) -> None:
    var = contextvars.ContextVar("var", default=0)
    var.set(1)

    async def main() -> int:
        seen = var.get()
        var.set(2)
        return seen

    assert run(main, loop=loop) == 1
    assert var.get() == 1


@pytest.mark.parametrize("loop", LOOPS)
def test_runs_one_after_another_and_on_other_threads(loop: Any) -> None:
    async def main(n: int) -> int:
        ch = chan()

        async def sender() -> None:
            await ch.send(n)

        go(sender)
        received: int = await ch.recv()
        return received

    results = [run(main, 1, loop=loop), run(main, 2, loop=loop)]
    threads = [threading.Thread(target=lambda n=n: results.append(run(main, n, loop=loop))) for n in (3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [1, 2, 3, 4]


# ── everything ends ──


@pytest.mark.parametrize("loop", LOOPS)
def test_the_others_are_cancelled_when_main_returns(loop: Any) -> None:
    ended = []

    async def waiter(n: int, wait: Any) -> None:
        try:
            await wait
        except asyncio.CancelledError:
            ended.append(n)
            raise

    async def main() -> str:
        go(waiter, 1, chan().recv())
        go(waiter, 2, sleep(LONG))
        go(waiter, 3, asyncio.sleep(LONG))
        go(waiter, 4, select())
        await sleep(0.001)
        return "result"

    assert run(main, loop=loop) == "result"
    assert sorted(ended) == [1, 2, 3, 4]
    assert goroutines() == []


@pytest.mark.parametrize("loop", LOOPS)
def test_goroutines_have_time_to_clean_up(loop: Any) -> None:
    ended = []

    async def careful() -> None:
        try:
            await chan().recv()
        finally:
            await asyncio.sleep(0.001)
            await sleep(0.001)
            ended.append(1)

    async def main() -> None:
        go(careful)
        await gosched()

    run(main, loop=loop)
    assert ended == [1]


@pytest.mark.parametrize("loop", LOOPS)
def test_goroutine_started_while_cleaning_up_is_cancelled_too(loop: Any) -> None:
    ended = []

    async def late() -> None:
        try:
            await chan().recv()
        finally:
            ended.append("late")

    async def first() -> None:
        try:
            await chan().recv()
        finally:
            go(late)
            await gosched()
            ended.append("first")

    async def main() -> None:
        go(first)
        await gosched()

    run(main, loop=loop)
    assert ended == ["first", "late"]


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("grace", [0, 0.01])
def test_survivors_are_named_and_abandoned(grace: float, loop: Any, caplog: pytest.LogCaptureFixture) -> None:
    ended = []

    async def stubborn() -> None:
        try:
            while True:
                with suppress(asyncio.CancelledError):
                    await sleep(LONG)
        finally:
            ended.append(1)

    async def main() -> str:
        go.options(name="stubborn")(stubborn)
        await gosched()
        return "result"

    with caplog.at_level(logging.WARNING, "goish"):
        assert run(main, loop=loop, grace=grace) == "result"
    assert ended == [1]
    assert [record.getMessage() for record in caplog.records] == [
        f"1 goroutine(s) did not end within {grace} s of main's end: stubborn"
    ]


@pytest.mark.parametrize("loop", LOOPS)
def test_infinite_grace_waits_for_all(loop: Any) -> None:
    ended = []

    async def slow() -> None:
        try:
            await chan().recv()
        except asyncio.CancelledError:
            await sleep(0.01)
            ended.append(1)

    async def main() -> None:
        go(slow)
        await gosched()

    run(main, loop=loop, grace=float("inf"))
    assert ended == [1]


@pytest.mark.parametrize("loop", LOOPS)
def test_asyncio_tasks_and_generators_and_executor_end_with_the_loop(loop: Any) -> None:
    ended = []

    async def task() -> None:
        try:
            await asyncio.sleep(LONG)
        finally:
            ended.append("task")

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            ended.append("generator")

    kept: list[Any] = []
    before = set(threading.enumerate())

    async def main() -> asyncio.AbstractEventLoop:
        kept.append(asyncio.get_running_loop().create_task(task()))
        kept.append(numbers())
        await anext(kept[-1])
        await asyncio.to_thread(threading.get_ident)
        return asyncio.get_running_loop()

    assert run(main, loop=loop).is_closed()
    assert sorted(ended) == ["generator", "task"]
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("loop", LOOPS)
def test_many_goroutines_end(loop: Any) -> None:
    async def receiver(ch: Chan[int]) -> None:
        await ch.recv()

    async def main() -> int:
        ch = chan()
        for _ in range(10_000):
            go(receiver, ch)
        await gosched()
        return len(goroutines())

    assert run(main, loop=loop) == 10_001
    assert goroutines() == []


# ── goexit ──


@pytest.mark.parametrize("loop", LOOPS)
def test_goexit_ends_the_goroutine_with_none(loop: Any) -> None:
    ended = []

    async def leaver() -> int:
        try:
            goexit()
        finally:
            ended.append(1)

    async def main() -> None:
        g = go(leaver)
        assert await g is None
        assert g.exited
        assert not g.cancelled()

    run(main, loop=loop)
    assert ended == [1]


def test_goexit_outside_of_a_goroutine_is_refused() -> None:
    with pytest.raises(RuntimeError, match="this code runs in none"):
        goexit()

    async def task() -> None:
        with pytest.raises(RuntimeError, match="this code runs in none"):
            goexit()

    asyncio.run(task())


@pytest.mark.parametrize("loop", LOOPS)
def test_others_go_on_when_main_leaves_by_goexit(loop: Any) -> None:
    done = []

    async def worker(n: int) -> None:
        if n < 3:
            await sleep(0.001)
            go(worker, n + 1)
        done.append(n)

    async def main() -> None:
        go(worker, 1)
        goexit()

    with pytest.raises(DeadlockError, match=r"no goroutines \(main called goexit\) - deadlock!"):
        run(main, loop=loop)
    assert done == [1, 2, 3]


@pytest.mark.parametrize("loop", LOOPS)
def test_end_of_the_last_goroutine_is_an_error_also_where_deadlocks_are_not_looked_for(loop: Any) -> None:
    async def main() -> None:
        goexit()

    with pytest.raises(DeadlockError, match="no goroutines"):
        run(main, loop=loop, deadlock="off")


# ── seed ──


@pytest.mark.parametrize("loop", LOOPS)
def test_seed_makes_select_repeat_its_choices(loop: Any) -> None:
    async def choices() -> list[int]:
        chosen = []
        seed(42)
        for _ in range(100):
            a, b = chan(1), chan(1)
            a.try_send(1)
            b.try_send(1)
            index, _, _ = await select(a.recv(), b.recv())
            chosen.append(index)
        return chosen

    first = run(choices, loop=loop)
    assert run(choices, loop=loop) == first
    assert set(first) == {0, 1}
