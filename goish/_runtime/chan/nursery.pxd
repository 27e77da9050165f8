# The goroutines that belong to a group.

@cython.final
cdef class Nursery(Waitable):
    cdef WaitGroup left          # counts the members, and what else holds the nursery open
    cdef Gate slots              # of which each member has one; None: no limit
    cdef dict members            # those that live, in the order in which they came
    cdef object on_failure       # called with a member that has failed; None: a failure is a panic, as of any goroutine
    cdef bint closed             # takes no more
    cdef Event end_event         # None until it is asked for; set once `closed` is
    cdef bint zero_is_end        # nor does it once nothing is counted
