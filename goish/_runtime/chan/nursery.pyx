# nursery.pyx - a set of goroutines that learns of the end of each: the members of a group.
#
# A member carries its nursery where others carry their WaitGroup (`cold`), and its end finds it there. What is started in a
# sync_scope carries that one, too.
# Invariants: no member comes once `closed` is set. `left` counts a member until its failure has been looked at and its slot is
#   free again: what waits for `left` sees all of that.
# Threads: any; `lock` guards `members` and `closed`.
# Not here: what a failure does to the others, and what is raised (goish/_group).

cdef inline bint nursery_count(Nursery nursery) noexcept:
    # Counts one more; not from zero, if zero is the end. Under `lock`, for what closes an empty nursery.
    cdef bint counts
    goish_lock(&nursery.left.lock)
    counts = nursery.left.n > 0 or not nursery.zero_is_end
    nursery.left.n += counts
    goish_unlock(&nursery.left.lock)
    return counts


cdef inline Gate nursery_slots(Nursery nursery):
    # Held by the caller: set_slots() may put others in their place.
    goish_lock(&nursery.lock)
    slots = nursery.slots
    goish_unlock(&nursery.lock)
    return slots


cdef int nursery_enter(Nursery nursery) except -1:
    # Counts a member that is about to start.
    cdef bint closed
    goish_lock(&nursery.lock)
    closed = nursery.closed or not nursery_count(nursery)
    goish_unlock(&nursery.lock)
    if closed:
        nursery_refuse()
    return 0


cdef int nursery_refuse() except -1:
    raise RuntimeError("this group takes no more members: it has ended, or was cancelled")


cdef bint nursery_is_closed(Nursery nursery) noexcept:
    cdef bint closed
    goish_lock(&nursery.lock)
    closed = nursery.closed
    goish_unlock(&nursery.lock)
    return closed


cdef void nursery_close(Nursery nursery) noexcept:
    goish_lock(&nursery.lock)
    nursery.closed = True
    event = nursery.end_event
    goish_unlock(&nursery.lock)
    if event is not None:
        counter_set(event, 0)


cdef void nursery_note(Nursery nursery, PyObject* g) noexcept:
    goish_lock(&nursery.lock)
    if PyDict_SetItem(<PyObject*>nursery.members, g, g) < 0:
        PyErr_Clear()  # no memory: it is counted, but no cancel of the group reaches it
    goish_unlock(&nursery.lock)


cdef void nursery_forget(Nursery nursery, PyObject* g) noexcept:
    # The caller holds `g`: nothing is freed under the lock.
    goish_lock(&nursery.lock)
    if PyDict_DelItem(<PyObject*>nursery.members, g) < 0:
        PyErr_Clear()
    goish_unlock(&nursery.lock)


cdef void nursery_free_slot(Nursery nursery) noexcept:
    cdef Gate slots = nursery_slots(nursery)
    if slots is not None:
        gate_release(slots, 1)


cdef void nursery_leave(Nursery nursery) noexcept:
    # A member gives back its slot, and is counted no more.
    nursery_free_slot(nursery)
    try:
        wg_add(nursery.left, -1)
    except BaseException as exc:
        logger.error("%r cannot count its members", nursery, exc_info=exc_info(exc))


cdef void nursery_member_ended(object ended_in, Goroutine g) noexcept:
    cdef Nursery nursery = <Nursery>ended_in
    if nursery.on_failure is not None and goish_load_state(&g.flags) & (GF_FAILED | GF_CANCELLED) == GF_FAILED:
        try:
            nursery.on_failure(g)
        except BaseException as exc:
            logger.error("%r failed, and its group could not look at it", g, exc_info=exc_info(exc))
    nursery_forget(nursery, <PyObject*>g)
    nursery_leave(nursery)


cdef int close_refused(PyObject** args, Py_ssize_t n) except -1:
    if n > 0 and PyCoro_CheckExact(<object>args[0]):
        (<object>args[0]).close()  # or it would complain that nobody has awaited it
    return 0


cdef object nursery_start(Nursery nursery, PyObject** args, Py_ssize_t n, PyObject* kwnames):
    # The caller has a slot.
    try:
        nursery_enter(nursery)
    except BaseException:
        nursery_free_slot(nursery)
        close_refused(args, n)
        raise
    try:
        g = go_start(args, n, kwnames, None, nursery)
    except BaseException:
        nursery_leave(nursery)
        raise
    nursery_note(nursery, <PyObject*>g)
    return g


cdef void scope_add(object scope, Goroutine g) noexcept:
    # A sync_scope has `g` besides what that reports to. Not once the scope is over: code that outlives it may still name it.
    cdef Nursery nursery = <Nursery>scope
    cdef GoroutineCold cold
    cdef bint counted, over
    goish_lock(&nursery.lock)
    counted = not nursery.closed and nursery_count(nursery)
    goish_unlock(&nursery.lock)
    if not counted:
        return
    nursery_note(nursery, <PyObject*>g)
    cold = cold_of(g)
    goish_lock(end_lock(g))
    over = goish_load_state(&g.state) == G_DONE
    if not over:
        cold.scope = nursery
    goish_unlock(end_lock(g))
    if over:
        nursery_member_ended(nursery, g)


@cython.final
cdef class Nursery:
    """Nursery(on_failure=None, slots=None, zero_is_end=False)\n--\n\n\
    The members of a group; ``goish._group`` has the groups that programs see. ``zero_is_end``: once nothing is counted, it
    takes no member, until it is held again.
    """

    def __init__(self, on_failure=None, slots=None, zero_is_end=False):
        self.left = WaitGroup()
        self.zero_is_end = zero_is_end
        self.members = {}
        self.on_failure = on_failure
        self.slots = slots

    def go(self, fn, /, *args, **kwargs):
        """Starts a member, for which the caller has taken a slot. RuntimeError if it is closed: the slot is free again."""
        raise NotImplementedError  # nursery_go below takes its place

    def try_go(self, fn, /, *args, **kwargs):
        """Starts a member if a slot is free, and takes that; else None. RuntimeError if it is closed."""
        raise NotImplementedError  # nursery_try_go below takes its place

    def adopt(self, Goroutine g):
        """Takes in a goroutine that was started elsewhere, also one that has ended. False if it belongs to a group already.

        RuntimeError if it is closed. The caller has taken a slot, which a refusal leaves to it.
        """
        cdef GoroutineCold cold
        cdef bint over, taken = False
        nursery_enter(self)
        nursery_note(self, <PyObject*>g)
        cold = cold_of(g)
        goish_lock(end_lock(g))
        over = goish_load_state(&g.state) == G_DONE
        if not over and cold.wg is None:
            cold.wg = self
            taken = True
        goish_unlock(end_lock(g))
        if over:
            nursery_member_ended(self, g)
        elif not taken:
            nursery_forget(self, <PyObject*>g)
            wg_add(self.left, -1)
        return over or taken

    def alive(self):
        """Its members, in the order in which they came."""
        goish_lock(&self.lock)
        alive = list(self.members)
        goish_unlock(&self.lock)
        return alive

    def close(self):
        """From now on it takes no member."""
        nursery_close(self)

    def close_if_empty(self):
        """Closes it if no member lives; whether that is so."""
        goish_lock(&self.lock)
        empty = self.left.n == 0
        if empty:
            self.closed = True
        goish_unlock(&self.lock)
        if empty:
            nursery_close(self)  # and tells
        return empty

    def closing(self):
        """An Event that is set when it takes no member any more."""
        cdef Event fresh = Event()
        cdef Event event
        goish_lock(&self.lock)
        if self.end_event is None:
            self.end_event = fresh
        event = self.end_event
        goish_unlock(&self.lock)
        if nursery_is_closed(self):
            counter_set(event, 0)
        return event

    def end(self):
        """No member lives, and none will: what would have been told of failures is let go."""
        nursery_close(self)
        goish_lock(&self.lock)
        _before, self.on_failure = self.on_failure, None  # dropped after unlocking
        goish_unlock(&self.lock)

    def set_slots(self, slots):
        """False if a slot is taken, or waited for."""
        cdef Gate before = self.slots
        cdef bint idle = True
        if before is not None:
            goish_lock(&before.lock)
            idle = before.unused == before.units and before.waiters.head == NULL
            goish_unlock(&before.lock)
        goish_lock(&self.lock)
        idle = idle and self.left.n == 0
        if idle:
            self.slots = slots
        goish_unlock(&self.lock)
        return idle

    def enter(self):
        """Counts what is about to come, as ``hold`` does, unless it takes no member: RuntimeError. Until ``let_go``."""
        nursery_enter(self)

    def hold(self):
        """Counts as a member until ``let_go``: what waits for the nursery waits for that too."""
        wg_add(self.left, 1)

    def let_go(self):
        wg_add(self.left, -1)

    def wait(self):
        """Waits until no member lives; await it, or make it a case of ``select``."""
        return new_op(W_WAITGROUP, self.left)

    def wait_blocking(self, timeout, str instead):
        thread_block(new_op(W_WAITGROUP, self.left), timeout, "wait_blocking()", instead)

    @property
    def closed(self):
        return self.closed

    def __len__(self):
        return len(self.members)

    def __reduce_ex__(self, protocol):
        raise TypeError("a group cannot be copied or pickled: its members belong to one")


cdef PyObject* nursery_go(PyObject* self, PyObject** args, size_t n, PyObject* kwnames) noexcept:
    try:
        g = nursery_start(<Nursery>self, args, <Py_ssize_t>n, kwnames)
    except BaseException as exc:
        goish_raise(<PyObject*>exc)
        return NULL
    Py_INCREF(g)
    return <PyObject*>g


cdef PyObject* nursery_try_go(PyObject* self, PyObject** args, size_t n, PyObject* kwnames) noexcept:
    slots = nursery_slots(<Nursery>self)
    if slots is None or gate_try(slots, 1):
        return nursery_go(self, args, n, kwnames)
    if nursery_is_closed(<Nursery>self):
        try:
            close_refused(args, <Py_ssize_t>n)
            nursery_refuse()
        except BaseException as exc:
            goish_raise(<PyObject*>exc)
            return NULL
    Py_INCREF(None)
    return <PyObject*>None
