# Units that waiters take and give back: locks and semaphores.

cdef class Gate(Waitable):
    cdef WaitQueue waiters
    cdef Py_ssize_t units
    cdef Py_ssize_t unused       # the units that are not taken
    cdef uint64_t holder         # of a lock: the goroutine that took it last, by its id; 0: no goroutine


@cython.final
cdef class Mutex(Gate):
    pass


@cython.final
cdef class RWMutex(Gate):
    pass


@cython.final
cdef class RLocker:
    cdef RWMutex rw


@cython.final
cdef class Weighted(Gate):
    pass
