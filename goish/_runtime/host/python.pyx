# python.pyx - calling Python where the core may not raise; raising what a C function has left; loops, Contexts and frames.
#
# Threads: any.

cdef object pending_exception():
    # Gives the exception that a noexcept function left set.
    cdef PyObject* exc = goish_take_exception()
    if exc == NULL:
        return SystemError("goish: an operation failed without saying why")
    error = <object>exc
    Py_DECREF(error)
    return error


cdef object raise_pending():
    raise pending_exception()


cdef object call_checked(PyObject* result):
    # Gives the owned result of a call; raises what it raised.
    if result == NULL:
        raise_pending()
    value = <object>result
    Py_DECREF(value)
    return value


cdef object as_exception(object typ, object val, object tb):
    if isinstance(typ, BaseException):
        exc = typ
    elif isinstance(val, BaseException):
        exc = val
    elif val is None:
        exc = typ()
    else:
        exc = typ(*val) if isinstance(val, tuple) else typ(val)
    return exc if tb is None else exc.with_traceback(tb)


cdef tuple exc_info(object error):
    # Gives logging a triple: it would ask an exception whether it is true, and some do not know.
    return type(error), error, error.__traceback__


cdef void add_note(object error, str note) noexcept:
    # Adds a note once. The exception is what counts: a class may refuse attributes (a frozen dataclass does) or its notes differ.
    try:
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
    except BaseException as exc:
        logger.debug("%r takes no note: %r", type(error), exc)


cdef object cancelled_error(object msg):
    return CancelledError() if msg is None else CancelledError(msg)


# ---- loops ----

cdef object context_keyword = ("context",)


cdef object running_loop():
    return asyncio_running_loop()


cdef object need_loop(str what, str instead=""):
    loop = asyncio_running_loop()
    if loop is None:
        raise RuntimeError(
            f"{what}, but no event loop runs on this thread: start the program with goish.run(main), "
            f"or call from within asyncio.run(...){instead}"
        )
    return loop


cdef bint is_closed(object loop) noexcept:
    try:
        return loop.is_closed()
    except BaseException:
        return False  # as when there is no room for another call


cdef object loop_call_retry(object loop, object call, tuple args, object context):
    # Calls a method of a loop where nothing may be raised. A signal handler may raise in its midst (Ctrl-C): then it is called
    # again, since the other side waits, and the exception is raised in a turn of the loop. False: the loop is closed. None:
    # it takes nothing on this thread, where the recursion limit is near, or memory is out: inbox_poke() tries elsewhere.
    cdef int _attempt
    cdef object handle = None
    cdef object error = None
    for _attempt in range(2):
        try:
            handle = call(*args, context=context)
            if handle is None:  # as call_soon_threadsafe of some loops gives
                handle = True
            break
        except BaseException as exc:
            if not isinstance(exc, (RecursionError, MemoryError)):
                error = exc
        if is_closed(loop):
            return False
    if error is not None:
        raise_later(loop, error)
    return handle


cdef void raise_later(object loop, object error) noexcept:
    try:
        loop.call_soon_threadsafe(_raise_error, error)
    except BaseException:
        try:
            logger.error("%r does not take a callback", loop, exc_info=exc_info(error))
        except BaseException:
            pass


def _raise_error(error):
    raise error


# ---- contexts ----

cdef object checked_context(object context):
    if context is None:
        return PyContext_CopyCurrent()
    if not PyContext_CheckExact(context):
        raise TypeError(f"context must be a contextvars.Context, got {context!r} of type {type(context).__name__}")
    return context


cdef inline object own_context(Scheduler s):
    # The Context of a callback. Where the loop is run from within, the one of the callback that does so is entered already.
    return VarContext() if s.nests else s.base


def thread_frames():
    """The frames of all threads, as ``sys._current_frames()`` gives them; none while there are other interpreters. Any thread.

    CPython makes frame objects for the threads of those as well, in the memory of this one. Such a thread frees its frame
    object, which aborts the process.
    """
    # With the GIL no other interpreter begins between the question and the call: no Python code runs here.
    if PyInterpreterState_Next(PyInterpreterState_Head()) != NULL:
        return {}
    return sys._current_frames()
