# cond.pyx - signals: the queue of a Cond, and the lock that its waiters give back meanwhile.
#
# Invariants: a waiter is in the queue before it gives the lock back, so no signal that comes under the lock is lost. A signal
#   that was given to a waiter that does not take it is passed on to the next. F_OK marks a signal; a waiter that a broadcast has
#   woken has none to pass on.
# Threads: any.
# Not here: Cond, as programs see it, and its wait as a coroutine (goish/_sync/cond.py).

cdef void cond_signal(Notifier cond) noexcept:
    cdef PyObject* op
    waitq_prune(cond, &cond.waiters)
    goish_lock(&cond.lock)
    op = waitq_claim(&cond.waiters)
    if op != NULL:
        (<Op>op).flags |= F_OK
        op = op_to_wake(op)
    goish_unlock(&cond.lock)
    wake_chain(op)


cdef void cond_broadcast(Notifier cond) noexcept:
    waitq_prune_all(cond, &cond.waiters)
    waitq_wake_all(cond, &cond.waiters)


# ---- the lock ----

cdef Op cond_lock_op(object mu):
    if type(mu) is RLocker:
        return grant_op((<RLocker>mu).rw, None)
    return grant_op(<Gate>mu, ALL if type(mu) is RWMutex else None)


cdef bint cond_unlock(object mu) noexcept:
    # False: it is not locked.
    if type(mu) is RLocker:
        return cond_is_locked(mu) and gate_release((<RLocker>mu).rw, 1)
    return cond_is_locked(mu) and gate_release(<Gate>mu, (<Gate>mu).units)


cdef void cond_owe(object mu) noexcept:
    cdef RWMutex rw
    if type(mu) is RLocker:
        rw = (<RLocker>mu).rw
        gate_owe(rw, 1, &rw.owed_by_readers)
    else:
        gate_owe(<Gate>mu, (<Gate>mu).units, &(<Gate>mu).owed)


cdef bint cond_is_locked(object mu) noexcept:
    cdef Gate gate = (<RLocker>mu).rw if type(mu) is RLocker else <Gate>mu
    return 0 < gate.unused < gate.units if type(mu) is RLocker else gate.unused == 0


# ---- the row of the table of waits ----

cdef bint signal_arm(Op op) noexcept:
    cdef Notifier cond = <Notifier>op.target
    ticket = op.value  # held: another thread may have decided the op, once it is in the queue
    goish_lock(&cond.lock)
    waitq_push(&cond.waiters, op)
    goish_unlock(&cond.lock)
    if ticket is None:
        return True
    (<Released>ticket).released = True
    if cond_unlock((<Released>ticket).mu):
        return True
    (<Released>ticket).released = False
    if not waitable_withdraw(op):
        return True
    op.value = RuntimeError(not_locked)
    return False


cdef str not_locked = "wait on a Cond whose lock is not locked: wait inside of async with cond (or with cond, on a thread)"


cdef int signal_finish(Op op, PyObject** result) noexcept:
    # Whether it was a signal, not a broadcast.
    signalled = (op.flags & F_OK) != 0
    Py_INCREF(signalled)
    result[0] = <PyObject*>signalled
    return 1


cdef void signal_drop(Op op) noexcept:
    if op.flags & F_OK:
        cond_signal(<Notifier>op.target)


cdef WaitQueue* signal_queue(Op op) noexcept:
    return &(<Notifier>op.target).waiters


waits[<int>W_SIGNAL] = Wait(
    "cond", True, must_wait, never_ready, signal_arm, waitable_withdraw, signal_finish, signal_drop, NULL, NULL, NULL,
    never_ready, never_ready, signal_queue, NULL, False, NULL
)


# ---- what Cond is made of ----

@cython.final
cdef class Released:
    def signalled(self):
        # To be awaited: a bool, whether it was a signal.
        return self.op

    def locked(self):
        # To be awaited: the lock, which is to be taken again.
        return cond_lock_op(self.mu)

    def is_released(self):
        return self.released

    def owe(self):
        # The coroutine that waits is closed.
        if self.released:
            cond_owe(self.mu)


cdef Released cond_release(Notifier cond):
    cdef Released ticket
    if not cond_is_locked(cond.mu):
        raise RuntimeError(not_locked)
    ticket = Released.__new__(Released)
    ticket.mu = cond.mu
    ticket.cond = cond
    ticket.op = new_op(W_SIGNAL, cond)
    ticket.op.value = ticket
    ticket.op.used |= U_USED
    return ticket


cdef object lock_again(Released ticket):
    # On a thread. Takes the lock whatever comes; the first exception that came meanwhile, or None.
    first = None
    while ticket.released:
        try:
            thread_block(cond_lock_op(ticket.mu), None, "wait_blocking()", "use await cond.wait()")
            ticket.released = False
        except PoolFull:
            nap(0.001)  # no worker can stand in for this one, which is to have the lock nevertheless
        except BaseException as exc:
            first = first or exc
    return first


cdef class Notifier:
    def __cinit__(self, *given, mu=None):
        if mu is not None:
            given += (mu,)
        if len(given) != 1 or type(given[0]) not in (Mutex, RWMutex, RLocker):
            got = ", ".join([f"{one!r} of type {type(one).__name__}" for one in given]) or "nothing"
            raise TypeError(f"Cond() takes the lock: a Mutex, an RWMutex or rw.rlocker(); got {got}")
        self.mu = given[0]

    def signal(self):
        """Wakes the first waiter, if there is one. Any thread, with the lock or without it. Go's ``Cond.Signal``.

        A waiter that is cancelled at the same time passes the signal on to the next.

        Example::

            mu = Mutex()
            cond = Cond(mu)
            cond.signal()  # nobody waits: it is lost
        """
        cond_signal(self)

    def broadcast(self):
        """Wakes all waiters. Any thread, with the lock or without it. Go's ``Cond.Broadcast``."""
        cond_broadcast(self)

    def signalled(self):
        """The next signal or broadcast; await it, or make it a case of ``select``, which gives None and True.

        It has nothing to do with the lock: what is signalled before it is waited for is not seen. A signal that it has got
        is used up. Cancelled, it has got none.

        Example::

            cond = Cond(Mutex())
            print(await select(cond.signalled(), after(0.001).recv()) != (0, None, True))  # -> True
        """
        return new_op(W_SIGNAL, self)

    def wait_blocking(self, timeout=None):
        """``wait`` for threads without an event loop: blocks the calling thread until a signal comes.

        ``timeout``: seconds, None to wait for ever. TimeoutError if no signal has come by then, RuntimeError without the
        lock, SyncOnLoop on a thread whose event loop runs. Ctrl-C ends the wait. In all cases the lock is held when it is left.

        Example::

            cond = Cond(Mutex())
            with cond:
                try:
                    cond.wait_blocking(timeout=0.001)
                except TimeoutError:
                    print("no signal")  # -> no signal
        """
        cdef Released ticket = cond_release(self)
        try:
            signalled = thread_block(ticket.op, timeout, "wait_blocking()", "use await cond.wait()")
        except BaseException:
            lock_again(ticket)
            raise
        error = lock_again(ticket)
        if error is not None:
            if signalled:
                cond_signal(self)
            raise error

    def _release(self):
        # For wait(): the op that gives the lock back, and the lock again.
        return cond_release(self)

    def __aenter__(self):
        return self.mu.__aenter__()

    def __aexit__(self, type, value, traceback):
        self.mu.unlock()
        return done_op()

    def __enter__(self):
        thread_block(cond_lock_op(self.mu), None, "with", "use async with")

    def __exit__(self, type, value, traceback):
        self.mu.unlock()

    @property
    def waiting(self):
        """How many wait for a signal. Any thread; out of date at once."""
        return self.waiters.count

    def __reduce_ex__(self, protocol):
        raise TypeError("a Cond cannot be copied or pickled: signals would not reach its copies")
