# clock.pyx - Clock, the base class of a goish loop, with call_later and call_at: the timers of asyncio's libraries on the
# scheduler's heap.
#
# Every timeout of every library is such a timer. The loop's own costs five objects that the collector goes through, and on
# uvloop a timer of libuv; here it is a place in the heap behind the scheduler's one loop timer.
#
# Invariants: a waiting handle is in its scheduler's heap, which owns it; the collector sees neither it nor its Context. A handle
#   that is over holds nothing.
# Threads: the loop's own, as asyncio has it; call_soon_threadsafe() from any.
# Not here: call_soon and call_soon_threadsafe (call_soon.pyx), the heap (timers.pyx), handles (handle.pyx).

@cython.final
cdef class TimerHandle(Handle):
    """What ``loop.call_later`` gives; as ``asyncio.TimerHandle``."""

    def when(self):
        """When it is due, in seconds of the loop's clock."""
        return self.due


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
            return new_timer(s, sched_clock(s) + seconds, callback, args, context)
        return call_later_below(s, delay, callback, args, context)

    def call_at(self, when, callback, *args, context=None):
        """As ``asyncio.loop.call_at``."""
        cdef Scheduler s = scheduler_at(self)
        cdef double due
        if when is None:
            raise TypeError("when cannot be None")
        due = when
        if takes_timer(s, due - sched_clock(s)):
            return new_timer(s, due, callback, args, context)
        return call_later_below(s, due - self.time(), callback, args, context)

    def call_soon_threadsafe(self, callback, *args, context=None):
        """As ``asyncio.loop.call_soon_threadsafe``."""
        return asked_soon_threadsafe(scheduler_at(self), callback, args, context)

    def call_soon(self, callback, *args, context=None):
        """As ``asyncio.loop.call_soon``."""
        raise NotImplementedError  # loop_call_soon (call_soon.pyx) takes its place

    def set_debug(self, enabled):
        """As ``asyncio.loop.set_debug``. What runs in debug mode, the loop's own checks see one by one."""
        super(Clock, self).set_debug(enabled)
        s = scheduler_made(self)
        if s is not None:
            (<Scheduler>s).debug = self.get_debug()

    def close(self):
        """As ``asyncio.loop.close``; what is still due is forgotten."""
        super(Clock, self).close()
        s = scheduler_made(self)  # None: it was closed before
        if s is not None:
            (<Scheduler>s).abandon()  # for a caller that has gone past Scheduler._close, to the class


cdef object loops_call_later(object loop):
    # Gives the loop's own call_later, which makes a timer of its own.
    if not isinstance(loop, Clock):
        return loop.call_later
    if not isinstance(loop, BaseEventLoop):
        return super(Clock, loop).call_later
    call_at = super(Clock, loop).call_at  # on which asyncio's own call_later calls back
    return partial(_call_later, loop, call_at)


def _call_later(loop, call_at, delay, callback, *args, context=None):
    return call_at(loop.time() + delay, callback, *args, context=context)


cdef object call_later_below(Scheduler s, object delay, object callback, tuple args, object context):
    # uvloop calls a timer of less than half a millisecond in its next turn, behind the callbacks that stand there already.
    if s.coarse_timers and delay < LEAST_DELAY and not s.loop.is_closed():
        return s.loop.call_soon(callback, *args, context=context)
    return s.call_later(delay, callback, *args, context=context)


cdef bint takes_timer(Scheduler s, double seconds) except -1:
    # The other timers are the loop's: those due in this turn or the next, for its order; those never due; those of debug mode.
    return LEAST_DELAY <= seconds < FAR and not s.get_debug() and not s.loop.is_closed()


cdef TimerHandle new_timer(Scheduler s, double due, object callback, tuple args, object context):
    cdef TimerHandle t = TimerHandle.__new__(TimerHandle)
    t.callback = callback
    t.args = args
    t.sched = s
    t.due = due
    if context is None:
        t.context = PyContext_CopyCurrent()
        t.owns_context = goish_untrack(<PyObject*>t.context)
    else:
        t.context = checked_context(context)
    if not timers_add(s, <PyObject*>t, due):
        raise MemoryError
    goish_untrack(<PyObject*>t)
    return t
