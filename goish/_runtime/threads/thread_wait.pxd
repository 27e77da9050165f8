# A thread that waits for an Op: a kind of waiter (run/waiter.pxd), beside Goroutine and TaskWaiter.

@cython.final
cdef class ThreadWaiter:
    cdef void* park_lock          # a lock that is taken; the thread that decides the op releases it, once
    cdef unsigned long thread  # the operating system's id of the parked thread
    cdef bint woken             # its op is decided, or given up: it does not count as waiting for ever any more
    cdef unsigned long ident   # Python's id of the thread
    cdef unsigned int born     # in which process of a line of forks
