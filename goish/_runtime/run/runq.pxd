# The queue of turns of a goish loop. The run queue is two fields of its Scheduler (sched.pxd).

# The steps and calls of a loop that belong to its next turns, first in, first out.
cdef struct TurnQueue:
    PyObject* head       # Goroutines (borrowed: the registry owns them), Wakes and Handles (both owned)
    PyObject* tail
    Py_ssize_t count
    bint armed           # the loop is about to call turn_run()
