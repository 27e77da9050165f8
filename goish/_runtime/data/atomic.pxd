# Values of which each change is one step for all threads: Go's sync/atomic.

@cython.final
cdef class Int64:
    cdef uint64_t n
    cdef object __weakref__


@cython.final
cdef class Uint64:
    cdef uint64_t n
    cdef object __weakref__


@cython.final
cdef class Bool:
    cdef uint64_t n
    cdef object __weakref__


@cython.final
cdef class Ref:
    cdef goish_mutex lock        # guards the reference
    cdef object held
    cdef object __weakref__
