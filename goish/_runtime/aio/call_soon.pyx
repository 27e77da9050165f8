# call_soon.pyx - call_soon and call_soon_threadsafe of a goish loop.
#
# Threads: call_soon from the loop's own, as asyncio has it; call_soon_threadsafe from any: where the loop does not run, through
#   its inbox.
# Not here: the order in which the loop calls (drain.pyx).

cdef PyObject* loop_call_soon(PyObject* self, PyObject** args, size_t n, PyObject* kwnames) noexcept:
    # As the interpreter hands a call over: `n` positional arguments, behind them those named in `kwnames`.
    try:
        handle = asked_soon(scheduler_at(<object>self), args, <Py_ssize_t>n, kwnames)
    except BaseException as exc:
        goish_raise(<PyObject*>exc)
        return NULL
    Py_INCREF(handle)
    return <PyObject*>handle


cdef object asked_soon(Scheduler s, PyObject** args, Py_ssize_t n, PyObject* kwnames):
    cdef object context = None
    if s.debug or n == 0 or not is_context_only(kwnames):
        return call_checked(PyObject_Vectorcall(<PyObject*>s.call_soon, args, <size_t>n, kwnames))
    if goish_is(args[0], <PyObject*>Wake) and not (<Wake>args[0]).queued and (not GOISH_LOCKS or is_here(s)):
        turn_push(s, args[0])
        (<Wake>args[0]).queued = True
        Py_INCREF(<object>args[0])
        return None  # asyncio's futures, which call this, look at no handle
    if kwnames != NULL:
        context = <object>args[n]
    h = handle_new(s, <object>args[0], goish_tuple_of(args + 1, n - 1), context)
    if GOISH_LOCKS and not is_here(s):
        queue_elsewhere(s, h)
        return h
    turn_push(s, <PyObject*>h)
    Py_INCREF(h)
    return h


cdef inline bint is_context_only(PyObject* kwnames) noexcept:
    if kwnames == NULL or kwnames == <PyObject*>context_keyword:
        return True
    return len(<tuple>kwnames) == 1 and (<tuple>kwnames)[0] == "context"


cdef int queue_elsewhere(Scheduler s, Handle h) except -1:
    Py_INCREF(h)
    if not inbox_push(s, <PyObject*>h):
        raise RuntimeError("Event loop is closed")
    return 0


cdef object asked_soon_threadsafe(Scheduler s, object callback, tuple args, object context):
    if s.debug:
        return s.call_soon_threadsafe(callback, *args, context=context)
    h = handle_new(s, callback, args, context)
    if not is_run_here(s):  # not is_here(): another thread may begin to run a loop of this one at any moment
        queue_elsewhere(s, h)
        return h
    # A signal handler may ask while the loop sleeps: the loop below is woken, not only given the call.
    turn_arm(s, s.call_soon_threadsafe)
    turn_after_inbox(s)
    turn_link(s, <PyObject*>h)
    Py_INCREF(h)
    return h
