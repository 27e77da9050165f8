cimport cython

from .fields cimport Headers

cdef dict _lines


cdef class HeadMaker:
    cdef dict _begun
    cdef double _renew_at
    cpdef bytes begin(self, int status, double now)


@cython.locals(entry=list, made=bytes, i=Py_ssize_t)
cpdef bytes field_bytes(Headers headers)


@cython.locals(lines=dict, line=bytes)
cdef bytes line_of(str name, str value)
