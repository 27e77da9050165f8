"""Channels are linearizable across threads; and the checker that says so finds what it is there to find."""

from __future__ import annotations

import random
from typing import Any

import pytest
from linearizability import CLOSED, DEFAULT, GIVEN_UP, REFUSED, Event, balance, histories, linearizable, overlapping


def check(rng: random.Random, rounds: int) -> None:
    total = overlapped = 0
    for history, capacities in histories(rng, rounds):
        assert linearizable(history, capacities), f"capacities {capacities}: {sorted(history)}"
        assert balance(history) == (0, 0), sorted(history)
        total += 1
        overlapped += overlapping(history)
    print(f"{total} histories, {overlapped / total:.0%} of them with operations that overlap")


@pytest.mark.usefixtures("impatient_threads")
def test_random_histories_are_linearizable(rng: random.Random) -> None:
    check(rng, 50)


@pytest.mark.slow
@pytest.mark.usefixtures("impatient_threads")
def test_many_random_histories_are_linearizable(rng: random.Random) -> None:
    check(rng, 2500)


# ── the checker itself: each history is (begin, end, kind, chan, value, result) ──


def history(*events: tuple[int, int, str, Any, Any]) -> list[Event]:
    return [Event(begin, end, kind, 0, value, result) for begin, end, kind, value, result in events]


SOUND = {
    "a rendezvous": (0, history((0, 3, "send", 1, True), (1, 2, "recv", None, 1))),
    "buffered, one after the other": (1, history((0, 1, "send", 1, True), (2, 3, "recv", None, 1))),
    "a send that waits until there is room": (
        1,
        history((0, 1, "send", 1, True), (2, 9, "send", 2, True), (3, 4, "recv", None, 1), (5, 6, "recv", None, 2)),
    ),
    "either order of two that overlap": (
        2,
        history((0, 3, "send", 1, True), (1, 2, "send", 2, True), (4, 5, "recv", None, 2), (6, 7, "recv", None, 1)),
    ),
    "drained, then closed": (
        1,
        history(
            (0, 1, "send", 1, True), (2, 3, "close", None, True), (4, 5, "recv", None, 1), (6, 7, "recv", None, CLOSED)
        ),
    ),
    "given up, and sent by another": (
        0,
        history((0, 9, "send_in_time", 1, GIVEN_UP), (1, 4, "send", 2, True), (2, 3, "recv_in_time", None, 2)),
    ),
    "refused while full": (1, history((0, 1, "send", 1, True), (2, 3, "try_send", 2, REFUSED))),
}

BROKEN = {
    "a value received twice": (
        2,
        history((0, 1, "send", 1, True), (2, 3, "recv", None, 1), (4, 5, "recv", None, 1)),
    ),
    "a value received that was not sent yet": (1, history((0, 1, "recv", None, 1), (2, 3, "send", 1, True))),
    "a value out of thin air": (1, history((0, 1, "send", 1, True), (2, 3, "recv", None, None))),
    "a rendezvous without an instant in common": (0, history((0, 1, "send", 1, True), (2, 3, "recv", None, 1))),
    "overtaking": (
        2,
        history((0, 1, "send", 1, True), (2, 3, "send", 2, True), (4, 5, "recv", None, 2), (6, 7, "recv", None, 1)),
    ),
    "more than the capacity": (1, history((0, 1, "send", 1, True), (2, 3, "send", 2, True))),
    "a send after close": (1, history((0, 1, "close", None, True), (2, 3, "send", 1, True))),
    "closed before it was drained": (
        1,
        history((0, 1, "send", 1, True), (2, 3, "close", None, True), (4, 5, "recv", None, CLOSED)),
    ),
    "closed for one and open for the next": (
        1,
        history((0, 9, "close", None, True), (1, 2, "recv", None, CLOSED), (3, 4, "try_send", 1, REFUSED)),
    ),
    "empty although a value is there": (1, history((0, 1, "send", 1, True), (2, 3, "try_recv_ok", None, REFUSED))),
    "two that close it": (1, history((0, 1, "close", None, True), (2, 3, "close", None, True))),
    "given up, and yet received": (
        0,
        history((0, 3, "send_in_time", 1, GIVEN_UP), (1, 2, "recv", None, 1)),
    ),
    "sent, and not there in the end": (
        1,
        history((0, 1, "send", 1, True), (2, 3, "close", None, True), (4, 5, "recv", None, CLOSED)),
    ),
    "a default although one is ready": (
        1,
        [*history((0, 1, "send", 1, True)), Event(2, 3, "select", -1, [("recv", 0, None)], DEFAULT)],
    ),
    "a select that took and said otherwise": (
        1,
        [
            *history((0, 1, "send", 1, True), (4, 5, "recv", None, 1)),
            Event(2, 3, "select", -1, [("recv", 0, None)], (0, 1)),
        ],
    ),
}


@pytest.mark.parametrize("name", SOUND)
def test_checker_accepts(name: str) -> None:
    capacity, events = SOUND[name]
    assert linearizable(events, (capacity,))


@pytest.mark.parametrize("name", BROKEN)
def test_checker_refuses(name: str) -> None:
    capacity, events = BROKEN[name]
    assert not linearizable(events, (capacity,))


def test_balance_counts_what_was_lost_and_what_was_doubled() -> None:
    _, sound = SOUND["drained, then closed"]
    assert balance(sound) == (0, 0)
    assert balance(sound[:2]) == (1, 0)
    assert balance([*sound, *sound[2:3]]) == (0, 1)
    _, doubled = BROKEN["a select that took and said otherwise"]
    assert balance(doubled) == (0, 1)


def test_operations_overlap_if_one_begins_before_another_has_ended() -> None:
    _, apart = SOUND["buffered, one after the other"]
    _, over_others = SOUND["a send that waits until there is room"]
    assert not overlapping(apart)
    assert overlapping(over_others)
    assert not overlapping([over_others[0], over_others[1]._replace(last=True)]), "how it ends does not count"
