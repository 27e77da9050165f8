from .scan cimport scan_fields


cdef class Fields:
    cdef public bytes block
    cdef public bytes minor
    cdef public str host
    cdef public object length
    cdef public bint chunked
    cdef public bint has_body
    cdef public bint persistent
    cdef public bint expects
    cdef public str upgrade
    cdef object _headers
    cdef object _lower
