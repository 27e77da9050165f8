cimport cython

from .request cimport Request, raw_path_of


cdef class _Node:
    cdef public dict literals
    cdef public _Node wild
    cdef public _Node rest
    cdef public object handler
    cdef public object pattern

    @cython.locals(child=_Node, found=_Node, part=str, is_end=bint)
    cpdef _Node find(self, list parts, Py_ssize_t at, list values)


cdef class ServeMux:
    cdef object _mu
    cdef list _registered
    cdef dict _hosts
    cdef dict _literals

    @cython.locals(path=str, found=tuple)
    cpdef tuple handler(self, Request r)
