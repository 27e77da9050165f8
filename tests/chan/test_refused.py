"""A loop that takes no callback for a moment: at the recursion limit, without memory, interrupted by a signal handler.

Nothing that was to be started or woken is forgotten: it runs as soon as the loop has room.
Not here: a loop that is closed (test_closed_loops.py), signals without a Python call in the midst (test_signals.py).
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from helpers import LOOPS, REAL_LOOPS, settle

import goish
from goish import Chan, WaitGroup, chan, go, select

T = TypeVar("T")
PATIENCE = 100.0  # seconds that nothing here takes unless it hangs


def at_the_limit(fn: Callable[[], T]) -> T:
    """Calls ``fn`` where no further Python function can be called; if it cannot be either, a little higher."""
    try:
        return at_the_limit(fn)
    except RecursionError:
        return fn()


async def give(value: T) -> T:
    return value


@pytest.fixture(params=REAL_LOOPS)
def run(request: pytest.FixtureRequest) -> Any:
    def run(main: Any) -> Any:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            return runner.run(asyncio.wait_for(main(), PATIENCE))

    return run


def test_go_at_the_recursion_limit_runs_or_raises(run: Any) -> None:
    async def main() -> None:
        assert await at_the_limit(lambda: go(give, 1)) == 1
        assert await at_the_limit(lambda: asyncio.ensure_future(go(give, 2))) == 2

    run(main)


WAKES: dict[str, Callable[[Chan[int], WaitGroup], object]] = {
    "try_send": lambda ch, _: ch.try_send(1),
    "close": lambda ch, _: ch.close(),
    "batch": lambda ch, _: ch.try_send_many([1]),
    "done": lambda _, wg: wg.done(),
}


@pytest.mark.parametrize("wake", WAKES.values(), ids=WAKES)
@pytest.mark.parametrize("kind", ["goroutine", "task"])
@pytest.mark.parametrize("where", ["on the loop", "on a thread", "on another loop"])
def test_who_is_woken_at_the_recursion_limit_wakes(run: Any, wake: Any, kind: str, where: str) -> None:
    async def main() -> None:
        ch: Chan[int] = chan()
        wg = WaitGroup()
        wg.add()
        woken: list[object] = []

        async def receive() -> None:
            woken.append(await (wg.wait() if wake is WAKES["done"] else select(ch.recv())))

        waits: Any = go(receive) if kind == "goroutine" else asyncio.get_running_loop().create_task(receive())
        await settle()

        async def elsewhere() -> None:
            at_the_limit(lambda: wake(ch, wg))

        if where == "on the loop":
            at_the_limit(lambda: wake(ch, wg))
        else:
            target = (
                (lambda: asyncio.run(elsewhere())) if "loop" in where else lambda: at_the_limit(lambda: wake(ch, wg))
            )
            thread = threading.Thread(target=target)
            thread.start()
            await asyncio.to_thread(thread.join)
        await asyncio.wait([waits])
        assert len(woken) == 1
        assert await go(give, 3) == 3, "the loop is as it was"

    run(main)


def test_a_sleep_that_is_armed_at_the_recursion_limit_ends(run: Any) -> None:
    async def main() -> None:
        op = goish.sleep(0.001)
        over = asyncio.Event()
        at_the_limit(lambda: op.add_done_callback(lambda _: over.set()))
        await over.wait()

    run(main)


def test_a_cancel_at_the_recursion_limit_arrives(run: Any) -> None:
    async def main() -> None:
        g = go(receive_for_ever)
        await settle()
        assert at_the_limit(g.cancel)
        await asyncio.wait([g])
        assert g.cancelled()

    run(main)


async def receive_for_ever() -> None:
    await chan().recv()


class Refusing(asyncio.SelectorEventLoop):
    """Raises ``errors``, one at a call, instead of taking a callback."""

    errors: list[BaseException]

    def __init__(self) -> None:
        self.errors = []
        super().__init__()

    def refuse(self) -> None:
        """Any thread."""
        try:
            error = self.errors.pop()
        except IndexError:
            return
        raise error

    def call_soon(self, *args: Any, **options: Any) -> Any:
        self.refuse()
        return super().call_soon(*args, **options)

    def call_soon_threadsafe(self, *args: Any, **options: Any) -> Any:
        self.refuse()
        return super().call_soon_threadsafe(*args, **options)


@pytest.mark.parametrize("times", [1, 2, 3, 5])
@pytest.mark.parametrize("error", [MemoryError, RecursionError, LookupError])
def test_whatever_the_loop_raises_and_however_often_nobody_is_forgotten(times: int, error: type[Exception]) -> None:
    heard: list[BaseException] = []

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: heard.append(context["exception"]))
        ch: Chan[int] = chan()
        g = go(receive, ch)
        await settle()
        loop.errors = [error() for _ in range(times)]
        ch.try_send(1)
        assert await g == 1
        loop.errors = [error() for _ in range(times)]
        threading.Thread(target=ch.send_blocking, args=(2,)).start()
        assert await receive(ch) == 2
        loop.errors = []
        await settle()

    with asyncio.Runner(loop_factory=Refusing) as runner:
        runner.run(asyncio.wait_for(main(), PATIENCE))
    assert {type(exc) for exc in heard} <= {error}


async def receive(ch: Chan[int]) -> int:
    return await ch.recv()


def test_an_interrupt_in_the_midst_of_a_wake_up_is_raised_and_nobody_is_forgotten() -> None:
    ended: list[object] = []

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        ch: Chan[int] = chan()

        async def receiver() -> None:
            ended.append(await ch.recv())

        go(receiver)
        await settle()
        loop.errors = [RecursionError(), KeyboardInterrupt()]
        ch.try_send(1)
        await asyncio.get_running_loop().create_future()

    with pytest.raises(KeyboardInterrupt), asyncio.Runner(loop_factory=Refusing) as runner:
        runner.run(asyncio.wait_for(main(), PATIENCE))
    assert ended == [1]


@pytest.mark.parametrize("refused", range(3))
@pytest.mark.parametrize("kind", ["go", "task", "eager task"])
@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_a_done_callback_that_the_loop_refuses_keeps_nobody_else_from_being_told(
    loop: str, kind: str, refused: int
) -> None:
    told: list[str] = []
    heard: list[object] = []
    a_loop = LOOPS[loop]()
    a_loop.close()

    class Choosy(type(a_loop)):  # type: ignore[misc]
        refuses: object = None

        def call_soon(self, fn: Any, *args: Any, **options: Any) -> Any:
            if fn is self.refuses:
                raise RecursionError
            return super().call_soon(fn, *args, **options)

    async def main() -> None:
        here: Any = asyncio.get_running_loop()
        here.set_exception_handler(lambda _, context: heard.append(type(context["exception"])))
        end = here.create_future()

        async def body() -> None:
            await end

        async def join(i: int) -> None:
            await g
            told.append(f"joiner {i}")

        options = {"eager_start": True} if kind == "eager task" else {}
        g: Any = go(body) if kind == "go" else goish.task_factory(here, body(), **options)
        callbacks = []
        for i in range(3):
            go(join, i)
            await settle()
            callbacks.append(functools.partial(tell, i))
            g.add_done_callback(callbacks[-1])
        here.refuses = callbacks[refused]
        end.set_result(None)
        await settle()
        assert g.done() and g not in goish.runtime.goroutines()

    def tell(i: int, _: object) -> None:
        told.append(f"callback {i}")

    a_loop = Choosy()
    try:
        a_loop.run_until_complete(main())
    finally:
        a_loop.close()
    everybody = {f"{who} {i}" for who in ("joiner", "callback") for i in range(3)}
    assert sorted(told) == sorted(everybody - {f"callback {refused}"})
    assert heard == [RecursionError]
