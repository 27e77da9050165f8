"""parallel_for, parallel_map, parallel_reduce."""

from __future__ import annotations

import operator
import threading
from collections.abc import Generator
from typing import Any

import pytest
from parties import until

import goish
from goish import Executor, SyncOnLoop, go_thread, parallel_for, parallel_map, parallel_reduce


@pytest.fixture(params=[1, 3])
def executor(request: pytest.FixtureRequest) -> Generator[Executor]:
    with Executor(workers=request.param) as ex:
        yield ex


@pytest.mark.parametrize("n", [0, 1, 2, 7, 1000])
@pytest.mark.parametrize("grain", [None, 1, 3, 5000])
def test_the_results_are_those_of_a_loop(executor: Executor, n: int, grain: int | None) -> None:
    seen: list[int] = []
    assert parallel_map(operator.neg, range(n), grain=grain, executor=executor) == [-i for i in range(n)]
    parallel_for(seen.append, iter(range(n)), grain=grain, executor=executor)
    assert sorted(seen) == list(range(n))
    words = [str(i) for i in range(n)]
    joined = parallel_reduce(operator.add, words, initial="", grain=grain, executor=executor)
    assert joined == "".join(words)  # in order, though in pieces
    assert parallel_reduce(operator.add, range(n), map=str, initial=">", grain=grain, executor=executor) == ">" + joined


def test_reducing_nothing_needs_an_initial_value() -> None:
    with pytest.raises(TypeError, match="initial"):
        parallel_reduce(operator.add, [])
    assert parallel_reduce(operator.add, [], initial=5) == 5


def test_workers_take_part() -> None:
    meet = threading.Barrier(3, timeout=30)
    with Executor(workers=2) as ex:
        parallel_for(lambda _: meet.wait(), range(3), grain=1, executor=ex)


def test_a_piece_is_of_grain_items_at_most(executor: Executor) -> None:
    assert parallel_map(lambda _: goish.current_goroutine(), range(20), grain=20, executor=executor) == [None] * 20
    pieces = parallel_map(lambda _: goish.current_goroutine(), range(20), grain=1, executor=executor)
    assert len(set(pieces)) == 20


def test_the_first_error_is_raised_and_the_rest_left_out(executor: Executor) -> None:
    seen: list[int] = []

    def body(i: int) -> None:
        seen.append(i)
        if i == 3:
            raise LookupError(i)

    for loop in (parallel_for, parallel_map):
        seen.clear()
        with pytest.raises(LookupError, match="3"):
            loop(body, range(100_000), executor=executor)
        assert len(seen) < 100_000
    until(lambda: goish.num_goroutine() == 0)  # a worker may be about to note the end of what it ran


def test_loops_may_nest(executor: Executor) -> None:
    def row(i: int) -> list[int]:
        return parallel_map(lambda j: i * j, range(10), grain=1, executor=executor)

    assert parallel_map(row, range(10), grain=1, executor=executor) == [[i * j for j in range(10)] for i in range(10)]


@pytest.mark.parametrize("loop", [parallel_for, parallel_map])
async def test_on_a_loop_it_is_awaited_by_go_thread(loop: Any) -> None:
    with pytest.raises(SyncOnLoop, match=rf"await go_thread\({loop.__name__}, ...\)"):
        loop(abs, [1])
    await go_thread(loop, abs, [1])
    until(lambda: goish.num_goroutine() <= 1)


@pytest.mark.parametrize("grain", [0, -1, True, 1.5, "3"])
def test_a_grain_is_a_whole_number(grain: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="grain is"):
        parallel_map(abs, [1], grain=grain)
