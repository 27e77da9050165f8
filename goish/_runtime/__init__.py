"""The runtime: a compiled core, and the plain values it hands out. Private.

The core is one extension module of several folders. Each is a floor, and uses itself and those before it: ``c`` (what
Cython cannot say), ``data`` (rings, queues of waiters, a heap), ``host`` (what the core asks of Python and asyncio),
``run`` (how goroutines run and wait), ``threads`` (calls on workers, threads that wait), ``chan`` (channels, select,
wait groups), ``aio`` (what asyncio sees of them). ``core.pyx`` is the table of contents, docs/internals.md the map.
"""

try:
    from goish._runtime import core as core
    from goish._runtime import many as many  # the core has; here for what freezes programs (PyInstaller)
except ImportError as _refusal:
    from goish._runtime.refusal import reason as _reason

    _text = _reason(_refusal, __path__[0])
    if _text is None:
        raise
    raise ImportError(_text) from None
