"""Connections without sockets: bytes arrive in order and once, whatever the faults; a close, a reset, a partition."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import hypothesis
import pytest
from conftest import Driver
from helpers import SEED, settle, until
from hypothesis import strategies
from virtual_clock import START, VirtualClockLoop

from goish import after, go, net, select, sleep
from goish._net.transport import CHUNK, KERNEL, NO_FAULTS, Faults, MemoryTransport, transport_pair
from goish.errors import ConnClosed, DeadlineExceeded

T = TypeVar("T")


def in_virtual_time(main: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(main(*args))


class Recorder(asyncio.Protocol):
    """Writes down what its transport calls."""

    def __init__(self, half_open: bool = False) -> None:
        self.half_open = half_open
        self.events: list[Any] = []
        self.chunks: list[bytes] = []
        self.lost = asyncio.get_running_loop().create_future()

    @property
    def data(self) -> bytes:
        return b"".join(self.chunks)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.events.append("made")

    def data_received(self, data: bytes) -> None:
        assert data
        assert not self.lost.done()
        self.chunks.append(data)

    def eof_received(self) -> bool:
        self.events.append("eof")
        return self.half_open

    def connection_lost(self, exc: BaseException | None) -> None:
        self.events.append("lost" if exc is None else type(exc).__name__)
        self.lost.set_result(None)

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")


class Buffered(asyncio.BufferedProtocol):
    def __init__(self, size: int) -> None:
        self.size = size
        self.buffer = bytearray()
        self.data = b""

    def get_buffer(self, sizehint: int) -> bytearray:
        self.buffer = bytearray(self.size)
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data += self.buffer[:nbytes]


def connect(
    faults: Faults = NO_FAULTS, seed: object = 0, half_open: bool = False
) -> tuple[MemoryTransport, Recorder, MemoryTransport, Recorder]:
    a, b = transport_pair(asyncio.get_running_loop(), ("a", "b"), faults, seed)
    here, there = Recorder(half_open), Recorder(half_open)
    a.start(here)
    b.start(there)
    return a, here, b, there


# ── bytes ──


@pytest.mark.parametrize("splits", [None, 1, 3, 100])
def test_what_is_written_arrives_in_order_and_once_whatever_happens_on_the_way(
    splits: int | None, request: pytest.FixtureRequest
) -> None:
    @hypothesis.seed(request.config.stash[SEED])
    @hypothesis.settings(max_examples=60, deadline=None, database=None, print_blob=True)
    @hypothesis.given(
        writes=strategies.lists(strategies.binary(max_size=40), max_size=30),
        pauses=strategies.lists(strategies.integers(0, 4), max_size=30),
        latency=strategies.sampled_from([(0.0, 0.0), (0.1, 0.1), (0.0, 1.0)]),
        seed=strategies.integers(0, 1000),
    )
    def check(writes: list[bytes], pauses: list[int], latency: tuple[float, float], seed: int) -> None:
        in_virtual_time(exchange, writes, pauses, Faults(latency, splits), seed)

    async def exchange(writes: list[bytes], pauses: list[int], faults: Faults, seed: int) -> None:
        a, _, b, there = connect(faults, seed)
        for i, data in enumerate(writes):
            a.write(data)
            act = pauses[i] if i < len(pauses) else 0
            if act == 1:
                b.pause_reading()
            elif act == 2:
                b.resume_reading()
            elif act == 3:
                await asyncio.sleep(0.3)
            elif act == 4:
                await asyncio.sleep(0)
        a.close()
        b.resume_reading()
        await there.lost
        assert there.data == b"".join(writes)
        assert there.events == ["made", "eof", "lost"]
        assert splits is None or all(len(chunk) <= splits for chunk in there.chunks)
        assert a.get_write_buffer_size() == 0

    check()


def test_a_seed_says_where_the_bytes_are_cut_and_how_long_they_take() -> None:
    async def cuts(seed: int) -> list[tuple[float, bytes]]:
        loop = asyncio.get_running_loop()
        a, _, _, there = connect(Faults((0.1, 1.0), 10), seed)
        there.data_received = lambda data: found.append((loop.time(), data))  # type: ignore[method-assign]
        found: list[tuple[float, bytes]] = []
        for _ in range(5):
            a.write(b"0123456789")
        a.close()
        await there.lost
        return found

    assert in_virtual_time(cuts, 1) == in_virtual_time(cuts, 1) != in_virtual_time(cuts, 2)


async def test_writes_of_one_turn_arrive_together(run_foreign: Driver) -> None:
    a, _, _, there = connect()
    a.writelines([b"a", b"b"])
    a.write(bytearray(b"c"))
    a.write(memoryview(b"d"))
    assert not there.chunks
    await settle()
    assert there.chunks == [b"abcd"]


async def test_a_large_write_arrives_in_chunks(run_foreign: Driver) -> None:
    a, _, _, there = connect()
    a.write(bytes(CHUNK + 1))
    await settle()
    assert [len(chunk) for chunk in there.chunks] == [CHUNK, 1]


async def test_a_bytearray_that_changes_after_the_write_does_not_matter(run_foreign: Driver) -> None:
    a, _, _, there = connect()
    data = bytearray(b"before")
    a.write(data)
    data[:] = b"behind"
    await settle()
    assert there.data == b"before"


async def test_a_buffered_protocol_gets_its_bytes_into_its_buffer(run_foreign: Driver) -> None:
    a, b = transport_pair(asyncio.get_running_loop())
    a.start(Recorder())
    receiver = Buffered(3)
    b.start(receiver)
    a.write(b"0123456789")
    await settle()
    assert receiver.data == b"0123456789"


def test_latency_is_the_time_that_bytes_take_each_way() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        a, here, b, there = connect(Faults((0.5, 0.5)))
        a.write(b"ping")
        await until_received(there)
        assert loop.time() == START + 0.5
        b.write(b"pong")
        await until_received(here)
        assert loop.time() == START + 1.0

    async def until_received(end: Recorder) -> None:
        while not end.data:
            await asyncio.sleep(0.1)

    in_virtual_time(main)


# ── back-pressure ──


async def test_a_sender_is_paused_while_its_receiver_does_not_read(run_foreign: Driver) -> None:
    a, here, b, there = connect()
    b.pause_reading()
    a.write(bytes(KERNEL))
    assert a.get_write_buffer_size() == 0
    a.write(bytes(65536))
    await settle()
    assert a.get_write_buffer_size() == 65536 and here.events == ["made"]
    a.write(b"x")
    assert here.events == ["made", "pause"]
    assert not there.data and not b.is_reading()
    b.resume_reading()
    await until(lambda: len(there.data) == KERNEL + 65537)
    assert here.events == ["made", "pause", "resume"]


async def test_the_limits_of_the_write_buffer_are_those_of_asyncio(run_foreign: Driver) -> None:
    a, here, _, _ = connect()
    assert a.get_write_buffer_limits() == (16384, 65536)
    a.set_write_buffer_limits(high=0)
    a.write(bytes(KERNEL))
    assert here.events == ["made"]
    a.write(b"x")
    assert here.events == ["made", "pause"]


async def test_an_end_that_is_paused_sees_no_end(run_foreign: Driver) -> None:
    a, _, b, there = connect()
    b.pause_reading()
    a.close()
    await settle()
    assert there.events == ["made"]
    b.resume_reading()
    await there.lost
    assert there.events == ["made", "eof", "lost"]


# ── the end ──


async def test_what_was_written_before_a_close_arrives(run_foreign: Driver) -> None:
    a, here, _, there = connect()
    a.write(b"last words")
    a.close()
    a.write(b"too late")
    a.close()
    await there.lost
    assert (there.data, there.events, here.events) == (b"last words", ["made", "eof", "lost"], ["made", "lost"])


async def test_a_close_waits_until_its_buffer_is_written(run_foreign: Driver) -> None:
    a, here, b, there = connect()
    b.pause_reading()
    a.write(bytes(KERNEL + 1))
    a.close()
    await settle()
    assert here.events == ["made"] and a.is_closing()
    b.resume_reading()
    await here.lost
    await there.lost
    assert len(there.data) == KERNEL + 1


async def test_half_closed_ends_go_on_in_the_other_direction(run_foreign: Driver) -> None:
    a, here, b, there = connect(half_open=True)
    a.write(b"request")
    a.write_eof()
    await settle()
    assert there.events == ["made", "eof"] and a.can_write_eof()
    with pytest.raises(RuntimeError, match="after write_eof"):
        a.write(b"more")
    b.write(b"answer")
    b.close()
    await settle()
    assert here.data == b"answer" and here.events == ["made", "eof"]
    a.close()
    await settle()
    assert here.events == ["made", "eof", "lost"]


async def test_bytes_for_an_end_that_is_closed_are_answered_by_a_reset(run_foreign: Driver) -> None:
    """As TCP does: who answers and closes without having read the request may lose the answer."""
    a, here, b, _ = connect(half_open=True)
    b.close()
    await settle()
    a.write(b"request")
    await settle()
    assert here.events == ["made", "eof", "ConnectionResetError"]


async def test_an_abort_resets_the_other_end_and_drops_what_is_under_way(run_foreign: Driver) -> None:
    a, here, _, there = connect()
    a.write(b"lost")
    a.abort()
    a.abort()
    await settle()
    assert (there.data, there.events, here.events) == (b"", ["made", "ConnectionResetError"], ["made", "lost"])


def test_resets_come_by_the_seed_and_end_both_sides() -> None:
    async def main() -> int:
        a, here, _, there = connect(Faults(reset=0.1), seed=7)
        sent = 0
        while not a.is_closing():
            a.write(b"x")
            sent += 1
            await asyncio.sleep(0.01)
        assert here.events == there.events == ["made", "ConnectionResetError"]
        assert len(there.data) == sent - 1
        return sent

    assert 1 < in_virtual_time(main) == in_virtual_time(main)


async def test_a_protocol_that_fails_loses_its_connection_and_the_loop_hears_of_it(run_foreign: Driver) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    a, here, _, there = connect()
    there.data_received = lambda data: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    a.write(b"x")
    await settle()
    assert [type(context["exception"]) for context in told] == [ZeroDivisionError]
    assert "data_received" in told[0]["message"]
    assert there.events == ["made", "ZeroDivisionError"] and here.events == ["made", "ConnectionResetError"]


async def test_only_bytes_can_be_written(run_foreign: Driver) -> None:
    a, _, _, _ = connect()
    with pytest.raises(TypeError, match="takes bytes, a bytearray or a memoryview; got str"):
        a.write("text")  # type: ignore[arg-type]


# ── asyncio's streams ──


async def test_asyncio_streams_run_on_it(run_foreign: Driver, rng: random.Random) -> None:
    loop = asyncio.get_running_loop()

    def streams(transport: MemoryTransport) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader = asyncio.StreamReader(limit=1000)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport.start(protocol)
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    a, b = map(streams, transport_pair(loop, ("a", 1), Faults(split=7), rng.random()))
    lines = [bytes(rng.choices(range(97, 123), k=rng.randrange(500))) + b"\n" for _ in range(1000)]

    async def send() -> None:
        for line in lines:
            a[1].write(line)
            await a[1].drain()
        a[1].close()
        await a[1].wait_closed()

    sending = asyncio.ensure_future(send())
    assert [line async for line in b[0]] == lines
    await sending
    b[1].close()
    await b[1].wait_closed()


# ── a network ──


async def accept_and_send(listener: net.MemoryListener, data: bytes) -> None:
    async for conn in listener:
        await conn.write(data)
        conn.close()


async def test_a_dialled_connection_is_the_peer_of_an_accepted_one(drive: Driver) -> None:
    network = net.MemoryNetwork()
    with network.listen("server:80") as listener:
        ours = await network.dial("server:80", local_addr="laptop")
        theirs = await listener.accept()
        assert ours.remote_addr == theirs.local_addr == listener.addr == ("server", 80)
        assert ours.local_addr == theirs.remote_addr == ("laptop", 49152)
        await ours.write(b"ping")
        assert await theirs.read() == b"ping"
        await theirs.write(b"pong")
        assert await ours.read() == b"pong"
        ours.close()
        assert await theirs.read() == b""
        theirs.close()


async def test_dialling_where_nothing_listens_is_refused(drive: Driver) -> None:
    network = net.MemoryNetwork()
    listener = network.listen(("server", 80))
    for addr in ("server:81", "other:80"):
        with pytest.raises(ConnectionRefusedError, match=f"dial {addr}: nothing listens there"):
            await network.dial(addr)
    with pytest.raises(OSError, match="listen on server:80: a listener has the address already"):
        network.listen("server:80")
    listener.close()
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        await network.dial("server:80")
    network.listen("server:80").close()


async def test_a_listener_without_a_host_is_that_of_all_hosts_and_port_0_is_a_free_one(drive: Driver) -> None:
    network = net.MemoryNetwork()
    everywhere, free = network.listen(":80"), network.listen("server:0")
    assert free.addr[1] != 0 and network.listen("server:0").addr != free.addr
    for host in ("one", "other"):
        conn = await network.dial((host, 80))
        accepted = await everywhere.accept()
        assert accepted.local_addr == (host, 80)
        conn.close()
        accepted.close()


async def test_the_end_of_a_listener_ends_accepts_and_closes_what_nobody_accepted(drive: Driver) -> None:
    network = net.MemoryNetwork()
    listener = network.listen("server:80")
    conn = await network.dial("server:80")
    listener.close()
    assert await conn.read() == b""
    conn.close()
    with pytest.raises(ConnClosed, match="accept on a closed listener: server:80"):
        await listener.accept()
    assert [accepted async for accepted in listener] == []
    assert listener.closed


def test_a_handshake_takes_the_latency_twice_and_the_listener_has_it_after_once() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        network = net.MemoryNetwork(latency=0.5)
        listener = network.listen("server:80")
        dialling = go(network.dial, "server:80")
        accepted = await listener.accept()
        assert loop.time() == START + 0.5
        await accepted.write(b"hello")
        conn = await dialling
        assert loop.time() == START + 1
        assert await conn.read() == b"hello"
        assert loop.time() == START + 1
        conn.close()
        accepted.close()

    in_virtual_time(main)


def test_a_full_queue_keeps_those_who_dial_waiting() -> None:
    async def main() -> None:
        network = net.MemoryNetwork()
        listener = network.listen("server:80", backlog=2)
        waiting = [go(network.dial, "server:80") for _ in range(5)]
        await settle()
        assert [dialling.done() for dialling in waiting] == [True, True, False, False, False]
        for dialling in waiting:
            (await listener.accept()).close()
            (await dialling).close()

    in_virtual_time(main)


@pytest.mark.parametrize("hosts", [("client", "server"), ("server", "client"), ("server",), ("client",)])
def test_a_partition_lets_nothing_through_until_it_is_healed(hosts: tuple[str, ...]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        network = net.MemoryNetwork(latency=0.1)
        listener = network.listen("server:80")
        conn = await network.dial("server:80")
        accepted = await listener.accept()
        await accepted.write(b"on its way")
        network.partition(*hosts)
        await conn.write(b"meanwhile")
        with pytest.raises(DeadlineExceeded, match="dial server:80: not connected within 5 seconds"):
            await network.dial("server:80", timeout=5)
        conn.set_read_deadline(loop.time() + 5)
        with pytest.raises(DeadlineExceeded):
            await conn.read()
        conn.set_read_deadline(None)
        dialling = go(network.dial, "server:80")
        await sleep(1)
        network.heal(*hosts)
        assert await conn.read() == b"on its way" and await accepted.read() == b"meanwhile"
        for end in (conn, accepted, await dialling, await listener.accept()):
            end.close()

    in_virtual_time(main)


def test_other_hosts_are_not_affected_by_a_partition_and_heal_ends_all() -> None:
    async def main() -> None:
        network = net.MemoryNetwork()
        sending = go(accept_and_send, network.listen(":80"), b"hello")
        network.partition("client", "a")
        network.partition("a", "b")
        for host, here in (("b", "client"), ("a", "c")):
            async with await network.dial(f"{host}:80", local_addr=here) as conn:
                assert await conn.read() == b"hello"
        with pytest.raises(TimeoutError):
            await network.dial("a:80", timeout=1)
        network.heal()
        (await network.dial("a:80")).close()
        sending.cancel()

    in_virtual_time(main)


async def test_a_reset_between_hosts_is_the_error_of_both_ends(drive: Driver) -> None:
    network = net.MemoryNetwork()
    listener = network.listen("server:80")
    conns = [await network.dial("server:80", local_addr=host) for host in ("a", "b")]
    accepted = [await listener.accept() for _ in conns]
    network.reset("a", "server")
    for end in (conns[0], accepted[0]):
        with pytest.raises(ConnectionResetError):
            await end.read()
    await conns[1].write(b"x")
    assert await accepted[1].read() == b"x"
    for end in (*conns, *accepted):
        end.close()


async def test_a_dial_that_is_cancelled_leaves_no_connection(run: Driver) -> None:
    network = net.MemoryNetwork(latency=0.01)
    listener = network.listen("server:80")
    dialling = go(network.dial, "server:80")
    accepted = await listener.accept()
    dialling.cancel()
    with pytest.raises(ConnectionResetError):
        await accepted.read()
    accepted.close()


@pytest.mark.parametrize("split", [None, 1, 50])
def test_what_conns_write_is_read_in_order_and_once(split: int | None, request: pytest.FixtureRequest) -> None:
    """Both ways at once, with reads of all kinds, of which some are cancelled."""

    @hypothesis.seed(request.config.stash[SEED])
    @hypothesis.settings(max_examples=40, deadline=None, database=None, print_blob=True)
    @hypothesis.given(
        messages=strategies.tuples(*[strategies.lists(strategies.binary(max_size=200), max_size=12)] * 2),
        reads=strategies.lists(strategies.integers(1, 100), min_size=1, max_size=5),
        latency=strategies.sampled_from([0.0, (0.0, 0.2)]),
        seed=strategies.integers(0, 1000),
    )
    def check(messages: Any, reads: list[int], latency: Any, seed: int) -> None:
        in_virtual_time(exchange, messages, reads, latency, seed)

    async def exchange(messages: Any, reads: list[int], latency: Any, seed: int) -> None:
        network = net.MemoryNetwork(seed=seed, latency=latency, split=split)
        listener = network.listen("server:80")
        ends = [await network.dial("server:80"), await listener.accept()]
        writers = [go(write_all, end, written) for end, written in zip(ends, messages, strict=True)]
        readers = [go(read_all, end, reads) for end in ends]
        assert [await reader for reader in reversed(readers)] == [b"".join(written) for written in messages]
        for end, writer in zip(ends, writers, strict=True):
            await writer
            end.close()

    async def write_all(conn: net.Conn, messages: list[bytes]) -> None:
        for message in messages:
            await conn.write(message)
            await sleep(0.05)
        conn.close_write()

    async def read_all(conn: net.Conn, sizes: list[int]) -> bytes:
        found = b""
        for size in itertools.cycle(sizes):
            index, data, _ = await select(conn.read(size), after(0.03).recv())
            if index == 1:
                continue
            if not data:
                return found
            found += data
        raise AssertionError

    check()


def test_a_pipe_needs_a_loop() -> None:
    with pytest.raises(RuntimeError):
        net.pipe()


async def test_the_ends_of_a_pipe_are_closed_apart_and_a_writer_waits_for_its_reader(drive: Driver) -> None:
    ours, theirs = net.pipe()
    sent = 0
    while ours.try_write(bytes(10_000)):
        sent += 10_000
    ours.close_write()
    received = b"".join([data async for data in theirs])
    assert len(received) == sent > 100_000
    await theirs.write(b"still open")
    assert await ours.read() == b"still open"
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"latency": -1}, ValueError, "latency is 0 or more seconds"),
        ({"latency": (2, 1)}, ValueError, "a pair .least, most."),
        ({"latency": "slow"}, TypeError, "latency is a number of seconds"),
        ({"split": 0}, ValueError, "split is a whole number of bytes, 1 or more, or None; got 0"),
        ({"split": 1.5}, TypeError, "split is a whole number"),
        ({"reset": 2}, ValueError, "reset is a chance, from 0 to 1; got 2"),
        ({"reset": True}, TypeError, "reset is a chance"),
    ],
    ids=str,
)
def test_options_that_are_none_are_refused_by_name(options: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        net.MemoryNetwork(**options)


async def test_addresses_that_are_none_are_refused_by_what_is_allowed(run_foreign: Driver) -> None:
    network: Any = net.MemoryNetwork()
    for call in (network.listen, network.dial):
        for bad, error in (("server", ValueError), ("server:x", ValueError), (80, TypeError), ("unix:/x", ValueError)):
            with pytest.raises(error, match=r"an address|a port is"):
                await call(bad)
    with pytest.raises(TypeError, match="local_addr is the name of a host"):
        await network.dial("server:80", local_addr=5)
    with pytest.raises(TypeError, match="a host is a name, got 5"):
        network.partition("a", 5)
    with pytest.raises(ValueError, match="backlog"):
        network.listen("server:80", backlog=0)
