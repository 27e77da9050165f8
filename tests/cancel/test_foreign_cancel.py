"""Rules 1 to 4, 18 and 19 for plain asyncio.Tasks and for tasks of the factory: cancelled by whatever, at every await.

asyncio throws a cancel into a task although what it waited for has happened; the operation then gives its result all
the same, and the cancel comes at the next wait.
Not here: what test_cancel.py has: single cancels by task.cancel, and the storms.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import sys
import threading
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from citizens import CONTROL, FACTORY, citizens
from helpers import assert_conserved, in_one_callback, outcome, settle, turn, until, waiting

from goish import Chan, chan, go, gosched, select

if TYPE_CHECKING:
    from citizens import Citizen

drive = citizens(CONTROL, FACTORY)
LONG = 3600.0


# ── cancel at every await ──
#
# A program of several tasks and all kinds of operations is run again and again; in the k-th run one of its tasks is
# cancelled at its k-th turn. Whatever k: every value is in exactly one place, and nobody waits any more.


class Program:
    """Producers, a relay that selects, consumers; each notes what it knows to have done."""

    def __init__(self, capacity: int) -> None:
        self.undelivered: list[int] = []
        self.source: Chan[int] = chan(capacity, on_undelivered=self.undelivered.append)
        self.sink: Chan[int] = chan(capacity, on_undelivered=self.undelivered.append)
        self.tried: list[int] = []
        self.received: list[int] = []
        self.held: list[int] = []  # in the relay's hand

    async def produce(self, first: int) -> None:
        for value in range(first, first + 4):
            self.tried.append(value)
            await self.source.send(value)
            await asyncio.sleep(0)

    async def relay(self) -> None:
        while True:
            if not self.held:
                self.held.append((await select(self.source.recv(), chan().recv()))[1])
            index, value, _ = await select(self.sink.send(self.held[0]), self.source.recv())
            if index == 0:
                self.held.pop(0)
            else:
                self.held.append(value)

    async def consume(self) -> None:
        async for value in self.sink:
            self.received.append(value)
            await gosched()

    def check(self) -> None:
        left = self.source.try_recv_many() + self.sink.try_recv_many()
        # A select gives what it was to send back to its owner: the relay, who holds it still.
        assert_conserved(self.tried, self.received, self.held, self.undelivered, left)
        assert (waiting(self.source), waiting(self.sink)) == ((0, 0), (0, 0))


def roles(program: Program) -> list[Callable[[], Any]]:
    return [lambda: program.produce(0), lambda: program.produce(10), program.relay, program.consume]


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("capacity", [0, 1, 3])
@pytest.mark.parametrize("victim", range(4), ids=["producer", "other producer", "relay", "consumer"])
async def test_cancel_at_every_turn_loses_and_doubles_nothing(
    drive: Citizen, victim: int, capacity: int, again: bool
) -> None:
    for k in range(40):
        program = Program(capacity)
        tasks = [drive.spawn(role) for role in roles(program)]
        await settle(k)
        tasks[victim].cancel("first")
        if again:
            await turn()
            tasks[victim].cancel("second")
        await settle(20)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() or task.exception() is None for task in tasks)
        program.check()


@contextlib.asynccontextmanager
async def by_task_group() -> AsyncIterator[Callable[[], None]]:
    async def failing() -> None:
        await now.wait()
        raise LookupError

    now = asyncio.Event()
    with contextlib.suppress(BaseExceptionGroup):
        async with asyncio.TaskGroup() as group:
            failure = group.create_task(failing())
            yield now.set
            failure.cancel()
    this: Any = asyncio.current_task()
    if sys.version_info < (3, 13) and this.cancelling() == 1:
        this.uncancel()  # as TaskGroup forgets where a child fails while its body is over and waits (until 3.13)


@contextlib.asynccontextmanager
async def by_task_group_cancel() -> AsyncIterator[Callable[[], None]]:
    group: Any = asyncio.TaskGroup()
    async with group:
        yield group.cancel


@contextlib.asynccontextmanager
async def by_asyncio_timeout() -> AsyncIterator[Callable[[], None]]:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LONG) as scope:
            yield lambda: scope.reschedule(0.0)


@contextlib.asynccontextmanager
async def by_anyio_scope() -> AsyncIterator[Callable[[], None]]:
    with anyio.CancelScope() as scope:
        yield scope.cancel


@contextlib.asynccontextmanager
async def by_anyio_group() -> AsyncIterator[Callable[[], None]]:
    async with anyio.create_task_group() as group:
        yield group.cancel_scope.cancel


@contextlib.asynccontextmanager
async def by_uncancel() -> AsyncIterator[Callable[[], None]]:
    this: Any = asyncio.current_task()

    def cancel() -> None:
        if not cancelled:
            cancelled.append(this.cancel())

    cancelled: list[bool] = []
    try:
        yield cancel
    except asyncio.CancelledError:
        assert cancelled, "nobody has cancelled it"
    if cancelled:
        this.uncancel()


from_3_15 = pytest.mark.skipif(sys.version_info < (3, 15), reason="TaskGroup.cancel() is new in 3.15")
SCOPES = [
    by_task_group,
    pytest.param(by_task_group_cancel, marks=from_3_15),
    by_asyncio_timeout,
    by_anyio_scope,
    by_anyio_group,
    by_uncancel,
]
any_scope = pytest.mark.parametrize("scope", SCOPES, ids=lambda fn: fn.__name__)


@any_scope
@pytest.mark.parametrize("capacity", [0, 2])
async def test_scope_that_ends_at_every_turn_loses_and_doubles_nothing(
    drive: Citizen, scope: Any, capacity: int
) -> None:
    """Rules 1, 2, 3, 18: and outside of the scope nothing is left of it."""
    for victim in range(4):
        for k in range(0, 30, 2):
            program = Program(capacity)
            end: list[Callable[[], None]] = []

            async def scoped(role: Any, end: Any = end) -> None:
                this: Any = asyncio.current_task()
                async with scope() as cancel:
                    end.append(cancel)
                    await role()
                end.clear()
                assert this.cancelling() == 0
                for _ in range(3):
                    await turn()
                    await gosched()

            tasks = [
                drive.spawn(scoped, role) if i == victim else drive.spawn(role) for i, role in enumerate(roles(program))
            ]
            await settle(1 + k)
            for cancel in end:  # none, if it has left already
                cancel()
            await settle(20)
            ended = tasks[victim]
            if not ended.done():
                assert victim > 1 and not end, (victim, k)
            else:
                assert ended.exception() is None, "the scope keeps its cancel to itself"
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            program.check()


# ── rule 19: the missing cells ──


@any_scope
@pytest.mark.parametrize("then", ["waits again", "finishes", "leaves the scope"])
async def test_value_and_then_the_end_of_the_scope_in_one_callback(drive: Citizen, scope: Any, then: str) -> None:
    """The value is there, the cancel is counted once, and nothing of it reaches what comes after the scope."""
    ch: Chan[str] = chan()
    end: list[Callable[[], None]] = []
    log: list[Any] = []

    async def worker() -> str:
        this: Any = asyncio.current_task()
        async with scope() as cancel:
            end.append(cancel)
            log.append(await ch.recv())
            if then == "waits again":
                await ch.recv()
                log.append("never")
            elif then == "finishes":
                return "over"
        log.append(this.cancelling())
        for _ in range(3):
            await gosched()
            await turn()
        log.append(await ch.recv())
        return "over"

    w = drive.spawn(worker)
    await settle()
    await in_one_callback(lambda: ch.try_send("it"), end[0])
    if then != "finishes":
        await until(lambda: w.done() or waiting(ch) == (0, 1))
        assert log == ["it", 0]
        assert ch.try_send("more")
    assert await w == "over"
    assert log == (["it"] if then == "finishes" else ["it", 0, "more"])
    assert w.cancelling() == 0


async def test_wait_for_with_a_value_in_the_turn_of_its_end(drive: Citizen) -> None:
    """Rule 18: it times out or returns; if it timed out, nobody has taken the value."""
    for turns in range(4):
        ch: Chan[str] = chan()
        sent: list[bool] = []

        async def timed(ch: Chan[str] = ch) -> Any:
            return await asyncio.wait_for(ch.recv(), LONG)

        waiter = drive.spawn(timed)
        await settle()

        def act(ch: Chan[str] = ch, waiter: Any = waiter, turns: int = turns, sent: list[bool] = sent) -> None:
            if turns % 2:
                sent.append(ch.try_send("it"))
                waiter.cancel()
            else:
                waiter.cancel()
                sent.append(ch.try_send("it"))

        await in_one_callback(act)
        result = await outcome(waiter)
        left = ch.try_recv_ok()
        assert sent == [bool(result == "it" or left)], "never lost"
        assert not (result == "it" and left), "never doubled"


@pytest.mark.parametrize("how", ["recv", "send", "select", "wait_for"])
async def test_task_that_ends_with_what_came_right_before_its_cancel_has_it(drive: Citizen, how: str) -> None:
    """Rules 1, 2, 19: who does not wait again was not cancelled, and what it received is its result."""
    ch: Chan[str] = chan()

    async def worker() -> Any:
        if how == "recv":
            return await ch.recv()
        if how == "send":
            await ch.send("it")
            return "it"
        if how == "select":
            return (await select(ch.recv()))[1]
        async with asyncio.timeout(LONG):
            return await ch.recv()

    w = drive.spawn(worker)
    await settle()
    await in_one_callback(lambda: ch.try_recv_ok() if how == "send" else ch.try_send("it"), w.cancel)
    assert w.done()
    assert not w.cancelled(), "lost"
    assert w.result() == "it"


async def test_message_of_a_cancel_that_comes_later_is_kept(drive: Citizen) -> None:
    """Rule 19: anyio decides by it whose cancel it is."""
    ch: Chan[str] = chan()
    log: list[Any] = []

    async def worker() -> None:
        log.append(await ch.recv())
        try:
            await ch.recv()
        except asyncio.CancelledError as exc:
            log.append(exc.args)
            raise

    w = drive.spawn(worker)
    await settle()
    await in_one_callback(lambda: ch.try_send("it"), lambda: w.cancel("whose"))
    assert w.cancelled()
    assert log == ["it", ("whose",)]


@pytest.mark.parametrize("how", ["recv", "send", "select", "async for"])
async def test_cancel_gets_through_although_an_operation_happens_in_each_turn(drive: Citizen, how: str) -> None:
    """It loses once, and is raised at the next wait, before that takes anything."""
    ch: Chan[int] = chan(1)
    done: list[int] = []
    peer_did: list[int] = []

    async def worker() -> None:
        if how == "async for":
            async for value in ch:
                done.append(value)
        for value in itertools.count():
            if how == "send":
                await ch.send(value)
            else:
                value = await ch.recv() if how == "recv" else (await select(ch.recv()))[1]
            done.append(value)

    async def peer() -> None:
        for value in itertools.count():
            await asyncio.sleep(0)
            peer_did.append(await ch.recv() if how == "send" else value)
            if how != "send":
                await ch.send(value)

    p = go(peer)
    w = drive.spawn(worker)
    await settle()
    w.cancel("enough")
    had = len(done)
    await settle()
    ended = w.done()
    p.cancel()
    await outcome(p)
    assert ended and w.cancelled(), "it loses against each value"
    assert len(done) <= had + 2
    assert w.cancelling() == 1
    received = [*(peer_did if how == "send" else done), *ch.try_recv_many()]
    assert received == list(range(len(received)))
    assert how != "send" or len(received) == len(done)


async def test_scope_that_has_left_takes_its_late_cancel_along(drive: Citizen) -> None:
    """The next wait, for which a value is there in its turn, has that value."""
    ch: Chan[int] = chan()

    async def worker() -> list[int]:
        scope = asyncio.timeout(LONG)
        async with scope:
            began.append(scope)
            got = [await ch.recv()]
        return [*got, await ch.recv(), await ch.recv()]

    began: list[asyncio.Timeout] = []
    w = drive.spawn(worker)
    await settle()

    def end() -> None:
        ch.try_send(0)
        w.cancel()
        w.uncancel()

    await in_one_callback(end)
    for value in (1, 2):
        await until(lambda: waiting(ch) == (0, 1))
        ch.try_send(value)
    assert await w == [0, 1, 2]


# ── rule 4: whoever loses a select is untouched ──


async def test_select_of_a_cancelled_task_takes_at_most_one_case(drive: Citizen, rng: random.Random) -> None:
    for _ in range(200):
        channels = [chan(rng.randrange(2)) for _ in range(3)]
        got: list[Any] = []

        async def body(channels: Any = channels, got: Any = got) -> None:
            index, value, _ = await select(*(ch.recv() for ch in channels))
            got.append((index, value))

        g = drive.spawn(body)
        await settle(2)
        acts: list[Callable[[], Any]] = [lambda i=i, ch=ch: ch.try_send(i) for i, ch in enumerate(channels)]  # type: ignore[misc]
        acts.append(g.cancel)
        rng.shuffle(acts)
        sent: list[int] = []

        def act(acts: Any = acts, sent: Any = sent, g: Any = g) -> None:
            for do in acts:
                if do() and do != g.cancel:
                    sent.append(do.__defaults__[0])

        asyncio.get_running_loop().call_soon(act)
        await settle()
        await outcome(g)
        left = [ch.try_recv_ok() for ch in channels]
        kept = [i for i, it in enumerate(left) if it]
        assert len(got) <= 1
        assert sorted([index for index, _ in got] + kept) == sorted(sent)
        assert all(index == value for index, value in got)
        assert [waiting(ch) for ch in channels] == [(0, 0)] * 3


# ── decided by another thread ──


def on_a_thread(act: Callable[[], object]) -> None:
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()


@pytest.mark.parametrize("what", ["recv", "select", "send", "closed"])
async def test_cancel_behind_a_decision_of_another_thread_is_late(drive: Citizen, what: str) -> None:
    """The wake-up is in the inbox when the cancel comes: the operation gives its result, and the next wait raises."""
    ch: Chan[str] = chan()
    gave: list[Any] = []

    async def waits() -> Any:
        operation: Any = {"recv": ch.recv, "select": lambda: select(ch.recv()), "send": lambda: ch.send("v")}.get(what)
        gave.append(await (operation() if operation is not None else ch.recv_ok()))
        await asyncio.sleep(LONG)

    waiter = drive.spawn(waits)
    await until(lambda: sum(waiting(ch)) == 1)
    on_a_thread(ch.close if what == "closed" else ch.try_recv if what == "send" else lambda: ch.try_send("v"))
    waiter.cancel()
    assert await outcome(waiter) is asyncio.CancelledError
    expected = {"recv": "v", "select": (0, "v", True), "send": True, "closed": (None, False)}
    assert gave == [expected[what]]


async def test_last_operation_that_another_thread_decided_gives_its_result(drive: Citizen) -> None:
    ch: Chan[str] = chan(on_undelivered=pytest.fail)
    waiter = drive.spawn(received, ch)
    await until(lambda: waiting(ch) == (0, 1))
    on_a_thread(lambda: ch.try_send("v"))
    waiter.cancel()
    assert await outcome(waiter) == "v"


async def received(ch: Chan[str]) -> str:
    return await ch.recv()
