# event.pyx - Event and Latch, as programs see them.
#
# An event is a counter of one or zero. A latch is a counter that goes down only.
# Not here: how they wait for zero (counter.pyx).
# Threads: any.

cdef class Event(Counter):
    """Event()\n--\n\n\
    A flag to wait for, for goroutines, asyncio tasks on any loops, and threads.

    ``set`` wakes all waiters, wherever they wait. It is ``asyncio.Event`` and ``threading.Event`` in one; in Go it is a
    channel that is closed.

    Example::

        ready = Event()

        async def waiter(name):
            await ready.wait()
            return name

        waiters = [go(waiter, name) for name in ("a", "b")]
        ready.set()
        print(await wait_all(*waiters))  # -> ('a', 'b')
    """

    def __init__(self, *given):
        refuse_arguments(given, "Event() takes no arguments: it starts unset, and set() sets it; a counter is Latch(n)")

    def __cinit__(self):
        self.n = 1

    def set(self):
        """Sets it, and wakes all waiters. Any thread; nothing happens if it is set already.

        Example::

            ready = Event()
            ready.set()
            print(ready.is_set())  # -> True
        """
        counter_set(self, 0)

    def clear(self):
        """Makes it unset. Any thread. A waiter that was woken before is not affected."""
        counter_set(self, 1)

    def is_set(self):
        """Whether it is set. Any thread; out of date at once."""
        cdef bint is_set
        goish_lock(&self.lock)  # to see what was done before it was set
        is_set = self.n == 0
        goish_unlock(&self.lock)
        return is_set

    def wait(self):
        """Waits until it is set; await it, or make it a case of ``select``, which gives None and True.

        A cancel ends the wait only.

        Example::

            stop = Event()
            print(await select(stop.wait(), after(0.001).recv(), biased=True) != (0, None, True))  # -> True
        """
        return new_op(W_EVENT, self)

    def wait_blocking(self, timeout=None):
        """``wait`` for threads without an event loop: blocks the calling thread until it is set.

        ``timeout``: seconds, None to wait for ever. TimeoutError if it is not set by then; SyncOnLoop on a thread whose
        event loop runs. Ctrl-C ends the wait.

        Example::

            ready = Event()
            ready.set()
            ready.wait_blocking(timeout=1)
        """
        thread_block(new_op(W_EVENT, self), timeout, "wait_blocking()", "use await event.wait()")

    @property
    def waiting(self):
        """How many wait until it is set. Any thread; out of date at once."""
        return self.waiters.count

    def __repr__(self):
        return f"<Event {'set' if self.n == 0 else 'unset'} waiting={self.waiters.count}>"

    def __reduce_ex__(self, protocol):
        raise TypeError("an Event cannot be copied or pickled: its copies would be set apart")


cdef class Latch(Counter):
    """Latch(count)\n--\n\n\
    Waits until ``count`` things have happened, once. Java's ``CountDownLatch``.

    It counts down and never up; at zero it is open for good. TypeError or ValueError unless ``count`` is a whole number, 0
    or more.

    Example::

        started = Latch(2)

        async def work():
            started.count_down()

        go(work)
        go(work)
        await started.wait()
        print(started.count)  # -> 0
    """

    def __init__(self, count):
        checked_latch(count, "count", 0)
        if self.flags & C_MADE:
            raise RuntimeError("a latch is made once")
        self.flags |= C_MADE
        self.n = count

    def count_down(self, n=1):
        """Takes ``n`` off the count; at zero all waiters are woken. Any thread. Gives the count that is left.

        ValueError if fewer are left, and then nothing is taken; TypeError or ValueError unless ``n`` is a whole number, 1
        or more.

        Example::

            latch = Latch(2)
            print(latch.count_down(), latch.count_down())  # -> 1 0
        """
        checked_latch(n, "n", 1)
        left = counter_add(self, -<Py_ssize_t>n)
        if left < 0:
            raise ValueError(f"count_down of {n}, but {self.n} are left")
        return left

    def wait(self):
        """Waits until the count is zero; await it, or make it a case of ``select``, which gives None and True.

        A cancel ends the wait only.

        Example::

            await Latch(0).wait()
        """
        return new_op(W_LATCH, self)

    def wait_blocking(self, timeout=None):
        """``wait`` for threads without an event loop. As ``Event.wait_blocking``."""
        thread_block(new_op(W_LATCH, self), timeout, "wait_blocking()", "use await latch.wait()")

    @property
    def count(self):
        """How many things are still missing. Any thread; out of date at once."""
        return self.n

    @property
    def waiting(self):
        """How many wait until the count is zero. Any thread; out of date at once."""
        return self.waiters.count

    def __repr__(self):
        return f"<Latch count={self.n} waiting={self.waiters.count}>"

    def __reduce_ex__(self, protocol):
        raise TypeError("a Latch cannot be copied or pickled: its copies would count apart")


cdef int checked_latch(object n, str name, Py_ssize_t least) except -1:
    if type(n) is not int:
        raise TypeError(f"{name} is a whole number, {least} or more; got {n!r} of type {type(n).__name__}")
    if not least <= n <= PY_SSIZE_T_MAX:
        raise ValueError(f"{name} is a whole number, {least} or more; got {n}")
    return 0
