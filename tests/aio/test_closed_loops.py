"""Several loops that share channels, at once or one after the other, and what waits on a loop that is closed.

Not here: the end of a loop that was run by asyncio.run and the like, which cancels its tasks (test_goroutine.py).
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Generator
from typing import Any

import pytest
from helpers import FREE_THREADED, LOOPS, REAL_LOOPS, settle, waiting
from parties import until

import goish
from goish import EMPTY, Chan, after, chan, go, num_goroutine, select, sleep, try_select
from goish._runtime.core import scheduler_for
from goish.runtime import goroutines

LONG = 3600.0
PATIENCE = 100.0  # seconds that only a hanging thread takes

NewLoop = Callable[[], asyncio.AbstractEventLoop]


async def nothing() -> None:
    pass


async def recv(ch: Chan[Any]) -> Any:
    return await ch.recv()


async def send(ch: Chan[Any], value: object) -> None:
    await ch.send(value)


async def select_recv(ch: Chan[Any]) -> Any:
    return await select(chan().recv(), ch.recv())


async def select_send(ch: Chan[Any], value: object) -> None:
    await select(chan().recv(), ch.send(value))


@pytest.fixture(params=REAL_LOOPS)
def new_loop(request: pytest.FixtureRequest) -> Generator[NewLoop]:
    """Makes loops; at the end all are closed and what waited there is let go."""
    made = []

    def make() -> asyncio.AbstractEventLoop:
        loop = LOOPS[request.param]()
        made.append(loop)
        return loop

    yield make
    for loop in made:
        loop.close()
    goish.run(nothing)


def park(loop: asyncio.AbstractEventLoop, kind: str, fn: Callable[..., Any], *args: Any) -> Any:
    """Start ``fn(*args)`` on the loop, as a goroutine or a task, and let it come to its wait."""

    async def start() -> Any:
        # Nobody is there to end what is left of it: asyncio need not tell.
        handle = go(fn, *args) if kind == "goroutine" else asyncio.get_running_loop().create_task(fn(*args))
        if isinstance(handle, asyncio.Task):
            handle._log_destroy_pending = False  # type: ignore[attr-defined]
        await settle()
        return handle

    return loop.run_until_complete(start())


def use(loop: asyncio.AbstractEventLoop) -> None:
    """Let a goroutine run there."""
    loop.run_until_complete(await_goroutine())


async def await_goroutine() -> None:
    await go(nothing)


# ── what sleeps on a loop that is closed ──


@pytest.mark.parametrize("how", ["cancel", "close", "cancel and close", "forget"])
def test_a_task_asleep_on_a_closed_loop_ends_without_harm(new_loop: NewLoop, how: str) -> None:
    """The scheduler it sleeps in is gone when it is cancelled: another loop has made one since."""
    old, new = new_loop(), new_loop()
    tasks = [park(old, "task", sleep_for, LONG + i) for i in range(3)]
    old.close()
    use(new)
    gc.collect()
    for task in tasks:
        if "cancel" in how:
            assert task.cancel()
        if "close" in how:
            task.get_coro().close()
    del tasks, task
    gc.collect()
    assert new.run_until_complete(asyncio.wait_for(in_order(), PATIENCE)) == [1, 2, 3]


async def sleep_for(seconds: float) -> None:
    await sleep(seconds)


async def in_order() -> list[int]:
    """The alarms of this loop go off in their order."""
    woken: list[int] = []

    async def sleeper(i: int) -> None:
        await sleep(i * unit)
        woken.append(i)

    async def now() -> float:
        return time.monotonic()

    unit = 0.001
    while True:
        began = time.monotonic()
        sleepers = [go(sleeper, i) for i in (3, 1, 2)]
        all_asleep = await go(now)
        for g in sleepers:
            await g
        if all_asleep - began < unit:
            return woken
        unit *= 2  # the machine was so slow that another order would be right
        woken.clear()


def test_a_sleep_that_is_cancelled_on_a_closed_loop_leaves_the_alarms_of_others(new_loop: NewLoop) -> None:
    old, new = new_loop(), new_loop()
    asleep = park(old, "task", sleep_for, LONG)
    others = [park(new, "goroutine", sleep_for, 0.0001 * i) for i in range(20)]
    old.close()
    assert asleep.cancel()
    asleep.get_coro().close()

    async def join() -> None:
        for g in others:
            await g

    new.run_until_complete(asyncio.wait_for(join(), PATIENCE))


def test_an_alarm_of_a_closed_loop_may_be_asked_on_another(new_loop: NewLoop) -> None:
    old, new = new_loop(), new_loop()

    async def make() -> Any:
        return after(LONG)

    alarm = old.run_until_complete(make())
    old.close()
    use(new)

    async def ask(alarm: Any) -> None:
        assert alarm.try_recv_ok() is EMPTY
        assert await select(alarm.recv(), default=True) == (-1, None, False)

    new.run_until_complete(ask(alarm))
    del alarm
    gc.collect()
    use(new)


# ── close beside those who wake ──


def test_a_loop_is_closed_only_when_no_thread_is_in_its_call_soon_threadsafe(new_loop: NewLoop) -> None:
    """Without the GIL uvloop crashes otherwise: its close() frees what call_soon_threadsafe uses."""
    inside, closing, go_on = threading.Event(), threading.Event(), threading.Event()
    was_closed: list[bool] = []

    class Loop(type(new_loop())):  # type: ignore[misc]
        def call_soon_threadsafe(self, *args: Any, **options: Any) -> Any:
            inside.set()
            assert go_on.wait(PATIENCE)
            was_closed.append(self.is_closed())
            return super().call_soon_threadsafe(*args, **options)

    loop, ch = Loop(), chan()
    park(loop, "goroutine", recv, ch)
    sched = scheduler_for(loop)

    def watch() -> None:
        assert closing.wait(PATIENCE)
        while sched.post(print) and not loop.is_closed():
            pass
        go_on.set()

    threads = [threading.Thread(target=ch.send_blocking, args=(1,)), threading.Thread(target=watch)]
    for thread in threads:
        thread.start()
    assert inside.wait(PATIENCE)
    closing.set()
    loop.close()
    for thread in threads:
        thread.join(PATIENCE)
    assert was_closed == [False]
    assert loop.is_closed()


def test_the_goroutines_of_a_loop_end_as_it_is_closed(new_loop: NewLoop) -> None:
    """On the thread that closes it: their finally blocks run, what was on its way to them is undelivered."""
    undelivered: list[Any] = []
    ended: list[object] = []
    ch: Chan[Any] = chan(on_undelivered=undelivered.append)

    async def parked() -> None:
        try:
            await ch.recv()
        finally:
            ended.append(threading.get_ident())

    loop = new_loop()
    first, second = (park(loop, "goroutine", parked) for _ in range(2))
    sender = threading.Thread(target=ch.send_blocking, args=(1,))
    sender.start()
    sender.join(PATIENCE)
    assert undelivered == ended == []
    loop.close()
    assert undelivered == [1]
    assert ended == [threading.get_ident()] * 2
    assert first.cancelled() and second.cancelled()
    assert num_goroutine() == 0
    assert waiting(ch) == (0, 0)
    assert "close" not in vars(loop), "it is as it was"


def test_who_awaits_a_goroutine_of_another_loop_hears_when_that_is_closed(new_loop: NewLoop) -> None:
    mortal = new_loop()
    g = park(mortal, "goroutine", recv, chan())
    heard: list[str] = []

    async def hear() -> None:
        try:
            await g
        except asyncio.CancelledError as error:
            heard.append(str(error))

    async def main() -> None:
        hearer = go(hear)
        await settle()
        await asyncio.to_thread(mortal.close)
        await hearer

    new_loop().run_until_complete(main())
    assert heard == ["its event loop ended"]


def test_so_does_who_waits_for_any_or_has_asked_for_a_callback(new_loop: NewLoop) -> None:
    mortal = new_loop()
    g = park(mortal, "goroutine", recv, chan())
    called: list[object] = []
    g.add_done_callback(called.append)

    async def main() -> None:
        other = go(recv, never)
        first = go(goish.wait_any, g, other)
        end = goish.ended(g)
        await settle()
        await asyncio.to_thread(mortal.close)
        with pytest.raises(asyncio.CancelledError, match="its event loop ended"):
            await first
        await end
        await never.send(None)
        await other

    never: Chan[None] = chan()
    new_loop().run_until_complete(main())
    assert called == [g]


def test_a_running_loop_that_somebody_tries_to_close_goes_on(new_loop: NewLoop) -> None:
    ch = chan()

    async def main() -> Any:
        receiver = go(recv, ch)
        await settle()
        with pytest.raises(RuntimeError, match="running"):
            asyncio.get_running_loop().close()
        threading.Thread(target=ch.send_blocking, args=(1,)).start()
        return await receiver

    assert new_loop().run_until_complete(main()) == 1


def test_a_loop_whose_own_close_fails_still_hears_of_other_threads(new_loop: NewLoop) -> None:
    ch = chan()
    refuses = True

    class Loop(type(new_loop())):  # type: ignore[misc]
        def close(self) -> None:
            if refuses:
                raise OSError("not now")
            super().close()

    loop = Loop()
    park(loop, "goroutine", sleep_for, 0)
    with pytest.raises(OSError, match="not now"):
        loop.close()
    sender = threading.Thread(target=ch.send_blocking, args=(1,))
    sender.start()
    assert loop.run_until_complete(recv(ch)) == 1
    sender.join(PATIENCE)
    refuses = False
    loop.close()
    loop.close()
    assert loop.is_closed()


# ── what waits at a channel on a loop that is closed ──

RECEIVERS = {"recv": recv, "select": select_recv}
SENDERS = {"send": send, "select": select_send}
KINDS = ["goroutine", "task"]

OFFERS: dict[str, Callable[[Chan[Any]], bool]] = {
    "try_send": lambda ch: ch.try_send("value"),
    "try_send_many": lambda ch: ch.try_send_many(["value"]),
    "try_select": lambda ch: try_select(ch.send("value"))[0] == 0,
}
ASKS: dict[str, Callable[[Chan[Any]], bool]] = {
    "try_recv_ok": lambda ch: ch.try_recv_ok() is not EMPTY,
    "try_recv_many": lambda ch: bool(ch.try_recv_many()),
    "try_select": lambda ch: try_select(ch.recv())[0] == 0,
}


@pytest.fixture(params=[False, True], ids=["new", "known"])
def other(request: pytest.FixtureRequest, new_loop: NewLoop) -> asyncio.AbstractEventLoop:
    """The loop that lives on; goroutines have run there before the other is closed, or have not."""
    loop = new_loop()
    if request.param:
        use(loop)
    return loop


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("wait", RECEIVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_receiver_on_a_closed_loop_is_offered_nothing(
    new_loop: NewLoop, other: asyncio.AbstractEventLoop, kind: str, wait: str, offer: str
) -> None:
    """Rule 17: the value stays with the sender."""
    ch: Chan[Any] = chan()
    dead = new_loop()
    receiver = park(dead, kind, RECEIVERS[wait], ch)
    dead.close()

    async def check() -> None:
        assert not OFFERS[offer](ch)
        assert waiting(ch) == (0, 0)

    other.run_until_complete(check())
    assert not OFFERS[offer](ch)
    del receiver


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("wait", SENDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_sender_on_a_closed_loop_is_not_received_from(
    new_loop: NewLoop, other: asyncio.AbstractEventLoop, kind: str, wait: str, ask: str
) -> None:
    ch: Chan[Any] = chan()
    dead = new_loop()
    sender = park(dead, kind, SENDERS[wait], ch, "value")
    dead.close()

    async def check() -> None:
        assert not ASKS[ask](ch)
        assert waiting(ch) == (0, 0)

    other.run_until_complete(check())
    assert not ASKS[ask](ch)
    del sender


@pytest.mark.parametrize("wait", RECEIVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_send_waits_although_a_receiver_is_parked_on_a_closed_loop(
    new_loop: NewLoop, other: asyncio.AbstractEventLoop, kind: str, wait: str
) -> None:
    ch: Chan[Any] = chan()
    dead = new_loop()
    receiver = park(dead, kind, RECEIVERS[wait], ch)
    dead.close()

    async def check() -> None:
        for send_one in (send, select_send):
            g = go(send_one, ch, "value")
            t = asyncio.get_running_loop().create_task(send_one(ch, "value"))
            await settle()
            assert waiting(ch) == (2, 0)
            assert [await ch.recv(), await ch.recv()] == ["value", "value"]
            await g
            await t

    other.run_until_complete(check())
    del receiver


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_goes_past_the_receivers_of_closed_loops_to_one_that_lives(new_loop: NewLoop, kind: str) -> None:
    ch: Chan[Any] = chan()
    living = new_loop()
    handles, parked = [], []
    for _ in range(3):
        dead = new_loop()
        handles += [park(dead, kind, recv, ch), park(dead, kind, select_recv, ch)]
        parked.append(park(living, kind, recv, ch))
        dead.close()

    async def check() -> None:
        assert [ch.try_send(i) for i in range(4)] == [True, True, True, False]
        assert [await receiver for receiver in parked] == [0, 1, 2]

    living.run_until_complete(check())
    del handles


@pytest.mark.parametrize("dead", [1, 20])
@pytest.mark.parametrize("wait", RECEIVERS)
def test_values_sent_at_once_go_past_the_receivers_of_closed_loops(new_loop: NewLoop, wait: str, dead: int) -> None:
    """Wherever in the queue they stand: they are not counted either."""
    undelivered: list[Any] = []
    ch: Chan[Any] = chan(on_undelivered=undelivered.append)
    living, handles, parked = new_loop(), [], []
    for _ in range(3):
        parked.append(park(living, "task", recv, ch))
        mortal = new_loop()
        handles += [park(mortal, "task", RECEIVERS[wait], ch) for _ in range(dead)]
        mortal.close()

    async def check() -> None:
        assert not ch.try_send_many(range(4)) and ch.try_send_many(range(3))
        assert [await receiver for receiver in parked] == [0, 1, 2]
        assert waiting(ch) == (0, 0)

    living.run_until_complete(check())
    assert undelivered == []
    del handles


@pytest.mark.parametrize("dead", [1, 20])
@pytest.mark.parametrize("wait", SENDERS)
def test_values_received_at_once_are_those_of_senders_whose_loops_live(new_loop: NewLoop, wait: str, dead: int) -> None:
    ch: Chan[Any] = chan()
    living, handles, parked = new_loop(), [], []
    for i in range(3):
        parked.append(park(living, "task", send, ch, i))
        mortal = new_loop()
        handles += [park(mortal, "task", SENDERS[wait], ch, "dead") for _ in range(dead)]
        mortal.close()

    async def check() -> None:
        assert ch.try_recv_many() == [0, 1, 2]
        assert waiting(ch) == (0, 0)
        for sender in parked:
            await sender

    living.run_until_complete(check())
    del handles


def test_what_a_closed_loop_had_buffered_is_received_on_the_next(new_loop: NewLoop) -> None:
    ch: Chan[Any] = chan(2)
    received = []
    for i in range(4):
        loop = new_loop()
        park(loop, "goroutine", send, ch, i)
        loop.close()
        received.append(ch.try_recv_ok())
    assert received == [(i, True) for i in range(4)]


# ── what a dying goroutine does ──


@pytest.mark.parametrize("closed", [1, 3])
def test_goroutines_that_dying_ones_start_run_on_the_new_loop(new_loop: NewLoop, closed: int) -> None:
    """Their finally blocks run while the new loop gets its scheduler: there is one, and it knows them all."""
    gate: Chan[None] = chan()
    started = []

    async def heir() -> None:
        started.append(asyncio.get_running_loop())
        await gate.recv_ok()

    async def parked() -> None:
        try:
            await chan().recv()
        finally:
            go(heir)

    loops = [new_loop() for _ in range(closed)]
    for loop in loops:
        park(loop, "goroutine", parked)
    for loop in loops:
        type(loop).close(loop)  # goish does not hear of it
    last = new_loop()

    async def check() -> None:
        mine = go(heir)
        await settle()
        assert num_goroutine() == len(goroutines()) == closed + 1
        assert started == [last] * (closed + 1)
        gate.close()
        await mine
        await settle()
        assert num_goroutine() == len(goroutines()) == 0

    last.run_until_complete(check())


def test_a_dying_goroutine_may_use_the_channel_that_others_of_its_loop_wait_at(new_loop: NewLoop) -> None:
    ch: Chan[Any] = chan()
    ended = []

    async def parked() -> None:
        try:
            await ch.recv()
        finally:
            ch.try_send("from a finally block")
            ended.append(1)

    loop = new_loop()
    handles = [park(loop, "goroutine", parked) for _ in range(5)]
    loop.close()
    use(new_loop())
    assert len(ended) == 5
    assert waiting(ch) == (0, 0)
    assert ch.try_recv_ok() is EMPTY
    del handles


# ── loops that share channels ──


@pytest.mark.parametrize("kind", KINDS)
def test_two_loops_run_by_turns_pass_values_to_and_fro(new_loop: NewLoop, kind: str) -> None:
    """A wake-up for a loop that stands still is there when it runs again."""
    here, there = new_loop(), new_loop()
    request: Chan[int] = chan()
    reply: Chan[int] = chan()

    async def echo() -> None:
        async for value in request:
            await reply.send(value * 2)

    echoing = park(there, kind, echo)
    for i in range(20):
        asked = park(here, kind, send, request, i)
        there.run_until_complete(settle())
        assert here.run_until_complete(recv(reply)) == i * 2
        here.run_until_complete(asked)
    request.close()
    there.run_until_complete(echoing)


def test_what_is_sent_to_a_loop_that_stands_still_arrives_when_it_runs(new_loop: NewLoop) -> None:
    loop = new_loop()
    ch: Chan[int] = chan()
    receivers = [park(loop, kind, recv, ch) for kind in KINDS * 2]
    thread = threading.Thread(target=lambda: [ch.try_send(2), ch.try_send(3)])
    assert ch.try_send(0)
    assert ch.try_send(1)
    thread.start()
    thread.join()

    async def join() -> list[int]:
        return [await receiver for receiver in receivers]

    assert loop.run_until_complete(asyncio.wait_for(join(), PATIENCE)) == [0, 1, 2, 3]


class Elsewhere:
    """Runs a loop in a thread of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        running = threading.Event()
        loop.call_soon(running.set)
        self.thread = threading.Thread(target=loop.run_forever)
        self.thread.start()
        assert running.wait(PATIENCE)

    def __enter__(self) -> Elsewhere:
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


@pytest.mark.parametrize("kind", KINDS)
def test_a_loop_that_moved_to_another_thread_is_woken_there(new_loop: NewLoop, kind: str) -> None:
    """The thread that used it first sends: the loop, idle in its new thread, must be told."""
    loop = new_loop()
    ch: Chan[int] = chan()
    got: Chan[int] = chan(1)
    arrived = threading.Event()

    async def pass_on() -> None:
        async for value in ch:
            got.try_send(value)
            arrived.set()
        arrived.set()

    handle = park(loop, kind, pass_on)
    with Elsewhere(loop):
        for i in range(20):
            arrived.clear()
            assert ch.try_send(i)
            assert arrived.wait(PATIENCE), "nobody told the loop"
            assert got.try_recv_ok() == (i, True)
            until_parked(ch)
        arrived.clear()
        ch.close()
        assert arrived.wait(PATIENCE), "nobody told the loop"
    del handle


def until_parked(ch: Chan[Any]) -> None:
    """Spin until the goroutine on the other thread waits again."""
    hanging = threading.Event()
    timer = threading.Timer(PATIENCE, hanging.set)
    timer.start()
    while ch.statistics().receivers_waiting == 0:
        assert not hanging.is_set()
    timer.cancel()


def test_a_goroutine_on_a_loop_that_moved_to_another_thread_can_be_cancelled(new_loop: NewLoop) -> None:
    loop = new_loop()
    ended = threading.Event()

    async def parked() -> None:
        try:
            await chan().recv()
        finally:
            ended.set()

    gs = [park(loop, "goroutine", parked) for _ in range(5)]
    with Elsewhere(loop):
        for g in gs:
            ended.clear()
            assert g.cancel()
            assert ended.wait(PATIENCE), "nobody told the loop"


def test_a_loop_made_on_a_thread_that_has_ended_runs_on(new_loop: NewLoop) -> None:
    loop = new_loop()
    ch: Chan[int] = chan()
    maker = threading.Thread(target=park, args=(loop, "goroutine", send, ch, 1))
    maker.start()
    maker.join()
    assert loop.run_until_complete(asyncio.wait_for(recv(ch), PATIENCE)) == 1
    loop.run_until_complete(settle())


def test_loops_on_several_threads_share_a_channel_until_one_after_the_other_is_closed(new_loop: NewLoop) -> None:
    """Each loop sends its share and is closed while the next goes on; nothing is lost, nothing comes twice."""
    each = 200
    ch: Chan[tuple[int, int]] = chan(3)

    async def produce(who: int) -> None:
        producer = go(count, who)
        await producer

    async def count(who: int) -> None:
        for i in range(each):
            await ch.send((who, i))

    def work(who: int, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_until_complete(produce(who))
        loop.close()

    async def collect() -> list[tuple[int, int]]:
        return [await ch.recv() for _ in range(3 * each)]

    threads = [threading.Thread(target=work, args=(who, new_loop())) for who in range(3)]
    for thread in threads:
        thread.start()
    received = new_loop().run_until_complete(asyncio.wait_for(collect(), PATIENCE))
    for thread in threads:
        thread.join()
    assert sorted(received) == [(who, i) for who in range(3) for i in range(each)]
    for who in range(3):
        assert [i for sender, i in received if sender == who] == list(range(each))


def test_a_finally_block_of_an_abandoned_goroutine_may_wait_for_another_thread_that_makes_a_loop(
    new_loop: NewLoop,
) -> None:
    ended = []

    def first_goroutine_of_a_thread() -> None:
        loop = new_loop()
        use(loop)
        loop.close()

    async def waits_for_a_thread(ch: Chan[Any]) -> None:
        try:
            await ch.recv()
        finally:
            other = threading.Thread(target=first_goroutine_of_a_thread)
            other.start()
            other.join(PATIENCE)
            ended.append(other.is_alive())

    old = new_loop()
    park(old, "goroutine", waits_for_a_thread, chan())
    old.close()
    use(new_loop())
    assert ended == [False]


def test_a_finally_block_of_an_abandoned_goroutine_may_make_a_loop(new_loop: NewLoop) -> None:
    ended = []

    async def makes_a_loop(ch: Chan[Any]) -> None:
        try:
            await ch.recv()
        finally:
            scheduler_for(new_loop())  # which looks for closed loops, too
            ended.append(None)

    old = new_loop()
    handles = [park(old, "goroutine", makes_a_loop, chan()) for _ in range(3)]
    old.close()
    scheduler_for(new_loop())
    assert len(ended) == 3
    assert [g.cancelled() for g in handles] == [True] * 3


# ── what is left of a closed loop ──


@pytest.fixture
def no_collector() -> Generator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def leave_goroutines() -> None:
    """One that waits and one that sleeps."""
    go(recv, chan())
    go(sleep_for, LONG)
    await settle()


async def use_timers() -> None:
    await sleep(0.001)
    await select(chan().recv(), after(0.001).recv())
    asyncio.get_running_loop().call_later(LONG, int)
    async with asyncio.timeout(LONG):
        await asyncio.sleep(0.001)


async def hear_of_threads() -> None:
    ch = chan()
    sender = threading.Thread(target=ch.send_blocking, args=(1,))
    sender.start()
    assert await ch.recv() == 1
    sender.join(PATIENCE)
    await goish.go_thread(int)


async def use_tasks() -> None:
    await asyncio.create_task(nothing())
    await asyncio.wait([asyncio.ensure_future(chan().recv())], timeout=0.001)


async def use_ends() -> None:
    await goish.wait_any(go(nothing), go(nothing))
    await goish.ended(go(nothing))


USES = [await_goroutine, use_tasks, use_timers, hear_of_threads, leave_goroutines, use_ends]
MAKES: dict[str, Callable[[Callable[[], asyncio.AbstractEventLoop]], asyncio.AbstractEventLoop]] = {
    "plain": lambda make: make(),
    "factory": lambda make: with_factory(make()),
    "new_event_loop": lambda _: goish.new_event_loop(),
}


def with_factory(loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
    loop.set_task_factory(goish.task_factory)  # type: ignore[arg-type]
    return loop


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("use", USES, ids=lambda fn: fn.__name__)
@pytest.mark.parametrize("made", MAKES)
@pytest.mark.parametrize("loop", REAL_LOOPS)
@pytest.mark.parametrize("where", ["here", "in a thread"])
def test_a_closed_loop_is_freed_when_its_last_reference_goes(
    loop: str, made: str, use: Callable[[], Any], where: str
) -> None:
    """As asyncio's and uvloop's: not first by the collector."""
    gone: list[weakref.ref[Any]] = []

    def run() -> None:
        one = MAKES[made](LOOPS[loop])
        one.run_until_complete(use())
        one.close()
        one.close()
        gone.append(weakref.ref(one))

    if where == "here":
        run()
    else:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join(PATIENCE)
    if FREE_THREADED and use is hear_of_threads:
        until(lambda: gc.collect() >= 0 and gone[0]() is None)  # a worker may let it go a moment later
    assert [ref() for ref in gone] == [None]


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("loop", REAL_LOOPS)
def test_so_is_the_loop_of_a_program_that_is_over(loop: str) -> None:
    gone: list[weakref.ref[Any]] = []

    def make() -> asyncio.AbstractEventLoop:
        one = LOOPS[loop]()
        gone.append(weakref.ref(one))
        return one

    goish.run(leave_goroutines, loop=make)
    assert [ref() for ref in gone] == [None]


def test_a_failure_that_outlives_its_loop_is_told_when_its_handle_goes(new_loop: NewLoop) -> None:
    heard: list[Any] = []
    loop = new_loop()
    loop.set_exception_handler(lambda _, context: heard.append(context["exception"]))

    async def fail() -> None:
        raise LookupError

    async def main() -> Any:
        g = go(fail)
        await settle()
        return g

    g = loop.run_until_complete(main())
    loop.close()
    assert heard == []
    del g
    gc.collect()
    assert [type(exc) for exc in heard] == [LookupError]
