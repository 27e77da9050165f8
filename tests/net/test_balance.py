"""Workers on one socket let one another accept. Without processes and threads: what one of them does."""

from __future__ import annotations

from typing import Any

from conftest import Driver
from helpers import until

import goish
from goish import WaitGroup, chan, go, gosched, net, sleep
from goish._net.balance import Balance, slots, slots_of_threads
from goish._net.site import accept_each


def test_one_that_is_not_ahead_accepts_one_connection() -> None:
    one, two = slots(2)
    two.tell(4)
    for mine in (0, 4, 5):
        assert Balance(one, lambda n=mine: n).turn(has_held=False) == 1  # type: ignore[misc]
        assert two.others() == [mine]


def test_one_that_is_ahead_holds_off_and_then_takes_twice_as_many_each_time() -> None:
    one, two = slots(2)
    two.tell(4)
    balance = Balance(one, lambda: 6)
    assert [balance.turn(has_held=held) for held in (False, True, False, True, False, True)] == [0, 2, 0, 4, 0, 8]
    two.tell(5)
    assert balance.turn(has_held=False) == 1
    two.tell(4)
    assert [balance.turn(has_held=held) for held in (False, True)] == [0, 2]


def test_among_many_connections_a_few_more_are_not_ahead() -> None:
    one, two = slots(2)
    two.tell(1000)
    assert Balance(one, lambda: 1050).turn(has_held=False) == 1
    assert Balance(one, lambda: 1100).turn(has_held=False) == 0


def test_nobody_waits_for_a_process_that_does_not_accept() -> None:
    one, two, three = slots(3)
    balance = Balance(one, lambda: 6)
    assert balance.turn(has_held=False) == 1
    two.tell(0)
    assert balance.turn(has_held=False) == 0
    two.free()
    assert balance.turn(has_held=False) == 1
    assert three.others() == [6]


async def greet(conn: net.Conn) -> None:
    await conn.write(b"hello")


async def test_a_listener_that_holds_off_accepts_later(run: Driver) -> None:
    asked: list[bool] = []

    class Ahead(Balance):
        def turn(self, has_held: bool) -> int:
            asked.append(has_held)
            return int(has_held)

    with net.listen("127.0.0.1:0") as listener:
        listener._share(Ahead(slots(1)[0], lambda: 0))
        async with net.serve(greet, listener) as srv:
            for _ in range(3):
                async with await net.dial(srv.addr) as conn:
                    assert await conn.read() == b"hello"
    assert asked[:2] == [False, True] and len(asked) >= 6


async def test_what_waits_while_a_listener_holds_off_is_served_by_a_shutdown(run: Driver) -> None:
    class Ahead(Balance):
        def turn(self, has_held: bool) -> int:
            held.append(has_held)
            return 0

    held: list[bool] = []
    listener = net.listen("127.0.0.1:0")
    listener._share(Ahead(slots(1)[0], lambda: 0))
    srv = net.serve(greet, listener).start()
    async with await net.dial(srv.addr) as conn:
        await until(lambda: len(held) > 0)
        down = go(srv.shutdown)
        assert await conn.read() == b"hello"
    assert (await down).drained == 1
    await sleep(0)


class Queue:
    """A source with connections that have come already."""

    def __init__(self, n: int) -> None:
        self.conns = chan(n)
        self.conns.try_send_many(range(n))

    def accept(self) -> Any:
        return self.conns.recv()

    def try_accept(self) -> None:
        return None

    def close(self) -> None:
        self.conns.close_once()


async def test_sites_that_share_a_source_have_their_part_each(virtual: Driver) -> None:
    taken: list[list[Any]] = [[], []]
    source, sites, shared = Queue(64), WaitGroup(), slots_of_threads(2)
    accepting = [
        sites.go(accept_each, source, None, mine.append, Balance(slot, lambda mine=mine: len(mine)))  # type: ignore[misc]
        for slot, mine in zip(shared, taken, strict=True)
    ]
    while sum(map(len, taken)) < 64:
        await sleep(0.001)
    for g in accepting:
        g.cancel()
    await sites.wait()
    assert sorted(taken[0] + taken[1]) == list(range(64))
    assert min(map(len, taken)) >= 28


async def test_a_site_goes_on_alone_while_another_one_hangs(virtual: Driver) -> None:
    mine: list[Any] = []
    source = Queue(1000)
    one, other = slots_of_threads(2)
    other.tell(0)
    began = goish.time.now()
    accepting = go(accept_each, source, None, mine.append, Balance(one, lambda: len(mine)))
    while len(mine) < 1000:
        await sleep(0.001)
    assert goish.time.now() - began < 0.2
    accepting.cancel()
    await gosched()
