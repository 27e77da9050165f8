# inbox.pyx - wake-ups from other threads.
#
# A push posts one call_soon_threadsafe if none is under way; the loop collects all that came meanwhile.
# Threads: `lock` guards the three fields. call_soon_threadsafe is called under it, because uvloop's is not safe to be called
# from two threads at once without the GIL.

cdef void inbox_push(Scheduler s, PyObject* g) noexcept:
    goish_lock(&s.inbox.lock)
    (<Goroutine>g).link.next = NULL
    if s.inbox.tail == NULL:
        s.inbox.head = g
    else:
        (<Goroutine>s.inbox.tail).link.next = g
    s.inbox.tail = g
    if not s.inbox.posted:
        inbox_post(s)
    goish_unlock(&s.inbox.lock)


cdef void inbox_post(Scheduler s) noexcept:
    # Under the lock.
    s.inbox.posted = True
    if insist(s.loop, s.call_soon_threadsafe, (s._collect,), own_context(s)) is False:
        s.dead = True  # the loop is closed; abandon() deals with its goroutines


cdef void inbox_poke(Scheduler s) noexcept:
    # Wakes a worker's loop, for it to look at its pool.
    goish_lock(&s.inbox.lock)
    if not s.inbox.posted:
        inbox_post(s)
    goish_unlock(&s.inbox.lock)


cdef void inbox_collect(Scheduler s) noexcept:
    cdef PyObject* g
    cdef PyObject* following
    goish_lock(&s.inbox.lock)
    s.inbox.posted = False
    g = s.inbox.head
    s.inbox.head = s.inbox.tail = NULL
    goish_unlock(&s.inbox.lock)
    while g != NULL:
        following = (<Goroutine>g).link.next
        ready_here(s, <Goroutine>g)
        g = following
    if s.worker is not None:
        arm_drain(s)
