"""Why the compiled core cannot be imported, for the message of the ImportError."""

from __future__ import annotations

import os
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec

__all__ = ["reason"]


def reason(refusal: ImportError, folder: str) -> str | None:
    """The message to show in place of Python's own; None where nothing better is known."""
    if find_spec("goish._runtime.core") is None:
        others = [name for name in files(folder) if name.startswith("core.") and name.endswith(".so")]
        beside = f" (only {', '.join(sorted(others))})" if others else ""
        return (
            f"goish's compiled core, core{EXTENSION_SUFFIXES[0]}, is not in {folder}{beside}. If that is the source of "
            "goish, build it there (make build), or run Python in another folder, to import the installed goish. If "
            "goish was installed for another Python, install it for this one. A zip file cannot hold it"
        )
    if any(words in str(refusal) for words in ("subinterpreter", "Interpreter change")):
        return (
            "goish cannot be imported in a sub-interpreter, nor in another one after that: its compiled core keeps one "
            "state for the whole process, and its objects cannot be shared between interpreters. Import it in the main "
            "interpreter only (under mod_wsgi: WSGIApplicationGroup %{GLOBAL}), and in no module that an "
            "InterpreterPoolExecutor takes functions from"
        )
    return None


def files(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # in a zip file
        return []
