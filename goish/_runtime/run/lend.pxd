# What a loop knows of the threads that wait for the GIL.

cdef struct Lending:
    double keeps       # until then the loop keeps the GIL: it has been without it for as long
    double looks       # when it looks for threads that goish has not woken
    Py_ssize_t absent  # how many of the due threads had not come when it lent the GIL last
    long switches      # how often other threads had been switched, when it looked last
    bint lively        # ... and whether they had been since the look before
