"""An operation that nobody awaits says so, where it was thrown away; what was used or refused says nothing."""

from __future__ import annotations

import asyncio
import gc
import re
import sys
import types
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import goish
from goish import (
    Chan,
    PriorityChan,
    WaitGroup,
    after,
    chan,
    go,
    go_thread,
    gosched,
    select,
    select_blocking,
    sleep,
    try_select,
)
from goish.parallel import spawn

if TYPE_CHECKING:
    from conftest import Driver

FORGOTTEN: dict[str, Callable[[Chan[int]], object]] = {
    "chan send": lambda ch: ch.send(1),
    "chan receive": lambda ch: ch.recv(),
    "select": lambda ch: select(ch.recv()),
    "sleep": lambda _: sleep(1),
    "gosched": lambda _: gosched(),
    "wait group": lambda _: WaitGroup().wait(),
}
ON_A_THREAD = {
    "chan send": "ch.send_blocking(v)",
    "chan receive": "v = ch.recv_blocking()",
    "select": "index, v, ok = select_blocking(...)",
    "sleep": "time.sleep(seconds)",
    "gosched": "time.sleep(0)",
    "wait group": "wg.wait_blocking()",
}


def forget(name: str) -> list[tuple[str, int]]:
    """The warnings, each with how many lines it is off the one that forgets."""
    ch: Chan[int] = chan(1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        FORGOTTEN[name](ch)
        line = sys._getframe().f_lineno - 1
    assert len(ch) == 0
    return [(str(w.message), w.lineno - line) for w in caught if w.filename == __file__]


@pytest.mark.parametrize("name", FORGOTTEN)
async def test_a_forgotten_await_is_told_where_it_happened(name: str) -> None:
    assert forget(name) == [(f"goish: a '{name}' was never awaited, so it has not happened", 0)]


@pytest.mark.parametrize("name", FORGOTTEN)
def test_what_is_forgotten_on_a_thread_without_a_loop_is_told_with_the_call_that_blocks(name: str) -> None:
    [(text, line)] = forget(name)
    assert text.endswith(f"not happened; without an event loop, as on this thread, write {ON_A_THREAD[name]}")
    assert line == 0


async def nothing() -> None:
    pass


def unpack(op: Any) -> None:
    _value, _ok = op


ITERATED: dict[str, tuple[Callable[[Chan[int]], Any], str]] = {
    "send": (lambda ch: ch.send(1), "await ch.send(v)"),
    "recv": (lambda ch: ch.recv(), "v = await ch.recv()"),
    "recv_ok": (lambda ch: ch.recv_ok(), "v, ok = await ch.recv_ok()"),
    "recv_info": (lambda ch: ch.recv_info(), "v, ok, waited = await ch.recv_info()"),
    "wait_closed": (lambda ch: ch.wait_closed(), "await ch.wait_closed()"),
    "select": (lambda ch: select(ch.recv(), ch.send(1)), "index, v, ok = await select(...)"),
    "sleep": (lambda _: sleep(1), "await sleep(seconds)"),
    "gosched": (lambda _: gosched(), "await gosched()"),
    "wait": (lambda _: WaitGroup().wait(), "await wg.wait()"),
}


@pytest.mark.parametrize("name", ITERATED)
@pytest.mark.parametrize("use", [unpack, list, lambda op: print(*op)], ids=["unpacked", "list", "star"])
async def test_a_forgotten_await_of_what_is_unpacked_is_an_error_and_nothing_has_happened(name: str, use: Any) -> None:
    ch: Chan[int] = chan(3)
    ch.try_send_many([1, 2])
    make, written = ITERATED[name]
    with nothing_is_forgotten():
        with pytest.raises(TypeError, match=rf"^an operation is awaited, not iterated: {re.escape(written)}$"):
            use(make(ch))
        op = make(ch)
        with pytest.raises(TypeError, match="awaited, not iterated"):
            use(op)
        del op  # which is no second mistake
    assert ch.try_recv_many() == [1, 2]


def test_what_is_unpacked_on_a_thread_without_a_loop_is_told_the_call_that_blocks() -> None:
    ch: Chan[int] = chan(1)
    ch.try_send(1)
    with pytest.raises(TypeError, match=r"await ch\.recv_ok\(\); without .* v, ok = ch\.recv_ok_blocking\(\)$"):
        unpack(ch.recv_ok())
    assert len(ch) == 1


async def test_an_operation_that_was_iterated_by_mistake_can_still_be_awaited() -> None:
    ch: Chan[int] = chan(1)
    op = ch.send(1)
    with pytest.raises(TypeError, match="awaited, not iterated"):
        unpack(op)
    assert await op is False
    assert len(ch) == 1


@types.coroutine
def by_hand(awaitable: Any) -> Generator[Any, Any, Any]:
    return (yield from awaitable.__await__())


async def awaiting_by_hand(awaitable: Any) -> Any:
    return await by_hand(awaitable)


async def test_yield_from_what_await_gives_waits_for_an_operation_and_for_a_goroutine(drive: Driver) -> None:
    ch: Chan[int] = chan()
    sender = drive.spawn(awaiting_by_hand, ch.send(1))
    assert await by_hand(ch.recv()) == 1
    await by_hand(sender)
    assert await by_hand(select(ch.recv(), default=True)) == (-1, None, False)
    assert await by_hand(go(nothing)) is None


async def test_a_goroutine_that_is_unpacked_is_told_wait_all(run: Driver) -> None:
    g = go(nothing)
    with pytest.raises(TypeError, match=r"a goroutine is awaited, not iterated: .* a, b = await wait_all\(g, h\)"):
        unpack(g)
    assert await g is None


async def test_a_task_of_the_factory_is_iterated_as_one_of_asyncio(run: Driver) -> None:
    loop = asyncio.get_running_loop()
    for make in (lambda: goish.task_factory(loop, nothing()), lambda: asyncio.Task(nothing())):
        iterated, over = make(), make()
        with pytest.raises(RuntimeError):
            list(iterated)
        await over
        assert list(over) == []


def test_a_warning_that_is_an_error_breaks_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    heard: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: heard.append(told.exc_type))
    ch: Chan[int] = chan(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ch.recv()
    assert heard == [RuntimeWarning]
    assert ch.try_send(1)


async def uses(ch: Chan[int]) -> None:
    await ch.send(1)
    await select(ch.recv(), after(10).recv())
    try_select(ch.recv(), ch.recv())
    await select(ch.recv(), default=True)
    with pytest.raises(TypeError):
        select(ch.recv(), 5)  # type: ignore[call-overload]
    cancelled = ch.recv()
    cancelled.cancel()
    waiting = go(ch.recv_many, 1)
    await gosched()
    waiting.cancel()
    await gosched()
    for _ in range(1000):  # far beyond the budget: pauses are ops too
        await ch.send(1)
        await ch.recv()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_what_was_used_says_nothing(loop: Any) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        goish.run(uses, chan(1), loop=loop)
        gc.collect()
    assert [str(w.message) for w in caught] == []


# ── what was refused was not forgotten ──


@contextmanager
def nothing_is_forgotten() -> Generator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert [str(w.message) for w in caught if "never awaited" in str(w.message)] == []


def shut() -> Chan[int]:
    ch: Chan[int] = chan(1)
    ch.close()
    return ch


def full() -> Chan[int]:
    ch: Chan[int] = chan(1, overflow="error")
    ch.try_send(1)
    return ch


async def taken(ch: Chan[int], done: Chan[None]) -> None:
    """Is the declared producer and the declared consumer of ``ch`` until ``done`` is closed."""
    ch.try_send(1)
    ch.try_recv_ok()
    await done.recv_ok()


DECLARED = {"spsc": lambda: chan(8, flavor="spsc"), "priority": lambda: PriorityChan(8, flavor="spsc")}
VERBS: dict[str, Callable[[Chan[Any]], Any]] = {
    "send": lambda ch: ch.send(1),
    "send of the view": lambda ch: ch.sender.send(1),
    "send_many": lambda ch: ch.send_many([1]),
    "recv": lambda ch: ch.recv(),
    "recv of the view": lambda ch: ch.receiver.recv(),
    "recv_ok": lambda ch: ch.recv_ok(),
    "recv_info": lambda ch: ch.recv_info(),
    "recv_many": lambda ch: ch.recv_many(1),
    "anext": lambda ch: anext(ch),
    "select, send": lambda ch: select(chan().recv(), ch.send(1)),
    "select, recv": lambda ch: select(chan().recv(), ch.recv()),
}
REFUSED: dict[str, Callable[[], Any]] = {
    "send, closed": lambda: shut().send(1),
    "send, full": lambda: full().send(1),
    "recv, closed": lambda: shut().recv(),
    "anext, closed": lambda: anext(shut()),
    "select, send closed": lambda: select(shut().send(1)),
    "select, send full": lambda: select(full().send(1)),
    "select, junk": lambda: select(chan().recv(), 5),  # type: ignore[call-overload]
    "select, default": lambda: select(chan().recv(), default=5),  # type: ignore[call-overload]
    "select, timeout": lambda: select(chan().recv(), timeout=5),  # type: ignore[call-overload]
    "select, unknown keyword": lambda: select(chan().recv(), quickly=True),  # type: ignore[call-overload]
    "select, a list": lambda: select([chan().recv()]),  # type: ignore[call-overload]
    "select, twice the same": lambda: select(*[chan().recv()] * 2),
    "select, another argument fails": lambda: select(chan().recv(), chan().send(1 // 0)),
    "try_select, default": lambda: try_select(chan().recv(), default=True),  # type: ignore[call-overload]
    "select_blocking, unknown keyword": lambda: select_blocking(chan().send(1), wait=1),  # type: ignore[call-overload]
    "wait_all of an operation": lambda: goish.wait_all(chan().recv()),  # type: ignore[call-overload]
    "sleep": lambda: sleep("long"),  # type: ignore[arg-type]
    "go of an operation": lambda: go(chan().recv()),  # type: ignore[call-overload]
    "go, gives an operation": lambda: go(chan().recv),
    "WaitGroup.go of an operation": lambda: WaitGroup().go(chan().recv()),  # type: ignore[call-overload]
    "go_thread of an operation": lambda: go_thread(chan().recv()),  # type: ignore[call-overload]
    "go_thread, gives an operation": lambda: go_thread(chan().recv),
    "spawn of an operation": lambda: spawn(chan().recv()),  # type: ignore[call-overload]
    "run of an operation": lambda: goish.run(chan().recv()),  # type: ignore[arg-type]
}


async def refuse(make: Callable[[], Any]) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        await make()
    assert not isinstance(caught.value, asyncio.TimeoutError)


async def in_a_goroutine(make: Callable[[], Any]) -> None:
    await go(refuse, make)


async def in_a_task(make: Callable[[], Any]) -> None:
    await asyncio.Task(refuse(make))


async def as_a_future(make: Callable[[], Any]) -> None:
    await refuse(lambda: asyncio.wait_for(make(), 60))


WAYS = [in_a_goroutine, in_a_task, as_a_future]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", REFUSED)
def test_an_operation_that_is_refused_was_not_forgotten(name: str, way: Any) -> None:
    with nothing_is_forgotten():
        goish.run(way, REFUSED[name])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("declared", DECLARED)
@pytest.mark.parametrize("verb", VERBS)
def test_a_second_producer_or_consumer_is_refused_and_has_forgotten_nothing(verb: str, declared: str, way: Any) -> None:
    async def main() -> None:
        ch, done = DECLARED[declared](), Chan[None]()
        go(taken, ch, done)
        await gosched()
        await way(lambda: VERBS[verb](ch))
        done.close()

    with nothing_is_forgotten():
        goish.run(main, debug=True)


@pytest.mark.parametrize("declared", DECLARED)
def test_a_thread_that_is_refused_has_forgotten_nothing(declared: str) -> None:
    calls: list[Callable[[Chan[int]], object]] = [
        lambda ch: ch.send_blocking(1, timeout=60),
        lambda ch: ch.recv_blocking(timeout=60),
        lambda ch: ch.recv_ok_blocking(timeout=60),
        lambda ch: next(ch),
        lambda ch: select_blocking(ch.send(1), timeout=60),
        lambda ch: select_blocking(ch.recv(), timeout=60),
    ]

    async def main() -> None:
        ch, done = DECLARED[declared](), Chan[None]()
        go(taken, ch, done)
        await gosched()
        for call in calls:
            with pytest.raises(goish.errors.FlavorError):
                await go_thread(call, ch)
        done.close()

    with nothing_is_forgotten():
        goish.run(main, debug=True)


def test_an_operation_awaited_by_the_wrong_goroutine_or_where_no_loop_runs_was_not_forgotten() -> None:
    async def joins_itself() -> None:
        with pytest.raises(RuntimeError, match="itself"):
            await itself[0]

    async def main() -> None:
        itself.append(go(joins_itself))
        await itself[0]

    itself: list[Any] = []
    loop = asyncio.new_event_loop()
    with nothing_is_forgotten():
        goish.run(main)
        for call in (loop.run_until_complete, lambda op: op.add_done_callback(print)):
            with pytest.raises(RuntimeError, match="no event loop runs"):
                call(chan().recv())
    loop.close()
