"""An HTTP server that ends without losing a request: SIGTERM under load, and every request is answered.

    python examples/http_server.py 127.0.0.1:8000      and, in another terminal, curl 127.0.0.1:8000/hello/ann

On SIGTERM or Ctrl-C /healthz says 503, so that a load balancer sends no more, and for DRAIN seconds each answer asks
its client to come back elsewhere. Then the server listens no longer, lets the requests in progress end, and reports.
"""

import sys
from signal import SIGINT, SIGTERM

import goish
from goish import context, http, run, signal
from goish.http import Request, ResponseWriter

ADDRESS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8000"
DRAIN = 1.0  # seconds
GRACE = 20.0  # seconds, after which requests in progress are cut

mux = http.ServeMux()


@mux.handle("GET /hello/{name}")
async def hello(w: ResponseWriter, r: Request) -> None:
    await w.text(f"hello, {r.path_value('name')}\n")


@mux.handle("GET /slow")
async def slow(w: ResponseWriter, r: Request) -> None:
    """In pieces, as they come from somewhere else."""
    for word in ("no ", "hurry", "\n"):
        await goish.sleep(0.02)
        await w.write(word.encode())
        await w.flush()


@mux.handle("POST /upper")
async def upper(w: ResponseWriter, r: Request) -> None:
    await w.write((await r.read()).upper())


async def main() -> None:
    ctx, stop = signal.notify_context(context.background(), SIGTERM, SIGINT)
    async with http.serve(mux, ADDRESS) as server:

        @mux.handle("GET /healthz")
        async def healthz(w: ResponseWriter, r: Request) -> None:
            await w.text("ready\n" if server.ready else "closing\n", 200 if server.ready else 503)

        print("http://{}:{}".format(*server.addr), flush=True)
        await ctx.done().recv_ok()
        stop()  # the next Ctrl-C ends the program
        print(ctx.cause(), flush=True)
        limit, cancel = context.with_timeout(context.background(), DRAIN + GRACE)
        report = await server.shutdown(limit, drain_delay=DRAIN)
        cancel()
    print(f"{server.statistics().requests} requests answered, {len(report.cut)} cut", *report.cut, sep="\n")


if __name__ == "__main__":
    run(main)
