# instead.pyx - advice for keywords that goish does not take and other libraries do, such as timeout and maxsize.
#
# A call pays nothing for it until it has failed and gave keywords (goish_explain, c/explain.h).

cdef str TIMEOUT = "a timeout is a case, select(..., after(seconds).recv()), or asyncio.timeout(seconds) around the await"
cdef str ON_A_THREAD = f"{TIMEOUT}; on a thread without an event loop"

cdef dict INSTEAD = {
    ("select", "timeout"): f"{ON_A_THREAD} it is select_blocking(..., timeout=seconds)",
    ("try_select", "timeout"): "it does not wait; await select(..., after(seconds).recv()) does",
    ("try_select", "default"): "it does not wait: nothing ready is (-1, None, False)",
    ("recv", "timeout"): f"{ON_A_THREAD} it is recv_blocking(timeout=seconds)",
    ("recv_ok", "timeout"): f"{ON_A_THREAD} it is recv_ok_blocking(timeout=seconds)",
    ("recv_info", "timeout"): f"{ON_A_THREAD} it is recv_info_blocking(timeout=seconds)",
    ("wait_closed", "timeout"): f"{ON_A_THREAD} it is select_blocking(ch.wait_closed(), timeout=seconds)",
    ("send", "timeout"): f"{ON_A_THREAD} it is send_blocking(value, timeout=seconds)",
    ("send", "priority"): "only the values of a PriorityChan have one",
    ("send", "block"): "what does not wait is try_send(value)",
    ("recv", "block"): "what does not wait is try_recv()",
    ("try_send", "timeout"): f"it does not wait; await send(value) does: {TIMEOUT}",
    ("try_recv", "timeout"): f"it does not wait; await recv() does: {TIMEOUT}",
    ("try_recv_ok", "timeout"): f"it does not wait; await recv() does: {TIMEOUT}",
    ("wait", "timeout"): "asyncio.timeout(seconds) around the await; on a thread wait_blocking(timeout=seconds)",
    ("lock", "timeout"): f"{ON_A_THREAD} it is lock_blocking(timeout=seconds)",
    ("rlock", "timeout"): f"{ON_A_THREAD} it is rlock_blocking(timeout=seconds)",
    ("acquire", "timeout"): f"{ON_A_THREAD} it is acquire_blocking(n, timeout=seconds)",
    ("recv_many", "timeout"): "linger=seconds is how long it waits for more than one; asyncio.timeout(seconds) ends the await",
}
INSTEAD.update({
    (maker, size): "the capacity is the first argument, as in chan(8)"
    for maker in ("chan", "Chan", "PriorityChan")
    for size in ("maxsize", "max_size", "size", "cap", "buffer", "buffer_size", "max_buffer_size")
})


cdef void explain_keywords(PyObject* called, PyObject** args, Py_ssize_t n, PyObject* keywords) noexcept:
    # Replaces the exception of a failed call if there is advice. The ops among its arguments are refused with it.
    cdef Py_ssize_t i
    error = pending_exception()
    try:
        if isinstance(error, TypeError):
            for i in range(n):
                refuse_op(<object>args[i])
            error = keywords_explained(error, (<object>called).__name__, <tuple>keywords)
    except BaseException as exc:
        error = exc
    goish_raise(<PyObject*>error)


cdef object keywords_explained(object error, str name, tuple keywords):
    if "keyword" not in f"{error}":
        return error  # what is wrong is a value
    for keyword in keywords:
        if (name, keyword) in INSTEAD:
            return TypeError(f"{name}() takes no {keyword}: {INSTEAD[name, keyword]}")
    return error


cdef int explain_all() except -1:
    names = {name for name, _keyword in INSTEAD}
    for called in (select, try_select, select_blocking, chan, Chan, PriorityChan):
        goish_explain(<PyObject*>called, explain_keywords)
    for cls in (Chan, PriorityChan, ChanView, SendChan, RecvChan, WaitGroup, Event, Latch, Mutex, RWMutex, RLocker, Weighted):
        for name in names & vars(cls).keys():
            method = vars(cls)[name]
            goish_explain(<PyObject*>method, explain_keywords)
