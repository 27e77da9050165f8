"""CPU work on a thread, I/O on the loop, and a channel between them: neither holds up the other."""

import asyncio
import hashlib
import threading

import goish
from goish import Chan, RecvChan, SendChan, go, go_thread

COINS = 5
DIFFICULTY = 4  # hexadecimal zeros that a hash must begin with


def mine(coins: SendChan[str]) -> int:
    """CPU-bound: a plain function, on a worker thread. It waits, as a thread does, when nobody takes its coins."""
    found = nonce = 0
    while found < COINS:
        if hashlib.sha256(b"goish %d" % nonce).hexdigest().startswith("0" * DIFFICULTY):
            coins.send_blocking(f"goish {nonce}")
            found += 1
        nonce += 1
    coins.close()
    return threading.get_ident()


async def deliver(coins: RecvChan[str], port: int) -> int:
    """I/O-bound: a goroutine, on main's loop."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async for coin in coins:
        writer.write(f"{coin}\n".encode())
        print((await reader.readline()).decode(), end="")
    writer.close()
    return threading.get_ident()


async def bank(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async for line in reader:
        digest = hashlib.sha256(line.strip()).hexdigest()
        writer.write(b"%s is worth %s\n" % (line.strip(), digest[:8].encode()))
    writer.close()


async def main() -> None:
    coins = Chan[str](2)
    async with await asyncio.start_server(bank, "127.0.0.1", 0) as server:
        mining = go_thread(mine, coins.sender)
        delivery = go(deliver, coins.receiver, server.sockets[0].getsockname()[1])
        assert await delivery == threading.get_ident() != await mining


if __name__ == "__main__":
    goish.run(main)
