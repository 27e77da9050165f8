"""Rule 12: operations that never have to wait let others run all the same: goroutines, tasks, callbacks and sockets."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from helpers import settle, turn

from goish import Chan, chan, go, gosched, select

Spawn = Callable[..., Any]
BUDGET = 128  # operations that may happen in a row before others have had their turn
MANY = 20 * BUDGET


def closed(ch: Chan[Any]) -> Chan[Any]:
    ch.close()
    return ch


def always_ready() -> dict[str, Callable[[], Awaitable[Any]]]:
    """Operations that never have to wait, however often they are done."""
    endless = chan(math.inf)
    endless.try_send_many(range(20 * MANY))
    over = closed(chan())
    values = aiter(endless)

    async def there_and_back() -> None:
        await endless.send(0)
        await endless.recv()

    return {
        "send": lambda: endless.send(0),
        "recv": lambda: endless.recv(),
        "recv_ok": lambda: endless.recv_ok(),
        "recv_info": lambda: endless.recv_info(),
        "recv_many": lambda: endless.recv_many(1),
        "send_many": lambda: endless.send_many([0]),
        "closed": lambda: over.recv_ok(),
        "anext": lambda: anext(values),
        "select": lambda: select(endless.recv(), endless.send(0)),
        "nested": there_and_back,
    }


OPERATIONS = list(always_ready())


@pytest.mark.parametrize("name", OPERATIONS)
async def test_others_run_while_one_always_has_something_to_do(spawn: Spawn, name: str) -> None:
    """Rule 12: between any two turns of a bystander lie no more than the budget's operations."""
    operation = always_ready()[name]
    done = 0
    gaps = []

    async def bystander() -> None:
        before = done
        while done < MANY:
            await gosched()
            gaps.append(done - before)
            before = done

    async def spinner() -> None:
        nonlocal done
        while done < MANY:
            await operation()
            done += 1

    b = spawn(bystander)
    await settle()
    await spawn(spinner)
    await b
    assert max(gaps) <= 2 * BUDGET  # two, as a bystander of another role may be served only every other time
    assert len(gaps) >= MANY // (2 * BUDGET)


@pytest.mark.parametrize("name", ["recv", "select", "anext"])
async def test_the_loop_turns_while_goroutines_spin(spawn: Spawn, name: str) -> None:
    """Rule 12: callbacks of the loop run, and sockets are served, while nobody ever waits."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    echoes = 0
    turns = 0

    def tick() -> None:
        nonlocal turns
        turns += 1
        if echoes < 3:
            loop.call_soon(tick)

    def on_data() -> None:
        nonlocal echoes
        echoes += 1
        ours.recv(1)
        if echoes < 3:
            theirs.send(b"x")

    async def spinner() -> None:
        operation = always_ready()[name]
        while echoes < 3:
            await operation()

    loop.add_reader(ours, on_data)
    loop.call_soon(tick)
    theirs.send(b"x")
    spinners = [spawn(spinner) for _ in range(3)]
    for s in spinners:
        await s  # a spinner that runs out of values fails: the loop was starved
    assert turns >= 3
    loop.remove_reader(ours)
    ours.close()
    theirs.close()


async def test_gosched_alone_does_not_starve_the_loop(spawn: Spawn) -> None:
    """Rule 12: goroutines that only ever hand over to one another leave the loop its turns."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    loop.call_later(0.001, over.set_result, None)

    async def spinner() -> None:
        while not over.done():
            await gosched()

    spinners = [spawn(spinner) for _ in range(3)]
    await over
    for s in spinners:
        await s


async def test_a_ping_pong_does_not_starve_the_loop(spawn: Spawn) -> None:
    """Rule 12: two who wake each other for ever count as busy too."""
    ping, pong = chan(), chan()
    over = False

    async def player(receive: Chan[int], send: Chan[int]) -> None:
        async for value in receive:
            if over:
                send.close()
                return
            await send.send(value + 1)

    players = [spawn(player, ping, pong), spawn(player, pong, ping)]
    await ping.send(0)
    for _ in range(5):
        await turn()
    over = True
    for p in players:
        await p


async def test_everybody_gets_a_fair_share() -> None:
    """Rule 12: of ten goroutines that never wait none is ahead of another by more than a few budgets."""
    shares = [0] * 10
    spread: list[int] = []
    over = closed(chan())

    async def eater(i: int) -> None:
        while sum(shares) < MANY:
            await over.recv_ok()
            shares[i] += 1
            spread.append(max(shares) - min(shares))

    for e in [go(eater, i) for i in range(10)]:
        await e
    assert max(spread) <= 2 * BUDGET
