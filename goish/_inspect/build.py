"""What a bug report has to say of this goish, its Python and its machine."""

from __future__ import annotations

import sys
from typing import NamedTuple, cast

from .._runtime.core import FREE_THREADED, build_facts

__all__ = ["BuildInfo", "build_info"]


class BuildInfo(NamedTuple):
    """What ``build_info`` gives: what this installation is; ``str`` of it has a line for each field.

    The versions of ``goish``, of the ``cython`` that compiled it and of the C ``compiler``; ``debug``: a build that
    checks invariants and is slow (``GOISH_DEBUG=1``); ``free_threaded``: a build for a Python without the GIL;
    ``gil_enabled``: the GIL is on now, as such a Python switches it on for an extension that needs it; the ``python``
    and the ``platform``; the event ``loops`` that goish finds, with their versions; ``http_compiled``: the modules of
    ``goish.http`` that run for each request are the compiled ones.

    Example::

        print(goish.build_info().goish == goish.__version__)  # -> True
    """

    goish: str
    cython: str
    compiler: str
    debug: bool
    free_threaded: bool
    gil_enabled: bool
    python: str
    platform: str
    loops: tuple[str, ...]
    http_compiled: bool

    def __str__(self) -> str:
        return "\n".join(f"{name}: {_shown(value)}" for name, value in zip(self._fields, self, strict=True))


def build_info() -> BuildInfo:
    """Say what a bug report needs of this installation: versions, compiler, GIL, event loops.

    ``python -m goish`` prints it. It reads files, which takes milliseconds. Any thread may call it.

    Example::

        print("asyncio" in goish.build_info().loops)  # -> True
    """
    import platform  # here, as few programs ask

    import goish

    compiler, cython, debug = build_facts()
    return BuildInfo(
        goish=goish.__version__,
        cython=cython,
        compiler=compiler,
        debug=debug,
        free_threaded=FREE_THREADED,
        gil_enabled=getattr(sys, "_is_gil_enabled", lambda: True)(),
        python=f"{platform.python_implementation()} {sys.version}",
        platform=platform.platform(),
        loops=_loops(),
        http_compiled=_is_compiled("goish._http.scan"),
    )


def _loops() -> tuple[str, ...]:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"uvloop {version('uvloop')}", "asyncio"
    except PackageNotFoundError:
        return ("asyncio",)


def _is_compiled(module: str) -> bool:
    from importlib.machinery import ExtensionFileLoader
    from importlib.util import find_spec

    spec = find_spec(module)
    return spec is not None and isinstance(spec.loader, ExtensionFileLoader)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else str(value)
