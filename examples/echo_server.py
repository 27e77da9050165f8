"""An echo server: each connection is a goroutine. SIGTERM or Ctrl-C ends it in order.

python examples/echo_server.py 127.0.0.1:7000      and, in another terminal, nc 127.0.0.1 7000
"""

import sys
from signal import SIGINT, SIGTERM

from goish import context, net, run, select, signal

ADDRESS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7000"
GRACE = 10.0  # seconds, after which handlers are cut


async def main() -> None:
    async def echo(conn: net.Conn) -> None:
        while True:
            # biased: the first case that is ready, so what has come is sent back before the end is heard of
            match await select(conn.read(), server.closing.recv_ok(), biased=True):
                case 0, data, _ if data:
                    await conn.write(data)
                case _:  # the client has said all, or the server ends
                    return

    ctx, stop = signal.notify_context(context.background(), SIGTERM, SIGINT)
    async with net.serve(echo, ADDRESS, grace=GRACE) as server:
        print("echo on {}:{}".format(*server.addr), flush=True)
        await ctx.done().recv_ok()
        stop()  # the next Ctrl-C ends the program
    report = await server.wait()
    print(f"{ctx.cause()}: {report.drained} connections drained, {len(report.cut)} cut")


if __name__ == "__main__":
    run(main)
