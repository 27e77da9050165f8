# sched.pyx - the scheduler of one loop, as an object: its callbacks, and what goish's modules ask of it and of all loops.
#
# Threads: as each method says.
# Not here: what a loop runs, and when (drain.pyx).

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
        return awaited_op(g) != NULL and op_fail(<Op>g.wait, exc)

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


def scheduler_on(thread):
    """The Scheduler whose loop runs on the thread with that id, or None. Any thread; out of date at once."""
    for s in all_schedulers():
        if (<Scheduler>s).thread == thread and s.loop.is_running():
            return s
    return None


# ---- all loops ----

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


def wake_loops(fn):
    """Has each loop call ``fn()``, a Python function. Any thread.

    Without the GIL a thread frees what it has made, and another thread has let go, only when it runs Python: a sleeping loop
    does not, nor one of uvloop's that calls compiled code.
    """
    for s in all_schedulers():
        sched_post(<Scheduler>s, fn, (), None)


def debug_extra_refs(obj):
    """How many references to ``obj`` the runtime holds where the collector cannot see them."""
    cdef Goroutine g
    if type(obj) is Goroutine:
        g = <Goroutine>obj
        return 0 if g.state == G_DONE or task_is_unowned(g) else 1 + (g.flags & GF_REGISTERED != 0 and registers_strongly)
    if type(obj) is Op and (<Op>obj).kind not in (W_SLEEP, W_TIMER, W_DEADLINE, W_CONN_ALARM):
        return 1 if (<Op>obj).flags & F_LINKED else 0
    return 0
