"""Deadlines of a Conn: in virtual time, so that they pass without waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from helpers import outcome, settle
from wires import bare

import goish
from goish import chan, select, sleep
from goish._runtime.core import scheduler_for
from goish.errors import DeadlineExceeded
from goish.net import Conn
from goish.time import now

Setter = Callable[[Conn, float | None], None]


def test_a_waiting_read_fails_when_its_deadline_passes(virtual: Any) -> None:
    async def main() -> None:
        conn, wire = bare()
        began = now()
        conn.set_read_deadline(began + 5)
        with pytest.raises(DeadlineExceeded, match="the read deadline of the connection has passed"):
            await conn.read()
        assert now() == pytest.approx(began + 5)
        with pytest.raises(TimeoutError):
            await conn.read()
        assert await conn.write(b"writes go on") == 12
        conn.set_read_deadline(None)
        wire.protocol.data_received(b"usable again")
        assert await conn.read() == b"usable again"
        conn.close()

    virtual(main)


def test_a_waiting_write_fails_when_its_deadline_passes(virtual: Any) -> None:
    async def main() -> None:
        conn, wire = bare()
        wire.protocol.pause_writing()
        conn.set_write_deadline(now() + 5)
        with pytest.raises(DeadlineExceeded, match="the write deadline of the connection has passed"):
            await conn.write(b"never")
        wire.protocol.resume_writing()
        assert not wire.sent
        with pytest.raises(TimeoutError):
            await conn.write(b"past, though there is room")
        conn.set_write_deadline(now() + 5)
        assert await conn.write(b"again") == 5
        conn.close()

    virtual(main)


def test_a_past_deadline_fails_what_waits_at_once(virtual: Any) -> None:
    async def main() -> None:
        conn, wire = bare()
        wire.protocol.pause_writing()
        ops: list[Any] = [
            conn.read,
            lambda: conn.read_exactly(9),
            lambda: conn.write(b"x"),
            lambda: select(conn.read(), chan().recv()),
        ]

        async def waits(op: Any) -> object:
            return await op()

        waiters = [virtual.spawn(waits, op) for op in ops]
        await settle()
        began = now()
        conn.set_deadline(0.0)
        assert [await outcome(waiter) for waiter in waiters] == [DeadlineExceeded] * 4
        assert now() == began
        conn.close()

    virtual(main)


def test_a_deadline_that_moves_away_does_not_fail_the_read(virtual: Any) -> None:
    """As a server does that sets one for each request: the alarm finds that there is time left."""

    async def main() -> None:
        conn, wire = bare()

        async def feeds() -> None:
            for _ in range(10):
                await sleep(4)
                conn.set_read_deadline(now() + 5)
                wire.protocol.data_received(b"x")

        feeder = virtual.spawn(feeds)
        began = now()
        conn.set_read_deadline(began + 5)
        assert await conn.read_exactly(10) == b"x" * 10
        await feeder
        with pytest.raises(TimeoutError):
            await conn.read()
        assert now() == pytest.approx(began + 45)
        conn.close()

    virtual(main)


def test_a_deadline_that_comes_nearer_is_kept(virtual: Any) -> None:
    async def main() -> None:
        conn, _ = bare()
        began = now()
        conn.set_deadline(began + 100)

        async def reads() -> object:
            return await conn.read()

        reader = virtual.spawn(reads)
        await settle()
        conn.set_read_deadline(began + 3)
        assert await outcome(reader) is DeadlineExceeded
        assert now() == pytest.approx(began + 3)
        conn.close()

    virtual(main)


def test_reads_and_writes_have_deadlines_of_their_own(virtual: Any) -> None:
    async def main() -> None:
        conn, wire = bare()
        wire.protocol.pause_writing()
        began = now()
        conn.set_read_deadline(began + 7)
        conn.set_write_deadline(began + 3)
        ends: dict[str, float] = {}

        async def waits(name: str, op: Any) -> None:
            with pytest.raises(TimeoutError, match=name):
                await op
            ends[name] = now() - began

        waiters = [virtual.spawn(waits, "read", conn.read()), virtual.spawn(waits, "write", conn.write(b"x"))]
        for waiter in waiters:
            await waiter
        assert ends == {"read": pytest.approx(7), "write": pytest.approx(3)}
        conn.close()

    virtual(main)


def test_a_connection_has_one_alarm_however_often_its_deadline_is_set(virtual: Any) -> None:
    async def main() -> None:
        conn, wire = bare()
        sched = scheduler_for(asyncio.get_running_loop())

        async def reads() -> object:
            return await conn.read()

        for i in range(100):
            conn.set_deadline(now() + 60 + i)
            reader = virtual.spawn(reads)
            await settle()
            assert sched.alarm_handle is not None
            wire.protocol.data_received(b"x")
            assert await reader == b"x"
        began = now()
        await sleep(1)
        assert now() == pytest.approx(began + 1)
        conn.close()
        assert goish.num_goroutine() <= 1

    virtual(main)


def test_a_select_with_a_read_goes_by_its_deadline_too(virtual: Any) -> None:
    async def main() -> None:
        conn, _ = bare()
        began = now()
        conn.set_deadline(began + 2)
        with pytest.raises(TimeoutError):
            await select(conn.read(), chan().recv())
        assert now() == pytest.approx(began + 2)
        conn.close()

    virtual(main)


async def test_deadlines_go_by_the_clock_of_real_loops() -> None:
    conn, wire = bare()
    wire.protocol.pause_writing()
    for setter, op in (
        (conn.set_read_deadline, conn.read),
        (conn.set_write_deadline, lambda: conn.write(b"x")),
    ):
        due = now() + 0.01
        setter(due)
        with pytest.raises(TimeoutError):
            await op()
        assert now() >= due
    conn.close()


@pytest.mark.parametrize("when", ["soon", True, b"1", [1]])
async def test_what_is_no_time_is_refused(when: Any) -> None:
    conn, _ = bare()
    setters: list[Setter] = [Conn.set_deadline, Conn.set_read_deadline, Conn.set_write_deadline]
    for setter in setters:
        with pytest.raises(
            TypeError, match=r"a deadline is a time in seconds, such as goish.time.now\(\) \+ 5, or None"
        ):
            setter(conn, when)
        with pytest.raises(ValueError, match="got NaN"):
            setter(conn, float("nan"))
    conn.close()
