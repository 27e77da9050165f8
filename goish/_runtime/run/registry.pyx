# registry.pyx - the scheduler of each loop, and the goroutines of each scheduler.
#
# Invariants: a loop has one scheduler, which hangs on it and goes with it. The registry of a scheduler owns each of its live
#   goroutines, but for tasks that nothing owns (cold.pyx).
# Threads: a scheduler is found from any; a registry belongs to the thread of its loop.
# Not here: what a loop runs (drain.pyx), its end (shutdown.pyx), the Scheduler as an object (sched.pyx).

# ---- schedulers ----

cdef Scheduler NO_LOOP = new_no_loop()  # of all goroutines that are on no loop


cdef Scheduler new_no_loop():
    cdef Scheduler s = Scheduler.__new__(Scheduler)
    s.failed = []
    return s


# The number of forks between the first process and this one.
cdef unsigned int forks = 0

# A scheduler hangs on its loop, and goes with it. This dict has them all, by id, as weak references.
cdef dict schedulers = {}


cdef dict on_odd_loops = {}   # loop -> Scheduler, where a loop takes no attribute
cdef object making = RLock()  # making one may run user code, which may make another


cdef list all_schedulers():
    return [s for s in [known() for known in list(schedulers.values())] if s is not None]


cdef object scheduler_made(object loop):
    s = getattr(loop, "_goish_scheduler", None)
    if type(s) is not Scheduler:
        s = on_odd_loops.get(loop) if on_odd_loops else None
    return s if type(s) is Scheduler else None


cdef Scheduler scheduler_of(object loop):
    s = scheduler_made(loop)
    if s is None:
        with making:  # two threads may ask at once
            s = scheduler_made(loop)
            fresh = s is None
            if fresh:
                s = new_scheduler(loop)
        if fresh:
            abandon_closed()
    return <Scheduler>s


cdef inline Scheduler scheduler_at(object loop):
    if goish_tls_sched != NULL and (<Scheduler>goish_tls_sched).loop is loop:
        return <Scheduler>goish_tls_sched
    return scheduler_of(loop)


cdef Scheduler scheduler_here():
    if goish_tls_sched != NULL:
        return <Scheduler>goish_tls_sched
    if goish_tls_worker != NULL and running_loop() is None:
        return above.scheduler_of_worker()
    return scheduler_of(need_loop("a goroutine is started", "; go_thread(fn, ...) runs it on a worker thread, which has one"))


cdef void abandon_closed() except *:
    # Not under the lock: abandoning runs finally blocks, which may wait for a thread that starts its first goroutine.
    for old in all_schedulers():
        if (<Scheduler>old).loop.is_closed():
            (<Scheduler>old).abandon()


cdef Scheduler new_scheduler(object loop):
    cdef Scheduler s = Scheduler.__new__(Scheduler)
    s.loop = loop
    s.get_debug = loop.get_debug
    s.is_ours = isinstance(loop, Clock)
    s.debug = loop.get_debug()
    below = super(Clock, loop) if s.is_ours else loop
    s.call_soon = below.call_soon
    s.call_soon_threadsafe = below.call_soon_threadsafe
    s.call_later = above.call_later(loop)
    s.loop_close = loop.close
    s.drain_callback = s._drain
    s.turn_callback = s._turn
    s.base = VarContext()
    s.nests = is_nestable(s)
    for base in type(loop).__mro__:
        s.coarse_timers |= base.__module__.startswith("uvloop")
    s.loop_dict = getattr(loop, "__dict__", None)
    s.thread = PyThread_get_thread_ident()
    s.failed = []
    try:
        loop._goish_scheduler = s
    except AttributeError:
        on_odd_loops[loop] = s
    else:
        put_before_close(s)
    known = id(s)
    schedulers[known] = weak_reference(s, partial(_scheduler_gone, known))
    return s


def _scheduler_gone(known, _reference):
    schedulers.pop(known, None)


cdef void put_before_close(Scheduler s) except *:
    s.close_replaced = "close" in getattr(s.loop, "__dict__", ())
    try:
        s.loop.close = s._close
    except (AttributeError, TypeError):
        pass  # of a type that takes no attribute: abandon_closed finds such a loop closed


cdef bint is_nestable(Scheduler s):
    # nest_asyncio, which Jupyter users apply, lets a goroutine run its own loop. It cannot do that to uvloop.
    return getattr(type(s.loop), "_nest_patched", False) is True


cdef inline void look_at_nesting(Scheduler s) except *:
    if s.nests != is_nestable(s):
        s.nests = not s.nests  # other threads read it: written only where it changes


cdef void sched_forget(Scheduler s) except *:
    schedulers.pop(id(s), None)
    on_odd_loops.pop(s.loop, None)
    if getattr(s.loop, "_goish_scheduler", None) is s:
        del s.loop._goish_scheduler
        if getattr(s.loop, "__dict__", {}).get("close") == s._close:
            if s.close_replaced:
                s.loop.close = s.loop_close
            else:
                del s.loop.close


def _after_fork():
    # The child has no goroutines: they are the parent's. It may make loops and run() of its own.
    global goish_tls_sched, making
    goish_tls_sched = NULL
    # A thread of the parent's may have held any lock. Those of channels and wait groups stay as they are.
    making = RLock()
    goish_free_stripes()
    above.forget_threads()
    for s in all_schedulers():
        (<Scheduler>s).inbox.lock = (<Scheduler>s).alarms.lock = empty_lock()
        sched_forget(<Scheduler>s)
        (<Scheduler>s).dead = (<Scheduler>s).inbox.shut = True  # its waiters are the parent's: nothing is given to them


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


# ---- on which thread ----

cdef bint is_here(Scheduler s) noexcept:
    # Whether this thread may touch the scheduler. A loop may be run by one thread after another. One that does not run is that of
    # the last; but another may begin to run it at any moment, so what any thread may call asks is_run_here().
    cdef PyObject* loop
    if <PyObject*>s == goish_tls_sched:
        return True
    loop = loop_here()
    if loop != <PyObject*>None:
        return loop == <PyObject*>s.loop
    return PyThread_get_thread_ident() == s.thread and not s.loop.is_running()


cdef inline bint is_run_here(Scheduler s) noexcept:
    # Whether this thread runs the loop of `s`.
    return <PyObject*>s == goish_tls_sched or loop_here() == <PyObject*>s.loop


cdef inline PyObject* loop_here() noexcept:
    # Borrowed: the loop that runs on this thread, or None; NULL at the recursion limit, which is dealt with as from elsewhere.
    cdef PyObject* loop = PyObject_Vectorcall(<PyObject*>asyncio_running_loop, NULL, 0, NULL)
    if loop == NULL:
        PyErr_Clear()
    else:
        Py_DECREF(<object>loop)  # it runs, or is None
    return loop


cdef inline void settle_here(Scheduler s) noexcept:
    cdef unsigned long thread = PyThread_get_thread_ident()
    if s.thread != thread:  # other threads read it
        s.thread = thread


# ---- goroutines ----

cdef inline void registry_add(Scheduler s, Goroutine g) noexcept:
    Py_INCREF(g)
    g.all_prev = NULL
    g.all_next = s.all_head
    if s.all_head != NULL:
        (<Goroutine>s.all_head).all_prev = <PyObject*>g
    s.all_head = <PyObject*>g
    goish_count(&s.live, 1)


cdef inline void registry_unlink(Scheduler s, Goroutine g) noexcept:
    # The registry's reference is the caller's now.
    if g.all_prev == NULL:
        s.all_head = g.all_next
    else:
        (<Goroutine>g.all_prev).all_next = g.all_next
    if g.all_next != NULL:
        (<Goroutine>g.all_next).all_prev = g.all_prev
    g.all_prev = g.all_next = NULL
    goish_count(&s.live, -1)
