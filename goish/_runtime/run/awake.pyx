# awake.pyx - a loop that stays awake: threads that talk to it need not wake it.
#
# Invariant: between inbox_awake() and inbox_looked() a push posts nothing; inbox_looked() takes what came.
# Threads: the loop's own.

cdef void inbox_collect(Scheduler s) noexcept:
    s.inbox.woke = True
    inbox_take(s)
    if s.worker is not None or s.run_head != NULL:
        arm_drain(s)


cdef bint inbox_awake(Scheduler s) noexcept:
    # The loop stays awake while others run, so nobody needs to wake it. True: inbox_looked() is due.
    cdef bint awake
    goish_lock(&s.inbox.lock)
    awake = not s.inbox.posted and not s.inbox.shut
    if awake:
        s.inbox.posted = True
        goish_store_state(&s.inbox.came, 0)
    goish_unlock(&s.inbox.lock)
    return awake


cdef void inbox_looked(Scheduler s) noexcept:
    cdef bint came
    goish_lock(&s.inbox.lock)
    s.inbox.posted = False
    came = goish_load_state(&s.inbox.came)
    goish_unlock(&s.inbox.lock)
    if came:
        inbox_collect(s)


cdef enum:
    MOST_PASSES = 63


cdef void inbox_spin(Scheduler s) noexcept:
    # The loop has nothing to run. If threads talk to it, it spins for a moment before it sleeps: a wake-up costs more (c/spin.h).
    # What else it has to do waits meanwhile; so after a spin in vain it sleeps at once, more and more times.
    if not s.inbox.woke or goish_most_spinning == 0:
        return
    s.inbox.woke = False
    if s.inbox.pass_by > 0:
        s.inbox.pass_by -= 1
        return
    if not inbox_awake(s):
        return
    if goish_spin_for(&s.inbox.came):
        s.inbox.passes = 0
    else:
        s.inbox.passes = s.inbox.pass_by = min(2 * s.inbox.passes + 1, <unsigned int>MOST_PASSES)
    inbox_looked(s)
