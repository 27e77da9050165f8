# A map that several threads change: Go's sync.Map.

@cython.final
cdef class Map:
    cdef goish_mutex lock        # guards the two fields
    cdef dict buckets            # the hash of a key -> a bucket, (key, value, key, value, ...)
    cdef Py_ssize_t count
    cdef object __weakref__
