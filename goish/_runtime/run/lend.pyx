# lend.pyx - with the GIL: a loop that always has something to run lends it to the threads that wait for it.
#
# CPython alone is not fair here. A thread asks for the GIL when it has waited for 5 ms in vain, and begins anew whenever the
# GIL was free. A busy loop lets it go at each of its turns, for 2 us: too short for a thread that has to wake up first. So the
# thread gets the GIL after many turns, at times after seconds. A loop that lends the GIL waits, between two steps, until a thread
# has it.
# - A thread that goish has woken is due until it has the GIL (goish_due, c/gil.h). The loop lends until the thread has come.
# - Other threads that wait for the GIL are known by having been switched: a thread that begins to wait is, and a thread that the
#   loop's turn has woken in vain is again. The loop looks four times in a millisecond. It yields the processor first: where there
#   is but one, a thread that wants the GIL may not have run yet.
# - A loop that was without the GIL keeps it for as long, a slice at most. So goroutines and the threads that talk to them have
#   half of the time each, and a thread that computes has the GIL for CPython's 5 ms at a time.
#
# Invariants: a thread that does not come (its loop has stopped, a debugger holds it) is absent, and is not waited for again until
#   another one is due. A loop that is the only thread of Python never lends.
# Threads: the loop's own.
# Not here: waking a thread, which makes it due (thread_wait.pyx, pick.pyx, inbox.pyx); a loop with nothing to run (awake.pyx).

# A slice: long enough that the loop's turn (about 3 us) costs below 1 %, short enough that no timer or socket waits.
cdef double SLICE = 0.001


cdef double LOOKS = 0.00025  # seconds between looks: a look takes 1.5 us
cdef double COMES = 0.0005   # seconds at most until a thread that is due has come; 50 us where a processor is free
cdef double NAP = 0.00001    # seconds that others get; the kernel makes it 60 us, in which they wake up
cdef double BRIEF = 0.00002  # a yield that took longer has let another thread run


cdef inline bint lend_if_asked(Scheduler s) noexcept:
    # Between two steps, with more to run. True: it is time for a turn of the loop, which others may have given something to do.
    if GOISH_LOCKS or (goish_due == s.lent.absent and s.inbox.head == NULL and s.now < s.lent.looks):
        return False
    return look_who_waits(s)


cdef bint look_who_waits(Scheduler s) noexcept:
    s.now = goish_monotonic()
    if s.inbox.head != NULL or s.inbox.due:
        inbox_take(s)
    if s.now < s.lent.keeps:
        return False
    if goish_due > s.lent.absent and s.now < s.lent.looks + SLICE:
        gil_lend(s, COMES)
        s.lent.absent = goish_due
        return False
    s.lent.absent = min(s.lent.absent, goish_due)
    if s.now < s.lent.looks:
        return False
    s.lent.lively = not goish_alone() and lend_to_others(s)
    s.lent.looks = s.now + LOOKS
    return s.lent.lively


cdef bint lend_to_others(Scheduler s) noexcept:
    # Lends to threads that goish has not woken. Whether there may have been any.
    cdef double began = s.now
    cdef long before = s.lent.switches
    gil_lend(s, 0.0)
    s.lent.switches = goish_switches()
    if s.now - began > BRIEF:
        return True
    if s.lent.switches == before:
        return False
    gil_lend(s, NAP)
    return True


cdef void gil_lend(Scheduler s, double seconds) noexcept:
    cdef double began = s.now
    cdef bint awake = inbox_awake(s)
    goish_lend(seconds)
    if awake:
        inbox_looked(s)
    s.now = goish_monotonic()
    s.lent.keeps = s.now + min(s.now - began, SLICE)
