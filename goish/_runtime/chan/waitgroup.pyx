# waitgroup.pyx - Go's sync.WaitGroup, as programs see it.
#
# Not here: how it waits for zero (counter.pyx).
# Threads: any.

cdef int wg_add(WaitGroup wg, Py_ssize_t n) except -1:
    if counter_add(wg, n) < 0:
        if n > 0:
            raise OverflowError(f"a WaitGroup counts to 2**63 - 1: the counter is {wg.n} and {n} are added")
        raise ValueError(
            f"negative WaitGroup counter: the counter is {wg.n} and {-<object>n} done; call add() (or go()) before the work "
            "starts, and done() once for each"
        )
    return 0


cdef int wg_leave(object wg) except -1:
    return wg_add(<WaitGroup>wg, -1)


cdef class WaitGroup:
    """WaitGroup()\n--\n\n\
    Waits until a number of goroutines are done. Go's ``sync.WaitGroup``.

    Starts at zero and may be used again and again. ``add``, ``done`` and ``count`` from any thread; ``wait`` and ``go``
    need an event loop on this one.

    Example::

        async def work(n):
            await sleep(0.001 * n)

        wg = WaitGroup()
        for n in range(3):
            wg.go(work, n)
        await wg.wait()
        print(wg.count)  # -> 0
    """

    def __init__(self, *given):
        refuse_arguments(
            given, "WaitGroup() takes no arguments: it starts at zero; wg.add(n) counts up, and so does wg.go(fn)"
        )

    def add(self, n=1):
        """Adds ``n`` to the counter; ``n`` may be negative. At zero every waiter is woken. Any thread.

        ValueError if the counter would become negative; it then stays as it is. Call it before the work starts, not in
        it: goroutines whose ``wait`` is over, but that have not run yet, do not wait for what comes then (in debug mode a
        RuntimeWarning says so).

        Example::

            wg = WaitGroup()
            wg.add(2)
            wg.done()
            print(wg.count)  # -> 1
        """
        if not isinstance(n, int) and not hasattr(n, "__index__"):
            raise TypeError(f"add() takes a whole number, got {n!r} of type {type(n).__name__}")
        if self.noted is not None and n > 0:
            counter_tell(self)
        wg_add(self, n)

    def done(self):
        """Takes one off the counter, as ``add(-1)``: ValueError below zero, any thread."""
        wg_add(self, -1)

    def wait(self):
        """Waits until the counter is zero; await it. Gives None, at once if it is zero.

        A cancel ends the wait only: the counter stays, and the goroutines go on. Any number may wait, on any loop.

        Example::

            wg = WaitGroup()
            await wg.wait()
        """
        return new_op(W_WAITGROUP, self)

    def wait_blocking(self, timeout=None):
        """``wait`` for threads without an event loop: blocks the calling thread until the counter is zero.

        ``timeout``: seconds, None to wait for ever. TimeoutError if it was not zero by then; SyncOnLoop on a thread whose
        event loop runs. Ctrl-C ends the wait.

        Example::

            wg = WaitGroup()
            wg.wait_blocking(timeout=1)
        """
        thread_block(new_op(W_WAITGROUP, self), timeout, "wait_blocking()", "use await wg.wait()")

    def go(self, fn, /, *args, **kwargs):
        """Starts ``fn(*args, **kwargs)`` as a goroutine that counts here until it ends, also when it is cancelled.

        Returns its Goroutine; raises what ``go`` raises, and then counts nothing. Go's ``WaitGroup.Go``. As there, an
        exception is a panic and does not release ``wait``; where the program goes on (``on_panic="log"``), the counter
        is taken down.

        Example::

            async def work():
                return wg.count

            wg = WaitGroup()
            print(await wg.go(work))  # -> 1
        """
        raise NotImplementedError  # wg_go below takes its place

    @property
    def count(self):
        """The counter: how many ``done`` calls are still missing."""
        return self.n

    @property
    def waiting(self):
        """How many wait until the counter is zero. Any thread; out of date at once."""
        return self.waiters.count

    def __repr__(self):
        return f"<WaitGroup count={self.n} waiting={self.waiters.count}>"

    def __reduce_ex__(self, protocol):
        raise TypeError("a WaitGroup cannot be copied or pickled: its copies would count apart")


cdef PyObject* wg_go(PyObject* self, PyObject** args, size_t n, PyObject* kwnames) noexcept:
    try:
        if (<WaitGroup>self).noted is not None:
            counter_tell(<WaitGroup>self)
        g = go_start(args, <Py_ssize_t>n, kwnames, None, <object>self)
        wg_add(<WaitGroup>self, 1)
    except BaseException as exc:
        goish_raise(<PyObject*>exc)
        return NULL
    Py_INCREF(g)
    return <PyObject*>g
