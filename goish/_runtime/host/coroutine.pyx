# coroutine.pyx - what counts as a coroutine, and the errors for what is none.
#
# Threads: any.

cdef inline bint is_coro(object o) except -1:
    # A generator of types.coroutine is a coroutine in all but its type. asyncio.Task takes it up to 3.11 only.
    return PyCoro_CheckExact(o) or other_coroutine(o)


cdef bint other_coroutine(object o) except -1:
    if PyGen_CheckExact(o):
        return <int>o.gi_code.co_flags & CO_ITERABLE_COROUTINE != 0
    return goish_has_await(<PyObject*>o) and isinstance(o, Coroutine)


def is_coroutine(value):
    """Whether ``go`` takes ``value`` as a coroutine, started or not."""
    return is_coro(value)


cdef object check_coroutine(object coro):
    if not is_coro(coro):
        return None
    state = state_of(coro)
    if state is not None:
        raise RuntimeError(f"go() needs a coroutine that has not started; {coro!r} {state}")
    return coro


cdef str state_of(object coro):
    # The reason why `coro` cannot start; None: it can. A class of the program's own that does not tell counts as new.
    cdef str prefix = "gi_" if PyGen_CheckExact(coro) else "cr_"
    if getattr(coro, prefix + "running", False):
        return "is running already"
    if getattr(coro, prefix + "suspended", False) or getattr(coro, "cr_await", None) is not None:  # Cython's have the latter only
        return "was started already"
    return "is finished" if getattr(coro, prefix + "frame", coro) is None else None


cdef dict ADVICE = {
    "name": "a goroutine is named by go.options(name=...)(fn), go_thread.options(name=...)(fn)",
    "context": "a context is given by go.options(context=...)(fn), go_thread.options(context=...)(fn)",
    "on_panic": "what a panic does is said by go.options(on_panic=...)(fn), go_thread.options(on_panic=...)(fn)",
    "children": "what becomes of the goroutines that a call leaves is said by go_thread.options(children=...)(fn)",
    "timeout": "a timeout is asyncio.timeout(seconds) around the await; on a thread, result_blocking(timeout=seconds)",
}


cdef object with_advice(object error, object keywords):
    # The caller meant the keyword for goish, and the function does not take it.
    if type(error) is TypeError and error.args and "keyword" in f"{error.args[0]}":
        for keyword in keywords:
            if keyword in ADVICE:
                error.add_note(f"goish: keywords go to the function; {ADVICE[keyword]}")
    return error
