"""The runtime: a compiled core on three floors, and the plain values it hands out.

Floor 0, data structures: ``ring``, ``waitq``. Floor 1, running goroutines: ``op``, ``goroutine``, ``task``,
``go``, ``timers``, ``inbox``, ``sched``, ``waitgroup``. Floor 2, communication: ``handoff``, ``flavor``, ``after``,
``batch``, ``chan``, ``view``, ``select``. Each file uses its own floor and those below it.
"""
