# The door for what comes from other threads: many pushes cost one call_soon_threadsafe.

cdef struct Inbox:
    goish_mutex lock
    PyObject* head       # Goroutines (borrowed: the registry owns them), Ops that asyncio tasks await and Handles (both owned)
    PyObject* tail
    bint posted          # a call_soon_threadsafe is under way or about to be; or the loop stays awake, and will look (awake.pyx)
    bint shut            # the loop is closed or ends: the inbox takes nothing any more
    Py_ssize_t callers   # threads inside the loop's call_soon_threadsafe: it is not closed under them
    uint8_t came         # something was pushed since the loop began to spin (inbox_spin)
    bint due             # another thread has posted, and the loop has not collected since
    bint taking          # the loop takes what was in it
    bint woke            # the loop last slept until something came
    unsigned int pass_by  # how many times the loop sleeps at once, since it spun in vain
    unsigned int passes  # ... and how many that were the last time
