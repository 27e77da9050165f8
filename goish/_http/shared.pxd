from .status cimport HeadMaker


cdef class Shared:
    cdef readonly Py_ssize_t active
    cdef readonly bint cancels
    cdef readonly bint counts_active
    cdef readonly object events
    cdef readonly object handler
    cdef readonly HeadMaker heads
    cdef readonly object is_stopping
    cdef readonly object limits
    cdef readonly object logger
    cdef readonly bint logs
    cdef readonly object refused
    cdef readonly Py_ssize_t requests
    cdef readonly object site
    cdef readonly object time
    cdef readonly bint watches

    cdef enter(self)
    cpdef count(self, event)
    cdef log_access(self, connection, r, status)
