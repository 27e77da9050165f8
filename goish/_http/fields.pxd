cimport cython

cdef dict _lower
cdef set _checked


@cython.freelist(64)
cdef class Headers:
    cdef dict _by_name
    cdef int _state

    cdef _prepare(self, name)

    @cython.locals(copied=Headers)
    cpdef Headers copy(self)


@cython.locals(made=Headers)
cpdef Headers new_headers()


cpdef seal(Headers headers)


@cython.locals(shown=Headers)
cpdef Headers view_of(Headers headers)


cpdef str lower_name(name)


cpdef str check_value(name, value)


@cython.locals(name=str)
cpdef bint has_any(Headers headers, frozenset names) except -1


cpdef dict values_by_name(Headers headers)


@cython.locals(made=Headers)
cpdef Headers headers_of(pairs)
