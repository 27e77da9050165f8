"""The runtime: a compiled core, and the plain values it hands out. Private.

The core is one extension module of several folders. Each is a floor, and uses itself and those before it: ``c`` (what
Cython cannot say), ``data`` (rings, queues of waiters, a heap), ``host`` (what the core asks of Python and asyncio),
``run`` (how goroutines run and wait), ``threads`` (calls on workers, threads that wait), ``chan`` (channels, select,
wait groups), ``aio`` (what asyncio sees of them). ``core.pyx`` is the table of contents, docs/internals.md the map.
"""

try:
    from goish._runtime import core as core
except ImportError as _refusal:
    if not any(words in str(_refusal) for words in ("subinterpreter", "Interpreter change")):
        raise
    raise ImportError(
        "goish cannot be imported in a sub-interpreter: its compiled core keeps one state for the whole process, and "
        "its objects cannot be shared between interpreters. Import it in the main interpreter only (under mod_wsgi: "
        "WSGIApplicationGroup %{GLOBAL}), and in no module that an InterpreterPoolExecutor takes functions from"
    ) from _refusal
