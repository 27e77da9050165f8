# clock.pyx - call_later and call_at of a goish loop: the timers of asyncio's libraries on the scheduler's heap.
#
# Every timeout of every library is such a timer. The loop's own costs five objects that the collector goes through, and on
# uvloop a timer of libuv; here it is a place in the heap behind the one loop timer that there is.
#
# Invariants: a waiting handle is in its scheduler's heap, which owns it; the collector sees neither it nor its Context. One that
#   is over holds nothing.
# Threads: the loop's own, as asyncio has it.

cdef enum:
    T_WAITING
    T_RAN
    T_CANCELLED


@cython.final
@cython.freelist(64)
cdef class TimerHandle:
    """What ``loop.call_later`` gives; as ``asyncio.TimerHandle``."""

    def cancel(self):
        """Takes the callback back, if it has not been called yet."""
        if self.state == T_WAITING:
            timers_remove(self.sched, <PyObject*>self)
            timer_over(self, T_CANCELLED)
        elif self.state == T_RAN:
            self.state = T_CANCELLED

    def cancelled(self):
        """Whether ``cancel`` was called."""
        return self.state == T_CANCELLED

    def when(self):
        """When it is due, in seconds of the loop's clock."""
        return self.due

    def get_context(self):
        """The contextvars.Context in which the callback is called."""
        return self.context

    def __repr__(self):
        if self.state != T_WAITING:
            return f"<TimerHandle {'ran' if self.state == T_RAN else 'cancelled'} when={self.due}>"
        return f"<TimerHandle when={self.due} {_format_callback_source(self.callback, self.args)}>"


cdef void timer_over(TimerHandle t, uint8_t state) noexcept:
    t.state = state
    if t.owns_context:
        goish_gc_return(<PyObject*>t.context)
    t.callback = t.args = t.context = None


cdef void timer_run(TimerHandle t) except *:
    # Errors go where those of every callback of a loop go.
    callback, args, context = t.callback, t.args, t.context
    timer_over(t, T_RAN)
    try:
        if PyContext_Enter(<PyObject*>context) < 0:
            raise_pending()
        try:
            callback(*args)
        finally:
            PyContext_Exit(<PyObject*>context)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as exc:
        what = _format_callback_source(callback, args)
        t.sched.loop.call_exception_handler({"message": f"Exception in callback {what}", "exception": exc, "handle": t})


cdef class Clock:
    """The timers of a loop of ``new_event_loop``: a base class that overrides the loop's own."""

    def call_later(self, delay, callback, *args, context=None):
        """As ``asyncio.loop.call_later``."""
        cdef Scheduler s = scheduler_at(self)
        cdef double seconds
        if delay is None:
            raise TypeError("delay must not be None")
        seconds = delay
        if takes_timer(s, seconds):
            return new_timer(s, clock(s) + seconds, callback, args, context)
        return s.call_later(delay, callback, *args, context=context)

    def call_at(self, when, callback, *args, context=None):
        """As ``asyncio.loop.call_at``."""
        cdef Scheduler s = scheduler_at(self)
        cdef double due
        if when is None:
            raise TypeError("when cannot be None")
        due = when
        if takes_timer(s, due - clock(s)):
            return new_timer(s, due, callback, args, context)
        return s.call_later(due - self.time(), callback, *args, context=context)

    def close(self):
        """As ``asyncio.loop.close``; what is still due is forgotten."""
        super(Clock, self).close()
        drop_alarms(scheduler_of(self))


cdef object loops_call_later(object loop):
    # The loop's own, which makes a timer of its own.
    if not isinstance(loop, Clock):
        return loop.call_later
    if not isinstance(loop, BaseEventLoop):
        return super(Clock, loop).call_later
    call_at = super(Clock, loop).call_at  # on which asyncio's own call_later calls back
    return lambda delay, callback, *args, context=None: call_at(loop.time() + delay, callback, *args, context=context)


cdef inline Scheduler scheduler_at(object loop):
    if goish_tls_sched != NULL and (<Scheduler>goish_tls_sched).loop is loop:
        return <Scheduler>goish_tls_sched
    return scheduler_of(loop)


cdef bint takes_timer(Scheduler s, double seconds) except -1:
    # The others are the loop's: what is due in this turn or next, for its order; what is never due; what debug mode checks.
    return LEAST_DELAY <= seconds < FAR and not s.get_debug() and not s.loop.is_closed()


cdef TimerHandle new_timer(Scheduler s, double due, object callback, tuple args, object context):
    cdef TimerHandle t = TimerHandle.__new__(TimerHandle)
    t.callback = callback
    t.args = args
    t.sched = s
    t.due = due
    if context is None:
        t.context = PyContext_CopyCurrent()
        t.owns_context = goish_gc_take(<PyObject*>t.context)
    else:
        t.context = checked_context(context)
    if not timers_add(s, <PyObject*>t, due):
        raise MemoryError
    goish_gc_take(<PyObject*>t)
    return t
