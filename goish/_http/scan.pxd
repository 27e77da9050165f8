cimport cython

cdef bytes IN_TOKEN, IN_TARGET, IN_VALUE, FIRST_LETTER
cdef int CR, LF, COLON


@cython.locals(table=bytes)
cpdef Py_ssize_t end_of_token(bytes buffer, Py_ssize_t at) except -1


@cython.locals(table=bytes)
cpdef Py_ssize_t end_of_target(bytes buffer, Py_ssize_t at) except -1


@cython.locals(at=Py_ssize_t, last=Py_ssize_t, end=Py_ssize_t, repeats=bint)
cpdef Py_ssize_t end_of_known(bytes buffer, bytes block) except -2


@cython.locals(at=Py_ssize_t, end=Py_ssize_t, begin=Py_ssize_t, colon=Py_ssize_t, name=bytes, found=list, in_token=bytes,
               in_value=bytes, first_letter=bytes)
cpdef list scan_fields(bytes block)
