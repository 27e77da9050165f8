# fields.pyx - the fields of a goroutine that mean one thing in each state, by what they mean.
#
# `wait` has the arguments while CALLED, what is waited for while WAITING, the outcome once DONE. `coro` has the Call of a pool's
# goroutine until that ends or a loop has made its coroutine; of others the function while CALLED; then the coroutine. Debug
# builds check the state.
# Threads: as the fields: the scheduler's own, but for an outcome, which any thread may read, and a Call: pooled_call() is for the
#   thread that has claimed it, or holds the lock of its pool.

cdef inline void check_state(Goroutine g, bint holds) noexcept:
    if GOISH_DEBUG and not holds:
        Py_FatalError("goish: a field of a goroutine was taken for what it is in another state")


cdef inline tuple call_arguments(Goroutine g):
    check_state(g, g.state == G_CALLED)
    return <tuple>g.wait


cdef inline PyObject* awaited_op(Goroutine g) noexcept:
    # Borrowed: the op that it waits for. NULL: it does not wait, or waits for a future of asyncio.
    return <PyObject*>g.wait if g.state == G_WAITING and goish_is(<PyObject*>g.wait, <PyObject*>Op) else NULL


cdef inline object goroutine_outcome(Goroutine g):
    # Its result or its exception.
    check_state(g, goish_load_state(&g.state) == G_DONE)
    return g.wait


cdef inline Call pooled_call(PyObject* g):
    # For a goroutine that is on no loop and not over, on a thread that keeps it so: see call_of() for all others.
    check_state(<Goroutine>g, goish_is(<PyObject*>(<Goroutine>g).coro, <PyObject*>Call))
    return <Call>(<Goroutine>g).coro
