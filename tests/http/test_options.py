"""The options of HTTP servers: named once for type checkers, once with their values, and checked at the call."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import fields
from typing import Any, get_type_hints

import pytest

from goish import http
from goish._http.command import OPTIONS, make_parser, options
from goish._http.limits import Limits
from goish._http.options import AsgiOptions, ServerOptions
from goish._http.websocket_limits import WebSocketLimits

pytest.importorskip("httptools")

SERVER = get_type_hints(ServerOptions)
ASGI = get_type_hints(AsgiOptions)


async def hello(w: http.ResponseWriter, r: http.Request) -> None:
    await w.text("hello")


async def app(scope: Any, receive: Any, send: Any) -> None: ...


def test_each_limit_is_an_option_of_the_same_type() -> None:
    limits = get_type_hints(Limits) | {f"ws_{name}": hint for name, hint in get_type_hints(WebSocketLimits).items()}
    assert limits == {name: ASGI[name] for name in limits}
    assert ASGI.keys() - limits.keys() == {
        *("access_log", "backlog", "cancel_on_disconnect", "grace", "ssl", "workers"),
        *("factory", "lifespan", "root_path", "ws"),
    }


def test_the_docstrings_tell_each_option_and_each_default_of_a_limit() -> None:
    for kind, names in ((http.Server, SERVER.keys()), (http.AsgiServer, ASGI.keys() - SERVER.keys())):
        assert {*re.findall(r"``(\w+)(?:=\S+)?``", inspect.getdoc(kind) or "")} >= {*names} - {"factory"}
    told = dict(re.findall(r"``(\w+)=(\S+)``", f"{http.Server.__doc__}{http.AsgiServer.__doc__}"))
    for kind, prefix in ((Limits, ""), (WebSocketLimits, "ws_")):
        for field in fields(kind):
            assert ast.literal_eval(told[prefix + field.name]) == field.default, field.name


def test_each_option_of_the_command_is_one_of_the_server() -> None:
    assert {name for name, _, _ in OPTIONS} <= ASGI.keys()
    given = options(make_parser().parse_args(["main:app"]))
    assert given.keys() <= ASGI.keys()
    missing = ASGI.keys() - given.keys() - {name for name, _, _ in OPTIONS}
    assert missing == {"max_header", "max_request_line"}


@pytest.mark.parametrize("serve", [http.serve, http.Server, http.serve_asgi, http.AsgiServer])
def test_an_option_that_is_none_is_refused_with_the_name_that_was_meant(serve: Any) -> None:
    handler = hello if serve in (http.serve, http.Server) else app
    with pytest.raises(TypeError, match="has no option 'max_bodies'; did you mean 'max_body'"):
        serve(handler, "127.0.0.1:0", max_bodies=5)
    with pytest.raises(TypeError, match=r"has no option 'xyz'; the options are .*read_timeout"):
        serve(handler, "127.0.0.1:0", xyz=5)
