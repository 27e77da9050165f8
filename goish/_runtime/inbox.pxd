# Floor 1. The door for wake-ups from other threads: many pushes cost one call_soon_threadsafe.

cdef struct Inbox:
    goish_mutex lock
    PyObject* head       # goroutines linked by link.next, borrowed: the registry owns them
    PyObject* tail
    bint posted          # a call_soon_threadsafe is under way
