"""A server under load: worker threads, each of which serves many clients at once. By hand, and by net.serve.

A connection belongs to no loop until it is first read or written. So one loop accepts, and a channel hands each
connection to a worker that has room; from then on it lives on that worker's loop. net.serve does as much, with limits
and an orderly end; its workers are threads on free-threaded Python, and processes where threads take turns.
"""

import goish
from goish import Chan, RecvChan, SendChan, go, go_thread, net, wait_all
from goish.errgroup import Group

WORKERS, CLIENTS_PER_WORKER, VISITORS, VISITS = 2, 100, 40, 10


async def shout(client: net.Conn) -> None:
    line = await client.read_until(b"\n")
    await client.write(line.upper())


# ── by hand ──


async def worker(clients: RecvChan[net.Conn]) -> int:
    """On a thread, with a loop of its own."""
    taken = 0
    async with Group(limit=CLIENTS_PER_WORKER) as serving:
        async for client in clients:
            await serving.go(serve, client)  # waits while there are a hundred
            taken += 1
    return taken


async def serve(client: net.Conn) -> None:
    async with client:
        await shout(client)


async def accept(listener: net.Listener, clients: SendChan[net.Conn]) -> None:
    async for client in listener:
        await clients.send(client)  # waits while all workers have their hands full
    clients.close()


async def by_hand() -> None:
    clients = Chan[net.Conn]()
    workers = [go_thread(worker, clients.receiver) for _ in range(WORKERS)]
    with net.listen("127.0.0.1:0") as listener:
        accepting = go(accept, listener, clients.sender)
        await visit_all(listener.addr)
    await accepting
    print(f"by hand: {sum(await wait_all(*workers))} clients")


# ── by the library ──


async def by_the_library() -> None:
    limit = WORKERS * CLIENTS_PER_WORKER
    async with net.serve(shout, "127.0.0.1:0", workers=WORKERS, max_conns=limit) as server:
        print(f"net.serve: {await visit_all(server.addr)} clients")


# ── the load ──


async def visit_all(address: tuple[str, int] | str) -> int:
    """How many visits were answered."""
    return sum(await wait_all(*(go(visit, address) for _ in range(VISITORS))))


async def visit(address: tuple[str, int] | str) -> int:
    for _ in range(VISITS):
        async with await net.dial(address) as server:
            await server.write(b"hello\n")
            assert await server.read_until(b"\n") == b"HELLO\n"
    return VISITS


async def main() -> None:
    await by_hand()
    await by_the_library()


if __name__ == "__main__":
    goish.run(main)
