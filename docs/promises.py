"""Prints the table "Does it keep its promises?" of README.md: the same small programs against every library.

    pip install aiochan aiochannel anyio chanpy culsans forechan
    python docs/promises.py

A library that is not installed is left out. Each cell is a process of its own, and has five seconds before it counts as
hanging. Users of all libraries are plain asyncio tasks.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from importlib import metadata
from typing import Any

PATIENCE = 5.0  # seconds until a probe counts as hanging
MANY = 5000  # senders that wait at once

NO_SELECT = "no select"
NO_CLOSE = "no close"


# ── the libraries, behind one interface: what a channel can do, in its users' words ──


class Goish:
    package = "goish"

    def __init__(self, capacity: int) -> None:
        import goish

        self.channel = goish.chan(capacity)
        self.send, self.recv = self.channel.send, self.channel.recv
        self.try_send, self.close = self.channel.try_send, self.channel.close

    def try_recv_ok(self) -> object:
        found = self.channel.try_recv_ok()
        return found[0] if found else None

    @staticmethod
    async def select(recv: Goish, send: Goish, value: object) -> object:
        import goish

        index, received, _ = await goish.select(recv.channel.recv(), send.channel.send(value))
        return received if index == 0 else "sent"


class AsyncioQueue:
    package = "asyncio.Queue"

    def __init__(self, capacity: int) -> None:
        self.channel: asyncio.Queue[Any] = asyncio.Queue(capacity)
        self.send, self.recv = self.channel.put, self.channel.get
        self.try_send, self.try_recv_ok = self.channel.put_nowait, self.channel.get_nowait
        if sys.version_info >= (3, 13):
            self.close = self.channel.shutdown


class Anyio:
    package = "anyio"

    def __init__(self, capacity: int) -> None:
        import anyio

        self.sender, self.receiver = anyio.create_memory_object_stream[Any](capacity)
        self.send, self.recv = self.sender.send, self.receiver.receive
        self.try_send, self.try_recv_ok = self.sender.send_nowait, self.receiver.receive_nowait
        self.close = self.sender.close  # the sending end, as with the others


class Culsans:
    package = "culsans"

    def __init__(self, capacity: int) -> None:
        import culsans

        queue: Any = culsans.Queue(capacity)
        self.send, self.recv = queue.async_put, queue.async_get
        self.try_send, self.try_recv_ok, self.close = queue.put_nowait, queue.get_nowait, queue.shutdown


class Aiochannel:
    package = "aiochannel"

    def __init__(self, capacity: int) -> None:
        import aiochannel

        channel: Any = aiochannel.Channel(capacity)
        self.send, self.recv, self.close = channel.put, channel.get, channel.close
        self.try_send, self.try_recv_ok = channel.put_nowait, channel.get_nowait


class Forechan:
    package = "forechan"

    def __init__(self, capacity: int) -> None:
        import forechan

        channel: Any = forechan.chan(buf=forechan.NormalBuf(maxlen=capacity)) if capacity else forechan.chan()
        self.send, self.recv, self.close = channel.send, channel.recv, channel.aclose
        self.try_send, self.try_recv_ok = channel.try_send, channel.try_recv_ok


class Aiochan:
    package = "aiochan"

    def __init__(self, capacity: int) -> None:
        import aiochan

        self.channel: Any = aiochan.Chan(capacity) if capacity else aiochan.Chan()
        self.close = self.channel.close
        self.try_send, self.try_recv_ok = self.channel.put_nowait, self.channel.get_nowait

    async def send(self, value: object) -> None:
        if not await self.channel.put(value):
            raise RuntimeError("closed")

    async def recv(self) -> object:
        value = await self.channel.get()
        if value is None:
            raise RuntimeError("closed")
        return value

    @staticmethod
    async def select(recv: Aiochan, send: Aiochan, value: object) -> object:
        import aiochan

        result = await aiochan.select(recv.channel, (send.channel, value))
        return "sent" if result[0] is True else result[0]


class Chanpy:
    package = "chanpy"

    def __init__(self, capacity: int) -> None:
        import chanpy

        self.channel: Any = chanpy.chan(capacity) if capacity else chanpy.chan()
        self.close = self.channel.close
        self.try_send, self.try_recv_ok = self.channel.offer, self.channel.poll

    async def send(self, value: object) -> None:
        if not await self.channel.put(value):
            raise RuntimeError("closed")

    async def recv(self) -> object:
        value = await self.channel.get()
        if value is None:
            raise RuntimeError("closed")
        return value

    @staticmethod
    async def select(recv: Chanpy, send: Chanpy, value: object) -> object:
        import chanpy

        received, channel = await chanpy.alt(recv.channel, [send.channel, value])
        return received if channel is recv.channel else "sent"


LIBRARIES: list[Any] = [Goish, AsyncioQueue, Anyio, Culsans, Aiochannel, Forechan, Aiochan, Chanpy]


# ── the probes: each returns "yes", or in a few words what happens instead ──


async def turns(n: int = 10) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


async def spawn(awaitable: Awaitable[Any]) -> asyncio.Task[Any]:
    async def run() -> Any:
        return await awaitable

    task = asyncio.create_task(run())
    await turns()
    return task


async def outcome(task: asyncio.Task[Any]) -> object:
    await asyncio.wait([task], timeout=1)
    if not task.done():
        return "hangs"
    try:
        return task.result()
    except (Exception, asyncio.CancelledError) as exc:
        return exc


async def close(channel: Any) -> None:
    done = channel.close()
    if asyncio.iscoroutine(done):
        await done
    await turns()


async def rendezvous(make: Any) -> str:
    task = await spawn(make(0).send(1))
    return "no" if task.done() else "yes"


async def close_wakes_receivers(make: Any) -> str:
    channel = make(1)
    if not hasattr(channel, "close"):
        return NO_CLOSE
    task = await spawn(channel.recv())
    await close(channel)
    return "yes" if isinstance(await outcome(task), Exception) else "no"


async def close_wakes_senders(make: Any) -> str:
    channel = make(1)
    if not hasattr(channel, "close"):
        return NO_CLOSE
    await channel.send(1)
    task = await spawn(channel.send(2))
    await close(channel)
    result = await outcome(task)
    return "yes" if isinstance(result, Exception) else "no" if result == "hangs" else "no error"


async def buffer_survives_close(make: Any) -> str:
    channel = make(2)
    if not hasattr(channel, "close"):
        return NO_CLOSE
    await channel.send(1)
    await close(channel)
    return "yes" if await outcome(await spawn(channel.recv())) == 1 else "lost"


async def none_is_a_value(make: Any) -> str:
    channel = make(1)
    result = await outcome(await spawn(channel.send(None)))
    if isinstance(result, Exception):
        return "no"
    return "yes" if await outcome(await spawn(channel.recv())) is None else "no"


async def cancelled_receiver_is_gone(make: Any) -> str:
    channel = make(1)
    task = await spawn(channel.recv())
    task.cancel()
    await outcome(task)
    sent = await outcome(await spawn(channel.send(1)))
    if isinstance(sent, Exception):
        return type(sent).__name__
    return "yes" if await outcome(await spawn(channel.recv())) == 1 else "lost"


async def cancelled_sender_is_gone(make: Any) -> str:
    channel = make(1)
    await channel.send(1)
    task = await spawn(channel.send(2))
    task.cancel()
    await outcome(task)
    first = await outcome(await spawn(channel.recv()))
    await spawn(channel.send(3))
    second = await outcome(await spawn(channel.recv()))
    for result in (first, second):
        if isinstance(result, Exception):
            return type(result).__name__
    return "yes" if (first, second) == (1, 3) else "received all the same"


async def no_value_is_lost(make: Any) -> str:
    channel = make(1)
    task = await spawn(channel.recv())
    channel.try_send(1)
    task.cancel()
    result = await outcome(task)
    if result == 1:
        return "yes"
    await turns()
    if isinstance(result, TypeError):
        return "TypeError"
    return "yes" if await outcome(await spawn(channel.recv())) == 1 else "lost"


async def no_value_is_doubled(make: Any) -> str:
    """A sender that is told that it was cancelled would send again."""
    channel = make(1)
    await channel.send(1)
    task = await spawn(channel.send(2))
    channel.try_recv_ok()
    task.cancel()
    result = await outcome(task)
    if not isinstance(result, BaseException):
        return "yes"
    if not isinstance(result, asyncio.CancelledError):
        return type(result).__name__
    return "yes" if await outcome(await spawn(channel.recv())) == "hangs" else "doubled"


async def many_senders_wait(make: Any) -> str:
    channel = make(1)

    async def send(n: int) -> None:
        await channel.send(n)

    tasks = [asyncio.create_task(send(n)) for n in range(MANY)]
    await turns()
    failed = sum(1 for task in tasks if task.done() and task.exception())
    return f"{failed} fail" if failed else "yes"


async def select_takes_one(make: Any) -> str:
    if not hasattr(make, "select"):
        return NO_SELECT
    for _ in range(100):
        recv, send = make(1), make(1)
        await recv.send(1)
        done = await make.select(recv, send, 2)
        receiver, sender = await spawn(recv.recv()), await spawn(send.recv())
        sent = done == "sent"  # then both find a value, otherwise neither does
        if receiver.done() is not sent or sender.done() is not sent:
            return "no"
    return "yes"


async def select_both_ends(make: Any) -> str:
    if not hasattr(make, "select"):
        return NO_SELECT
    channel = make(0)
    selecting = await spawn(make.select(channel, channel, 2))
    if selecting.done():
        return type(selecting.exception()).__name__ if selecting.exception() else "meets itself"
    received = await outcome(await spawn(channel.recv()))
    return "yes" if received == 2 else type(received).__name__


async def cancelled_select_is_gone(make: Any) -> str:
    if not hasattr(make, "select"):
        return NO_SELECT
    recv, send = make(0), make(0)
    selecting = await spawn(make.select(recv, send, 2))
    selecting.cancel()
    cancelled = await outcome(selecting)
    if not isinstance(cancelled, asyncio.CancelledError):
        return type(cancelled).__name__
    sending = await spawn(recv.send(1))
    return (
        "yes" if await outcome(await spawn(recv.recv())) == 1 and not sending.cancelled() else "swallows the next value"
    )


PROBES: dict[str, Callable[[Any], Awaitable[str]]] = {
    "unbuffered means hand to hand": rendezvous,
    "close wakes waiting receivers": close_wakes_receivers,
    "close wakes waiting senders, with an error": close_wakes_senders,
    "buffered values survive close": buffer_survives_close,
    "None is a value": none_is_a_value,
    "a cancelled receiver is gone": cancelled_receiver_is_gone,
    "a cancelled sender is gone": cancelled_sender_is_gone,
    "receiver cancelled as it gets a value: not lost": no_value_is_lost,
    "sender cancelled as its value is taken: not doubled": no_value_is_doubled,
    f"{MANY} senders may wait": many_senders_wait,
    "select with receives and sends does exactly one": select_takes_one,
    "select with both ends of one channel": select_both_ends,
    "a cancelled select is gone": cancelled_select_is_gone,
}


# ── the table ──


async def tell(probing: Callable[[Any], Awaitable[str]], library: Any) -> None:
    try:
        print(await probing(library), flush=True)
    except Exception as exc:
        print(type(exc).__name__, flush=True)
    os._exit(0)  # what it leaves behind is no part of the answer


def probe(library: int, name: str) -> str:
    command = [sys.executable, "-W", "ignore", __file__, str(library), name]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return "hangs"
    return run.stdout.strip() or f"ended with code {run.returncode}"


def version(library: Any) -> str | None:
    if library is AsyncioQueue:
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    if library is Goish:
        import goish

        return goish.__version__
    try:
        return metadata.version(library.package)
    except metadata.PackageNotFoundError:
        return None


def main() -> None:
    libraries = [(i, library, version(library)) for i, library in enumerate(LIBRARIES)]
    installed = [(i, f"{library.package} {found}") for i, library, found in libraries if found]
    print("| |", " | ".join(title for _, title in installed), "|")
    print("|---|" + "---|" * len(installed))
    for name in PROBES:
        print(f"| {name} |", " | ".join(probe(i, name) for i, _ in installed), "|", flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        asyncio.run(tell(PROBES[sys.argv[2]], LIBRARIES[int(sys.argv[1])]))
    else:
        main()
