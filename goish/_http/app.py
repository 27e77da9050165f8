"""The app: its type, and how it is found by the name of its module.

Threads: any.
Not here: what an app is told (asgi.py, websocket.py, lifespan.py).
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Awaitable, Callable, MutableMapping
from operator import attrgetter
from typing import Any, TypeAlias

__all__ = ["App", "Message", "Receive", "Scope", "Send", "load_app"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


def load_app(app: App | str, factory: bool = False) -> App:
    """The app itself, that of ``"module:name"``, or with ``factory`` what one of these makes.

    ImportError if there is no such module, AttributeError if it has no such name, ValueError for another string,
    TypeError for what is no app.
    """
    found: Any = _imported(app) if isinstance(app, str) else app
    if factory:
        found = found()
    if not callable(found):
        raise TypeError(
            f"an ASGI app is called with (scope, receive, send); got {found!r} of type {type(found).__name__}"
        )
    if not _takes_three(found):
        raise TypeError(
            f"an ASGI app is called with (scope, receive, send), and {found!r} is not. One of ASGI 2 is wrapped by "
            "asgiref.compatibility.guarantee_single_callable(), one of WSGI by a2wsgi.WSGIMiddleware(); a function "
            "that makes the app is given with factory=True"
        )
    return found  # type: ignore[no-any-return]


def _imported(text: str) -> Any:
    module, colon, name = text.partition(":")
    if not (module and colon and name):
        raise ValueError(f'an app is "module:name", such as "main:app"; got {text!r}')
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            raise ModuleNotFoundError(f"no module {error.name!r}, for the app {text!r}", name=error.name) from None
        raise
    try:
        return attrgetter(name)(found)
    except AttributeError:
        raise AttributeError(f"the module {module!r} has no {name!r}, for the app {text!r}") from None


def _takes_three(found: Any) -> bool:
    """Also if nobody knows."""
    try:
        inspect.signature(found).bind(None, None, None)
    except TypeError:
        return False
    except ValueError:
        pass
    return True
