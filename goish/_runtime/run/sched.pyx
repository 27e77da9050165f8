# sched.pyx - the order in which goroutines run on this thread's loop.
#
# Goroutines run in batches inside one loop callback (the drain): a step costs a C call into the coroutine, not a loop
# callback. A drain ends when nothing is runnable or its slice is over, so that sockets and timers are served in between.
#
# Invariants: if the run queue is not empty, a drain is running or on its way (armed). While a goroutine runs it is the loop's
#   current task, in its own Context. The registry owns every live goroutine.
# Threads: the scheduler's own, but for `inbox`.
# asyncio is touched here (call_soon), in inbox.pyx (call_soon_threadsafe), in timers.pyx (call_later) and for foreign futures.
# Not here: one goroutine's step (goroutine.pyx), asyncio's current task (current.pyx).

# A slice: long enough that the loop's turn (about 3 us) costs below 1 %, short enough that no timer or socket waits.
cdef double SLICE = 0.001
cdef enum:
    CLOCK_EVERY = 32   # steps between looks at the clock

# A scheduler hangs on its loop, and goes with it. This dict has them all, by id, as weak references.
cdef dict schedulers = {}
cdef dict on_odd_loops = {}   # loop -> Scheduler, where a loop takes no attribute
cdef object making = RLock()  # making one may run user code, which may make another


cdef list all_schedulers():
    return [s for s in [known() for known in list(schedulers.values())] if s is not None]


cdef Scheduler scheduler_here():
    if goish_tls_sched != NULL:
        return <Scheduler>goish_tls_sched
    if goish_tls_worker != NULL and running_loop() is None:
        return above.scheduler_of_worker()
    return scheduler_of(need_loop("a goroutine is started", "; go_thread(fn, ...) runs it on a worker thread, which has one"))


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


cdef void abandon_closed() except *:
    # Not under the lock: abandoning runs finally blocks, which may wait for a thread that starts its first goroutine.
    for old in all_schedulers():
        if (<Scheduler>old).loop.is_closed():
            (<Scheduler>old).abandon()


cdef object scheduler_made(object loop):
    s = getattr(loop, "_goish_scheduler", None)
    if type(s) is not Scheduler:
        s = on_odd_loops.get(loop) if on_odd_loops else None
    return s if type(s) is Scheduler else None


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
    s.base = Context()
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
    schedulers[known] = weak_reference(s, lambda _: schedulers.pop(known, None))
    return s


cdef void put_before_close(Scheduler s) except *:
    s.close_replaced = "close" in getattr(s.loop, "__dict__", ())
    try:
        s.loop.close = s._close
    except (AttributeError, TypeError):
        pass  # of a type that takes no attribute: abandon_closed finds such a loop closed


cdef bint is_nestable(Scheduler s):
    # nest_asyncio, which Jupyter users apply, lets a goroutine run its own loop. It cannot do that to uvloop.
    return getattr(type(s.loop), "_nest_patched", False) is True


cdef inline object own_context(Scheduler s):
    # The Context of a callback. Where the loop is run from within, the one of the callback that does so is entered already.
    return Context() if s.nests else s.base


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


# ---- the run queue ----

cdef inline void run_push(Scheduler s, PyObject* g) noexcept:
    (<Goroutine>g).link.next = NULL
    if s.run_tail == NULL:
        s.run_head = g
    else:
        (<Goroutine>s.run_tail).link.next = g
    s.run_tail = g


cdef inline PyObject* run_pop(Scheduler s) noexcept:
    cdef PyObject* g = s.run_head
    s.run_head = (<Goroutine>g).link.next
    if s.run_head == NULL:
        s.run_tail = NULL
    return g


cdef inline void arm_drain(Scheduler s) noexcept:
    if not s.armed and (not s.draining or s.nests):
        s.armed = post_callback(s, s.drain_callback)


cdef object context_keyword = ("context",)


cdef void call_soon(Scheduler s, object callback, object argument, object context) except *:
    cdef PyObject* args[3]
    cdef Handle h
    if has_turns(s):
        h = handle_new(s, callback, (argument,), context)
        turn_push(s, <PyObject*>h)
        Py_INCREF(h)
        return
    args[0] = <PyObject*>callback
    args[1] = <PyObject*>argument
    args[2] = <PyObject*>context
    call_checked(PyObject_Vectorcall(<PyObject*>s.call_soon, args, 2, <PyObject*>context_keyword))


cdef bint post_callback(Scheduler s, object callback) noexcept:
    # Has the loop call one of our callbacks. False: it is closed, or another thread calls it in a moment.
    cdef PyObject* args[2]
    cdef PyObject* handle
    if s.dead:
        return False
    args[0] = <PyObject*>callback
    base = own_context(s)
    args[1] = <PyObject*>base
    handle = PyObject_Vectorcall(<PyObject*>s.call_soon, args, 1, <PyObject*>context_keyword)
    if handle != NULL:
        Py_DECREF(<object>handle)
        return True
    # Closed: nothing runs there any more, and the waker must not suffer for it. Otherwise it was a signal handler, or there is no
    # room for a call.
    error = pending_exception()
    taken = loop_call_retry(s.loop, s.call_soon, (callback,), own_context(s))
    if taken is False:
        s.dead = True
        return False
    if taken is None:
        inbox_poke(s)
    if not isinstance(error, (RecursionError, MemoryError)):
        raise_later(s.loop, error)
    return taken is not None


# ---- the drain ----

cdef void sched_drain(Scheduler s) except *:
    global goish_tls_sched
    cdef PyObject* outer = goish_tls_sched
    cdef PyObject* outer_current = s.current
    cdef bint was_entered = outer_current != NULL and not (s.nests and asyncio_current_task(s.loop) is None)
    cdef bint nested = s.draining
    cdef bint debug = s.get_debug()
    cdef double end
    goish_tls_sched = <PyObject*>s
    settle_here(s)
    s.draining = True
    s.armed = False
    if s.nests != is_nestable(s):
        s.nests = not s.nests  # other threads read it
    s.now = goish_monotonic()
    s.unlooked = CLOCK_EVERY
    end = s.now + (LOOKS if s.lent.lively else SLICE)
    if s.worker is not None:
        above.awake(s)
    try:
        while s.run_head != NULL or (s.worker is not None and above.feed(s)):
            if debug:
                timed_step(s, run_pop(s))
            else:
                goroutine_step(s, run_pop(s))
            s.unlooked -= 1
            if s.unlooked <= 0:
                s.unlooked = CLOCK_EVERY
                s.now = goish_monotonic()
                if lend_if_asked(s) or s.now >= end:
                    break
    finally:
        leave_tasks(s, outer_current, was_entered)
        goish_tls_sched = outer
        s.draining = nested
        if s.run_head != NULL:
            arm_drain(s)
        if s.failed:
            look_at_failed(s)
    if s.run_head == NULL and s.turns.head == NULL and not nested:
        sched_idle(s)


cdef void timed_step(Scheduler s, PyObject* gp) except *:
    # In asyncio's debug mode the loop names the callback that was slow, which here is always the drain.
    cdef double start = goish_monotonic()
    cdef double took
    g = <Goroutine>gp
    try:
        goroutine_step(s, gp)
    finally:
        took = goish_monotonic() - start
        if took >= s.loop.slow_callback_duration:
            asyncio_logger.warning("Executing %r took %.3f seconds", g, took)


cdef void run_step(Scheduler s, PyObject* g) except *:
    global goish_tls_sched
    # One step outside of a drain, in the turn of a loop callback.
    cdef PyObject* outer = goish_tls_sched
    cdef PyObject* outer_current = s.current
    cdef bint was_entered = outer_current != NULL and not (s.nests and asyncio_current_task(s.loop) is None)
    goish_tls_sched = <PyObject*>s
    settle_here(s)
    s.now = goish_monotonic()
    try:
        goroutine_step(s, g)
    finally:
        leave_tasks(s, outer_current, was_entered)
        goish_tls_sched = outer
        if s.run_head != NULL:
            arm_drain(s)
        if s.failed:
            look_at_failed(s)
    if s.run_head == NULL and s.turns.head == NULL:
        sched_idle(s)


cdef void sched_idle(Scheduler s) except *:
    if s.alarms.count == 0 and s.alarm_handle is not None:
        clear_alarm(s)
    if s.worker is not None:
        above.idle(s)
    if s.on_idle is not None and s.live == s.blocked and s.alarms.count == 0:
        s.on_idle()
    inbox_spin(s)


# ---- the registry ----

cdef inline void registry_add(Scheduler s, Goroutine g) noexcept:
    Py_INCREF(g)
    g.all_prev = NULL
    g.all_next = s.all_head
    if s.all_head != NULL:
        (<Goroutine>s.all_head).all_prev = <PyObject*>g
    s.all_head = <PyObject*>g
    goish_count(&s.live, 1)


cdef inline void registry_remove(Scheduler s, Goroutine g) noexcept:
    registry_unlink(s, g)
    Py_DECREF(g)


cdef inline void registry_unlink(Scheduler s, Goroutine g) noexcept:
    if g.all_prev == NULL:
        s.all_head = g.all_next
    else:
        (<Goroutine>g.all_prev).all_next = g.all_next
    if g.all_next != NULL:
        (<Goroutine>g.all_next).all_prev = g.all_prev
    g.all_prev = g.all_next = NULL
    goish_count(&s.live, -1)


# ---- the end of a loop ----

cdef void end_one(Scheduler s, Goroutine g) except *:
    if g.state == G_DONE or g.state == G_RUNNING:
        return
    if task_is_unowned(g):
        task_own(g)
    _wait = g.wait  # kept: goroutine_finish() drops nothing under its lock
    if g.state == G_WAITING and type(g.wait) is Op:
        waits[(<Op>g.wait).kind].withdraw(<Op>g.wait)
        s.blocked -= waits[(<Op>g.wait).kind].native
    state, g.state = g.state, G_RUNNING  # its finally blocks are user code: a further caller meanwhile leaves it alone
    try:
        if state == G_NEW:
            g.coro.close()
        elif type(g.coro) is Call:
            close_unstarted(<Call>g.coro)
        elif state != G_CALLED:
            g.ctx.run(g.coro.close)  # an op that was decided hands its value to on_undelivered
    except BaseException as exc:
        logger.error("%r raised while it was abandoned", g, exc_info=exc_info(exc))
    g.flags |= GF_CANCELLED
    goroutine_finish(s, g, cancelled_error("its event loop ended"), True)


cdef bint begin_ending(Scheduler s) noexcept:
    # Whether the caller must end it: other threads may find the loop closed at the same time, or a finally block.
    cdef bint first
    goish_lock(&s.inbox.lock)
    first = not s.ending
    s.ending = True
    goish_unlock(&s.inbox.lock)
    return first


cdef void queues_drop(Scheduler s) noexcept:
    s.run_head = s.run_tail = NULL
    turns_drop(s)


cdef void end_all(Scheduler s) except *:
    cdef int rounds = 0
    cdef list found = None
    s.dead = True
    inbox_shut(s)
    while s.all_head != NULL and rounds < 10:  # a finally block may start another
        rounds += 1
        queues_drop(s)
        found = s.goroutines()  # kept until no queue leads to them
        for g in found:
            end_one(s, g)
    queues_drop(s)
    drop_alarms(s)
    sched_forget(s)
    # Nothing leads from the loop to its scheduler any more; with its own circles cut, both are freed without the collector.
    s.drain_callback = s.turn_callback = None
    if is_closed(s.loop):
        s.failed = []  # each is reported when its handle goes


@cython.final
cdef class Scheduler:
    """The goroutines of one event loop. ``goish.runtime`` talks to it; programs need not."""

    def __dealloc__(self):
        PyMem_Free(self.alarms.heap)

    def _drain(self):
        sched_drain(self)

    def _turn(self):
        turn_run(self)

    def _collect(self):
        inbox_called(self)

    def _alarm(self):
        alarms_due(self)

    def _rearm(self):
        set_alarm(self)

    def _close(self, *args, **kwargs):
        # Stands before the loop's own close(): no thread may be calling the loop while it closes; its goroutines end with it.
        if self.loop.is_running() or self.loop.is_closed() or not begin_ending(self):
            return self.loop_close(*args, **kwargs)
        settle_here(self)  # no other thread takes itself for the loop's own from here on
        try:
            inbox_seal(self)
            return self.loop_close(*args, **kwargs)
        finally:
            if self.loop.is_closed():
                end_all(self)
            else:
                inbox_unseal(self)

    def post(self, fn, /, *args):
        """Has ``fn(*args)`` called on the loop's thread, in a turn of the loop. Any thread. False: the loop is closed."""
        return sched_post(self, fn, args, None)

    def _remind(self):
        remind_of_failed(self)

    def spawn(self, coro, name, context):
        """A goroutine for ``coro``, also while the loop does not run."""
        cdef GoroutineCold cold = None
        if name is not None:
            cold = new_cold()
            cold.name = name
        g = new_goroutine(self, check_coroutine(coro), None if context is None else checked_context(context), cold)
        task_register(g)  # anyio looks for the root of all tasks, to end its worker threads with it
        return g

    def goroutines(self):
        """The live goroutines, oldest first."""
        cdef PyObject* g = self.all_head
        cdef list found = []
        while g != NULL:
            found.append(<object>g)
            g = (<Goroutine>g).all_next
        found.reverse()
        return found

    def unretrieved(self):
        """Goroutines that failed, whose handle is held, and whose exception was not retrieved. At the end they are given once."""
        failed = self.failed
        if self.dead:
            self.failed = []
        return [g for g in failed if not (<Goroutine>g).flags & GF_RETRIEVED]

    def fail_wait(self, Goroutine g, exc):
        """Ends the wait of ``g`` by raising ``exc`` there; False if it does not wait on a goish operation."""
        if g.state != G_WAITING or type(g.wait) is not Op:
            return False
        return op_fail(<Op>g.wait, exc)

    def manage(self):
        """Marks the loop as owned by ``goish.run``, which ends what is left."""
        self.managed = True

    def abandon(self):
        """Ends what still lives without running it: waits are withdrawn, coroutines closed (their finally blocks run)."""
        if not begin_ending(self):
            return
        if not self.loop.is_closed():
            inbox_seal(self)
        end_all(self)

    @property
    def at_rest(self):
        """Whether all its goroutines wait for one another, and nothing is on its way to them. Its thread, or its holder."""
        cdef bint due
        goish_lock(&self.inbox.lock)
        due = self.inbox.posted or self.inbox.head != NULL
        goish_unlock(&self.inbox.lock)
        due |= self.alarms.count > 0 or self.run_head != NULL or self.armed or self.turns.head != NULL
        return not due and goish_counted(&self.live) == self.blocked

    @property
    def live(self):
        """How many goroutines live on it. Any thread; out of date at once."""
        return goish_counted(&self.live)

    @property
    def timers(self):
        """How many goish timers are armed."""
        return self.alarms.count

    def __repr__(self):
        return f"<Scheduler of {self.loop!r} live={goish_counted(&self.live)} blocked={self.blocked} timers={self.alarms.count}>"


def scheduler_for(loop):
    """The Scheduler of ``loop``, made if there is none yet."""
    return scheduler_of(loop)


cdef object by_id = attrgetter("id")


def goroutines():
    """Every live goroutine of this thread's event loops, oldest first: a list of ``Goroutine``.

    Example::

        async def listen(channel):
            await channel.recv()

        go(listen, chan())
        await gosched()
        print([g.wait_reason for g in goish.runtime.goroutines()])  # -> [None, 'chan receive']
    """
    cdef list found = []
    for s in all_schedulers():
        if (<Scheduler>s).thread == PyThread_get_thread_ident():
            found += (<Scheduler>s).goroutines()
    found.sort(key=by_id)
    return found


def wake_loops(fn):
    """Has each loop call ``fn()``, a Python function. Any thread.

    Without the GIL a thread frees what it has made, and another thread has let go, only when it runs Python: a sleeping loop
    does not, nor one of uvloop's that calls compiled code.
    """
    for s in all_schedulers():
        sched_post(<Scheduler>s, fn, (), None)


def all_goroutines():
    """For dumps: all goroutines that can be read from here, queued calls and running functions of workers included.

    Without the GIL the goroutines of other threads' loops are not among them: they change while one looks.
    """
    cdef list found = []
    for s in all_schedulers():
        if not GOISH_LOCKS or (<Scheduler>s).thread == PyThread_get_thread_ident():
            found += (<Scheduler>s).goroutines()
    return found + above.calls()


def loop_thread(Goroutine g):
    """For dumps: the thread of the loop of ``g``; 0 if it is on none, as the functions of workers."""
    return 0 if g.sched is None else g.sched.thread


def num_goroutine():
    """How many goroutines live in this process, on all loops, main included. Any thread. Go's ``runtime.NumGoroutine``.

    Example::

        async def listen(channel):
            await channel.recv()

        go(listen, chan())
        await gosched()
        print(num_goroutine())  # -> 2
    """
    cdef Py_ssize_t count = 0
    for s in all_schedulers():
        count += goish_counted(&(<Scheduler>s).live)
    return count + above.live()


def debug_extra_refs(obj):
    """How many references to ``obj`` the runtime holds where the collector cannot see them."""
    cdef Goroutine g
    if type(obj) is Goroutine:
        g = <Goroutine>obj
        return 0 if g.state == G_DONE or task_is_unowned(g) else 1 + (g.flags & GF_REGISTERED != 0 and registers_strongly)
    if type(obj) is Op and (<Op>obj).kind != W_SLEEP and (<Op>obj).kind != W_TIMER:
        return 1 if (<Op>obj).flags & F_LINKED else 0
    return 0


cdef inline Scheduler scheduler_at(object loop):
    if goish_tls_sched != NULL and (<Scheduler>goish_tls_sched).loop is loop:
        return <Scheduler>goish_tls_sched
    return scheduler_of(loop)
