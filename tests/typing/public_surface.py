"""What type checkers say of the public surface: checked by mypy and pyright, never run."""

from __future__ import annotations

import asyncio
import math
from typing import Any, Literal, assert_type

import goish
from goish import Chan, Goroutine, Op, PriorityChan, Received, RecvChan, SendChan, WaitGroup
from goish._runtime.values import _Empty  # pyright: ignore[reportPrivateUsage]
from goish.parallel import Err, FlowVar, Ok, Pending


async def fetch(url: str, *, retries: int = 0) -> bytes:
    return url.encode() * retries


async def starting() -> None:
    assert_type(goish.go(fetch, "x", retries=2), Goroutine[bytes])
    assert_type(goish.go(fetch("x")), Goroutine[bytes])
    assert_type(await goish.go(fetch, "x"), bytes)
    assert_type(goish.go.options(name="fetcher")(fetch, "x"), Goroutine[bytes])
    assert_type(WaitGroup().go(fetch, "x"), Goroutine[bytes])
    assert_type(await asyncio.gather(goish.go(fetch, "x"), goish.go(fetch, "y")), tuple[bytes, bytes])
    goish.go(fetch, 5)  # type: ignore[call-overload]  # pyright: ignore
    goish.go(len, "x")  # type: ignore[call-overload]  # pyright: ignore


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
    assert_type(goish.ended(goish.go(fetch, "x")), Op[None])
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
    goish.go_thread(ex.submit, add, "x", 2)  # type: ignore[call-overload]  # pyright: ignore
    goish.go_thread(ex.go_thread, add)  # type: ignore[call-overload]  # pyright: ignore
    goish.parallel.spawn(add, "x")  # type: ignore[call-overload]  # pyright: ignore
    goish.go_thread(5)  # type: ignore[call-overload]  # pyright: ignore


async def channels(ints: Chan[int]) -> None:
    assert_type(Chan[int](8), Chan[int])
    assert_type(goish.chan(math.inf), Chan[Any])
    assert_type(ints.recv(), Op[int])
    assert_type(await ints.recv(), int)
    assert_type(ints.try_recv(), int | Literal[_Empty.EMPTY])
    assert_type(await ints.send(1), bool)
    assert_type(await ints.recv_info(), Received[int])
    assert_type(ints.recv_info_blocking(), Received[int])
    assert_type(ints.wait_closed(), Op[None])
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


async def choosing(ints: Chan[int], texts: Chan[str]) -> None:
    assert_type(await goish.select(ints.recv(), texts.send("x"), None, goish.NIL), tuple[int, Any, bool])
    assert_type(goish.try_select(ints.recv()), tuple[int, Any, bool])
    assert_type(goish.after(1.5), RecvChan[float])
    goish.select(5)  # type: ignore[arg-type]  # pyright: ignore


def on_a_plain_thread(ints: Chan[int], g: goish.Goroutine[bytes]) -> None:
    assert_type(ints.recv_blocking(timeout=1), int)
    assert_type(ints.receiver.recv_ok_blocking(), tuple[int, Literal[True]] | tuple[None, Literal[False]])
    assert_type(ints.sender.send_blocking(1, timeout=None), bool)
    assert_type(list(ints.receiver), list[int])
    assert_type(goish.select_blocking(ints.recv(), goish.NIL, timeout=0.5), tuple[int, Any, bool])
    assert_type(g.result_blocking(timeout=1.5), bytes)
    goish.WaitGroup().wait_blocking(1)
    PriorityChan[str]().send_blocking("urgent", priority=-1)
    ints.send_blocking("x")  # type: ignore[arg-type]  # pyright: ignore


def running() -> None:
    assert_type(goish.run(fetch, "x"), bytes)
    assert_type(goish.run(fetch("x"), loop="asyncio", on_panic="log"), bytes)
    goish.run(fetch, "x", on_panic="shout")  # type: ignore[arg-type]  # pyright: ignore
