# lock.pyx - Mutex, RWMutex and the weighted semaphore, as programs see them.
#
# Not here: how units are granted (gate.pyx).
# Threads: any.

cdef object ALL = PY_SSIZE_T_MAX  # the units of a lock for readers: more readers than there can be


cdef int mutex_unlock(Mutex mu) except -1:
    if mu.owed != 0 and gate_pay(mu, &mu.owed):
        return 0
    if not gate_release(mu, 1):
        raise RuntimeError("unlock of a Mutex that is not locked")
    return 0


cdef class Mutex(Gate):
    """Mutex()\n--\n\n\
    A lock for goroutines, asyncio tasks on any loops, and threads. Go's ``sync.Mutex``.

    ``async with mu:``; on a thread without an event loop ``with mu:``. It goes to the waiters in the order in which they
    came. It belongs to nobody: any goroutine or thread may unlock it, and a goroutine that locks it twice waits for itself.

    Example::

        mu = Mutex()
        async with mu:
            print(mu.locked())  # -> True
    """

    def __init__(self, *given):
        refuse_arguments(given, "Mutex() takes no arguments: it starts unlocked; a lock for n at a time is semaphore.Weighted(n)")

    def __cinit__(self):
        self.units = self.unused = 1

    def lock(self):
        """Locks it; await it, or make it a case of ``select``, which gives None and True.

        Cancelled, it is not locked; a lock that was given before the cancel is held, and the cancel comes at the next
        wait. Go's ``Mutex.Lock``.

        Example::

            mu = Mutex()
            await mu.lock()
            mu.unlock()
        """
        return grant_op(self, None)

    def try_lock(self):
        """Locks it if that needs no wait: True if it did. Any thread. Go's ``Mutex.TryLock``.

        Example::

            mu = Mutex()
            print(mu.try_lock(), mu.try_lock())  # -> True False
        """
        return gate_try(self, 1)

    def lock_blocking(self, timeout=None):
        """``lock`` for threads without an event loop: blocks the calling thread until it has the lock.

        ``timeout``: seconds, None to wait for ever. TimeoutError if it has not got it by then; SyncOnLoop on a thread whose
        event loop runs. Ctrl-C ends the wait.

        Example::

            mu = Mutex()
            mu.lock_blocking(timeout=1)
        """
        thread_block(grant_op(self, None), timeout, "lock_blocking()", "use async with mu, or await mu.lock()")

    def unlock(self):
        """Unlocks it: the first waiter has it then. Any thread. RuntimeError if it is not locked. Go's ``Mutex.Unlock``.

        Example::

            mu = Mutex()
            await mu.lock()
            mu.unlock()
            print(mu.locked())  # -> False
        """
        mutex_unlock(self)

    def locked(self):
        """Whether it is locked. Any thread; out of date at once."""
        return self.unused == 0

    @property
    def waiting(self):
        """How many wait for the lock. Any thread; out of date at once."""
        return self.waiters.count

    def __aenter__(self):
        return grant_enter(self, 1)

    def __aexit__(self, type, value, traceback):
        mutex_unlock(self)
        return done_op()

    def __enter__(self):
        thread_block(grant_op(self, None), None, "with", "use async with")

    def __exit__(self, type, value, traceback):
        mutex_unlock(self)

    def __repr__(self):
        return f"<Mutex {'locked' if self.unused == 0 else 'unlocked'} waiting={self.waiters.count}>"

    def __reduce_ex__(self, protocol):
        no_copy(self)


cdef int writer_unlock(RWMutex rw) except -1:
    if rw.owed != 0 and gate_pay(rw, &rw.owed):
        return 0
    if rw.unused != 0 or not gate_release(rw, PY_SSIZE_T_MAX):
        raise RuntimeError("unlock of an RWMutex that no writer has locked; a reader gives it back by runlock()")
    return 0


cdef int reader_unlock(RWMutex rw) except -1:
    if rw.owed_by_readers != 0 and gate_pay(rw, &rw.owed_by_readers):
        return 0
    if rw.unused == 0 or not gate_release(rw, 1):
        raise RuntimeError("runlock of an RWMutex that no reader has locked; a writer gives it back by unlock()")
    return 0


cdef class RWMutex(Gate):
    """RWMutex()\n--\n\n\
    A lock for any number of readers, or one writer. Go's ``sync.RWMutex``.

    ``async with rw:`` is the writer, ``async with rw.rlocker():`` a reader; on threads ``with``. The first to come is
    served first, so readers that come after a waiting writer wait behind it. A reader that locks for reading again, or
    for writing, may wait for itself.

    Example::

        rw = RWMutex()
        async with rw.rlocker():
            print(rw.try_rlock(), rw.try_lock())  # -> True False
    """

    def __init__(self, *given):
        refuse_arguments(given, "RWMutex() takes no arguments: it starts unlocked")

    def __cinit__(self):
        self.units = self.unused = PY_SSIZE_T_MAX

    def lock(self):
        """Locks it for writing; await it, or make it a case of ``select``. As ``Mutex.lock``.

        Example::

            rw = RWMutex()
            await rw.lock()
            rw.unlock()
        """
        return grant_op(self, ALL)

    def rlock(self):
        """Locks it for reading; await it, or make it a case of ``select``. As ``Mutex.lock``.

        Example::

            rw = RWMutex()
            await rw.rlock()
            await rw.rlock()
            rw.runlock()
            rw.runlock()
        """
        return grant_op(self, None)

    def try_lock(self):
        """Locks it for writing if that needs no wait: True if it did. Any thread."""
        return gate_try(self, PY_SSIZE_T_MAX)

    def try_rlock(self):
        """Locks it for reading if that needs no wait, not even behind a writer: True if it did. Any thread."""
        return gate_try(self, 1)

    def lock_blocking(self, timeout=None):
        """``lock`` for threads without an event loop. As ``Mutex.lock_blocking``."""
        thread_block(grant_op(self, ALL), timeout, "lock_blocking()", "use async with rw, or await rw.lock()")

    def rlock_blocking(self, timeout=None):
        """``rlock`` for threads without an event loop. As ``Mutex.lock_blocking``."""
        thread_block(grant_op(self, None), timeout, "rlock_blocking()", "use async with rw.rlocker(), or await rw.rlock()")

    def unlock(self):
        """Unlocks it for writing. Any thread. RuntimeError if no writer has it."""
        writer_unlock(self)

    def runlock(self):
        """Gives back what ``rlock`` took. Any thread. RuntimeError if no reader has it."""
        reader_unlock(self)

    def locked(self):
        """Whether a writer has it. Any thread; out of date at once."""
        return self.unused == 0

    @property
    def readers(self):
        """How many readers have it. Any thread; out of date at once."""
        return 0 if self.unused == 0 else self.units - self.unused

    def rlocker(self):
        """The lock for readers, with the methods of a ``Mutex``. Go's ``RWMutex.RLocker``.

        Example::

            readers = RWMutex().rlocker()
            async with readers:
                print(readers.try_lock())  # -> True
        """
        cdef RLocker view = RLocker.__new__(RLocker)
        view.rw = self
        return view

    @property
    def waiting(self):
        """How many wait for the lock, readers and writers. Any thread; out of date at once."""
        return self.waiters.count

    def __aenter__(self):
        return grant_enter(self, PY_SSIZE_T_MAX)

    def __aexit__(self, type, value, traceback):
        writer_unlock(self)
        return done_op()

    def __enter__(self):
        thread_block(grant_op(self, ALL), None, "with", "use async with")

    def __exit__(self, type, value, traceback):
        writer_unlock(self)

    def __repr__(self):
        state = "locked" if self.unused == 0 else f"readers={self.units - self.unused}"
        return f"<RWMutex {state} waiting={self.waiters.count}>"

    def __reduce_ex__(self, protocol):
        no_copy(self)


cdef class RLocker:
    """The readers' side of an ``RWMutex``, from ``rlocker()``.

    Example::

        print(RWMutex().rlocker())  # -> <RLocker of <RWMutex readers=0 waiting=0>>
    """

    def lock(self):
        """As ``RWMutex.rlock``."""
        return self.rw.rlock()

    def try_lock(self):
        """As ``RWMutex.try_rlock``."""
        return self.rw.try_rlock()

    def lock_blocking(self, timeout=None):
        """As ``RWMutex.rlock_blocking``."""
        self.rw.rlock_blocking(timeout)

    def unlock(self):
        """As ``RWMutex.runlock``."""
        reader_unlock(self.rw)

    def __aenter__(self):
        return grant_enter(self.rw, 1)

    def __aexit__(self, type, value, traceback):
        reader_unlock(self.rw)
        return done_op()

    def __enter__(self):
        thread_block(grant_op(self.rw, None), None, "with", "use async with")

    def __exit__(self, type, value, traceback):
        reader_unlock(self.rw)

    def __repr__(self):
        return f"<RLocker of {self.rw!r}>"


cdef object checked_units(Weighted gate, object n):
    # What an op carries for n units.
    if type(n) is not int:
        raise TypeError(f"n is a whole number of units, got {n!r} of type {type(n).__name__}")
    if n < 0:
        raise ValueError(f"n is a number of units, 0 or more; got {n}")
    return None if n == 1 else min(n, ALL)


cdef int weighted_release(Weighted sem, Py_ssize_t units, object given) except -1:
    if not gate_release(sem, units):
        raise ValueError(f"release of {given} units, but {sem.units - sem.unused} are taken")
    return 0


cdef class Weighted(Gate):
    """Weighted(size)\n--\n\n\
    A semaphore of ``size`` units, of which each waiter takes as many as it needs. Go's ``semaphore.Weighted``.

    ``async with sem:`` takes one unit; on threads ``with``. Waiters are served in the order in which they came, so a large
    request is not starved by small ones. A request for more than ``size`` waits until it is cancelled, and holds up
    nobody. TypeError or ValueError unless ``size`` is a whole number, 0 or more.

    Example::

        sem = Weighted(3)
        await sem.acquire(2)
        print(sem.try_acquire(2))  # -> False
        sem.release(2)
    """

    def __init__(self, size):
        if type(size) is not int:
            raise TypeError(f"size is a whole number of units, got {size!r} of type {type(size).__name__}")
        if not 0 <= size < ALL:
            raise ValueError(f"size is a number of units, 0 or more; got {size}")
        if self.flags & C_MADE:
            raise RuntimeError("a semaphore is made once")
        self.flags |= C_MADE
        self.units = self.unused = size

    def acquire(self, n=1):
        """Takes ``n`` units; await it, or make it a case of ``select``. Go's ``Acquire``.

        Cancelled, none is taken; units that were given before the cancel are held, and the cancel comes at the next wait.

        Example::

            sem = Weighted(1)
            await sem.acquire()
            sem.release()
        """
        units = checked_units(self, n)
        if units is not None and <Py_ssize_t>units > self.units:
            return new_op(W_RECV, NIL)  # in no queue: it holds up nobody
        return grant_op(self, units)

    def try_acquire(self, n=1):
        """Takes ``n`` units if that needs no wait: True if it did. Any thread. Go's ``TryAcquire``."""
        units = checked_units(self, n)
        return gate_try(self, 1 if units is None else units)

    def acquire_blocking(self, n=1, timeout=None):
        """``acquire`` for threads without an event loop. ``timeout``: seconds, None to wait for ever; else TimeoutError.

        Example::

            sem = Weighted(2)
            sem.acquire_blocking(2, timeout=1)
        """
        thread_block(self.acquire(n), timeout, "acquire_blocking()", "use await sem.acquire()")

    def release(self, n=1):
        """Gives ``n`` units back. Any thread. ValueError if fewer are taken. Go's ``Release``."""
        units = checked_units(self, n)
        weighted_release(self, 1 if units is None else units, n)

    @property
    def size(self):
        """How many units there are."""
        return self.units

    @property
    def free(self):
        """How many units are not taken. Any thread; out of date at once."""
        return self.unused

    @property
    def waiting(self):
        """How many wait for units, but for those that want more than ``size``. Any thread; out of date at once."""
        return self.waiters.count

    def __aenter__(self):
        return self.acquire() if self.units == 0 else grant_enter(self, 1)

    def __aexit__(self, type, value, traceback):
        weighted_release(self, 1, 1)
        return done_op()

    def __enter__(self):
        self.acquire_blocking()

    def __exit__(self, type, value, traceback):
        weighted_release(self, 1, 1)

    def __repr__(self):
        return f"<Weighted size={self.units} free={self.unused} waiting={self.waiters.count}>"

    def __reduce_ex__(self, protocol):
        no_copy(self)
