# A number of units that waiters take and give back: locks and semaphores.

cdef class Gate(Waitable):
    cdef WaitQueue waiters
    cdef Py_ssize_t size
    cdef Py_ssize_t free         # the units that are not taken
    cdef uint64_t holder         # of a lock: the goroutine that has it, by its id; 0: none, or no goroutine
