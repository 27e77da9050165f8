cimport cython

from .head cimport Fields
from .parser cimport RequestParser


@cython.freelist(64)
cdef class Request:
    cdef object _connection
    cdef readonly str method
    cdef readonly str target
    cdef public str pattern
    cdef str _raw_path
    cdef str _authority
    cdef Fields _fields
    cdef str _path
    cdef object _query
    cdef object _headers
    cdef dict _values
    cdef object _ctx


cpdef str raw_path_of(Request r)


@cython.locals(r=Request)
cpdef Request new_request(object connection, RequestParser parser, Fields fields)
