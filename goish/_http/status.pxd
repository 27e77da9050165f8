from .fields cimport Headers


cdef class HeadMaker:
    cdef dict _begun
    cdef double _renew_at
    cpdef bytes begin(self, int status, double now)


cpdef bytes field_bytes(Headers headers)
