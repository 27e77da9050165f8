cimport cython

from .fields cimport Headers, has_any, new_headers, seal
from .request cimport Request
from .status cimport HeadMaker, field_bytes


cdef class Done:
    pass

cdef int HELD_BACK, MOST_LENGTHS
cdef int BUFFERED, COUNTED, CHUNKED, UNTIL_CLOSE, BODILESS, GIVEN, HIJACKED, OVER
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
