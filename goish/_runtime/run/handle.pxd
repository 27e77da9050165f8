# A callback that waits: for its turn on a goish loop, in the inbox of any loop, or, as a TimerHandle, for its time.

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
