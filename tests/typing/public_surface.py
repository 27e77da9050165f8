"""What type checkers say of the public surface: checked by mypy and pyright, never run."""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, assert_type

import goish
from goish import Chan, EmptyType, Goroutine, Op, PriorityChan, Received, RecvChan, SendChan, WaitGroup
from goish.parallel import AnyExecutor, Err, FlowVar, Ok, Pending


async def fetch(url: str, *, retries: int = 0) -> bytes:
    return url.encode() * retries


async def starting() -> None:
    assert_type(goish.go(fetch, "x", retries=2), Goroutine[bytes])
    assert_type(goish.go(fetch("x")), Goroutine[bytes])
    assert_type(await goish.go(fetch, "x"), bytes)
    assert_type(goish.go.options(name="fetcher")(fetch, "x"), Goroutine[bytes])
    assert_type(WaitGroup().go(fetch, "x"), Goroutine[bytes])
    assert_type(await asyncio.gather(goish.go(fetch, "x"), goish.go(fetch, "y")), tuple[bytes, bytes])


def mistakes_of_go() -> None:
    """What mypy says stands beside each. pyright names the parameter: "5" is not assignable to "url" of type "str"."""
    # Argument 1 has incompatible type "def fetch(url: str, ...)"; expected "Callable[[int], Coroutine[...]]"
    goish.go(fetch, 5)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    # Argument "retries" has incompatible type "str"; expected "int"
    goish.go(fetch, "x", retries="no")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    # Argument 2 has incompatible type "int"; expected "str"
    goish.go(fetch, 5, retries=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    # Unexpected keyword argument "retires"; did you mean "retries"?
    goish.go(fetch, "x", retires=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    # Too few arguments, and Argument 1 ...; expected "Callable[[], ...]"
    goish.go(fetch)  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
    # Argument 1 has incompatible type "Callable[[Sized], int]"; expected "Callable[[str], Coroutine[...]]"
    goish.go(len, "x")  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    # Could not be had: mypy says "No overload variant matches" of what is neither a function nor a coroutine.
    goish.go(5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def add(a: int, b: int) -> int:
    return a + b


async def threads(ints: list[int]) -> None:
    assert_type(goish.go_thread(add, 1, b=2), Goroutine[int])
    assert_type(await goish.go_thread(fetch, "x"), bytes)
    assert_type(goish.parallel.spawn(add, 1, 2), FlowVar[int])
    assert_type(goish.parallel.submit(fetch, "x"), Pending[bytes])
    assert_type(goish.parallel.sync(goish.parallel.spawn(add, 1, 2)), int)
    assert_type(await goish.parallel.spawn(add, 1, 2), int)
    assert_type(
        goish.parallel.sync_all(goish.parallel.spawn(add, 1, 2), goish.parallel.spawn(fetch, "x")), tuple[int, bytes]
    )
    assert_type(await goish.wait_all(goish.go_thread(add, 1, 2), goish.go(fetch, "x")), tuple[int, bytes])
    assert_type(
        await goish.wait_all(
            goish.go(fetch, "x"),
            goish.parallel.spawn(add, 1, 2),
            goish.parallel.submit(str, 1),
            goish.go_thread(add, 1, 2),
            goish.go(fetch, "x"),
            goish.parallel.spawn(add, 1, 2),
            goish.parallel.submit(str, 1),
            asyncio.ensure_future(fetch("x")),
        ),
        tuple[bytes, int, str, int, bytes, int, str, bytes],
    )
    assert_type(await goish.wait_any(goish.go_thread(add, 1, 2), goish.go(fetch, "x")), tuple[int, int | bytes])
    assert_type(await goish.wait_any(*[goish.go_thread(add, n, n) for n in ints]), tuple[int, int])
    assert_type(
        goish.parallel.sync_any(goish.parallel.spawn(add, 1, 2), goish.parallel.submit(fetch, "x"), timeout=1),
        tuple[int, int | bytes],
    )
    assert_type(
        await goish.wait_any(
            goish.go(fetch, "x"),
            goish.parallel.spawn(add, 1, 2),
            goish.parallel.submit(str, 1),
            goish.go_thread(float, 1),
            asyncio.ensure_future(fetch("x")),
            goish.go(fetch, "x"),
            goish.parallel.spawn(add, 1, 2),
            goish.parallel.submit(str, 1),
        ),
        tuple[int, bytes | int | str | float],
    )
    assert_type(goish.parallel.spawn(add, 1, 2).outcome(), FlowVar[Ok[int] | Err])
    assert_type(goish.parallel.submit(add, 1, 2).outcome(), Pending[Ok[int] | Err])
    assert_type(await goish.parallel.spawn(add, 1, 2).outcome(), Ok[int] | Err)
    match goish.parallel.sync(goish.parallel.spawn(add, 1, 2).outcome(), help="any"):
        case Ok(value):
            assert_type(value, int)
        case Err(error):
            assert_type(error, BaseException)
    goish.parallel.sync(goish.parallel.spawn(add, 1, 2), help="all")  # type: ignore[arg-type]  # pyright: ignore
    assert_type(goish.ended(goish.go(fetch, "x")), Op[None, None])
    assert_type(goish.parallel.parallel_map(str, ints), list[str])
    assert_type(goish.parallel.parallel_reduce(max, ints), int)
    assert_type(goish.parallel.parallel_reduce(add, ints, initial=5), int)
    assert_type(goish.parallel.parallel_reduce(add, ["x"], map=len), int)
    assert_type(goish.parallel.parallel_reduce(add, ["x"], map=len, initial=5), int)
    async with goish.parallel.sync_scope() as scope:
        assert_type(scope.spawn(add, 1, 2), FlowVar[int])
        assert_type(scope.spawn(fetch, "x"), FlowVar[bytes])
        assert_type(scope.submit(add, 1, 2), Pending[int])
        assert_type(scope.go_thread(fetch, "x"), Goroutine[bytes])
        scope.spawn(add, "x")  # type: ignore[call-overload]  # pyright: ignore
    assert_type(goish.parallel.Executor(workers=2).spawn(add, 1, 2), FlowVar[int])
    ex = goish.parallel.Executor(max_pending=1, on_full="block")
    assert_type(await goish.go_thread(ex.submit, add, 1, b=2), Pending[int])
    assert_type(await goish.go_thread(ex.submit, fetch, "x", retries=2), Pending[bytes])
    assert_type(await goish.go_thread(ex.spawn, add, 1, 2), FlowVar[int])
    assert_type(await goish.go_thread(ex.go_thread, add, 1, 2), Goroutine[int])
    assert_type(await goish.go_thread(ex.go_thread, fetch, "x"), Goroutine[bytes])
    assert_type(await goish.go_thread(goish.parallel.submit, add, 1, 2), Pending[int])
    assert_type(await goish.go_thread(goish.parallel.sync, goish.parallel.spawn(add, 1, 2)), int)
    assert_type(await goish.go_thread(goish.parallel.parallel_map, str, ints, executor=ex), list[str])
    goish.parallel.spawn(add, "x")  # type: ignore[arg-type]  # pyright: ignore


def mistakes_of_go_thread(ex: goish.parallel.Executor) -> None:
    # Too many arguments, and Argument 1 has incompatible type "Callable[[int, int], int]"; expected
    # "Callable[[int, str], int]"
    goish.go_thread(add, 1, "x")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    # Argument "b" has incompatible type "str"; expected "int" (and beside the point: a coroutine function is expected)
    goish.go_thread(add, 1, b="x")  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    goish.go_thread(add, 1)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue]
    goish.go_thread(fetch, 5)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    # pyright names "a", mypy only that ex.submit does not take the three: a function given on is one call too far.
    goish.go_thread(ex.submit, add, "x", 2)  # type: ignore[call-arg, arg-type]  # pyright: ignore
    goish.go_thread(ex.go_thread, add)  # type: ignore[arg-type]  # pyright: ignore
    # Could not be had, as with go.
    goish.go_thread(5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


async def any_executor(pool: ThreadPoolExecutor, ints: list[int]) -> None:
    def use(executor: AnyExecutor) -> None:
        assert_type(executor.spawn(add, 1, 2), FlowVar[int])
        assert_type(executor.submit(add, 1, b=2), FlowVar[int])
        assert_type(executor.go_thread(add, 1, 2), Goroutine[int])
        assert_type(executor.go_thread.options(name="adder")(add, 1, 2), Goroutine[int])
        assert_type(executor.workers, int)
        assert_type(executor.is_shutdown(), bool)
        executor.shutdown(wait=False, cancel=True)
        with executor as same:
            assert_type(same, AnyExecutor)
        assert_type(goish.parallel.parallel_map(str, ints, executor=executor), list[str])
        goish.parallel.set_default_executor(executor)
        executor.spawn(add, "x", 2)  # type: ignore[arg-type]  # pyright: ignore
        executor.statistics()  # type: ignore[attr-defined]  # pyright: ignore

    use(goish.parallel.Executor(workers=1))
    use(goish.parallel.adopt(pool))
    use(goish.parallel.default_executor())
    use(pool)  # type: ignore[arg-type]  # pyright: ignore
    async with goish.parallel.default_executor() as executor:
        assert_type(executor, AnyExecutor)
    async with goish.parallel.sync_scope(goish.parallel.adopt(pool)) as scope:
        assert_type(scope.go_thread.options(name="adder")(add, 1, 2), Goroutine[int])


async def channels(ints: Chan[int]) -> None:
    assert_type(Chan[int](8), Chan[int])
    assert_type(goish.chan(math.inf), Chan[Any])
    assert_type(ints.recv(), Op[int, int])  # awaited; as a case of select
    assert_type(await ints.recv(), int)
    assert_type(ints.try_recv(), int | Literal[EmptyType.EMPTY])
    assert_type(await ints.send(1), bool)
    assert_type(await ints.recv_info(), Received[int])
    assert_type(ints.recv_info_blocking(), Received[int])
    assert_type(ints.wait_closed(), Op[None, None])
    assert_type(ints.send(1), Op[bool, None])
    received: Op[int] = ints.recv()  # select gives Any of it
    sent: Op[bool] = ints.send(1)
    print(received, sent)
    assert_type(ints.sender, SendChan[int])
    assert_type(ints.receiver, RecvChan[int])
    assert_type(await ints.recv_many(10, linger=0.5), list[int])
    async for value in ints.receiver:
        assert_type(value, int)
    await ints.send("text")  # type: ignore[arg-type]  # pyright: ignore
    ints.receiver.send(1)  # type: ignore[attr-defined]  # pyright: ignore
    ints.sender.recv()  # type: ignore[attr-defined]  # pyright: ignore
    ints.receiver.close()  # type: ignore[attr-defined]  # pyright: ignore
    await PriorityChan[str]().send("urgent", priority=-1)


async def comma_ok(ints: Chan[int]) -> int:
    value, ok = received = await ints.recv_ok()
    assert_type(received, tuple[int, Literal[True]] | tuple[None, Literal[False]])
    taken = ints.try_recv_ok()
    if taken is goish.EMPTY:
        return 0
    assert_type(taken, tuple[int, Literal[True]] | tuple[None, Literal[False]])
    return (value or 0) + ok


def variance(ints: Chan[int], objects: SendChan[object]) -> None:
    wider: RecvChan[object] = ints.receiver
    narrower: SendChan[int] = objects
    print(wider, narrower)


# ── a channel where one of its ends is asked for ──


def produce(out: SendChan[int]) -> None: ...


def consume(source: RecvChan[int]) -> None: ...


def ends(
    ints: Chan[int], numbers: Chan[int | str], bools: Chan[bool], urgent: PriorityChan[int], untyped: Chan[Any]
) -> None:
    produce(ints)
    produce(numbers)  # contravariant: what takes ints and strs takes ints
    produce(ints.sender)
    produce(urgent)
    produce(untyped)
    produce(bools)  # type: ignore[arg-type]  # pyright: ignore
    produce(ints.receiver)  # type: ignore[arg-type]  # pyright: ignore
    consume(ints)
    consume(bools)  # covariant: a bool is an int
    consume(ints.receiver)
    consume(urgent)
    consume(untyped)
    consume(goish.after(1))  # type: ignore[arg-type]  # pyright: ignore
    consume(numbers)  # type: ignore[arg-type]  # pyright: ignore
    consume(ints.sender)  # type: ignore[arg-type]  # pyright: ignore
    wider: RecvChan[int | str] = ints
    narrower: SendChan[bool] = ints
    same: Chan[int] = urgent
    print(wider, narrower, same)
    invariant: Chan[int | str] = ints  # type: ignore[assignment]  # pyright: ignore
    neither: Chan[bool] = ints  # type: ignore[assignment]  # pyright: ignore
    back: Chan[int] = ints.receiver  # type: ignore[assignment]  # pyright: ignore
    print(invariant, neither, back)


def telling_apart(x: Chan[int] | RecvChan[int], y: RecvChan[int] | None, z: int | SendChan[int]) -> None:
    """isinstance(x, Chan) tells a channel from its ends; isinstance(x, RecvChan) would not see that a Chan is none."""
    if isinstance(x, Chan):
        x.try_send(1)
    else:
        assert_type(x, RecvChan[int])
    if isinstance(y, RecvChan):
        assert_type(y, RecvChan[int])
    else:
        assert_type(y, None)
    if isinstance(z, SendChan):
        assert_type(z, SendChan[int])
    else:
        assert_type(z, int)


# ── select: the index narrows the value ──


async def choosing(ints: Chan[int], texts: Chan[str], jobs: Chan[bytes] | None, ops: list[Op[int]]) -> None:
    assert_type(goish.after(1.5), RecvChan[float])
    match await goish.select(texts.recv(), ints.send(1), goish.after(1).recv()):
        case 0, result, ok:
            assert_type(result, str)
            assert_type(ok, bool)
        case 1, nothing, _:
            assert_type(nothing, None)
        case 2, now, _:
            assert_type(now, float)
    index, value, ok = chosen = await goish.select(texts.recv(), ints.recv())
    assert_type(chosen, tuple[Literal[0], str, bool] | tuple[Literal[1], int, bool])
    assert_type(value, str | int)
    print(index, ok)
    if chosen[0] == 0:
        assert_type(chosen[1], str)
    else:
        assert_type(chosen[1], int)
    match await goish.select(texts.recv_ok(), ints.recv_info(), texts.wait_closed(), goish.ended(goish.go(fetch, "x"))):
        case 0, text, _:
            assert_type(text, str | None)  # of recv_ok() and recv_info() the value alone
        case 1, number, _:
            assert_type(number, int | None)
        case 2 | 3, end, _:
            assert_type(end, None)
    match await goish.select(None, goish.NIL, jobs.recv() if jobs else None):
        case 0 | 1, never, _:
            assert_type(never, None)
        case 2, job, _:
            assert_type(job, bytes)
    match await goish.select(texts.recv(), ints.receiver.recv(), default=True, biased=True):
        case -1, none, no:
            assert_type(none, None)
            assert_type(no, Literal[False])
        case 0, text, True:
            assert_type(text, str)
        case 0, _, False:  # closed and drained: the value is None, which its type does not say
            pass
        case 1, number, _:
            assert_type(number, int)
    match goish.try_select(texts.recv(), ints.send(1)):
        case 0, text, _:
            assert_type(text, str)
        case -1 | 1, neither, _:
            assert_type(neither, None)
    match goish.select_blocking(texts.recv(), ints.recv(), timeout=0.5):
        case 0, text, _:
            assert_type(text, str)
        case 1, number, _:
            assert_type(number, int)
    eight = await goish.select(
        texts.recv(),
        ints.recv(),
        texts.recv(),
        ints.recv(),
        texts.recv(),
        ints.recv(),
        texts.recv(),
        goish.after(1).recv(),
    )
    if eight[0] == 7:
        assert_type(eight[1], float)
    # More than eight, or a list: what it gives is Any.
    assert_type(await goish.select(*ops), tuple[int, Any, bool])
    assert_type(await goish.select(ints.recv(), *ops, default=True), tuple[int, Any, bool])
    assert_type(goish.try_select(*ops), tuple[int, Any, bool])
    assert_type(goish.select_blocking(*ops, timeout=1), tuple[int, Any, bool])
    assert_type(
        goish.try_select(None, None, None, None, None, None, None, None, ints.recv()),
        tuple[int, Any, bool],
    )
    goish.select(5)  # type: ignore[call-overload]  # pyright: ignore
    goish.select(ints)  # type: ignore[call-overload]  # pyright: ignore
    goish.try_select(ints.recv(), default=True)  # type: ignore[call-overload]  # pyright: ignore
    goish.select(ints.recv(), goish.sleep(1))  # type: ignore[call-overload]  # pyright: ignore
    goish.select(goish.gosched(), default=True)  # type: ignore[call-overload]  # pyright: ignore
    goish.select_blocking(goish.sleep(1))  # type: ignore[call-overload]  # pyright: ignore


async def sleeping() -> None:
    assert_type(await goish.sleep(1), None)
    assert_type(await goish.gosched(), None)
    await asyncio.gather(goish.sleep(1), goish.gosched())
    await asyncio.wait_for(goish.sleep(1), 2)
    pause = goish.sleep(1)
    pause.add_done_callback(print)
    assert_type(pause.done(), bool)
    assert_type(pause.result(), None)


def on_a_plain_thread(ints: Chan[int], g: goish.Goroutine[bytes]) -> None:
    assert_type(ints.recv_blocking(timeout=1), int)
    assert_type(ints.receiver.recv_ok_blocking(), tuple[int, Literal[True]] | tuple[None, Literal[False]])
    assert_type(ints.sender.send_blocking(1, timeout=None), bool)
    assert_type(list(ints.receiver), list[int])
    assert_type(g.result_blocking(timeout=1.5), bytes)
    goish.WaitGroup().wait_blocking(1)
    PriorityChan[str]().send_blocking("urgent", priority=-1)
    ints.send_blocking("x")  # type: ignore[arg-type]  # pyright: ignore


def names_that_are_elsewhere(ints: Chan[int]) -> int | EmptyType:
    goish.spawn(add, 1, 2)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    goish.gather()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    taken = ints.try_recv()
    if taken is not goish.EMPTY:
        assert_type(taken, int)
    return taken


def running() -> None:
    assert_type(goish.run(fetch, "x"), bytes)
    assert_type(goish.run(fetch("x"), loop="asyncio", on_panic="log"), bytes)
    goish.run(fetch, "x", on_panic="shout")  # type: ignore[arg-type]  # pyright: ignore
