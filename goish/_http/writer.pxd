cimport cython

from .fields cimport Headers, has_any, new_headers, seal
from .request cimport Request
from .status cimport HeadMaker


cdef class Done:
    pass

cdef int HELD_BACK
cdef int BUFFERED, COUNTED, CHUNKED, UNTIL_CLOSE, BODILESS, GIVEN, HIJACKED, OVER
cdef Done DONE


@cython.freelist(64)
cdef class ResponseWriter:
    cdef object _connection
    cdef HeadMaker _heads
    cdef Request _request
    cdef Headers _headers
    cdef int _status
    cdef int _mode
    cdef object _given
    cdef bytes _held
    cdef object _left

    @cython.locals(heads=HeadMaker)
    cpdef object finish(self, bint is_plain, double now)


@cython.locals(w=ResponseWriter)
cpdef ResponseWriter new_writer(object connection, HeadMaker heads, Request request)
