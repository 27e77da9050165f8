# worker.pyx - the threads that take the calls of a pool (pick.pyx).
#
# A plain worker parks on its `park_lock`. A worker on which calls have left goroutines runs their loop instead, until they are
# over or the worker is picked for a call. Then it takes the park lock all the same, so a wake-up is never too late. A loop worker
# parks in its loop; its scheduler takes a call from the pool whenever its own run queue is empty, and once a slice in any case.
# Invariants: `idle`, `told` and the idle list are under the pool's lock. The park lock is taken, except between a wake-up and
#   the moment in which the worker sees it; only the thread that took the worker off the idle list releases it.
# Threads: the worker's own; any wakes it.

cdef Goroutine next_call(Worker w):
    # Parks until there is a call for this plain worker, which the caller owns then; None: the worker must leave.
    cdef Pool p = w.pool
    cdef PyObject* g
    cdef PyObject* other
    cdef bint keeps, takes
    while True:
        if w.born != forks:
            return None
        if p.follow is not None:
            follow_size(p)
        goish_lock(&p.lock)
        keeps = keeps_goroutines(w)
        takes = p.busy <= p.size and (w.told or not keeps)  # or they would wait as long as calls come
        if w.told:
            w.told = False
            p.searching[PLAIN] = False
        g = calls_take(p, w) if takes else NULL
        if g != NULL:
            goish_store_state(&(<Goroutine>g).state, G_RUNNING)
            calls_push(&p.active, g)
            other = worker_pick(p, PLAIN, NULL)
            goish_unlock(&p.lock)
            worker_wake_quietly(p, PLAIN, other)
            tell_space(p)
            return <Goroutine>g
        p.busy -= 1
        if keeps:
            w.tends = True
            idle_push(p, w)
        elif (p.closed and p.queues[PLAIN].count == 0) or p.idle[PLAIN].count > p.size or w.excess:
            p.started[PLAIN] -= 1
            w.left = True
        else:
            idle_push(p, w)
        other = worker_pick(p, PLAIN, NULL if keeps else <PyObject*>w)
        if w.left and other == NULL:
            other = leave_too(p, PLAIN)
        goish_unlock(&p.lock)
        worker_wake_quietly(p, PLAIN, other)
        if w.left:
            return None
        if keeps:
            run_kept(w)
        else:
            goish_park(w.park_lock, INFINITY, False)


cdef bint keeps_goroutines(Worker w) noexcept:
    # Under the lock, for a plain worker between calls.
    cdef bint keeps = w.sched is not None and w.sched.live > 0 and not ending
    w.pool.kept += keeps - w.kept
    w.kept = keeps
    return keeps


cdef void run_kept(Worker w) except *:
    # The worker is in the list of keepers, or was just picked.
    cdef Pool p = w.pool
    cdef bint summoned
    w.stops = False
    try:
        host.keep_loop(w)
    finally:
        goish_lock(&p.lock)
        summoned = not w.idle
        if w.idle:
            idle_remove(p, w)
            p.busy += 1
        goish_unlock(&p.lock)
        if summoned:
            goish_park(w.park_lock, INFINITY, False)
        goish_lock(&p.lock)
        w.tends = False
        goish_unlock(&p.lock)


cdef void stop_keeping(Worker w) noexcept:
    # On the thread whose loop runs the goroutines that calls have left: they are over, or the worker was picked.
    if not w.stops:
        w.stops = loop_call_retry(w.sched.loop, w.sched.call_soon, (w.sched.loop.stop,), own_context(w.sched)) is not False


# ---- a worker's loop ----

# Seconds that a call made on a loop worker waits for another worker to take it.
cdef double PATIENCE = 0.02


def set_worker_patience(double seconds):
    """Sets that time, for tests; gives the one before."""
    global PATIENCE
    before, PATIENCE = PATIENCE, seconds
    return before


cdef void call_settles(Goroutine g, Scheduler s) noexcept:
    # On the thread of its loop, once. Other threads may read either value: they only ask whether it is their own scheduler.
    # A function of its own, which tests/tsan.supp names.
    g.sched = s


cdef bint worker_feed(Scheduler s) except *:
    # Takes the next call for a loop that has nothing else to run.
    cdef Worker w = s.worker
    cdef Pool p
    cdef PyObject* g
    cdef PyObject* other
    if w is None or w.kind != LOOP:
        return False
    p = w.pool
    if goish_counted(&p.queues[LOOP].count) == 0 and not w.told:  # a glance: worker_idle() looks under the lock
        return False
    goish_lock(&p.lock)
    if w.told:
        w.told = False
        p.searching[LOOP] = False
    g = calls_take(p, w)
    if g != NULL:
        call_settles(<Goroutine>g, s)
        goish_store_state(&(<Goroutine>g).state, G_CALLED)
        p.finished += 1
    other = worker_pick(p, LOOP, <PyObject*>w)
    goish_unlock(&p.lock)
    worker_wake_quietly(p, LOOP, other)
    if g == NULL:
        return False
    tell_space(p)
    registry_add(s, <Goroutine>g)
    Py_DECREF(<Goroutine>g)  # the queue's
    run_push(s, g)
    return True


cdef inline void worker_awake(Scheduler s) noexcept:
    cdef bint told
    cdef Worker w = s.worker
    cdef Pool p = w.pool
    if w.tends:
        goish_lock(&p.lock)
        told = w.told
        goish_unlock(&p.lock)
        if told:
            stop_keeping(w)
    elif w.idle:
        goish_lock(&p.lock)
        if w.idle:
            idle_remove(p, w)
        goish_unlock(&p.lock)


cdef void worker_idle(Scheduler s) noexcept:
    cdef Worker w = s.worker
    cdef Pool p = w.pool
    cdef PyObject* other
    cdef bint again = False
    if w.tends and s.live == 0:
        stop_keeping(w)
    if w.kind != LOOP or w.left:
        return
    goish_lock(&p.lock)
    again = w.told or calls_next(p, w) != NULL
    if again:  # its slice was over before it looked, or a caller has pushed meanwhile
        goish_unlock(&p.lock)
        arm_drain(s)
        return
    if not w.idle:
        idle_push(p, w)
    w.load = s.live
    other = worker_pick(p, LOOP, <PyObject*>w)
    if p.closed and w.idle and p.queues[LOOP].count == 0 and s.live == 0:
        w.left = True
        idle_remove(p, w)
        if other == NULL:
            other = leave_too(p, LOOP)
    elif other == NULL and w.sees == 0 and not p.searching[LOOP] and p.queues[LOOP].count > 0:
        w.sees = (<Goroutine>p.queues[LOOP].head).id  # it was made here: for another, or in a moment for this one after all
        again = True
    goish_unlock(&p.lock)
    worker_wake_quietly(p, LOOP, other)
    if again and not loop_call_retry(s.loop, s.loop.call_later, (PATIENCE, w._look_again), own_context(s)):
        w.sees = 0
    if w.left and loop_call_retry(s.loop, s.call_soon, (s.loop.stop,), own_context(s)) is None:
        sched_post(s, s.loop.stop, (), None)


cdef void worker_gets(Worker w, Scheduler s) noexcept:
    # The thread of the loop sets it, once; others may look.
    goish_lock(&w.pool.lock)
    w.sched = s  # None before
    goish_unlock(&w.pool.lock)


cdef Scheduler worker_scheduler(Worker w):
    # For a goroutine that a plain call starts: a loop of the worker's own, run when the call waits for it or is over.
    if w.sched is None:
        worker_gets(w, scheduler_of(host.new_loop(w)))
        w.sched.worker = w
    return w.sched


cdef Scheduler scheduler_of_worker_here():
    return worker_scheduler(<Worker>goish_tls_worker)


# ---- a plain worker that waits ----

cdef int worker_blocks() except -1:
    # The plain call of this thread is about to block in goish: another worker may take its place. 1: worker_goes_on() is due.
    cdef Worker w
    cdef Pool p
    cdef PyObject* other = NULL
    cdef bint stuck
    if goish_tls_worker == NULL:
        return 0
    w = <Worker>goish_tls_worker
    if w.kind != PLAIN or w.is_borrowed or w.blocked:
        return 0
    p = w.pool
    goish_lock(&p.lock)
    stuck = p.queues[PLAIN].count > 0 and p.blocked + 1 >= p.most
    if not stuck:
        w.blocked = True
        p.blocked += 1
        p.busy -= 1
        other = worker_pick(p, PLAIN, NULL)
    goish_unlock(&p.lock)
    if stuck:
        raise_refused(p, 3)
    worker_wake_quietly(p, PLAIN, other)
    return 1


cdef void worker_goes_on() noexcept:
    cdef Worker w
    cdef Pool p
    if goish_tls_worker == NULL:
        return  # this is a forked child, in which no thread is a worker
    w = <Worker>goish_tls_worker
    p = w.pool
    w.blocked = False
    goish_lock(&p.lock)
    p.blocked -= 1
    p.busy += 1
    goish_unlock(&p.lock)


# ---- its own goroutines run while it waits ----

cdef inline bint has_children() noexcept:
    # Whether calls have started goroutines on this worker, which run when it waits.
    return (
        goish_tls_worker != NULL
        and (<Worker>goish_tls_worker).sched is not None
        and (<Worker>goish_tls_worker).sched.live > 0
    )


cdef object worker_pump(Op op, double seconds):
    # Waits for the op by running the loop of this worker.
    return pump_counted(op, seconds, worker_blocks())


def join_child(Goroutine g):
    """Blocks until ``g`` is done, which the function that runs here has started; also where no worker can take its place."""
    cdef Op op = quiet_join(g)
    cdef bint counted = False
    op.used |= U_USED
    look_for_cancel()
    try:
        counted = worker_blocks()
    except PoolFull:
        pass
    pump_counted(op, INFINITY, counted)


cdef object pump_counted(Op op, double seconds, bint counted):
    cdef Worker w = <Worker>goish_tls_worker
    outer, pumped = waits_behind(), pumped_behind()
    try:
        if not waits_now(op, w.sched):
            raise_cancel_here()
        try:
            return host.pump_loop(w, op, None if seconds == INFINITY else seconds)
        finally:
            waits_again(outer, pumped)
    finally:
        if counted:
            worker_goes_on()


# ---- the worker ----

@cython.final
cdef class Worker:
    """A thread of a pool. Made by ``goish._threads.workers``; programs get it from ``current_worker``."""

    def __dealloc__(self):
        if self.park_lock != NULL:
            goish_free_park_lock(self.park_lock)

    def _attach(self, loop):
        # A loop worker calls this on its thread: from now on its loop takes calls.
        global goish_tls_worker
        self.thread = PyThread_get_thread_ident()
        worker_gets(self, scheduler_of(loop))
        self.sched.worker = self
        goish_tls_worker = <PyObject*>self
        arm_drain(self.sched)

    def _look_again(self):
        self.insists = self.sees
        self.sees = 0
        arm_drain(self.sched)

    def _detach(self):
        # The thread ends: queued calls are for others.
        global goish_tls_worker
        cdef Pool p = self.pool
        cdef PyObject* other
        goish_lock(&p.lock)
        self.left = True
        p.started[LOOP] -= 1
        if self.idle:
            idle_remove(p, self)
        if self.told:
            self.told = False
            p.searching[LOOP] = False
        other = worker_pick(p, LOOP, NULL)
        goish_unlock(&p.lock)
        goish_tls_worker = NULL
        worker_wake_quietly(p, LOOP, other)

    def _serve(self):
        # The life of a plain worker.
        global goish_tls_worker
        cdef Goroutine g
        self.thread = PyThread_get_thread_ident()
        goish_tls_worker = <PyObject*>self
        try:
            while True:
                g = next_call(self)
                if g is None:
                    return
                run_call(g)
                g = None
        finally:
            goish_tls_worker = NULL

    def is_idle(self):
        """Whether the worker waits for work, and there is none: it wakes nobody. False if it runs a loop: that has more to do."""
        cdef bint idle
        goish_lock(&self.pool.lock)
        idle = self.idle and self.kind == PLAIN and not self.tends and self.pool.queues[PLAIN].count == 0
        goish_unlock(&self.pool.lock)
        return idle

    @property
    def goes_on(self):
        """Whether the worker must go on running the loop of goroutines that calls have left. Its own thread."""
        cdef bint told
        goish_lock(&self.pool.lock)
        told = self.told
        goish_unlock(&self.pool.lock)
        self.stops = False
        return not told and self.sched.live > 0 and not ending

    def runs(self, Goroutine g):
        """Whether the function of this goroutine runs on it at this moment. Any thread."""
        return self.current == <PyObject*>g

    @property
    def scheduler(self):
        """The Scheduler of its loop; None before it needs one."""
        goish_lock(&self.pool.lock)
        s = self.sched
        goish_unlock(&self.pool.lock)
        return s

    def __repr__(self):
        return f"<Worker {self.name}>"


def new_worker(Pool pool, int kind, str name):
    """The Worker of a new thread: kind 0 runs plain calls, kind 1 those of coroutine functions."""
    cdef Worker w = Worker.__new__(Worker)
    w.pool = pool
    w.kind = kind
    w.name = name
    w.told = True
    w.born = forks
    w.park_lock = PyThread_allocate_lock()
    PyThread_acquire_lock(w.park_lock, 1)
    return w
