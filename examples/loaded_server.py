"""A server under load: one loop accepts, worker threads serve. A channel of sockets spreads the clients over them."""

import asyncio
import socket

import goish
from goish import Chan, RecvChan, SendChan, go, go_thread, wait_all

WORKERS, CLIENTS_PER_WORKER, VISITORS, VISITS = 2, 100, 40, 10


async def serve(client: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=client)  # a bare socket until now: it belonged to no loop
    writer.write((await reader.readline()).upper())
    writer.close()


async def worker(clients: RecvChan[socket.socket]) -> int:
    """Takes so many clients, serves them on its thread, and ends: the pool gives the thread to the next one."""
    serving = []
    async for client in clients:
        serving.append(go(serve, client))
        if len(serving) == CLIENTS_PER_WORKER:
            break
    await wait_all(*serving)
    return len(serving)


async def keep_working(clients: RecvChan[socket.socket], taken: list[int]) -> None:
    while not clients.closed:
        taken.append(await go_thread(worker, clients))


async def accept(listening: socket.socket, clients: SendChan[socket.socket]) -> None:
    with listening:
        while True:
            client, _ = await asyncio.get_running_loop().sock_accept(listening)
            await clients.send(client)  # waits while all workers have their hands full


async def visit(port: int) -> None:
    for _ in range(VISITS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\n")
        assert await reader.readline() == b"HELLO\n"
        writer.close()


async def main() -> None:
    clients, taken = Chan[socket.socket](), list[int]()
    listening = socket.create_server(("127.0.0.1", 0), backlog=VISITORS)
    listening.setblocking(False)
    workers = [go(keep_working, clients.receiver, taken) for _ in range(WORKERS)]
    go(accept, listening, clients.sender)  # until main is over
    await wait_all(*(go(visit, listening.getsockname()[1]) for _ in range(VISITORS)))
    clients.close()
    await wait_all(*workers)
    print(f"{sum(taken)} clients, at most {max(taken)} for a worker")


if __name__ == "__main__":
    goish.run(main)
