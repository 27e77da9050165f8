"""dump() shows what every goroutine does; leaks() names exactly those that nothing can wake any more."""

from __future__ import annotations

import asyncio
import gc
import io
import math
import random
import sys
import threading
import types
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from helpers import FREE_THREADED

import goish
from goish import NIL, Chan, PriorityChan, WaitGroup, after, chan, debug, go, gosched, run, select, sleep
from goish._inspect import leaks
from goish.runtime import goroutines

LOOPS: list[Any] = ["asyncio", "uvloop"]
LONG = 3600.0

needs_gil = pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="free-threaded builds do not count all references"
)


async def settled() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def dumped() -> str:
    await settled()
    out = io.StringIO()
    debug.dump(out)
    return out.getvalue()


def entry(text: str, head: str) -> str:
    """The part of a dump about the goroutine (or group) whose first line contains ``head``."""
    (found,) = (part for part in text.strip().split("\n\n") if head in part.split("\n")[0])
    return found


def functions(part: str) -> list[str]:
    """The names of the functions on the stack, outermost first."""
    return [line.rsplit(" in ", 1)[1] for line in part.splitlines() if line.startswith("  File ")]


# ── dump ──


@pytest.mark.parametrize("loop", LOOPS)
def test_dump_shows_state_stack_source_line_and_origin(loop: Any) -> None:
    async def worker(ch: Chan[int]) -> None:
        await ch.recv()

    async def main() -> str:
        go.options(name="worker")(worker, chan())
        return await dumped()

    name = "test_dump_shows_state_stack_source_line_and_origin.<locals>"
    lines = entry(run(main, loop=loop), "(worker)").splitlines()
    assert lines[0].startswith("goroutine ") and lines[0].endswith(" (worker) [chan receive]:")
    assert lines[1].startswith(f'  File "{__file__}", line ') and lines[1].endswith(f", in {name}.worker")
    assert lines[2] == "    await ch.recv()"
    assert lines[3].startswith(f"  created by {name}.main at {__file__}:")
    assert len(lines) == 4


@pytest.mark.parametrize("loop", LOOPS)
def test_dump_names_every_wait(loop: Any) -> None:
    wg = WaitGroup()
    wg.add()
    full: Chan[int] = chan()

    async def wait(op: Awaitable[Any]) -> None:
        await op

    async def main() -> str:
        loop_ = asyncio.get_running_loop()
        parked = go(wait, chan().recv())
        waits: dict[str, Awaitable[Any]] = {
            "receive": chan().recv(),
            "send": full.send(1),
            "nil": NIL.recv(),
            "select": select(chan().recv(), after(LONG).recv()),
            "empty": select(),
            "sleep": sleep(LONG),
            "join": parked,
            "group": wg.wait(),
            "future": loop_.create_future(),
        }
        for name, op in waits.items():
            go.options(name=name)(wait, op)
        return await dumped()

    text = run(main, loop=loop)
    expected = {
        "receive": "chan receive",
        "send": "chan send",
        "nil": "chan receive (nil chan)",
        "select": "select",
        "empty": "select (no cases)",
        "sleep": "sleep",
        "join": "goroutine",
        "group": "wait group",
        "future": "asyncio future",
        "main": "running",
    }
    for name, reason in expected.items():
        assert entry(text, f"({name})").splitlines()[0].endswith(f"({name}) [{reason}]:")


@pytest.mark.parametrize("loop", LOOPS)
def test_equal_goroutines_are_shown_once_with_their_number(loop: Any) -> None:
    async def worker(ch: Chan[int]) -> None:
        await ch.recv()

    async def main() -> str:
        for _ in range(990):
            go(worker, chan())
        for n in range(2):
            go.options(name=f"elsewhere-{n}")(worker, chan())
        await gosched()  # behind all of them, however many slices that takes
        return await dumped()

    text = run(main, loop=loop)
    groups = text.strip().split("\n\n")
    assert len(groups) == 3
    assert groups[1].startswith("990 goroutines (")
    assert groups[1].splitlines()[0].endswith(", ...) [chan receive]:")
    assert groups[2].startswith("2 goroutines (")
    assert "(elsewhere-0), " in groups[2].splitlines()[0]


class Waits:
    """An awaitable whose __await__ is a generator."""

    def __init__(self, ch: Chan[int]) -> None:
        self.ch = ch

    def __await__(self) -> Generator[Any, Any, int]:
        value = yield from self.ch.recv().__await__()
        return value


async def by_coroutine(ch: Chan[int]) -> None:
    await innermost(ch)


async def innermost(ch: Chan[int]) -> None:
    await ch.recv()


async def by_wrapper(ch: Chan[int]) -> None:
    class Delegates:
        def __await__(self) -> Generator[Any, Any, None]:
            return innermost(ch).__await__()

    await Delegates()


async def by_generator(ch: Chan[int]) -> None:
    await Waits(ch)


async def numbers(ch: Chan[int]) -> AsyncIterator[int]:
    try:
        while True:
            yield await ch.recv()
    finally:
        await ch.recv()


async def by_async_for(ch: Chan[int]) -> None:
    async for _ in numbers(ch):
        pass


async def by_anext(ch: Chan[int]) -> None:
    await anext(numbers(ch), None)


async def by_aclose(ch: Chan[int]) -> None:
    generator = numbers(ch)
    ch.try_send(1)
    await anext(generator)
    await generator.aclose()  # type: ignore[attr-defined]


@asynccontextmanager
async def context(ch: Chan[int]) -> AsyncIterator[None]:
    await ch.recv()
    yield


async def by_context_manager(ch: Chan[int]) -> None:
    async with context(ch):
        pass


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("fn", "chain"),
    [
        (by_coroutine, ["by_coroutine", "innermost"]),
        (by_wrapper, ["by_wrapper", "innermost"]),
        (by_generator, ["by_generator", "Waits.__await__"]),
        (by_async_for, ["by_async_for", "numbers"]),
        (by_anext, ["by_anext", "numbers"]),
        (by_aclose, ["by_aclose", "numbers"]),
        (by_context_manager, ["by_context_manager", "_AsyncGeneratorContextManager.__aenter__", "context"]),
    ],
)
def test_stack_follows_the_awaits(fn: Callable[..., Coroutine[Any, Any, None]], chain: list[str], loop: Any) -> None:
    async def main() -> str:
        go.options(name="worker")(fn, chan(1))
        return await dumped()

    assert functions(entry(run(main, loop=loop), "(worker)")) == chain


@pytest.mark.parametrize("loop", LOOPS)
def test_stack_of_the_running_goroutine_shows_its_calls(loop: Any) -> None:
    def helper() -> None:
        debug.dump(out)

    async def inner() -> None:
        helper()

    async def main() -> None:
        await inner()

    out = io.StringIO()
    run(main, loop=loop)
    shown = functions(entry(out.getvalue(), "(main)"))
    assert [name.rsplit(".", 1)[1] for name in shown] == ["main", "inner", "helper"]


class JumpingLoop(asyncio.SelectorEventLoop):
    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def test_long_waits_are_shown_in_minutes() -> None:
    async def worker() -> None:
        await chan().recv()

    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, JumpingLoop)
        go.options(name="worker")(worker)
        shown = []
        for seconds in (0, 59, 60, 180):
            await settled()
            loop.ahead = float(seconds)
            shown.append(entry(await dumped(), "(worker)").splitlines()[0].split(") ")[1])
        return shown

    assert run(main, loop=JumpingLoop) == [
        "[chan receive]:",
        "[chan receive]:",
        "[chan receive, 1 minute]:",
        "[chan receive, 3 minutes]:",
    ]


@pytest.mark.parametrize("loop", LOOPS)
def test_dump_goes_to_standard_error_by_default(loop: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        debug.dump()

    run(main, loop=loop)
    assert "(main) [running]:" in capsys.readouterr().err


def test_dump_without_goroutines_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    debug.dump()
    assert capsys.readouterr().err == "no goroutines\n"


@pytest.mark.parametrize("loop", LOOPS)
def test_dump_shows_where_a_generator_based_coroutine_stands(loop: Any) -> None:
    out = io.StringIO()

    @types.coroutine
    def body(ch: Chan[int]) -> Generator[Any, Any, None]:
        debug.dump(out)
        yield from ch.recv().__await__()

    async def main() -> None:
        ch: Chan[int] = chan()
        g = go(body, ch)
        assert "yield from ch.recv()" in entry(await dumped(), "[chan receive]")
        await ch.send(1)
        await g

    run(main, loop=loop)
    assert "debug.dump(out)" in entry(out.getvalue(), "[running]")


# ── leaks ──


async def receive(ch: Chan[int]) -> None:
    await ch.recv()


async def wait(op: Awaitable[Any]) -> None:
    await op


def leaked_names() -> list[str]:
    return [g.name for g in debug.leaks()]


@pytest.fixture(params=LOOPS)
def leaks_of(request: pytest.FixtureRequest) -> Callable[[Callable[[], object]], list[str]]:
    """Runs ``setup()`` in main, lets everybody park and gives the names of the leaked goroutines."""

    def leaks_of(setup: Callable[[], object]) -> list[str]:
        async def main() -> list[str]:
            kept = setup()
            await settled()
            names = leaked_names()
            del kept
            return names

        return run(main, loop=request.param)

    return leaks_of


Leaks = Callable[[Callable[[], object]], list[str]]


def named(name: str) -> Any:
    return go.options(name=name)


@needs_gil
@pytest.mark.parametrize(
    "op",
    [
        lambda: chan().recv(),
        lambda: chan().recv_ok(),
        lambda: chan().send(1),
        lambda: PriorityChan(1).recv(),
        lambda: chan().receiver.recv(),
        lambda: NIL.recv(),
        lambda: select(),
        lambda: select(chan().recv(), chan().send(1), NIL.recv()),
    ],
    ids=["recv", "recv_ok", "send", "priority", "view", "nil", "empty select", "select"],
)
def test_wait_on_what_nobody_else_holds_is_a_leak(op: Callable[[], Any], leaks_of: Leaks) -> None:
    def setup() -> None:
        named("leaked")(wait, op())

    assert leaks_of(setup) == ["leaked"]


class Item:
    """Something to count the references of."""


def take(*_args: object) -> None:
    pass


async def operand_of_await(item: Item) -> None:
    alias = item
    take(item, alias, await chan().recv(), item)


async def operand_of_yield(item: Item) -> AsyncIterator[int]:
    take(item, (yield 1), item)


async def awaited(op: Any) -> None:
    await op


def generator_waits(op: Any) -> Generator[Any, Any, None]:
    yield from op.__await__()


# leaks() counts the references that a suspended frame names; one that is only borrowed would make it invent leaks.
@needs_gil
@pytest.mark.parametrize("fn", [operand_of_await, operand_of_yield, awaited, generator_waits])
def test_no_more_references_are_counted_than_a_suspended_frame_owns(fn: Callable[[Any], Any]) -> None:
    item: Any = chan().recv() if fn in (awaited, generator_waits) else Item()
    before = sys.getrefcount(item)
    suspended = fn(item)
    step = suspended.asend(None) if fn is operand_of_yield else suspended
    with suppress(StopIteration):
        step.send(None)
    owned = sys.getrefcount(item) - before
    counted = sum(part is item for part in leaks._referents(suspended))
    assert 0 < counted <= owned
    if fn is not operand_of_yield:
        assert counted == owned
        suspended.close()


@needs_gil
def test_leak_is_found_among_operands_and_aliases(leaks_of: Leaks) -> None:
    async def operands(ch: Chan[int]) -> None:
        alias = ch
        take(ch, alias, await ch.recv(), ch)

    async def generate(ch: Chan[int]) -> AsyncIterator[int]:
        while True:
            take(ch, (yield 1), ch)

    async def iterate(ch: Chan[int], alias: Chan[int]) -> None:
        async for _ in generate(ch):
            await alias.recv()

    def setup() -> object:
        named("operands")(operands, chan())
        ch: Chan[int] = chan()
        named("iterate")(iterate, ch, ch)
        held: Chan[int] = chan()
        go(operands, held)
        go(iterate, held, held)
        return held

    assert leaks_of(setup) == ["operands", "iterate"]


@needs_gil
def test_wait_group_nobody_else_holds_is_a_leak(leaks_of: Leaks) -> None:
    def setup() -> None:
        wg = WaitGroup()
        wg.add()
        named("leaked")(wait, wg.wait())

    assert leaks_of(setup) == ["leaked"]


@needs_gil
def test_goroutines_that_wait_for_one_another_leak_together(leaks_of: Leaks) -> None:
    async def first(a: Chan[int], b: Chan[int]) -> None:
        await a.recv()
        await b.send(1)

    def setup() -> None:
        a: Chan[int] = chan()
        b: Chan[int] = chan()
        named("a")(first, a, b)
        named("b")(first, b, a)
        joined = named("joined")(receive, chan())
        named("joiner")(wait, joined)

    assert leaks_of(setup) == ["a", "b", "joined", "joiner"]


@needs_gil
def test_leak_is_found_through_closures_objects_and_containers(leaks_of: Leaks) -> None:
    class Box:
        def __init__(self, ch: Chan[int]) -> None:
            self.ch = ch

        async def receive(self) -> None:
            await self.ch.recv()

    def setup() -> None:
        ch: Chan[int] = chan()

        async def closure() -> None:
            await ch.recv()

        async def container(values: dict[str, list[Chan[int]]]) -> None:
            await values["a"][0].recv()

        named("closure")(closure)
        named("object")(Box(chan()).receive)
        named("container")(container, {"a": [chan()]})

    assert leaks_of(setup) == ["closure", "object", "container"]


@needs_gil
@pytest.mark.parametrize(
    "keep",
    [
        lambda ch: ch,
        lambda ch: ch.sender,
        lambda ch: [{"deep": (ch,)}],
        lambda ch: lambda: ch,
        lambda ch: ch.send(1),
        lambda ch: select(ch.send(1), NIL.recv()),
    ],
    ids=["channel", "view", "container", "closure", "op", "select"],
)
def test_wait_on_a_channel_that_is_held_is_no_leak(keep: Callable[[Any], object], leaks_of: Leaks) -> None:
    def setup() -> object:
        ch: Chan[int] = chan()
        named("held")(receive, ch)
        return keep(ch)

    kept = leaks_of(setup)
    assert kept == []


@needs_gil
def test_goroutine_whose_handle_is_held_is_no_leak(leaks_of: Leaks) -> None:
    assert leaks_of(lambda: go(receive, chan())) == []


@needs_gil
def test_whoever_a_held_channel_reaches_is_no_leak(leaks_of: Leaks) -> None:
    async def relay(from_: Chan[int], to: Chan[int]) -> None:
        await to.send(await from_.recv())

    def setup() -> object:
        first: Chan[int] = chan()
        second: Chan[int] = chan()
        third: Chan[int] = chan()
        go(relay, first, second)
        go(relay, second, third)
        go(receive, third)
        named("leaked")(relay, chan(), third)
        return first

    assert leaks_of(setup) == ["leaked"]


@needs_gil
def test_whoever_a_held_wait_group_or_goroutine_releases_is_no_leak(leaks_of: Leaks) -> None:
    def setup() -> object:
        wg = WaitGroup()
        wg.add()
        go(wait, wg.wait())
        held = go(receive, chan())
        go(wait, held)
        return wg, held

    assert leaks_of(setup) == []


@needs_gil
def test_whoever_a_timer_or_the_loop_wakes_is_no_leak(leaks_of: Leaks) -> None:
    async def future() -> None:
        await asyncio.get_running_loop().create_future()

    async def late_sender(ch: Chan[int]) -> None:
        await sleep(LONG)
        await ch.send(1)

    async def late_asyncio_sender(ch: Chan[int]) -> None:
        await asyncio.sleep(LONG)
        await ch.send(1)

    def setup() -> None:
        go(wait, sleep(LONG))
        go(wait, asyncio.sleep(LONG))
        go(wait, after(LONG).recv())
        go(wait, select(chan().recv(), after(LONG).recv()))
        go(future)
        for sender in (late_sender, late_asyncio_sender):
            ch: Chan[int] = chan()
            go(sender, ch)
            go(receive, ch)
        asyncio.get_running_loop().call_later(LONG, (timed := chan(1)).try_send, 1)
        go(receive, timed)

    assert leaks_of(setup) == []


@needs_gil
def test_whoever_an_asyncio_task_wakes_is_no_leak(leaks_of: Leaks) -> None:
    async def task(a: Chan[int], b: Chan[int]) -> None:
        await a.recv()
        await b.send(1)

    def setup() -> object:
        a: Chan[int] = chan()
        b: Chan[int] = chan()
        go(receive, b)
        return asyncio.get_running_loop().create_task(task(a, b))

    assert leaks_of(setup) == []


@needs_gil
def test_running_goroutine_holds_what_its_stack_holds(leaks_of: Leaks) -> None:
    async def main() -> list[str]:
        ch: Chan[int] = chan()
        named("held")(receive, ch)
        await settled()
        held = leaked_names()
        del ch
        return held + leaked_names()

    for loop in LOOPS:
        assert run(main, loop=loop) == ["held"]


GLOBAL: Chan[int] = chan()


@needs_gil
def test_global_channel_is_reachable(leaks_of: Leaks) -> None:
    async def from_global() -> None:
        await GLOBAL.recv()

    assert leaks_of(lambda: go(from_global) and None) == []


@needs_gil
@pytest.mark.parametrize("round_", range(10))
def test_leaks_are_those_of_the_model(round_: int, rng: random.Random, leaks_of: Leaks) -> None:
    """Any number of channels, goroutines and who holds what, against reachability computed over plain sets."""
    count = 30
    waits = [rng.sample(range(count), rng.choice([1, 1, 2])) for _ in range(count)]
    holds = [rng.sample(range(count), rng.choice([0, 1, 2])) for _ in range(count)]
    held = rng.sample(range(count), rng.randrange(4))

    reached = set(held)
    while fresh := {ch for g in range(count) if reached & set(waits[g]) for ch in (*waits[g], *holds[g])} - reached:
        reached |= fresh
    expected = [f"{g}" for g in range(count) if not reached & set(waits[g])]

    async def goroutine(waited: list[Chan[int]], kept: list[Chan[int]]) -> None:
        await select(*(ch.recv() for ch in waited))

    def setup() -> object:
        chans: list[Chan[int]] = [chan() for _ in range(count)]
        for g in range(count):
            named(f"{g}")(goroutine, [chans[i] for i in waits[g]], [chans[i] for i in holds[g]])
        return [chans[i] for i in held]

    assert leaks_of(setup) == expected


@needs_gil
def test_looking_for_leaks_changes_nothing(leaks_of: Leaks) -> None:
    async def main() -> None:
        ch: Chan[int] = chan()
        reference = weakref.ref(ch)
        named("leaked")(receive, ch)
        held: Chan[int] = chan()
        receiver = go(receive, held)
        await settled()
        del ch
        enabled = gc.isenabled()
        counts = [sys.getrefcount(g) for g in goroutines()]
        assert leaked_names() == leaked_names() == ["leaked"]
        assert [sys.getrefcount(g) for g in goroutines()] == counts
        assert gc.isenabled() == enabled
        await held.send(1)
        await receiver
        found = reference()
        assert found is not None
        await found.send(1)
        await settled()
        assert leaked_names() == []
        del found
        assert reference() is None

    for loop in LOOPS:
        run(main, loop=loop)


@needs_gil
def test_parked_goroutine_survives_the_collector_and_is_listed(leaks_of: Leaks) -> None:
    async def main() -> tuple[int, int]:
        for _ in range(1000):
            go(receive, chan())
        await gosched()
        for _ in range(3):
            gc.collect()
        return len(goroutines()), len(debug.leaks())

    for loop in LOOPS:
        assert run(main, loop=loop) == (1001, 1000)


@needs_gil
def test_leaks_in_a_loop_that_is_not_ours() -> None:
    async def main() -> list[str]:
        named("leaked")(receive, chan())
        held: Chan[int] = chan()
        go(receive, held)
        await settled()
        return leaked_names()

    assert asyncio.run(main()) == ["leaked"]


def test_leaks_outside_of_any_loop_is_empty() -> None:
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        assert debug.leaks() == []
    else:
        with pytest.raises(NotImplementedError, match="with the GIL"):
            debug.leaks()


# ── other threads ──


@pytest.mark.skipif(FREE_THREADED, reason="what runs on another thread cannot be looked at without the GIL")
def test_dump_shows_what_runs_and_waits_on_worker_threads() -> None:
    began, go_on = chan(math.inf), threading.Event()
    text = io.StringIO()

    def computes() -> None:
        began.send_blocking(None), go_on.wait()  # in one line: it is dumped in the one call or the other

    async def listens(ch: Chan[None]) -> None:
        await began.send(None)
        await ch.recv_ok()

    async def main() -> None:
        ch: Chan[None] = chan()
        handles = [goish.go_thread(computes), goish.go_thread(listens, ch)]
        for _ in handles:
            await began.recv()
        parked = handles[1]
        while parked.wait_reason is None:
            await asyncio.sleep(0)
        debug.dump(text)
        go_on.set()
        ch.close()
        await goish.wait_all(*handles)

    run(main)
    running = next(part for part in text.getvalue().split("\n\n") if "computes" in part)
    assert "[running]" in running
    assert "go_on.wait()" in running
    assert "workers.py" not in running
    waiting = next(part for part in text.getvalue().split("\n\n") if "await ch.recv_ok()" in part)
    assert "[chan receive]" in waiting
