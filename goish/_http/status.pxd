cimport cython

from .fields cimport Headers

cdef int MOST_LINES, LONGEST_LINE, MOST_LENGTHS


cdef class HeadMaker:
    cdef dict _begun
    cdef double _renew_at
    cdef dict _lines
    cdef Py_ssize_t _remembered
    cdef dict _lengths

    cpdef bytes begin(self, int status, double now)

    @cython.locals(entry=list, made=bytes, i=Py_ssize_t)
    cpdef bytes fields(self, Headers headers)

    @cython.locals(lines=dict, line=bytes)
    cdef bytes _line(self, str name, str value)

    cdef bytes _make_line(self, str name, str value)

    @cython.locals(made=bytes)
    cpdef bytes length_and_end(self, Py_ssize_t size)
