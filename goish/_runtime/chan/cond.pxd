# Signals to those that wait, and a lock that they give back while they do.

cdef class Notifier(Waitable):
    cdef WaitQueue waiters
    cdef readonly object mu      # a Mutex, RWMutex or RLocker


@cython.final
cdef class Released:
    # Of one wait: whether it has given the lock back, which is to be taken again then.
    cdef object mu
    cdef Notifier cond
    cdef Op op
    cdef bint released
