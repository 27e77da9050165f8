cimport cython

from .head cimport Fields
from .parser cimport RequestParser
from .request cimport Request, new_request
from .shared cimport Shared
from .writer cimport ResponseWriter, new_writer


cdef class Connection:
    cdef public object conn
    cdef public bint hijacked
    cdef public object kept
    cdef public bint persists
    cdef public Request request
    cdef object _began
    cdef bint _body_open
    cdef object _cancel
    cdef bint _continues
    cdef object _goroutine
    cdef bint _left
    cdef object _member
    cdef RequestParser _parser
    cdef Py_ssize_t _received
    cdef Py_ssize_t _served
    cdef Shared _shared
    cdef bint _timed
    cdef object _variables

    @cython.locals(fields=Fields, shared=Shared, r=Request)
    cdef Request _begin(self)

    @cython.locals(fields=Fields)
    cdef _finish(self, ResponseWriter w, Request r, double now)

    cdef _prepare(self, Fields fields)

    cdef _cancel_context(self, cause)

    cdef bint _variables_changed(self) except -1
