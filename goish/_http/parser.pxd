cimport cython

from .head cimport Fields
from .scan cimport end_of_known, end_of_target, end_of_token

cdef int SPACE, SLASH, ZERO


cdef class RequestParser:
    cdef public str authority
    cdef public bytes buffer
    cdef public Fields fields
    cdef public str method
    cdef public str path
    cdef public str target
    cdef public object trailers
    cdef bint _body
    cdef object _chunks
    cdef Py_ssize_t _left
    cdef object _limits
    cdef Py_ssize_t _longest_line
    cdef Py_ssize_t _searched

    cpdef feed(self, bytes data)

    cpdef bint is_blank(self)

    @cython.locals(buffer=bytes, block=bytes, raw_method=bytes, minor=bytes, target=str, fields=Fields, at=Py_ssize_t,
                   space=Py_ssize_t, end=Py_ssize_t, line_end=Py_ssize_t, repeats=bint)
    cpdef next_event(self)


cdef bint is_version(bytes buffer, Py_ssize_t at) except -1
