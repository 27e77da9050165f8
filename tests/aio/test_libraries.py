"""Libraries for asyncio keep working: in a goroutine, in a task that uses go(), and where all tasks are goroutines.

An async test runs in each of these ways, on both loops (fixture ``drive``). ``spawn`` starts helpers as the way has it:

    run         the test is the main goroutine of goish.run, its helpers are goroutines of go()
    asyncio     the test is an asyncio.Task, its helpers are goroutines of go()
    tasks       the loop has goish.task_factory: the test, its helpers and what the libraries start are goroutines
    run-tasks   both: goish.run, on a loop that has the factory

Everything is on loopback. Deadlines expire when the server says that the request has come, not after some time.
"""

import asyncio
import functools
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from helpers import ENDS, LOOPS, REAL_LOOPS, until

import goish
from goish import Goroutine, WaitGroup, chan, current_goroutine, go, select

WAYS = ("run", "asyncio", "tasks", "run-tasks")
PATIENCE = 100.0  # seconds that no test here needs
CLIENTS = 20
HEADERS = "\r\n\r\n"

Spawn = Callable[..., Goroutine[Any]]


class Way:
    """Runs async functions on one kind of loop, in one of the ways."""

    def __init__(self, loop: str, way: str) -> None:
        self.way = way
        self.new_loop = functools.partial(loop_of_goroutines, loop) if "tasks" in way else LOOPS[loop]

    def __call__(self, main: Callable[[], Awaitable[Any]]) -> None:
        if "run" in self.way:
            goish.run(self.in_time, main, loop=self.new_loop)
        else:
            with asyncio.Runner(loop_factory=self.new_loop) as runner:
                runner.run(self.in_time(main))

    async def in_time(self, main: Callable[[], Awaitable[Any]]) -> None:
        assert isinstance(asyncio.current_task(), asyncio.Task if self.way == "asyncio" else Goroutine)
        async with asyncio.timeout(PATIENCE):
            await main()

    def spawn(self, fn: Callable[..., Any], *args: Any) -> Any:
        return asyncio.create_task(fn(*args)) if "tasks" in self.way else go(fn, *args)


def loop_of_goroutines(name: str) -> asyncio.AbstractEventLoop:
    loop = LOOPS[name]()
    loop.set_task_factory(goish.task_factory)
    return loop


@pytest.fixture(params=[(loop, way) for loop in REAL_LOOPS for way in WAYS], ids="-".join)
def drive(request: pytest.FixtureRequest) -> Way:
    return Way(*request.param)


@pytest.fixture
def spawn(drive: Way) -> Spawn:
    return drive.spawn


@pytest.fixture
def httpx() -> Any:
    return pytest.importorskip("httpx")


@pytest.fixture
def starlette() -> Any:
    pytest.importorskip("uvicorn")
    return pytest.importorskip("starlette")


@pytest.fixture
def aiosqlite() -> Any:
    return pytest.importorskip("aiosqlite")


# ── what several tests need ──


class Hanging:
    """A request that is never answered: what a server's handler awaits, and what its client looks at."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.deadline: asyncio.Timeout | None = None

    async def __call__(self) -> None:
        self.arrived.set()
        if self.deadline is not None:
            self.deadline.reschedule(asyncio.get_running_loop().time())
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    @asynccontextmanager
    async def timeout(self) -> AsyncIterator[None]:
        """asyncio.timeout that expires as soon as a request has come; TimeoutError is what is expected."""
        self.arrived.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as self.deadline:
                yield
        assert self.arrived.is_set()
        self.deadline = None


async def ended_by_cancel(g: Goroutine[Any]) -> None:
    g.cancel()
    with pytest.raises(asyncio.CancelledError):
        await g
    assert g.cancelled()


def url_of(sock: socket.socket) -> str:
    return f"http://127.0.0.1:{sock.getsockname()[1]}"


def subprocess_env() -> dict[str, str]:
    """An environment in which what is imported here is found."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


async def raw_get(url: str, path: str = "/") -> str:
    """The answer to a GET, headers and all, read with asyncio's streams."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return answer


async def put(ch: goish.Chan[Any], value: Any) -> None:
    await ch.send(value)


async def get(ch: goish.Chan[Any]) -> Any:
    return await ch.recv()


async def fan_out(spawn: Spawn, get: Callable[[int], Awaitable[Any]]) -> list[Any]:
    """The results of CLIENTS requests at once, which come through a channel."""
    answers, clients = chan(), WaitGroup()

    async def client(i: int) -> None:
        await answers.send((i, await get(i)))
        clients.done()

    clients.add(CLIENTS)
    for i in range(CLIENTS):
        spawn(client, i)
    got = dict([await answers.recv() for _ in range(CLIENTS)])
    await clients.wait()
    return [got[i] for i in range(CLIENTS)]


# ── aiohttp ──


class Site:
    """An aiohttp application: /double/{n} answers through a channel, /hang never, /ws doubles what it gets."""

    def __init__(self, web: Any) -> None:
        self.web = web
        self.hanging = Hanging()
        self.app = web.Application()
        self.app.add_routes([web.get("/double/{n}", self.double), web.get("/hang", self.hang), web.get("/ws", self.ws)])

    async def double(self, request: Any) -> Any:
        answer = chan()
        go(put, answer, 2 * int(request.match_info["n"]))
        index, value, _ = await select(answer.recv(), goish.after(PATIENCE).recv())
        assert index == 0
        return self.web.json_response(value)

    async def hang(self, request: Any) -> Any:
        await self.hanging()

    async def ws(self, request: Any) -> Any:
        ws = self.web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            await ws.send_json(2 * message.json())
        return ws

    @asynccontextmanager
    async def serve(self, *, shutdown_timeout: float = 0.01, **options: Any) -> AsyncIterator[str]:
        runner = self.web.AppRunner(self.app, access_log=None, shutdown_timeout=shutdown_timeout, **options)
        await runner.setup()
        try:
            await self.web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


@pytest.fixture
def aiohttp() -> Any:
    return pytest.importorskip("aiohttp")


@pytest.fixture
def web() -> Any:
    return pytest.importorskip("aiohttp.web")


async def test_aiohttp_serves_and_asks(aiohttp: Any, web: Any, spawn: Spawn) -> None:
    site = Site(web)
    async with site.serve() as url, aiohttp.ClientSession(url) as session:

        async def get(i: int) -> Any:
            async with session.get(f"/double/{i}") as response:
                return await response.json()

        assert await fan_out(spawn, get) == [2 * i for i in range(CLIENTS)]


async def test_aiohttp_websocket_is_fed_from_a_channel(aiohttp: Any, web: Any, spawn: Spawn) -> None:
    numbers = chan()

    async def produce() -> None:
        await numbers.send_many(range(10))
        numbers.close()

    async with Site(web).serve() as url, aiohttp.ClientSession(url) as session, session.ws_connect("/ws") as ws:
        spawn(produce)
        async for n in numbers:
            await ws.send_json(n)
            assert await ws.receive_json() == 2 * n


async def test_aiohttp_request_ends_at_asyncio_timeout_and_the_session_lives_on(aiohttp: Any, web: Any) -> None:
    site = Site(web)
    connector = aiohttp.TCPConnector(limit=1)  # a connection that is not given back would block the next request
    async with site.serve() as url, aiohttp.ClientSession(url, connector=connector) as session:
        for i in range(3):
            async with site.hanging.timeout():
                await session.get("/hang")
            async with session.get(f"/double/{i}") as response:
                assert await response.json() == 2 * i


async def test_aiohttp_timeout_of_its_own_expires(aiohttp: Any, web: Any) -> None:
    site = Site(web)
    async with site.serve() as url, aiohttp.ClientSession(url) as session:
        with pytest.raises(TimeoutError):
            await session.get("/hang", timeout=aiohttp.ClientTimeout(total=0.05))
        assert asyncio.current_task().cancelling() == 0
        async with session.get("/double/1") as response:
            assert await response.json() == 2


async def test_aiohttp_request_of_a_cancelled_goroutine_ends_on_the_server_too(
    aiohttp: Any, web: Any, spawn: Spawn
) -> None:
    site = Site(web)
    connector = aiohttp.TCPConnector(limit=1)
    async with (
        site.serve(handler_cancellation=True) as url,
        aiohttp.ClientSession(url, connector=connector) as session,
    ):

        async def ask() -> None:
            await session.get("/hang")

        g = spawn(ask)
        await site.hanging.arrived.wait()
        await ended_by_cancel(g)
        await site.hanging.cancelled.wait()
        async with session.get("/double/1") as response:
            assert await response.json() == 2


async def test_aiohttp_cleanup_cancels_a_handler_that_hangs(aiohttp: Any, web: Any, spawn: Spawn) -> None:
    site = Site(web)
    async with aiohttp.ClientSession() as session:
        async with site.serve() as url:

            async def ask() -> None:
                await session.get(f"{url}/hang")

            g = spawn(ask)
            await site.hanging.arrived.wait()
        assert site.hanging.cancelled.is_set()
        with pytest.raises(aiohttp.ClientError):
            await g


# ── httpx, with httpcore and anyio underneath ──


@asynccontextmanager
async def http_server(hanging: Hanging | None = None) -> AsyncIterator[str]:
    """A server that wants no library: /hang is never answered, /n is answered by n."""
    connections: set[asyncio.Task[None] | None] = set()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        connections.add(this)
        try:
            while request := await reader.readuntil(HEADERS.encode()):
                path = request.split()[1].decode()
                if path == "/hang":
                    assert hanging is not None
                    await hanging()
                body = path.removeprefix("/")
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}{HEADERS}{body}".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            connections.discard(this)

    server = await asyncio.start_server(connection, "127.0.0.1", 0, backlog=CLIENTS * 2)
    try:
        yield url_of(server.sockets[0])  # type: ignore[arg-type]
    finally:
        server.close()
        for task in [*connections]:
            assert task is not None
            task.cancel()
        await until(lambda: not connections)


async def test_httpx_asks(httpx: Any, spawn: Spawn) -> None:
    async with http_server() as url, httpx.AsyncClient(base_url=url) as client:

        async def get(i: int) -> int:
            return int((await client.get(f"/{i}")).text)

        assert await fan_out(spawn, get) == list(range(CLIENTS))


async def test_httpx_requests_share_few_connections(httpx: Any, spawn: Spawn) -> None:
    limits = httpx.Limits(max_connections=2)
    async with http_server() as url, httpx.AsyncClient(base_url=url, limits=limits) as client:

        async def get(i: int) -> int:
            return int((await client.get(f"/{i}")).text)

        assert await fan_out(spawn, get) == list(range(CLIENTS))


async def test_httpx_request_ends_at_asyncio_timeout_and_gives_its_connection_back(httpx: Any) -> None:
    hanging = Hanging()
    limits = httpx.Limits(max_connections=1)
    async with http_server(hanging) as url, httpx.AsyncClient(base_url=url, limits=limits) as client:
        for i in range(3):
            async with hanging.timeout():
                await client.get("/hang")
            assert (await client.get(f"/{i}")).text == str(i)


async def test_httpx_timeout_of_its_own_expires(httpx: Any) -> None:
    async with http_server(Hanging()) as url, httpx.AsyncClient(base_url=url) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/hang", timeout=httpx.Timeout(None, read=0.05))
        assert asyncio.current_task().cancelling() == 0
        assert (await client.get("/1")).text == "1"


async def test_httpx_request_ends_with_the_cancel_scope_of_anyio_around_it(httpx: Any) -> None:
    hanging = Hanging()
    limits = httpx.Limits(max_connections=1)
    async with http_server(hanging) as url, httpx.AsyncClient(base_url=url, limits=limits) as client:
        async with anyio.create_task_group() as group:
            group.start_soon(client.get, "/hang")
            await hanging.arrived.wait()
            group.cancel_scope.cancel()
        assert (await client.get("/1")).text == "1"


async def test_httpx_goroutines_that_wait_for_a_connection_can_be_cancelled(httpx: Any, spawn: Spawn) -> None:
    hanging = Hanging()
    limits = httpx.Limits(max_connections=1)
    async with http_server(hanging) as url, httpx.AsyncClient(base_url=url, limits=limits) as client:
        has_it = spawn(client.get, "/hang")
        await hanging.arrived.wait()
        waiting = [spawn(client.get, f"/{i}") for i in range(4)]
        await until(lambda: all(g.state == "waiting" for g in waiting))
        await ended_by_cancel(waiting[0])
        await ended_by_cancel(waiting[2])
        await ended_by_cancel(has_it)
        assert [(await g).text for g in waiting[1::2]] == ["1", "3"]


# ── aiosqlite ──

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


async def test_aiosqlite_connections_in_a_channel_are_a_pool(aiosqlite: Any, spawn: Spawn, tmp_path: Path) -> None:
    pool = chan(2)
    for _ in range(2):
        connection = await aiosqlite.connect(tmp_path / "db", isolation_level=None)
        await connection.execute("PRAGMA synchronous = OFF")
        pool.try_send(connection)
    at_work = most = 0

    async def insert(i: int) -> int:
        nonlocal at_work, most
        connection = await pool.recv()
        at_work += 1
        most = max(most, at_work)
        try:
            async with connection.execute("INSERT INTO squares VALUES (?, ?) RETURNING square", (i, i * i)) as cursor:
                return (await cursor.fetchone())[0]
        finally:
            at_work -= 1
            pool.try_send(connection)

    connection = await pool.recv()
    await connection.execute("CREATE TABLE squares (n, square)")
    pool.try_send(connection)
    assert await fan_out(spawn, insert) == [i * i for i in range(CLIENTS)]
    assert most == 2
    for connection in pool.try_recv_many(2):
        assert await connection.execute_fetchall("SELECT count(*) FROM squares") == [(CLIENTS,)]
        await connection.close()


async def test_aiosqlite_connection_lives_on_after_a_query_that_was_cancelled(aiosqlite: Any, spawn: Spawn) -> None:
    loop, started = asyncio.get_running_loop(), chan(1)
    deadline: asyncio.Timeout | None = None

    def begun() -> None:  # on the thread of the connection
        started.try_send(None)
        if deadline is not None:
            loop.call_soon_threadsafe(deadline.reschedule, loop.time())

    async with aiosqlite.connect(":memory:") as connection:
        await connection.create_function("begun", 0, begun)
        endless = ENDLESS.replace("SELECT 1", "SELECT coalesce(begun(), 1)")
        for _ in range(3):
            g = spawn(connection.execute_fetchall, endless)
            await started.recv()
            await ended_by_cancel(g)
            await connection.interrupt()
            assert await connection.execute_fetchall("SELECT 1") == [(1,)]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as deadline:  # expires when the query runs: an earlier interrupt is lost
                await connection.execute_fetchall(endless)
        await connection.interrupt()
        assert await connection.execute_fetchall("SELECT 2") == [(2,)]


# ── starlette and fastapi under uvicorn ──


class Uvicorn:
    """uvicorn.Server on a socket of its own, as a goroutine."""

    def __init__(self, spawn: Spawn, app: Any, **options: Any) -> None:
        import uvicorn

        options = {"log_config": None, "lifespan": "off", **options}
        self.server = uvicorn.Server(uvicorn.Config(app, **options))
        self.spawn = spawn

    async def __aenter__(self) -> str:
        sock = socket.create_server(("127.0.0.1", 0), backlog=CLIENTS * 2)
        self.serving = self.spawn(self.server.serve, [sock])
        return url_of(sock)  # connections wait in the backlog until the server is up

    async def __aexit__(self, *_: object) -> None:
        self.server.should_exit = True
        await self.serving


async def test_starlette_under_uvicorn(starlette: Any, httpx: Any, spawn: Spawn, drive: Way) -> None:
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.requests import Request
    from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
    from starlette.routing import Route

    background = chan(CLIENTS)
    kinds = set()

    async def double(request: Request) -> JSONResponse:
        kinds.add(type(asyncio.current_task()))
        answer = chan()
        go(put, answer, 2 * int(request.path_params["n"]))
        return JSONResponse(await answer.recv(), background=BackgroundTask(background.try_send, "done"))

    def on_a_thread(request: Request) -> PlainTextResponse:
        assert threading.current_thread() is not threading.main_thread()
        anyio.from_thread.run_sync(background.try_send, "from a thread")
        return PlainTextResponse("thread")

    async def stream(request: Request) -> StreamingResponse:
        numbers = chan()

        async def produce() -> None:
            await numbers.send_many(str(n) for n in range(5))
            numbers.close()

        go(produce)
        return StreamingResponse(numbers)

    class Outer(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Any:
            response = await call_next(request)
            response.headers["x-outer"] = "seen"
            return response

    routes = [Route("/double/{n}", double), Route("/thread", on_a_thread), Route("/stream", stream)]
    app = Starlette(routes=routes, middleware=[Middleware(Outer)])
    async with Uvicorn(spawn, app) as url, httpx.AsyncClient(base_url=url) as client:

        async def get(i: int) -> Any:
            response = await client.get(f"/double/{i}")
            return response.json(), response.headers["x-outer"]

        assert await fan_out(spawn, get) == [(2 * i, "seen") for i in range(CLIENTS)]
        assert [await background.recv() for _ in range(CLIENTS)] == ["done"] * CLIENTS
        assert (await client.get("/thread")).text == "thread"
        assert await background.recv() == "from a thread"
        assert (await client.get("/stream")).text == "01234"
    assert kinds == {Goroutine if "tasks" in drive.way else asyncio.Task}


async def test_starlette_streaming_response_is_cancelled_when_its_client_goes(
    starlette: Any, httpx: Any, spawn: Spawn
) -> None:
    from starlette.applications import Starlette
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    over = chan(1)

    async def endless(request: Any) -> StreamingResponse:
        async def numbers() -> AsyncIterator[str]:
            try:
                yield "first"
                await asyncio.get_running_loop().create_future()
            finally:
                over.try_send("over")

        return StreamingResponse(numbers())

    async with Uvicorn(spawn, Starlette(routes=[Route("/", endless)])) as url, httpx.AsyncClient() as client:
        async with client.stream("GET", url) as response:
            async for text in response.aiter_text():
                assert text == "first"
                break
        assert await over.recv() == "over"


async def test_fastapi_under_uvicorn(starlette: Any, httpx: Any, spawn: Spawn) -> None:
    fastapi = pytest.importorskip("fastapi")
    opened = []

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
        jobs = chan()
        g = spawn(worker, jobs)
        opened.append("open")
        yield {"jobs": jobs}
        jobs.close()
        await g
        opened.append("closed")

    async def worker(jobs: goish.Chan[Any]) -> None:
        async for n, reply in jobs:
            reply.try_send(n * n)

    async def reply() -> AsyncIterator[goish.Chan[int]]:
        yield chan(1)

    app = fastapi.FastAPI(lifespan=lifespan)

    @app.get("/square/{n}")
    async def square(n: int, request: fastapi.Request, answer: Annotated[Any, fastapi.Depends(reply)]) -> int:
        await request.state.jobs.send((n, answer))
        return await answer.recv()

    @app.get("/thread")
    def on_a_thread() -> bool:
        return threading.current_thread() is threading.main_thread()

    async with Uvicorn(spawn, app, lifespan="on") as url, httpx.AsyncClient(base_url=url) as client:

        async def get(i: int) -> Any:
            return (await client.get(f"/square/{i}")).json()

        assert await fan_out(spawn, get) == [i * i for i in range(CLIENTS)]
        assert (await client.get("/square/x")).status_code == 422
        assert (await client.get("/thread")).json() is False
    assert opened == ["open", "closed"]


@pytest.mark.parametrize("patient", [True, False], ids=["waits", "cancels"])
async def test_uvicorn_shuts_down_gracefully(starlette: Any, spawn: Spawn, patient: bool) -> None:
    hanging, answer_now = Hanging(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
        if patient:
            hanging.arrived.set()
            await answer_now.wait()
        else:
            await hanging()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"late"})

    uvicorn = Uvicorn(spawn, app, timeout_graceful_shutdown=None if patient else 0)
    async with uvicorn as url:
        asking = spawn(raw_get, url)
        await hanging.arrived.wait()
        uvicorn.server.should_exit = True
        if patient:
            answer_now.set()
            assert (await asking).endswith("late")
        else:
            await asking
    assert hanging.cancelled.is_set() is not patient


async def test_hypercorn_serves_and_shuts_down(starlette: Any, spawn: Spawn) -> None:
    hypercorn = pytest.importorskip("hypercorn.asyncio")
    from hypercorn.config import Config

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] in ("http", "lifespan")
        if scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                assert (await receive())["type"] == f"lifespan.{event}"
                events.append(event)
                await send({"type": f"lifespan.{event}.complete"})
            return
        body = chan()
        go(put, body, scope["path"].encode())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": await body.recv()})

    events: list[str] = []
    enough = chan()
    with socket.create_server(("127.0.0.1", 0), backlog=CLIENTS * 2) as sock:
        config = Config()
        config.bind = [f"fd://{os.dup(sock.fileno())}"]
        config.errorlog = None
        serving = spawn(functools.partial(hypercorn.serve, app, config, shutdown_trigger=enough.recv_ok))

        async def get(i: int) -> bool:
            return f"/{i}" in await raw_get(url_of(sock), f"/{i}")

        assert await fan_out(spawn, get) == [True] * CLIENTS
        assert events == ["startup"]
        enough.close()
        await serving
    assert events == ["startup", "shutdown"]


APP = """
import asyncio
from goish import chan, go

async def name_of(task, answer):
    await answer.send(type(task).__name__.encode())

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    answer = chan(1)
    go(name_of, asyncio.current_task(), answer)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": await answer.recv()})
"""


def test_uvicorn_takes_the_loop_on_its_command_line_and_sigterm_ends_it(starlette: Any, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        command = ["-m", "uvicorn", "app:app", "--loop", "goish:new_event_loop", "--fd", str(sock.fileno())]
        with subprocess.Popen(
            [sys.executable, *command],
            cwd=tmp_path,
            env=subprocess_env(),
            pass_fds=[sock.fileno()],
            stderr=subprocess.PIPE,
            text=True,
        ) as server:
            answer = asyncio.run(asyncio.wait_for(raw_get(url_of(sock)), PATIENCE))
            server.send_signal(signal.SIGTERM)
            _, log = server.communicate(timeout=ENDS)
    assert "Goroutine" in answer
    assert "Application shutdown complete" in log
    assert "Error" not in log and "Traceback" not in log
    assert server.returncode in (0, -signal.SIGTERM)


# ── anyio ──


async def test_anyio_task_group_waits_for_its_children_and_carries_their_errors(spawn: Spawn) -> None:
    numbers = chan()

    async with anyio.create_task_group() as group:
        for n in range(3):
            group.start_soon(put, numbers, n)
        assert sorted([await numbers.recv() for _ in range(3)]) == [0, 1, 2]
    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012
        async with anyio.create_task_group() as group:
            group.start_soon(get, numbers)
            group.start_soon(fail)
    assert caught.group_contains(ZeroDivisionError)
    assert numbers.statistics().receivers_waiting == 0


async def fail() -> None:
    raise ZeroDivisionError


async def test_anyio_cancel_scope_ends_what_waits_for_channels_and_goroutines(spawn: Spawn) -> None:
    never, later = chan(), chan()
    g = go(get, later)
    waits = (
        never.recv,
        lambda: never.send(1),
        lambda: select(never.recv(), never.send(1)),
        lambda: g,
        lambda: goish.sleep(PATIENCE),
    )
    for wait in waits:
        with anyio.move_on_after(0.01) as scope:
            await wait()
        assert scope.cancelled_caught
    assert not g.done()
    with anyio.CancelScope() as outer:
        with anyio.CancelScope(shield=True):
            outer.cancel()
            await goish.gosched()
            assert await asyncio.wait_for(go(give, "shielded"), PATIENCE) == "shielded"
        await never.recv()
    assert outer.cancelled_caught
    await later.send("later")
    assert await g == "later"


async def give(value: Any) -> Any:
    return value


async def test_anyio_memory_stream_and_channel_feed_one_another(spawn: Spawn) -> None:
    sender, receiver = anyio.create_memory_object_stream[int](2)
    numbers = chan()

    async def to_stream() -> None:
        async with sender:
            async for n in numbers:
                await sender.send(n)

    async def to_channel() -> None:
        await numbers.send_many(range(20))
        numbers.close()

    spawn(to_stream)
    spawn(to_channel)
    async with receiver:
        assert [n async for n in receiver] == list(range(20))


async def test_anyio_thread_waits_for_a_channel_through_its_portal() -> None:
    numbers = chan()

    def compute() -> int:
        return anyio.from_thread.run(get, numbers) ** 2

    g = go(anyio.to_thread.run_sync, compute)
    await numbers.send(7)
    assert await g == 49


async def test_anyio_goroutine_that_waits_for_a_thread_ends_with_its_scope() -> None:
    release = threading.Event()
    try:
        with anyio.move_on_after(0.01) as scope:
            await anyio.to_thread.run_sync(release.wait, abandon_on_cancel=True)
        assert scope.cancelled_caught
    finally:
        release.set()


def test_anyio_run_takes_the_loop() -> None:
    async def main() -> Goroutine[Any] | None:
        async with anyio.create_task_group() as group:
            numbers = chan()
            group.start_soon(put, numbers, 1)
            await numbers.recv()
        return current_goroutine()

    assert isinstance(anyio.run(main, backend_options={"loop_factory": goish.new_event_loop}), Goroutine)


def test_anyio_portal_in_a_thread_takes_the_loop() -> None:
    async def main() -> str:
        numbers = chan()
        go(put, numbers, 1)
        await numbers.recv()
        return type(asyncio.current_task()).__name__

    with anyio.from_thread.start_blocking_portal(backend_options={"loop_factory": goish.new_event_loop}) as portal:
        assert portal.call(main) == "Goroutine"


# ── test plugins ──


def pytest_in(directory: Path, plugin: str, conftest: str, tests: str) -> str:
    """Run pytest on a directory of its own, where nothing of this suite is known."""
    (directory / "conftest.py").write_text(conftest)
    (directory / "test_it.py").write_text(tests)
    (directory / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        ".",
        "-p",
        plugin,
    ]
    env = {**subprocess_env(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    run = subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, timeout=ENDS, check=False)
    return run.stdout + run.stderr


def test_pytest_asyncio_takes_the_loop(tmp_path: Path) -> None:
    conftest = """
import goish

def pytest_asyncio_loop_factories(config, item):
    return {"goish": goish.new_event_loop}
"""
    tests = """
import asyncio, pytest, pytest_asyncio
from goish import Goroutine, chan, go

pytestmark = pytest.mark.asyncio

async def produce(numbers):
    await numbers.send_many(range(3))

@pytest_asyncio.fixture
async def numbers():
    numbers = chan()
    g = asyncio.create_task(produce(numbers))
    yield numbers
    await g

async def test_it(numbers):
    assert isinstance(asyncio.current_task(), Goroutine)
    assert [await numbers.recv() for _ in range(3)] == [0, 1, 2]

async def test_timeout():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await chan().recv()
"""
    assert "2 passed" in pytest_in(tmp_path, "pytest_asyncio.plugin", conftest, tests)


def test_plugin_of_anyio_takes_the_loop(tmp_path: Path) -> None:
    conftest = """
import goish, pytest

@pytest.fixture
def anyio_backend():
    return "asyncio", {"loop_factory": goish.new_event_loop}
"""
    tests = """
import asyncio, anyio, pytest
from goish import Goroutine, chan, go

pytestmark = pytest.mark.anyio

async def produce(numbers):
    await numbers.send_many(range(3))

@pytest.fixture
async def numbers():
    numbers = chan()
    async with anyio.create_task_group() as group:
        group.start_soon(produce, numbers)
        yield numbers

async def test_it(numbers):
    assert isinstance(asyncio.current_task(), Goroutine)
    assert [await numbers.recv() for _ in range(3)] == [0, 1, 2]
"""
    assert "1 passed" in pytest_in(tmp_path, "anyio.pytest_plugin", conftest, tests)
