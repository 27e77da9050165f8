"""A crawler of three sites, of which one is slow and one has no end. aiohttp on both sides; a report at the end.

A Limiter spaces the requests, and refuses those whose turn would come after the deadline. A semaphore for each site
keeps the slow one from taking all turns. A Group waits for all visits; its context ends those that are not answered in
time.
"""

import asyncio
import math
import re
from collections import Counter, defaultdict
from contextlib import suppress

from aiohttp import ClientSession, web
from yarl import URL

import goish
from goish import context
from goish.errgroup import Group
from goish.rate import Limiter
from goish.semaphore import Weighted

RATE, BURST = 10, 5  # requests a second, and how many may come at once
AT_A_TIME = 2  # requests of one site
SECONDS = 3.09  # for everything


class Crawler:
    def __init__(self, session: ClientSession, ctx: context.Context) -> None:
        self.session = session
        self.visits = Group(ctx=ctx)
        self.limiter = Limiter(RATE, BURST)
        self.places = defaultdict[URL, Weighted](lambda: Weighted(AT_A_TIME))
        self.answers = defaultdict[URL, Counter[int]](Counter)  # of each site, by their status
        self.seen = set[URL]()
        self.left = 0  # pages whose turn would come too late

    async def crawl(self, start: URL) -> None:
        async with self.visits:
            await self.add(start)

    async def add(self, url: URL) -> None:
        if url not in self.seen:
            self.seen.add(url)
            await self.visits.go(self.visit, url)

    async def visit(self, url: URL) -> None:
        site = url.origin()
        async with self.places[site]:  # before its turn at the limiter, so that a slow site delays no other
            try:
                await self.limiter.wait()
            except TimeoutError:
                self.left += 1
                return
            async with self.session.get(url) as response:
                text = await response.text()
        self.answers[site][response.status] += 1
        for link in re.findall(r'href="(.*?)"', text):
            await self.add(url.join(URL(link)))


async def serve(pages: float, latency: float, *links: URL) -> tuple[web.AppRunner, URL]:
    """A site: page n links to 2n and 2n + 1, the first page also to other sites."""

    async def page(request: web.Request) -> web.Response:
        n = int(request.match_info["n"])
        await asyncio.sleep(latency)
        if n > pages:
            raise web.HTTPNotFound
        targets = [f"/{2 * n}", f"/{2 * n + 1}"] if 2 * n <= pages else []
        targets += [str(link) for link in links if n == 1]
        return web.Response(text=" ".join(f'<a href="{target}">' for target in targets), content_type="text/html")

    app = web.Application()
    app.router.add_get("/{n}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, URL(f"http://127.0.0.1:{runner.addresses[0][1]}/1")


async def main() -> None:
    maze = await serve(math.inf, 0.01)
    museum = await serve(5, 0.5)
    garden = await serve(6, 0.01, maze[1], museum[1])
    async with ClientSession() as session:
        ctx, cancel = context.with_timeout(context.background(), SECONDS)
        crawler = Crawler(session, ctx)
        with suppress(context.DeadlineExceeded):
            await crawler.crawl(garden[1])
        cancel()
    print(f"{len(crawler.seen)} pages seen, {crawler.left} left at the deadline")
    for name, (runner, url) in {"garden": garden, "maze": maze, "museum": museum}.items():
        answers = crawler.answers[url.origin()]
        print(f"{name}: {answers[200]} pages, dead links: {answers[404]}")
        await runner.cleanup()


if __name__ == "__main__":
    goish.run(main)
