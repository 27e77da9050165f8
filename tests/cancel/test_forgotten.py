"""An operation that nobody awaits says so, where it was thrown away; what was used or refused says nothing."""

from __future__ import annotations

import asyncio
import gc
import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

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

FORGOTTEN: dict[str, Callable[[Chan[int]], object]] = {
    "chan send": lambda ch: ch.send(1),
    "chan receive": lambda ch: ch.recv(),
    "select": lambda ch: select(ch.recv()),
    "sleep": lambda _: sleep(1),
    "gosched": lambda _: gosched(),
    "wait group": lambda _: WaitGroup().wait(),
}


@pytest.mark.parametrize("name", FORGOTTEN)
def test_a_forgotten_await_is_told_where_it_happened(name: str) -> None:
    ch: Chan[int] = chan(1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        FORGOTTEN[name](ch)
        line = sys._getframe().f_lineno - 1
    assert [(str(w.message), w.lineno if w.filename == __file__ else 0) for w in caught] == [
        (f"goish: a '{name}' was never awaited, so it has not happened", line)
    ]
    assert len(ch) == 0


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
    "select, twice the same": lambda: select(*[chan().recv()] * 2),
    "select, another argument fails": lambda: select(chan().recv(), chan().send(1 // 0)),
    "try_select, default": lambda: try_select(chan().recv(), default=True),  # type: ignore[call-overload]
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
