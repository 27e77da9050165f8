"""Go's package ``net/http``, its server: HTTP/1.1 with a goroutine for each connection.

Its parser is an extra: ``pip install "goish[http]"``.
"""

import sys

from .._http.asgi_server import AsgiServer, serve_asgi
from .._http.connection import Handler
from .._http.csrf import CrossOriginProtection
from .._http.errors import AbortHandler, BadRequest, BodyTooLarge, ClientDisconnected
from .._http.fields import Headers
from .._http.lifespan import LifespanFailed
from .._http.mux import ServeMux
from .._http.options import AsgiOptions, ServerOptions
from .._http.query import Query
from .._http.replies import error, not_found, redirect, serve_file
from .._http.request import Request
from .._http.server import Server, Statistics, serve
from .._http.uvicorn import Protocol
from .._http.writer import ResponseWriter
from .._runtime.core import publish_module

__all__ = [
    "AbortHandler",
    "AsgiOptions",
    "AsgiServer",
    "BadRequest",
    "BodyTooLarge",
    "ClientDisconnected",
    "CrossOriginProtection",
    "Handler",
    "Headers",
    "LifespanFailed",
    "Protocol",
    "Query",
    "Request",
    "ResponseWriter",
    "ServeMux",
    "Server",
    "ServerOptions",
    "Statistics",
    "error",
    "not_found",
    "redirect",
    "serve",
    "serve_asgi",
    "serve_file",
]

publish_module(sys.modules[__name__])
