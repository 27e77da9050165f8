"""A crawler: a few goroutines fetch pages and queue the links in them, until none is left. aiohttp on both sides."""

import math
import re

from aiohttp import ClientSession, web

import goish
from goish import Chan, WaitGroup, go

PAGES = 40
WORKERS = 4


async def page(request: web.Request) -> web.Response:
    n = int(request.match_info["n"])
    links = (f'<a href="/{link}">{link}</a>' for link in (2 * n + 1, 2 * n + 2, n // 2) if link < PAGES)
    return web.Response(text=" ".join(links), content_type="text/html")


async def worker(session: ClientSession, todo: Chan[str], seen: set[str], pending: WaitGroup) -> None:
    async for path in todo:
        async with session.get(path) as response:
            text = await response.text()
        for link in re.findall(r'href="(.*?)"', text):
            if link not in seen:
                seen.add(link)
                pending.add(1)
                todo.try_send(link)  # always succeeds: there is room without end
        pending.done()


async def crawl(session: ClientSession, start: str) -> set[str]:
    todo, seen = Chan[str](math.inf), {start}
    pending, workers = WaitGroup(), WaitGroup()  # pages that are queued or being fetched; workers that run
    pending.add(1)
    todo.try_send(start)
    for _ in range(WORKERS):
        workers.go(worker, session, todo, seen, pending)
    await pending.wait()
    todo.close()
    await workers.wait()
    return seen


async def main() -> None:
    app = web.Application()
    app.router.add_get("/{n}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
        found = await go(crawl, session, "/0")
    print(f"{len(found)} pages, the last is {max(found, key=lambda path: int(path[1:]))}")
    await runner.cleanup()


if __name__ == "__main__":
    goish.run(main)
