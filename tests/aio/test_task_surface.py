"""What asyncio and its libraries touch on the current task: a goroutine answers as asyncio.Task does, the control.

Every test runs as a goroutine of go(), as one of the task factory and as an asyncio.Task (citizens.py).
Not here: what test_goroutine.py asks of go() alone; waiting (test_awaiting.py); the factory's options
(test_task_factory.py).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import gc
import inspect
import io
import sys
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

import pytest
from citizens import CONTROL, FACTORY, GO, awaiting, citizens, fail, forever, give
from helpers import settle, turn, waiting

import goish
from goish import Goroutine, chan, gosched

if TYPE_CHECKING:
    from citizens import Citizen

drive = citizens()
LONG = 3600.0


def future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


# Native waits and foreign ones: the goroutine parks in two different ways.
WAITS: dict[str, Callable[[], Awaitable[Any]]] = {
    "channel": lambda: chan().recv(),
    "future": future,
    "select": lambda: goish.select(chan().recv(), chan().send(1)),
    "sleep": lambda: goish.sleep(LONG),
    "asyncio.sleep": lambda: asyncio.sleep(LONG),
}
any_wait = pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)


# ── cancel, cancelling, uncancel ──


@any_wait
async def test_cancel_is_accepted_until_the_end_and_counted(drive: Citizen, wait: Any) -> None:
    async def body() -> None:
        await wait()

    g = drive.spawn(body)
    await settle()
    assert (g.cancelling(), g.cancelled()) == (0, False)
    assert g.cancel() is True
    assert g.cancel() is True
    assert g.cancelling() == 2
    assert not g.done(), "a cancel is a request"
    await settle()
    assert g.cancelled() and g.done()
    assert g.cancel() is False
    assert g.cancelling() == 2, "a cancel that came too late does not count"


@any_wait
async def test_two_cancels_before_its_turn_are_delivered_as_one(drive: Citizen, wait: Any) -> None:
    """Otherwise its cleanup would be cancelled too, by a cancel that is older than the cleanup."""
    log: list[Any] = []

    async def body() -> None:
        try:
            await wait()
        except asyncio.CancelledError as exc:
            log.append(exc.args)
            await turn()
            await gosched()
            log.append("clean")
            raise

    g = drive.spawn(body)
    await settle()
    g.cancel("first")
    g.cancel("second")
    await settle()
    assert g.cancelled()
    assert log == [("first",), "clean"]


@any_wait
async def test_cancel_message_arrives_as_the_very_object(drive: Citizen, wait: Any) -> None:
    message, seen = object(), []

    async def body() -> None:
        try:
            await wait()
        except asyncio.CancelledError as exc:
            seen.append(exc.args)
            raise

    g = drive.spawn(body)
    await settle()
    g.cancel(message)
    with pytest.raises(asyncio.CancelledError) as caught:
        await g
    assert seen == [(message,)]
    assert caught.value.args == (message,)


async def test_cancel_before_the_first_step_carries_its_message(drive: Citizen) -> None:
    ran = []

    async def body() -> None:
        ran.append(1)

    g = drive.spawn(body)
    g.cancel("early")
    with pytest.raises(asyncio.CancelledError) as caught:
        await g
    assert caught.value.args == ("early",)
    assert ran == []


@any_wait
async def test_cancel_that_is_refused_leaves_the_task_running(drive: Citizen, wait: Any) -> None:
    async def body() -> Any:
        try:
            await wait()
        except asyncio.CancelledError:
            this: Any = asyncio.current_task()
            before = this.cancelling()
            left = this.uncancel()
            await turn()
            await gosched()
            return before, left

    g = drive.spawn(body)
    await settle()
    g.cancel()
    assert await g == (1, 0)
    assert not g.cancelled()


async def test_uncancel_never_goes_below_zero(drive: Citizen) -> None:
    g = drive.spawn(forever)
    assert (g.uncancel(), g.cancelling()) == (0, 0)
    g.cancel()
    g.cancel()
    assert (g.uncancel(), g.cancelling()) == (1, 1)
    assert (g.uncancel(), g.uncancel()) == (0, 0)
    g.cancel()
    await settle()
    assert g.cancelled()


async def test_cancel_while_it_runs_comes_at_its_next_wait(drive: Citizen) -> None:
    log: list[Any] = []

    async def body() -> None:
        this: Any = asyncio.current_task()
        this.cancel("now")
        log.append((this.cancelling(), this._must_cancel))
        try:
            await future()
        except asyncio.CancelledError as exc:
            log.append((exc.args, this._must_cancel))

    await drive.spawn(body)
    assert log == [((1, True)), (("now",), False)]


@pytest.mark.parametrize("wait", [future, forever], ids=["future", "channel"])
async def test_must_cancel_is_set_only_between_a_cancel_and_its_delivery(drive: Citizen, wait: Any) -> None:
    """anyio's memory streams ask for it at every send: a cancel that was handed to the wait is not pending any more."""

    async def body() -> None:
        await wait()

    g = drive.spawn(body)
    assert g._must_cancel is False
    g.cancel()
    assert g._must_cancel is True, "it has no wait yet that could take the cancel"
    await settle()
    assert g._must_cancel is False
    g = drive.spawn(body)
    await settle()
    g.cancel()
    assert g._must_cancel is False, "the wait has taken it"
    await settle()
    assert g.cancelled()


async def test_cancel_of_one_that_fails_in_its_cleanup_gives_the_failure(drive: Citizen) -> None:
    async def body() -> None:
        try:
            await forever()
        finally:
            raise LookupError("in cleanup")

    g = drive.spawn(body)
    await settle()
    g.cancel()
    with pytest.raises(LookupError) as caught:
        await g
    assert isinstance(caught.value.__context__, asyncio.CancelledError)
    assert not g.cancelled()


async def test_cancelled_error_that_it_raises_itself_counts_as_cancelled(drive: Citizen) -> None:
    g = drive.spawn(fail, asyncio.CancelledError("my own"))
    with pytest.raises(asyncio.CancelledError, match="my own"):
        await g
    assert g.cancelled()
    assert g.cancelling() == 0


# ── done, result, exception ──


async def test_result_and_exception_in_each_state(drive: Citizen) -> None:
    error = ValueError("x")
    g = drive.spawn(forever)
    for _ in range(2):
        assert (g.done(), g.cancelled()) == (False, False)
        for ask in (g.result, g.exception):
            with pytest.raises(asyncio.InvalidStateError):
                ask()
        await settle()
    g.cancel("m")
    given, failed = drive.spawn(give, 7), drive.spawn(fail, error)
    await settle()
    assert (given.done(), given.cancelled(), given.result(), given.exception()) == (True, False, 7, None)
    assert (failed.done(), failed.cancelled(), failed.exception()) == (True, False, error)
    with pytest.raises(ValueError, match="x") as caught:
        failed.result()
    assert caught.value is error
    assert (g.done(), g.cancelled()) == (True, True)
    for ask in (g.result, g.exception):
        with pytest.raises(asyncio.CancelledError) as cancelled:
            ask()
        assert cancelled.value.args == ("m",) or drive.kind == CONTROL, "asyncio.Task tells it only once"


async def test_result_cannot_be_set_from_outside(drive: Citizen) -> None:
    g = drive.spawn(give, 1)
    with pytest.raises(RuntimeError, match="Task does not support set_result operation"):
        g.set_result(2)
    with pytest.raises(RuntimeError, match="Task does not support set_exception operation"):
        g.set_exception(ValueError())
    assert await g == 1
    with pytest.raises(RuntimeError):
        g.set_result(3)
    assert g.result() == 1


async def test_awaiting_it_raises_the_very_exception(drive: Citizen) -> None:
    error = ValueError("x")
    g = drive.spawn(fail, error)
    for _ in range(2):
        with pytest.raises(ValueError, match="x") as caught:
            await g
        assert caught.value is error


async def test_stop_iteration_cannot_pass_for_a_result(drive: Citizen) -> None:
    """A coroutine cannot raise it, but an exception of that type may be what a future gives."""

    class Raising:
        def __await__(self) -> Any:
            yield from ()
            raise StopIteration(5)

    g = drive.spawn(awaiting, Raising())
    with pytest.raises(RuntimeError, match="StopIteration"):
        await g


# ── done callbacks ──


async def test_done_callbacks_run_in_order_each_in_its_context(drive: Citizen) -> None:
    var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="none")
    context = contextvars.copy_context()
    context.run(var.set, "given")
    calls: list[Any] = []

    def called(g: Any) -> None:
        calls.append((g, var.get()))

    g = drive.spawn(give)
    var.set("ours")
    g.add_done_callback(called)
    g.add_done_callback(called, context=context)
    g.add_done_callback(called, context=contextvars.Context())
    var.set("changed later")
    await g
    await settle()
    assert calls == [(g, "ours"), (g, "given"), (g, "none")]


async def test_done_callbacks_never_run_inline(drive: Citizen) -> None:
    """R7: neither when it ends nor when they come too late, but through the loop."""
    order: list[str] = []

    async def body() -> None:
        asyncio.get_running_loop().call_soon(order.append, "scheduled before the end")
        order.append("last words")

    g = drive.spawn(body)
    g.add_done_callback(lambda _: order.append("callback"))
    await g
    await settle()
    assert order == ["last words", "scheduled before the end", "callback"]
    g.add_done_callback(lambda _: order.append("late"))
    assert order[-1] == "callback"
    await turn()
    assert order[-1] == "late"


async def test_done_callback_that_fails_harms_nobody(drive: Citizen) -> None:
    error = RuntimeError("callback")
    calls: list[Any] = []

    def failing(_: Any) -> None:
        raise error

    g = drive.spawn(give, 1)
    g.add_done_callback(failing)
    g.add_done_callback(calls.append)
    assert await g == 1
    await settle()
    assert calls == [g]
    assert [context["exception"] for context in drive.heard] == [error]
    drive.heard.clear()


async def test_done_callbacks_are_removed_by_equality(drive: Citizen) -> None:
    class Callback:
        def __init__(self, key: int) -> None:
            self.key = key

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Callback) and other.key == self.key

        __hash__ = None  # type: ignore[assignment]

        def __call__(self, _: Any) -> None:
            calls.append(self.key)

    calls: list[int] = []
    g = drive.spawn(give)
    for key in (1, 2, 1, 3):
        g.add_done_callback(Callback(key))
    assert g.remove_done_callback(Callback(1)) == 2
    assert g.remove_done_callback(Callback(1)) == 0
    await g
    await settle()
    assert calls == [2, 3]


async def test_callback_may_remove_callbacks_of_its_task(drive: Citizen) -> None:
    calls: list[str] = []

    def first(g: Any) -> None:
        calls.append(f"first removes {g.remove_done_callback(second)}")

    def second(_: Any) -> None:
        calls.append("second")

    g = drive.spawn(give)
    g.add_done_callback(first)
    g.add_done_callback(second)
    await g
    await settle()
    assert calls == ["first removes 0", "second"], "at the end all were scheduled"


async def test_private_callbacks_are_pairs_with_their_context(drive: Citizen) -> None:
    """anyio's search for the root task looks at them in every task there is."""
    context = contextvars.copy_context()
    g = drive.spawn(forever)
    assert not g._callbacks
    g.add_done_callback(print, context=context)
    g.add_done_callback(repr)
    assert [(callback, type(c)) for callback, c in g._callbacks] == [
        (print, contextvars.Context),
        (repr, contextvars.Context),
    ]
    assert g._callbacks[0][1] is context
    g.remove_done_callback(print)
    g.remove_done_callback(repr)
    g.cancel()
    await settle()
    assert not g._callbacks


# ── what it knows about itself ──


async def test_name_is_given_changed_and_shown(drive: Citizen) -> None:
    g, other = drive.spawn(forever, name="fetcher"), drive.spawn(forever)
    assert g.get_name() == "fetcher"
    assert "'fetcher'" in repr(g)
    g.set_name(17)
    assert g.get_name() == "17"
    assert "'17'" in repr(g)
    assert other.get_name() != g.get_name()
    for each in (g, other):
        each.cancel()
    await settle()
    assert g.get_name() == "17", "also after its end"


async def test_loop_coroutine_and_context_are_told(drive: Citizen) -> None:
    context = contextvars.copy_context()
    g = drive.spawn(forever, context=context)
    loop = asyncio.get_running_loop()
    assert g.get_loop() is loop
    assert g._loop is loop
    coro = g.get_coro()
    assert coro is g._coro
    assert inspect.getcoroutinestate(coro) == inspect.CORO_CREATED
    if drive.native or sys.version_info >= (3, 12):
        assert g.get_context() is context
    await settle()
    assert g.get_coro() is coro
    assert inspect.getcoroutinestate(coro) == inspect.CORO_SUSPENDED
    g.cancel()
    await settle()
    assert g.get_loop() is loop
    assert inspect.getcoroutinestate(coro) == inspect.CORO_CLOSED


async def test_private_state_follows_the_public_one(drive: Citizen) -> None:
    error = ValueError("x")
    stopped, given, failed = drive.spawn(forever), drive.spawn(give, 7), drive.spawn(fail, error)
    for g in (stopped, given, failed):
        assert (g._state, g._result, g._exception) == ("PENDING", None, None)
    stopped.cancel()
    await settle()
    assert (stopped._state, stopped._result) == ("CANCELLED", None)
    assert (given._state, given._result, given._exception) == ("FINISHED", 7, None)
    assert (failed._state, failed._result, failed._exception) == ("FINISHED", None, error)
    failed.exception()


async def test_source_traceback_is_kept_in_debug_mode(drive: Citizen) -> None:
    loop = asyncio.get_running_loop()
    loop.set_debug(False)
    g = drive.spawn(give)
    assert g._source_traceback is None
    if drive.kind == GO:
        await g
        return  # created_by says it, at no cost
    loop.set_debug(True)
    try:
        debugged = drive.spawn(give)
    finally:
        loop.set_debug(False)
    here = [frame.name for frame in debugged._source_traceback]
    assert inspect.currentframe().f_code.co_name in here  # type: ignore[union-attr]
    await asyncio.gather(g, debugged)


async def test_repr_tells_state_name_and_coroutine(drive: Citizen) -> None:
    g = drive.spawn(forever, name="it")
    assert "forever" in repr(g) and "'it'" in repr(g)
    await settle()
    if drive.kind != GO:
        assert "pending" in repr(g)
        assert "wait_for=" in repr(g)
        assert repr(g).startswith("<Task ")
    g.cancel()
    if drive.kind != GO:
        assert "cancelling" in repr(g)
    await settle()
    assert "cancelled" in repr(g)
    failed = drive.spawn(fail, ValueError("x"))
    given = drive.spawn(give, 5)
    await settle()
    if drive.kind != GO:
        assert "exception=ValueError('x')" in repr(failed)
        assert "result=5" in repr(given)
    failed.exception()


# ── the stack ──


async def outer(wait: Any) -> None:
    await inner(wait)


async def inner(wait: Any) -> None:
    await wait


async def failing_below() -> None:
    await fail(ValueError("x"))


@any_wait
async def test_stack_of_one_that_waits_is_its_frame(drive: Citizen, wait: Any) -> None:
    async def body() -> None:
        await outer(wait())

    g = drive.spawn(body)
    assert [frame.f_code.co_name for frame in g.get_stack()] == ["body"], "also before its first step"
    await settle()
    assert [frame.f_code.co_name for frame in g.get_stack()] == ["body"]
    out = io.StringIO()
    g.print_stack(file=out)
    assert out.getvalue().startswith(f"Stack for {g!r}")
    assert "await outer(wait())" in out.getvalue()
    g.cancel()
    await settle()
    assert g.get_stack() == []


async def test_stack_of_one_that_failed_is_that_of_its_traceback(drive: Citizen) -> None:
    g = drive.spawn(failing_below)
    await settle()
    assert [frame.f_code.co_name for frame in g.get_stack()] == ["failing_below", "fail"]
    assert [frame.f_code.co_name for frame in g.get_stack(limit=1)] == ["failing_below"]
    out = io.StringIO()
    g.print_stack(limit=1, file=out)
    assert out.getvalue().startswith(f"Traceback for {g!r}")
    assert out.getvalue().endswith("ValueError: x\n")
    assert isinstance(g.exception(), ValueError)


async def test_stack_of_one_that_gave_a_result_is_empty(drive: Citizen, capsys: pytest.CaptureFixture[str]) -> None:
    g = drive.spawn(give, 1)
    await g
    assert g.get_stack() == []
    g.print_stack()
    out, err = capsys.readouterr()
    assert out + err == f"No stack for {g!r}\n"


async def test_stack_of_the_one_that_runs_includes_its_own_frame(drive: Citizen) -> None:
    async def body() -> Any:
        this: Any = asyncio.current_task()
        return [frame.f_code.co_name for frame in this.get_stack(limit=1)]

    assert await drive.spawn(body) == ["body"]


# ── the future protocol ──


async def test_it_is_a_future_to_asyncio(drive: Citizen) -> None:
    g = drive.spawn(give, 5)
    assert asyncio.isfuture(g)
    assert not asyncio.iscoroutine(g)
    assert inspect.isawaitable(g)
    assert asyncio.ensure_future(g) is g
    assert asyncio.wrap_future(g) is g
    assert type(g)._asyncio_future_blocking is not None
    g._asyncio_future_blocking = True
    g._asyncio_future_blocking = False
    assert g._asyncio_future_blocking is False
    assert [value async for value in one_of(g)] == [5]


async def one_of(g: Any) -> Any:
    yield await g


async def test_it_is_an_instance_of_what_asyncio_has_for_it(drive: Citizen) -> None:
    g = drive.spawn(give, 5)
    assert isinstance(g, asyncio.Future)
    assert isinstance(g, asyncio.Task) is (drive.kind != GO)
    assert isinstance(g, Awaitable)
    assert isinstance(g, Goroutine) is (type(g) is Goroutine) is (drive.kind != CONTROL)
    assert not isinstance(g, (int, Coroutine, concurrent.futures.Future))
    assert await g == 5
    assert isinstance(g, asyncio.Future)


async def test_match_and_singledispatch_find_the_future(drive: Citizen) -> None:
    @functools.singledispatch
    def kind(_: object) -> str:
        return "object"

    kind.register(asyncio.Future, lambda _: "future")
    g = drive.spawn(give, 5)
    match g:
        case asyncio.Future():
            assert kind(g) == "future"
        case _:
            pytest.fail("no future")
    await g


async def test_all_of_it_is_listed_by_dir(drive: Citizen) -> None:
    g = drive.spawn(give, 5)
    assert set(dir(g)) >= set(dir(type(g))) - {"__abstractmethods__"}
    assert {name for name, _ in inspect.getmembers_static(g)} >= {"cancel", "add_done_callback"}
    await g


async def test_its_class_cannot_be_set(drive: Citizen) -> None:
    g = drive.spawn(give, 5)
    with pytest.raises((TypeError, AttributeError)):
        g.__class__ = asyncio.Future
    await g


@pytest.mark.skipif(sys.version_info < (3, 14), reason="asyncio draws call graphs from 3.14 on")
async def test_the_call_graph_shows_who_awaits_it(drive: Citizen) -> None:
    async def inner() -> None:
        await asyncio.sleep(LONG)

    async def outer(g: Any) -> None:
        await g

    g = drive.spawn(inner)
    waiter = drive.spawn(outer, g)
    await settle()
    graph: Any = asyncio.capture_call_graph(g)  # type: ignore[attr-defined]
    assert [entry.frame.f_code.co_name for entry in graph.call_stack] == ["sleep", "inner"]
    assert [one.future for one in graph.awaited_by] == [waiter]
    assert "inner()" in asyncio.format_call_graph(g)  # type: ignore[attr-defined]
    waiter.cancel()
    g.cancel()
    await settle()


async def test_ensure_future_refuses_another_loop(drive: Citizen) -> None:
    g = drive.spawn(give, 5)
    elsewhere = asyncio.new_event_loop()
    try:
        with pytest.raises(ValueError, match="different loop"):
            assert asyncio.ensure_future(g, loop=elsewhere) is None
    finally:
        elsewhere.close()
    await g


@any_wait
async def test_fut_waiter_is_what_it_waits_for(drive: Citizen, wait: Any) -> None:
    """R4: something that is not done while it waits, else anyio's wait_all_tasks_blocked never returns."""
    g = drive.spawn(awaiting, wait())
    assert g._fut_waiter is None
    await settle()
    waiter = g._fut_waiter
    assert waiter is not None
    assert (waiter.done(), waiter.cancelled()) == (False, False)
    g.cancel()
    await settle()
    assert g._fut_waiter is None
    assert g.cancelled()


async def test_fut_waiter_is_the_very_future(drive: Citizen) -> None:
    awaited = future()
    g = drive.spawn(awaiting, awaited)
    await settle()
    assert g._fut_waiter is awaited
    awaited.set_result(1)
    assert g._fut_waiter is None or g._fut_waiter.done(), "it does not wait any more"
    assert await g == 1


@pytest.mark.parametrize("wait", ["recv", "send", "select"])
async def test_cancel_of_the_fut_waiter_cancels_the_wait(drive: Citizen, wait: str) -> None:
    """R4: anyio cancels the waiter itself; the waiter leaves its channels at once."""
    ch, seen = chan(), []

    async def body() -> None:
        try:
            if wait == "recv":
                await ch.recv()
            elif wait == "send":
                await ch.send(1)
            else:
                await goish.select(ch.recv(), ch.send(1))
        except asyncio.CancelledError as exc:
            seen.append(exc.args)
            raise

    g = drive.spawn(body)
    await settle()
    assert waiting(ch) != (0, 0)
    assert g._fut_waiter.cancel(msg="scope") is True
    assert waiting(ch) == (0, 0)
    assert g._fut_waiter is None or g._fut_waiter.done(), "runnable"
    await settle()
    assert g.cancelled()
    assert seen == [("scope",)]
    assert g.cancelling() == 0


# ── cancelled errors ──


async def test_cancel_message_can_be_read_and_written(drive: Citizen) -> None:
    """gather reads it of a child that was cancelled; without it asyncio.run hangs at its end."""
    g = drive.spawn(forever)
    assert g._cancel_message is None
    g._cancel_message = "mine"
    assert g._cancel_message == "mine"
    error = g._make_cancelled_error()
    assert type(error) is asyncio.CancelledError
    assert error.args == ("mine",)
    g.cancel()
    await settle()
    assert g.cancelled()


async def test_cancelled_error_of_an_ended_one_can_be_made_again(drive: Citizen) -> None:
    for message in (None, "m"):
        g = drive.spawn(forever)
        await settle()
        g.cancel(message)
        await settle()
        assert g.cancelled()
        error = g._make_cancelled_error()
        assert type(error) is asyncio.CancelledError
        assert error.args == (() if message is None else ("m",))


@pytest.mark.parametrize("exceptions", [False, True])
async def test_gather_takes_a_cancelled_child(drive: Citizen, exceptions: bool) -> None:
    g = drive.spawn(forever)
    gathering = asyncio.gather(g, drive.spawn(give, 1), return_exceptions=exceptions)
    g.cancel("m")
    if exceptions:
        error, one = await gathering
        assert (type(error), one) == (asyncio.CancelledError, 1)
    else:
        with pytest.raises(asyncio.CancelledError):
            await gathering


# ── flags that are only set ──


async def test_log_flags_are_taken_as_by_a_task(drive: Citizen) -> None:
    g = drive.spawn(fail, ValueError("nobody asks"))
    g._log_destroy_pending = False
    await settle()
    assert g._log_traceback is True
    with pytest.raises(ValueError, match="False"):
        g._log_traceback = True
    g._log_traceback = False
    assert g._log_traceback is False
    del g
    gc.collect()
    await settle()  # neither a panic nor a word to the exception handler: see Citizen


async def test_asking_for_the_exception_counts_as_seeing_it(drive: Citizen) -> None:
    asked, awaited = drive.spawn(fail, ValueError("1")), drive.spawn(fail, ValueError("2"))
    with pytest.raises(ValueError, match="2"):
        await awaited
    assert isinstance(asked.exception(), ValueError)
    assert (asked._log_traceback, awaited._log_traceback) == (False, False)
    del asked, awaited
    gc.collect()
    await settle()


# ── as an object ──


async def test_it_is_hashed_and_compared_by_identity(drive: Citizen) -> None:
    a, b = drive.spawn(give), drive.spawn(give)
    assert a == a and a != b
    assert len({a, b, a}) == 2
    assert {a: 1, b: 2}[b] == 2
    assert not isinstance(hash(a), bool) and hash(a) == hash(a)
    with pytest.raises(TypeError):
        sorted([a, b])
    await asyncio.gather(a, b)


async def test_it_can_be_referenced_weakly(drive: Citizen) -> None:
    """anyio keeps the state of tasks in a WeakKeyDictionary."""
    g = drive.spawn(give)
    dead: list[Any] = []
    states = weakref.WeakKeyDictionary({g: "state"})
    ref: Any = weakref.ref(g, dead.append)
    assert ref() is g
    assert states[g] == "state"
    await g
    del g
    await settle()
    gc.collect()
    assert (ref(), len(states), dead) == (None, 0, [ref])


async def test_anything_may_be_hung_on_it(drive: Citizen) -> None:
    """As playwright and temporalio do."""
    g = drive.spawn(give)
    assert not hasattr(g, "__pw_caller_frame__")
    with pytest.raises(AttributeError, match="invented"):
        g.invented
    g.invented = [1]
    g._temporal = "tag"
    assert (g.invented, g._temporal) == ([1], "tag")
    del g.invented
    assert not hasattr(g, "invented")
    with pytest.raises(AttributeError):
        del g.invented
    with pytest.raises(AttributeError):
        del g._never_set
    await g
    assert g._temporal == "tag"


async def test_what_is_hung_on_it_is_freed_with_it(drive: Citizen) -> None:
    class Tag:
        pass

    g = drive.spawn(give)
    g.tag = Tag()
    g.tag.cycle = g
    ref = weakref.ref(g.tag)
    await g
    del g
    await settle()
    gc.collect()
    assert ref() is None


async def test_own_attributes_cannot_be_overwritten(drive: Citizen) -> None:
    g = drive.spawn(give)
    if drive.native:
        for name in ("id", "state", "wait_reason", "created_by", "_state", "_loop", "_fut_waiter", "_must_cancel"):
            with pytest.raises(AttributeError):
                setattr(g, name, None)
    await g


def test_type_takes_a_parameter() -> None:
    """As asyncio.Task[int], in annotations that are evaluated."""
    alias = Goroutine[int]
    assert alias.__origin__ is Goroutine  # type: ignore[attr-defined]
    assert alias.__args__ == (int,)  # type: ignore[attr-defined]


# ── current_task, all_tasks ──


@any_wait
async def test_current_task_is_the_one_that_runs(drive: Citizen, wait: Any) -> None:
    seen: list[Any] = []

    async def body() -> None:
        seen.append(asyncio.current_task())
        try:
            await wait()
        finally:
            seen.append(asyncio.current_task())

    g = drive.spawn(body)
    this = asyncio.current_task()
    assert this is not g
    await settle()
    assert asyncio.current_task() is this
    g.cancel()
    await settle()
    assert seen == [g, g]
    assert asyncio.current_task() is this


async def test_nobody_is_current_in_callbacks(drive: Citizen) -> None:
    seen: list[Any] = []

    def look(*_: object) -> None:
        seen.append((asyncio.current_task(), goish.current_goroutine()))

    loop = asyncio.get_running_loop()
    loop.call_soon(look)
    loop.call_later(0, look)
    g = drive.spawn(give)
    g.add_done_callback(look)
    await g
    done = future()
    done.add_done_callback(look)
    done.set_result(None)
    await settle()
    while len(seen) < 4:
        await turn()
    assert seen == [(None, None)] * 4


async def test_current_goroutine_is_the_current_task_unless_it_is_foreign(drive: Citizen) -> None:
    async def body() -> Any:
        return asyncio.current_task(), goish.current_goroutine()

    g = drive.spawn(body)
    assert await g == (g, g if drive.native else None)


@pytest.mark.parametrize("wait", [future, lambda: asyncio.sleep(LONG)], ids=["future", "asyncio.sleep"])
async def test_all_tasks_has_those_that_wait_for_futures_and_no_ended_one(drive: Citizen, wait: Any) -> None:
    g = drive.spawn(awaiting, wait())
    await settle()
    assert g in asyncio.all_tasks()
    assert g in asyncio.all_tasks(g.get_loop())
    assert asyncio.current_task() in asyncio.all_tasks()
    g.cancel()
    await settle()
    assert g not in asyncio.all_tasks()


async def test_all_tasks_has_the_tasks_of_a_factory_from_the_start(drive: Citizen) -> None:
    g = drive.spawn(forever)
    if drive.kind != GO:
        assert g in asyncio.all_tasks()
    await settle()
    if drive.kind != GO:  # those of go() are goish.run's own affair, unless the loop is another's
        assert g in asyncio.all_tasks()
    g.cancel()
    await settle()
    assert g not in asyncio.all_tasks()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_all_tasks_has_goroutines_that_wait_on_a_foreign_loop(loop: str) -> None:
    from helpers import LOOPS

    async def main() -> None:
        waits = [goish.go(awaiting, wait()) for wait in WAITS.values()]
        yielding = goish.go(yields)
        await settle()
        all_tasks: set[Any] = asyncio.all_tasks()
        assert all_tasks >= {*waits, yielding}
        assert not any(g.done() for g in waits)

    async def yields() -> None:
        while True:
            await gosched()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())
    assert goish.num_goroutine() == 0, "asyncio.Runner has cancelled them"


async def test_current_task_of_other_loops_is_none(drive: Citizen) -> None:
    elsewhere = asyncio.new_event_loop()
    try:
        assert asyncio.current_task(elsewhere) is None
        assert asyncio.all_tasks(elsewhere) == set()
    finally:
        elsewhere.close()


# ── as others use it ──


async def test_run_until_complete_takes_one_that_is_there_already(drive: Citizen) -> None:
    if drive.kind == GO:
        return  # its loop is goish.run's
    loop = drive.new_loop()

    def elsewhere() -> Any:
        asyncio.set_event_loop(loop)
        try:
            return loop.run_until_complete(loop.create_task(give(5)))
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    assert await asyncio.to_thread(elsewhere) == 5


async def test_asyncio_lock_tells_owners_apart(drive: Citizen) -> None:
    """Locks and TaskGroups compare current_task() by identity."""
    lock, order = asyncio.Lock(), []

    async def body(i: int) -> None:
        async with lock:
            order.append(i)
            await turn()
            order.append(i)

    await asyncio.gather(*(drive.spawn(body, i) for i in range(3)))
    assert order == [0, 0, 1, 1, 2, 2]


def test_kinds_are_what_they_say() -> None:
    """The control is asyncio's own, the others are not."""
    from citizens import Citizen

    for kind in (CONTROL, GO, FACTORY):

        async def main(drive: Citizen) -> set[type]:
            g = drive.spawn(give)
            await g
            return {type(asyncio.current_task()), type(g)}

        citizen = Citizen("asyncio", kind)
        assert citizen(main, citizen) == {asyncio.Task if kind == CONTROL else Goroutine}
