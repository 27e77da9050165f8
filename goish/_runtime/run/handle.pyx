# handle.pyx - a callback that waits for its turn: what a goish loop's call_soon and call_later give, and what sched_post() sends
# to any loop.
#
# Invariant: the thread that takes a handle out of H_WAITING empties it, no other.
# Threads: the loop's own; cancel() from any.

cdef enum:
    H_WAITING
    H_RAN
    H_CANCELLED


cdef class Handle:
    """What ``loop.call_soon`` of a goish loop gives; as ``asyncio.Handle``."""

    def cancel(self):
        """Takes the callback back, if it has not been called yet."""
        if goish_swap_state(&self.state, H_WAITING, H_CANCELLED):
            if self.linked:
                timers_remove(&self.sched.alarms, <PyObject*>self)
            handle_over(self)
        else:
            goish_store_state(&self.state, H_CANCELLED)

    def cancelled(self):
        """Whether ``cancel`` was called."""
        return goish_load_state(&self.state) == H_CANCELLED

    def get_context(self):
        """The contextvars.Context in which the callback is called."""
        return self.context

    @property
    def _cancelled(self):
        return goish_load_state(&self.state) == H_CANCELLED

    def __repr__(self):
        name = type(self).__name__
        when = f" when={self.due}" if isinstance(self, TimerHandle) else ""
        if self.state != H_WAITING:
            return f"<{name} {'ran' if self.state == H_RAN else 'cancelled'}{when}>"
        return f"<{name}{when} {_format_callback_source(self.callback, self.args)}>"


cdef Handle handle_new(Scheduler s, object callback, object args, object context):
    cdef Handle h = Handle.__new__(Handle)
    h.sched = s
    h.callback = callback
    h.args = args
    h.context = PyContext_CopyCurrent() if context is None else context
    # A waiting handle is a root, as a goroutine is: tens of thousands may wait at once, and the collector need not look at them.
    # Nothing else holds the tuple.
    goish_untrack(<PyObject*>h)
    goish_untrack(<PyObject*>args)
    return h


cdef void handle_over(Handle h) noexcept:
    # The caller ended the handle's wait. The handle holds nothing any more: without the GIL it is freed only when the
    # thread that made it runs Python again, and with it the collector does not see what it holds.
    if h.owns_context:
        goish_retrack(<PyObject*>h.context)
        h.owns_context = False
    h.callback = h.args = h.context = h.sched = None


cdef void handle_dropped(Handle h) noexcept:
    # The handle never runs any more.
    if goish_swap_state(&h.state, H_WAITING, H_CANCELLED):
        handle_over(h)


cdef void handle_run(Handle h) except *:
    # Errors go where those of every callback of a loop go.
    cdef bint entered = False
    if not goish_swap_state(&h.state, H_WAITING, H_RAN):
        return
    callback, args, context, s = h.callback, h.args, h.context, h.sched
    handle_over(h)
    try:
        if context is not (<Scheduler>s).base:  # in which turn_run() runs
            if PyContext_Enter(<PyObject*>context) < 0:
                raise_pending()
            entered = True
        call_checked(PyObject_Vectorcall(<PyObject*>callback, goish_tuple_items(<PyObject*>args), len(<tuple>args), NULL))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as exc:
        what = _format_callback_source(callback, args)
        (<Scheduler>s).loop.call_exception_handler({"message": f"Exception in callback {what}", "exception": exc, "handle": h})
    finally:
        if entered:
            PyContext_Exit(<PyObject*>context)
