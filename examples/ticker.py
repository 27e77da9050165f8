"""A ticker over server-sent events: one goroutine makes prices, and each client is shown the latest, if not every one.

python examples/ticker.py 127.0.0.1:8000      and, in another terminal, curl -N 127.0.0.1:8000/prices
"""

import json
import random
import sys
from signal import SIGINT, SIGTERM
from typing import Any

from goish import context, go, http, run, select, signal
from goish.http import Request, ResponseWriter
from goish.sync import Watch
from goish.time import Ticker

ADDRESS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8000"
EVERY = 0.1  # seconds

prices = Watch[dict[str, Any]]({"cents": 10_000, "following": 0})
following = 0
mux = http.ServeMux()


async def make_prices() -> None:
    cents = prices.value["cents"]
    async for _ in Ticker(EVERY):
        cents = max(1, cents + random.randint(-50, 50))
        prices.set({"cents": cents, "following": following})


@mux.handle("GET /prices")
async def follow(w: ResponseWriter, r: Request) -> None:
    global following
    following += 1
    w.headers["Content-Type"] = "text/event-stream"
    w.headers["Cache-Control"] = "no-store"
    latest, left = prices.watch(current=True), r.ctx.done()
    while True:
        match await select(latest.changed(), left.recv_ok()):
            case 0, price, True:
                await w.write(f"data: {json.dumps(price)}\n\n".encode())
                await w.flush()
            case 0, _, _:  # the server ends
                break
            case _:
                print("left:", r.ctx.cause(), flush=True)
                break
    following -= 1


async def main() -> None:
    ctx, stop = signal.notify_context(context.background(), SIGTERM, SIGINT)
    # A handler whose client leaves is cancelled, unless it looks at r.ctx, as this one does.
    async with http.serve(mux, ADDRESS, cancel_on_disconnect=False) as server:
        print("http://{}:{}".format(*server.addr), flush=True)
        making = go(make_prices)
        await ctx.done().recv_ok()
        stop()
        making.cancel()
        prices.close()  # each client is shown the last price, then its stream ends
    report = await server.wait()
    print(f"{ctx.cause()}: {len(report.cut)} streams were cut")


if __name__ == "__main__":
    run(main)
