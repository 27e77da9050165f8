# Units that waiters take and give back: locks and semaphores.

cdef enum:
    HELD_BY_THREAD = 63          # the bit that marks a thread's ident

cdef class Gate(Waitable):
    cdef WaitQueue waiters
    cdef Py_ssize_t units
    cdef Py_ssize_t unused       # the units that are not taken
    cdef uint64_t holder         # of a lock: the goroutine (its id) or thread (with HELD_BY_THREAD) that took it last; 0: a task
    cdef Py_ssize_t owed         # unlocks that are to come of coroutines that were closed without the lock


@cython.final
cdef class Mutex(Gate):
    pass


@cython.final
cdef class RWMutex(Gate):
    cdef Py_ssize_t owed_by_readers


@cython.final
cdef class RLocker:
    cdef RWMutex rw


@cython.final
cdef class Weighted(Gate):
    pass
