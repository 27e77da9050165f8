"""Apps of frameworks, as their users write them: unchanged. On loopback, served by goish and through uvicorn's door."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import uvicorn_kit

from goish import chan, http
from goish.sync import Event

httpx = pytest.importorskip("httpx")
pytest.importorskip("httptools")


Serving = Callable[..., AbstractAsyncContextManager[tuple[Any, str]]]


@pytest.fixture(autouse=True, scope="module")
def no_thread_is_left() -> Iterator[None]:
    """asgiref keeps one for good."""
    yield
    if asgiref := sys.modules.get("asgiref.sync"):
        asgiref.SyncToAsync.single_thread_executor.shutdown()
        asgiref.SyncToAsync.single_thread_executor = ThreadPoolExecutor(max_workers=1)


@asynccontextmanager
async def by_goish(app: Any, **options: Any) -> AsyncIterator[int]:
    async with http.serve_asgi(app, "127.0.0.1:0", **options) as srv:
        yield srv.addr[1]


@asynccontextmanager
async def by_uvicorn(app: Any, **options: Any) -> AsyncIterator[int]:
    pytest.importorskip("uvicorn")
    async with uvicorn_kit.serving(app, **options) as running:
        yield running.port


@pytest.fixture(params=[by_goish, by_uvicorn], ids=["goish", "uvicorn"])
def serving(request: pytest.FixtureRequest) -> Serving:
    """Gives a client of the app, and where its WebSockets are."""

    @asynccontextmanager
    async def serving(app: Any, **options: Any) -> AsyncIterator[tuple[Any, str]]:
        async with (
            request.param(app, **options) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        ):
            yield client, f"ws://127.0.0.1:{port}"

    return serving


async def said_by(url: str, *messages: str) -> list[Any]:
    websockets = pytest.importorskip("websockets")
    async with websockets.connect(url) as ws:
        answers = []
        for message in messages:
            await ws.send(message)
            answers.append(await ws.recv())
        return answers


async def test_starlette(run, serving):
    pytest.importorskip("starlette")
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.requests import Request
    from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
    from starlette.routing import Route, WebSocketRoute
    from starlette.websockets import WebSocket

    log: list[str] = []
    go_on = Event()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        log.append("starts")
        yield {"answer": 42}
        log.append("stops")

    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"hello {request.path_params['name']} {request.state.answer}")

    async def body(request: Request) -> JSONResponse:
        return JSONResponse(await request.json())

    async def stream(request: Request) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            for n in range(3):
                yield b"%d" % n
                await asyncio.sleep(0)

        return StreamingResponse(pieces())

    async def later(request: Request) -> PlainTextResponse:
        async def task() -> None:
            await go_on.wait()
            log.append("task")

        return PlainTextResponse("now", background=BackgroundTask(task))

    async def echo(ws: WebSocket) -> None:
        await ws.accept()
        async for text in ws.iter_text():
            await ws.send_text(text.upper())

    class Named(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Any:
            response = await call_next(request)
            response.headers["x-named"] = "yes"
            return response

    app = Starlette(
        routes=[
            Route("/hello/{name}", hello),
            Route("/body", body, methods=["POST"]),
            Route("/stream", stream),
            Route("/later", later),
            WebSocketRoute("/ws", echo),
        ],
        middleware=[Middleware(Named)],
        lifespan=lifespan,
    )
    async with serving(app, lifespan="on") as (client, ws):
        answer = await client.get("/hello/you")
        assert (answer.text, answer.headers["x-named"]) == ("hello you 42", "yes")
        assert (await client.post("/body", json={"a": 1})).json() == {"a": 1}
        assert (await client.get("/stream")).text == "012"
        assert (await client.get("/later")).text == "now"
        assert (await client.get("/nowhere")).status_code == 404
        assert await said_by(f"{ws}/ws", "a", "b") == ["A", "B"]
        go_on.set()
    assert log == ["starts", "task", "stops"]


async def test_starlette_streaming_ends_when_its_client_leaves(run, serving):
    pytest.importorskip("starlette")
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    began, ends = Event(), chan(1)

    async def stream(request: Request) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                yield b"first"
                began.set()
                await asyncio.get_running_loop().create_future()
            finally:
                ends.try_send("ended")

        return StreamingResponse(pieces())

    async with serving(Starlette(routes=[Route("/", stream)])) as (client, _):
        async with client.stream("GET", "/"):
            await began.wait()
        assert await ends.recv() == "ended"


async def test_fastapi(run, serving):
    pytest.importorskip("fastapi")
    from fastapi import BackgroundTasks, Depends, FastAPI, WebSocket
    from pydantic import BaseModel

    log: list[str] = []
    app = FastAPI()

    class Item(BaseModel):
        name: str
        price: float

    async def session() -> AsyncIterator[str]:
        log.append("opened")
        yield "session"
        log.append("closed")

    @app.get("/sync")
    def in_a_thread() -> dict[str, int]:
        return {"n": 1}

    @app.post("/items")
    async def create(item: Item, tasks: BackgroundTasks, used: str = Depends(session)) -> dict[str, str]:
        tasks.add_task(log.append, f"task {item.name}")
        return {"name": item.name, "used": used}

    @app.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json({"got": await socket.receive_text()})
        await socket.close(4000)

    async with serving(app) as (client, url):
        assert (await client.get("/sync")).json() == {"n": 1}
        answer = await client.post("/items", json={"name": "a", "price": 1})
        assert answer.json() == {"name": "a", "used": "session"}
        assert (await client.post("/items", json={"name": "a"})).status_code == 422
        assert (await client.get("/openapi.json")).status_code == 200
        assert await said_by(f"{url}/ws", "hi") == ['{"got":"hi"}']
    assert "task a" in log


async def test_quart(run, serving):
    quart = pytest.importorskip("quart")
    app = quart.Quart("served")
    log: list[str] = []

    @app.before_serving
    async def start() -> None:
        log.append("starts")

    @app.after_serving
    async def stop() -> None:
        log.append("stops")

    @app.get("/hello/<name>")
    async def hello(name: str) -> str:
        return f"hello {name}"

    @app.post("/body")
    async def body() -> dict[str, Any]:
        return await quart.request.get_json()

    @app.get("/stream")
    async def stream() -> AsyncIterator[bytes]:
        async def pieces() -> AsyncIterator[bytes]:
            for n in range(3):
                yield b"%d" % n

        return pieces()

    @app.websocket("/ws")
    async def ws() -> None:
        while True:
            await quart.websocket.send(f"got {await quart.websocket.receive()}")

    async with serving(app, lifespan="on") as (client, url):
        assert (await client.get("/hello/you")).text == "hello you"
        assert (await client.post("/body", json={"a": 1})).json() == {"a": 1}
        assert (await client.get("/stream")).text == "012"
        assert await said_by(f"{url}/ws", "a", "b") == ["got a", "got b"]
    assert log == ["starts", "stops"]


async def test_django(run, serving):
    pytest.importorskip("django")
    import django
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
    from django.urls import path

    async def hello(request: HttpRequest, name: str) -> HttpResponse:
        return HttpResponse(f"hello {name}")

    def in_a_thread(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"method": request.method, "size": len(request.body)})

    async def stream(request: HttpRequest) -> StreamingHttpResponse:
        async def pieces() -> AsyncIterator[bytes]:
            for n in range(3):
                yield b"%d" % n

        return StreamingHttpResponse(pieces())

    urls = type(
        "urls", (), {"urlpatterns": [path("hello/<name>", hello), path("sync", in_a_thread), path("s", stream)]}
    )
    if not settings.configured:
        settings.configure(ROOT_URLCONF=urls, ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None)
        django.setup()
    settings.ROOT_URLCONF = urls
    async with serving(get_asgi_application(), lifespan="auto") as (client, _):
        assert (await client.get("/hello/you")).text == "hello you"
        assert (await client.post("/sync", content=b"abc")).json() == {"method": "POST", "size": 3}
        assert (await client.get("/s")).text == "012"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a version warns of what the one before it wants
async def test_litestar(run, serving):
    pytest.importorskip("litestar")
    from litestar import Litestar, WebSocket, get, post, websocket
    from litestar.background_tasks import BackgroundTask
    from litestar.datastructures import State
    from litestar.response import Response, ServerSentEvent, Stream

    log: list[str] = []

    async def start(app: Litestar) -> None:
        app.state.answer = 42
        log.append("starts")

    async def stop(app: Litestar) -> None:
        log.append("stops")

    @get("/hello/{name:str}")
    async def hello(name: str, state: State) -> str:
        return f"hello {name} {state.answer}"

    @get("/sync", sync_to_thread=True)
    def in_a_thread() -> dict[str, int]:
        return {"n": 1}

    @post("/body")
    async def body(data: dict[str, int]) -> Response[dict[str, int]]:
        async def task() -> None:
            log.append("task")

        return Response(data, background=BackgroundTask(task))

    async def pieces() -> AsyncIterator[str]:
        for n in range(3):
            yield str(n)
            await asyncio.sleep(0)

    @get("/stream")
    async def stream() -> Stream:
        return Stream(pieces())

    @get("/events")
    async def events() -> ServerSentEvent:
        return ServerSentEvent(pieces())

    @websocket("/ws")
    async def echo(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        async for text in socket.iter_data(mode="text"):
            await socket.send_text(text.upper())

    handlers = [hello, in_a_thread, body, stream, events, echo]
    app = Litestar(handlers, on_startup=[start], on_shutdown=[stop], logging_config=None)  # that would leave a thread
    async with serving(app, lifespan="on") as (client, ws):
        assert (await client.get("/hello/you")).text == "hello you 42"
        assert (await client.get("/sync")).json() == {"n": 1}
        assert (await client.post("/body", json={"a": 1})).json() == {"a": 1}
        assert (await client.post("/body", content=b"no json")).status_code == 400
        assert (await client.get("/stream")).text == "012"
        assert "data: 2" in (await client.get("/events")).text
        assert (await client.get("/nowhere")).status_code == 404
        assert await said_by(f"{ws}/ws", "a", "b") == ["A", "B"]
    assert log == ["starts", "task", "stops"]


async def test_falcon(run, serving):
    pytest.importorskip("falcon")
    from falcon import WebSocketDisconnected
    from falcon.asgi import App, Request, Response, SSEvent, WebSocket

    log: list[str] = []

    class Lifespan:
        async def process_startup(self, scope: Any, event: Any) -> None:
            log.append("starts")

        async def process_shutdown(self, scope: Any, event: Any) -> None:
            log.append("stops")

    class Hello:
        async def on_get(self, req: Request, resp: Response, name: str) -> None:
            resp.text = f"hello {name}"

    class Body:
        async def on_post(self, req: Request, resp: Response) -> None:
            resp.media = await req.get_media()

            async def task() -> None:
                log.append("task")

            resp.schedule(task)

    class Stream:
        async def on_get(self, req: Request, resp: Response) -> None:
            async def pieces() -> AsyncIterator[bytes]:
                for n in range(3):
                    yield b"%d" % n

            resp.stream = pieces()

        async def on_post(self, req: Request, resp: Response) -> None:
            resp.text = str(sum([len(piece) async for piece in req.stream]))

    class Events:
        async def on_get(self, req: Request, resp: Response) -> None:
            async def events() -> AsyncIterator[SSEvent]:
                for n in range(3):
                    yield SSEvent(text=str(n))

            resp.sse = events()

    class Echo:
        async def on_websocket(self, req: Request, ws: WebSocket) -> None:
            await ws.accept()
            try:
                while True:
                    await ws.send_text((await ws.receive_text()).upper())
            except WebSocketDisconnected:
                pass

    app = App(middleware=[Lifespan()])
    routes = {"/hello/{name}": Hello(), "/body": Body(), "/stream": Stream(), "/events": Events(), "/ws": Echo()}
    for path, resource in routes.items():
        app.add_route(path, resource)
    async with serving(app, lifespan="on") as (client, ws):
        assert (await client.get("/hello/you")).text == "hello you"
        assert (await client.post("/body", json={"a": 1})).json() == {"a": 1}
        assert (await client.post("/body", content=b"{")).status_code == 400
        assert (await client.get("/stream")).text == "012"
        assert (await client.post("/stream", content=bytes(300_000))).text == "300000"
        assert "data: 2" in (await client.get("/events")).text
        assert (await client.put("/body")).status_code == 405
        assert await said_by(f"{ws}/ws", "a", "b") == ["A", "B"]
    assert log == ["starts", "task", "stops"]


async def test_wsgi_app_through_asgiref(run, serving):
    wsgi = pytest.importorskip("asgiref.wsgi")

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("X-Path", environ["PATH_INFO"]), ("X-Host", environ["HTTP_HOST"])])
        return [b"got ", environ["wsgi.input"].read()]

    async with serving(wsgi.WsgiToAsgi(app)) as (client, _):
        for size in (0, 3, 300_000):
            answer = await client.post("/a%20b", content=bytes(size))
            assert (answer.content, answer.headers["x-path"]) == (b"got " + bytes(size), "/a b")
            assert answer.headers["x-host"] == client.base_url.netloc.decode()
