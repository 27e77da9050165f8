"""An operation that nobody awaits says so, where it was thrown away; whatever was used in any way says nothing."""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import goish
from goish import Chan, WaitGroup, after, chan, go, gosched, select, sleep, try_select

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
