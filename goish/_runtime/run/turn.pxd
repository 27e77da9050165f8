# What a goish loop calls in its next turn.

@cython.freelist(64)
cdef class Handle:
    cdef object callback
    cdef object args             # a tuple
    cdef object context
    cdef Scheduler sched
    cdef PyObject* next          # while queued: the one behind
    # For a TimerHandle. Here, so that both kinds have one size and share a freelist.
    cdef double due              # loop time, seconds
    cdef uint32_t index          # place in the heap
    cdef uint8_t state           # H_*
    cdef bint linked             # in the heap; guarded by its lock
    cdef bint owns_context       # a copy of ours, untracked


# The steps and calls of a loop that belong to its next turns, first in, first out.
cdef struct TurnQueue:
    PyObject* head       # Goroutines (borrowed: the registry owns them), Wakes and Handles (both owned)
    PyObject* tail
    Py_ssize_t count
    bint armed           # the loop is about to call turn_run()
