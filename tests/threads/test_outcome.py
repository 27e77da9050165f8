"""Results as values, calls without a result, and ends as cases of a select."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from helpers import FREE_THREADED
from parties import PATIENCE, until

import goish
from goish import (
    CancelToken,
    Chan,
    chan,
    ended,
    go,
    go_thread,
    select,
    select_blocking,
    try_select,
    wait_all,
    wait_any,
)
from goish._runtime.core import goroutine_behind
from goish._threads.handles import _end_channel
from goish.errors import FlowVarConsumed, NotSpawned
from goish.parallel import (
    Err,
    Executor,
    FlowVar,
    Ok,
    Pending,
    adopt,
    as_goroutine,
    spawn,
    submit,
    sync,
    sync_all,
    sync_scope,
)

pytestmark = pytest.mark.usefixtures("two_workers")


def failing() -> None:
    raise LookupError("as it should")


def says(outcome: Ok[Any] | Err) -> str:
    match outcome:
        case Ok(value):
            return f"ok {value}"
        case Err(LookupError() as error):
            return f"lookup {error}"
        case Err(error):
            return type(error).__name__


# ── the outcome as a value ──


@pytest.mark.parametrize("verb", [spawn, submit])
def test_an_outcome_is_a_value(verb: Any) -> None:
    assert says(sync(verb(pow, 2, 3).outcome())) == "ok 8"
    assert says(verb(failing).outcome().sync()) == "lookup as it should"
    assert says(verb(pow, 0, -1).outcome().sync(timeout=PATIENCE)) == "ZeroDivisionError"


@pytest.mark.parametrize("verb", [spawn, submit])
async def test_so_is_one_that_is_awaited(verb: Any) -> None:
    assert says(await verb(pow, 2, 3).outcome()) == "ok 8"
    assert says(await verb(failing).outcome()) == "lookup as it should"
    assert [says(each) for each in await wait_all(*[verb(pow, n, -1).outcome() for n in (0, 1)])] == [
        "ZeroDivisionError",
        "ok 1.0",
    ]


def test_it_takes_the_place_of_its_flowvar() -> None:
    for fv, kind in ((spawn(int), FlowVar), (submit(int), Pending)):
        outcome = fv.outcome()
        assert type(outcome) is kind
        assert fv.is_consumed()
        with pytest.raises(FlowVarConsumed):
            fv.outcome()
        assert sync(outcome) == Ok(0)
        with pytest.raises(FlowVarConsumed):
            sync(outcome)
    with pytest.raises(NotSpawned):
        FlowVar.empty().outcome()
    outcome = spawn(int).outcome()
    with pytest.raises(TypeError, match=r"an outcome\(\) is awaited once"):
        as_goroutine(outcome)
    sync(outcome)


def test_an_error_has_its_traceback_and_says_where_it_was_spawned() -> None:
    error = sync(spawn(failing).outcome())
    assert isinstance(error, Err)
    assert error.error.__traceback__ is not None
    assert any("spawned by test_an_error_has" in note for note in error.error.__notes__)


async def test_a_cancelled_call_is_told_from_a_cancel_of_who_waits() -> None:
    """Both at once: his own cancel is raised, and the outcome of the call is no excuse to swallow it."""
    token = CancelToken()
    fv = submit(token.done().recv_ok_blocking)
    fv.cancel("the call")
    assert says(await fv.outcome()) == "CancelledError"

    async def waiter() -> Any:
        return await pending.outcome()

    pending = submit(token.done().recv_ok_blocking)
    g = go(waiter)
    await goish.gosched()
    g.cancel("who waits")
    with pytest.raises(asyncio.CancelledError, match="who waits"):
        await g
    token.cancel()

    def blocked() -> Any:
        return slow.outcome().sync()

    hold = CancelToken()
    slow = submit(hold.done().recv_ok_blocking)
    h = go_thread(blocked)
    h.cancel("who blocks")
    with pytest.raises(asyncio.CancelledError, match="who blocks"):
        await h
    hold.cancel()


def test_a_timeout_leaves_the_outcome_to_be_taken() -> None:
    token = CancelToken()
    outcome = submit(token.done().recv_ok_blocking).outcome()
    with pytest.raises(TimeoutError):
        sync(outcome, timeout=0.001)
    token.cancel()
    assert sync(outcome) == Ok((None, False))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_the_end_of_the_program_is_no_value(error: Any) -> None:
    def body() -> None:
        raise error

    with pytest.raises(error):
        sync(submit(body).outcome())


def test_an_outcome_that_nobody_takes_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    before = goish.debug.panics()
    outcome = submit(failing).outcome()
    until(outcome.is_ready)
    assert goish.debug.panics() == before
    del outcome  # the worker may hold the goroutine a moment longer
    gc.collect()
    until(lambda: goish.debug.panics() == before + 1)
    until(lambda: "as it should" in caplog.text)


def test_an_outcome_is_not_kept() -> None:
    class Thing:
        pass

    outcome = spawn(Thing).outcome()
    thing = weakref.ref(sync(outcome).value)  # type: ignore[union-attr]
    gc.collect()
    until(lambda: thing() is None)  # a worker that has run the call holds it a moment longer


def test_a_scope_minds_no_error_that_was_taken_as_a_value() -> None:
    with sync_scope():
        assert says(sync(submit(failing).outcome())).startswith("lookup")


def test_an_executor_of_others_gives_outcomes_too() -> None:
    import concurrent.futures

    with adopt(concurrent.futures.ThreadPoolExecutor(1)) as ex:
        assert sync(ex.spawn(pow, 2, 3).outcome()) == Ok(8)
        assert says(sync(ex.submit(failing).outcome())).startswith("lookup")


# ── nobody gets the result ──


def test_a_failure_that_nobody_can_get_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    before = goish.debug.panics()
    spawn(failing)
    until(lambda: goish.debug.panics() == before + 1)
    until(lambda: "as it should" in caplog.text)


def test_such_a_failure_is_a_panic_of_its_program() -> None:
    heard: Chan[BaseException] = chan(1)

    async def main() -> None:
        spawn(failing)
        await heard.wait_closed()

    def on_panic(g: Any, exc: BaseException) -> None:
        heard.try_send(exc)
        heard.close()

    goish.run(main, on_panic=on_panic)
    assert isinstance(heard.recv_blocking(), LookupError)


def test_a_scope_waits_for_it_and_raises_its_failure() -> None:
    seen: list[int] = []
    with sync_scope():
        spawn(seen.append, 1)
    assert seen == [1]
    with pytest.raises(ExceptionGroup), sync_scope():
        spawn(failing)


def test_panics_are_counted_wherever_they_are(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise LookupError

    async def main() -> None:
        go(fail)
        await goish.gosched()
        spawn(failing)
        gone = submit(failing)
        await ended(gone)
        del gone
        go(fail)

    caplog.set_level(logging.CRITICAL, logger="goish")
    before = goish.debug.panics()
    goish.run(main, on_panic=lambda g, exc: None)
    until(lambda: goish.debug.panics() == before + 4)


# ── ends as cases ──


async def test_the_end_of_anything_is_a_case() -> None:
    """A goroutine here, one elsewhere, a call on a worker, asyncio's futures, those of another loop too."""
    elsewhere = asyncio.new_event_loop()
    thread = threading.Thread(target=elsewhere.run_forever, daemon=True)
    thread.start()
    foreign = elsewhere.create_future()
    here = asyncio.get_running_loop().create_future()
    token = CancelToken()

    async def wait() -> None:
        await token.done().wait_closed()

    handles: list[Any] = [
        go(wait),
        go_thread(wait),
        go_thread(token.done().recv_ok_blocking),
        spawn(token.done().recv_ok_blocking),
        submit(wait),
        asyncio.ensure_future(wait()),
        here,
        foreign,
    ]
    ends = [ended(handle) for handle in handles]
    assert (await select(*ends, default=True))[0] == -1
    here.set_result(None)
    elsewhere.call_soon_threadsafe(foreign.set_result, None)
    token.cancel()
    for end in ends:
        await asyncio.wait_for(end, PATIENCE)
    await wait_all(*handles)
    elsewhere.call_soon_threadsafe(elsewhere.stop)
    thread.join()
    elsewhere.close()


@pytest.mark.parametrize("kind", ["go", "go_thread", "go_thread async", "spawn", "submit", "task", "future"])
async def test_a_loop_that_asks_for_the_end_each_time_leaves_nothing_behind(kind: str) -> None:
    """Whatever else wins: by select, by wait_any, or not awaited at all."""
    token = CancelToken()
    handle: Any = {
        "go": lambda: go(wait_closed, token),
        "go_thread": lambda: go_thread(token.done().recv_ok_blocking),
        "go_thread async": lambda: go_thread(wait_closed, token),
        "spawn": lambda: spawn(token.done().recv_ok_blocking),
        "submit": lambda: submit(token.done().recv_ok_blocking),
        "task": lambda: asyncio.ensure_future(wait_closed(token)),
        "future": asyncio.get_running_loop().create_future,
    }[kind]()
    other: Chan[int] = chan(1)
    for n in range(10):
        other.try_send(n)
        assert await select(other.recv(), ended(handle)) == (0, n, True)
        assert (await wait_any(go(asyncio.sleep, 0), handle))[0] == 0
        ended(handle)
    for _ in range(5):  # wait_any's watcher of a future ends
        await asyncio.sleep(0)
    behind = goroutine_behind(handle) if kind in ("spawn", "submit") else handle
    assert _end_channel(behind) == _end_channel(behind), "there is one"
    assert _end_channel(behind).statistics().receivers_waiting == 0
    assert len(behind._callbacks or ()) <= 1
    token.cancel()
    if kind == "future":
        handle.set_result(None)
    assert await ended(handle) is None
    await wait_all(handle)


async def wait_closed(token: CancelToken) -> None:
    await token.done().wait_closed()


def test_the_end_of_a_call_is_told_although_the_loop_that_asked_first_is_gone() -> None:
    token = CancelToken()
    g = go_thread(token.done().recv_ok_blocking)

    async def ask() -> None:
        await select(ended(g), default=True)

    asyncio.run(ask())
    end = ended(g)
    token.cancel()
    assert select_blocking(end, timeout=PATIENCE) == (0, None, False)


async def test_its_result_stays_to_be_taken() -> None:
    fv = spawn(failing)
    await ended(fv)
    assert fv.is_ready()
    assert not fv.is_consumed()
    with pytest.raises(LookupError):
        await fv
    with pytest.raises(FlowVarConsumed):
        ended(fv)
    with pytest.raises(TypeError, match=r"ended\(\) takes what go\(\)"):
        ended(5)  # type: ignore[arg-type]


def test_of_what_is_over_it_is_ready_on_any_thread() -> None:
    g = go_thread(int)
    g.result_blocking(timeout=PATIENCE)
    assert try_select(ended(g)) == (0, None, False)


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_it_is_a_case_of_select_on_a_thread_too(kind: str) -> None:
    gate: Chan[None] = chan()
    g = go_thread(gate.recv_ok_blocking) if kind == "def" else go_thread(recv_ok, gate)
    never: Chan[None] = chan()
    end = ended(g)
    assert try_select(end)[0] == -1
    gate.close()
    assert select_blocking(never.recv(), end, timeout=PATIENCE) == (1, None, False)
    assert g.result() == (None, False)


async def recv_ok(ch: Chan[None]) -> tuple[None, bool]:
    return await ch.recv_ok()


# ── done callbacks where no loop runs ──


def test_a_done_callback_that_a_thread_asks_for_is_called_by_who_ends_the_call() -> None:
    gate: Chan[None] = chan()
    called: Chan[tuple[object, int]] = chan(2)
    inside: list[int] = []

    def work() -> None:
        inside.append(threading.get_ident())
        gate.recv_ok_blocking()

    g = go_thread(work)
    g.add_done_callback(lambda g: called.try_send((g, threading.get_ident())))
    removed = lambda g: called.try_send((g, 0))
    g.add_done_callback(removed)
    assert g.remove_done_callback(removed) == 1
    gate.close()
    assert called.recv_blocking(PATIENCE) == (g, inside[0])
    g.add_done_callback(lambda g: called.try_send((g, threading.get_ident())))
    assert called.try_recv_ok() == ((g, threading.get_ident()), True), "too late: at once"


def test_one_of_a_coroutine_on_a_worker_is_called_on_its_loop() -> None:
    gate: Chan[None] = chan()
    called: Chan[object] = chan(1)
    g = go_thread(recv_ok, gate)
    g.add_done_callback(lambda g: called.try_send(goish.runtime.current_worker()))
    gate.close()
    assert called.recv_blocking(PATIENCE) is not None


def test_one_that_raises_on_a_worker_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    gate: Chan[None] = chan()
    called: Chan[object] = chan(1)

    def fail(g: object) -> None:
        raise LookupError("of the callback")

    g = go_thread(gate.recv_ok_blocking)
    g.add_done_callback(fail)
    g.add_done_callback(called.try_send)
    gate.close()
    assert called.recv_blocking(PATIENCE) is g
    assert g.result_blocking(timeout=PATIENCE) == (None, False)
    assert "of the callback" in caplog.text


BLOCKS: dict[str, Callable[[Chan[str]], str]] = {
    "recv_blocking": lambda ch: ch.recv_blocking(PATIENCE),
    "go_thread": lambda ch: go_thread(ch.recv_blocking, PATIENCE).result_blocking(PATIENCE),
    "spawn": lambda ch: sync(spawn(ch.recv_blocking, PATIENCE)),
    "go": lambda ch: go(received, ch).result_blocking(PATIENCE),
}


async def received(ch: Chan[str]) -> str:
    return await ch.recv()


class Finalizer:
    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    def __del__(self) -> None:
        self.act()


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize("where", ["callback"] if FREE_THREADED else ["callback", "finalizer of an argument"])
def test_what_runs_on_a_worker_as_a_call_ends_may_block(where: str, block: Callable[[Chan[str]], str]) -> None:
    gate: Chan[None] = chan()
    ch: Chan[str] = chan()
    told: Chan[tuple[object, object, str]] = chan(1)

    def act(*_: object) -> None:
        told.try_send((goish.runtime.current_worker(), goish.current_goroutine(), block(ch)))

    def work(*_: object) -> str:
        gate.recv_ok_blocking()
        return "done"

    if where == "callback":
        g = go_thread(work)
        g.add_done_callback(act)
    else:
        g = go_thread(work, Finalizer(act))
    gate.close()
    until(lambda: ch.statistics().receivers_waiting)
    assert g.result() == "done" and not g.cancel(), "the call is over"
    ch.send_blocking("given", PATIENCE)
    worker, running, value = told.recv_blocking(PATIENCE)
    assert worker is not None and running is None
    assert value == "given"
    assert go_thread(pow, 2, 3).result_blocking(PATIENCE) == 8


def test_one_of_a_call_that_never_ran_is_called_by_who_cancels_it() -> None:
    gate: Chan[None] = chan()
    called: list[int] = []
    with Executor(workers=1) as ex:
        blocker = ex.go_thread(spin_until, gate)
        waits = ex.go_thread(int)
        waits.add_done_callback(lambda g: called.append(threading.get_ident()))
        cancelled = waits.cancel()
        gate.close()
        assert blocker.result_blocking(timeout=PATIENCE) is None
    assert cancelled
    assert called == [threading.get_ident()]


def spin_until(gate: Chan[None]) -> None:
    while not gate.closed:
        time.sleep(0)


# ── a channel's own end ──


async def test_wait_closed_waits_for_the_close_whatever_is_buffered() -> None:
    for ch in (chan(), chan(2), goish.PriorityChan(2), chan(2, flavor="spsc", overflow="drop_oldest")):
        if ch.cap:
            ch.try_send(1)
        for end in (ch, ch.sender, ch.receiver):
            assert try_select(end.wait_closed()) == (-1, None, False)
        watchers = [go(wait_for, end) for end in (ch, ch.sender, ch.receiver)]
        task = asyncio.ensure_future(wait_for(ch))
        selecting = go(choose, ch)
        await goish.gosched()
        await asyncio.sleep(0)
        ch.close()
        assert await asyncio.gather(*watchers, task) == [None] * 4  # type: ignore[comparison-overlap]
        assert await selecting == (1, None, False)
        assert await ch.wait_closed() is None  # type: ignore[func-returns-value]
        assert try_select(ch.wait_closed()) == (0, None, False)


async def wait_for(ch: Any) -> None:
    return await ch.wait_closed()  # type: ignore[no-any-return]


async def choose(ch: Any) -> Any:
    return await select(chan().recv(), ch.wait_closed())


async def test_a_sender_hears_that_nobody_wants_more() -> None:
    ch: Chan[int] = chan()

    async def send() -> str:
        index, _, _ = await select(go_on.recv(), ch.wait_closed())
        return "closed" if index == 1 else "sent"

    go_on: Chan[None] = chan()
    g = go(send)
    await goish.gosched()
    ch.close()
    assert await g == "closed"


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    ch: Chan[int] = chan()
    watchers = [go(wait_for, ch) for _ in range(100)]
    await goish.gosched()
    for g in watchers:
        g.cancel()
    await asyncio.wait(watchers)  # type: ignore[type-var]
    assert all(g.cancelled() for g in watchers)
    ch.close()


def test_threads_wait_for_it_by_select() -> None:
    ch: Chan[int] = chan()
    threads = [go_thread(select_blocking, ch.wait_closed()) for _ in range(4)]
    with pytest.raises(TimeoutError):
        select_blocking(ch.wait_closed(), timeout=0.001)
    ch.close()
    assert sync_all(*threads) == ((0, None, False),) * 4


def test_close_meets_the_first_who_waits_for_it(rng: Any) -> None:
    """On two threads at once: whoever is first, nobody waits for ever."""
    for _ in range(300):
        ch: Chan[int] = chan()
        barrier = threading.Barrier(2)

        def watch(ch: Chan[int] = ch, barrier: Any = barrier) -> Any:
            barrier.wait()
            return select_blocking(ch.wait_closed(), timeout=PATIENCE)

        g = go_thread(watch)
        barrier.wait()
        for _ in range(rng.randrange(50)):
            pass
        ch.close()
        assert g.result_blocking(timeout=PATIENCE) == (0, None, False)


async def test_the_nil_channel_is_never_closed() -> None:
    assert await select(goish.NIL.wait_closed(), default=True) == (-1, None, False)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wait_for(goish.NIL), 0.001)
