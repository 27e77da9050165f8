"""ASGI's lifespan: when an app is told, what it may answer, and what its failures do. In memory."""

from __future__ import annotations

from typing import Any

import pytest
from asgi_kit import Receive, Scope, Send, respond, served

from goish import chan, context, http, net
from goish.errors import ServerClosed
from goish.sync import Event

pytest.importorskip("httptools")


class App:
    """Notes what it is told; ``at_startup`` and ``at_shutdown`` are what it answers, or an exception to raise."""

    def __init__(self, at_startup: Any = "complete", at_shutdown: Any = "complete") -> None:
        self.log: list[str] = []
        self.answers = {"startup": at_startup, "shutdown": at_shutdown}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.log.append("request")
            await respond(send, repr(scope["state"]).encode())
            return
        assert scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}
        scope["state"]["made"] = "at startup"
        for phase in ("startup", "shutdown"):
            message = await receive()
            assert message == {"type": f"lifespan.{phase}"}
            self.log.append(phase)
            answer = self.answers[phase]
            if isinstance(answer, Exception):
                raise answer
            await send({"type": f"lifespan.{phase}.{answer}", "message": "says the app"})


async def test_app_is_told_before_the_first_request_and_after_the_last(run):
    app = App()
    async with served(app, lifespan="on") as server, server.peer() as peer:
        assert app.log == ["startup"]
        assert (await peer.get()).body == b"{'made': 'at startup'}"
    assert app.log == ["startup", "request", "shutdown"]


async def test_app_that_knows_no_lifespan_is_served(run):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await respond(send)

    async with served(app, lifespan="auto") as server, server.peer() as peer:
        assert (await peer.get()).status == 200


async def test_lifespan_that_must_be_and_is_not_fails(run):
    app = App(at_startup=ValueError("of the app"))
    with pytest.raises(http.LifespanFailed, match="knows no lifespan") as raised:
        async with served(app, lifespan="on"):
            pass
    assert isinstance(raised.value.__cause__, ValueError)


@pytest.mark.parametrize("mode", ["auto", "on"])
async def test_app_that_refuses_to_start_fails(run, mode):
    with pytest.raises(http.LifespanFailed, match="says the app"):
        async with served(App(at_startup="failed"), lifespan=mode):
            pass


async def test_app_that_fails_at_its_end_raises_at_the_end(run):
    app = App(at_shutdown=ValueError("at the end"))
    with pytest.raises(ValueError, match="at the end"):
        async with served(app, lifespan="on"):
            pass


async def test_app_that_refuses_to_stop_raises_at_the_end(run):
    with pytest.raises(http.LifespanFailed, match="says the app"):
        async with served(App(at_shutdown="failed"), lifespan="on"):
            pass


async def test_lifespan_that_is_off_is_not_told(run):
    app = App()
    async with served(app, lifespan="off") as server, server.peer() as peer:
        assert (await peer.get()).body == b"{}"
    assert app.log == ["request"]


async def test_close_while_the_app_starts(run):
    began, ends = Event(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        began.set()
        try:
            await chan().recv()
        finally:
            ends.append(1)

    network = net.MemoryNetwork()
    srv = http.serve_asgi(app, network.listen("server:80"), lifespan="on")
    srv.start()
    await began.wait()
    srv.close()
    with pytest.raises(ServerClosed):
        await srv.wait()
    assert ends == [1]


async def test_lifespan_ends_after_what_was_in_progress(run):
    app = App()
    go_on = Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        await respond(send)
        await go_on.wait()
        app.log.append("background")

    async with served(slow, lifespan="on") as server, server.peer() as peer:
        await peer.get()
        go_on.set()
        await server.srv.shutdown(context.background())
    assert app.log == ["startup", "background", "shutdown"]


async def test_wrong_answer_of_an_app_is_an_error(run):
    errors = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await send({"type": "lifespan.startup.done"})
        except RuntimeError as error:
            errors.append(str(error))
            raise

    with pytest.raises(http.LifespanFailed):
        async with served(app, lifespan="on"):
            pass
    assert "'lifespan.startup.done'" in errors[0]
