# The waiters of one target, in the order they came: an intrusive doubly linked list of Ops. Adding, taking the first and
# removing from the middle are O(1), so a million waiters cost the same each as ten.

cdef class Op

cdef struct WaitQueue:
    PyObject* head        # each linked Op is owned by the queue
    PyObject* tail
    Py_ssize_t count
