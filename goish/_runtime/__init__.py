"""The runtime: a compiled core on three floors, and the plain values it hands out.

Floor 0, data structures: ``ring``, ``waitq``. Floor 1, running goroutines: ``op``, ``goroutine``, ``task``,
``go``, ``timers``, ``inbox``, ``sched``, ``waitgroup``. Floor 2, communication: ``handoff``, ``flavor``, ``after``,
``batch``, ``chan``, ``view``, ``select``. Each file uses its own floor and those below it.
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
