# Tokens that come at a rate: the state of a Limiter.

@cython.final
cdef class Bucket:
    cdef goish_mutex lock
    cdef double limit            # tokens a second; infinite: all that anybody wants
    cdef double burst            # how many there are at most
    cdef double tokens           # as of `last`
    cdef double last             # by goish.time.now()
    cdef double latest           # when the last reservation may act
