cimport cython

from .fields cimport Headers
from .request cimport Request
from .status cimport HeadMaker


cdef class Done:
    pass

cdef dict _lengths
cdef Done DONE


@cython.freelist(64)
cdef class ResponseWriter:
    cdef object _connection
    cdef Request _request
    cdef Headers _headers
    cdef int _status
    cdef int _mode
    cdef object _given
    cdef bytes _held
    cdef object _left

    cpdef object finish(self, bint is_plain, HeadMaker heads, double now)


@cython.locals(made=bytes)
cdef bytes length_and_end(Py_ssize_t size)


@cython.locals(w=ResponseWriter)
cpdef ResponseWriter new_writer(object connection, Request request)
