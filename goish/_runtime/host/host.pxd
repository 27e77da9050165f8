# What goish's own modules do for the core. Each gives its functions as it is imported, through install_host().

@cython.final
cdef class Host:
    # _program/panics.py: what becomes of an exception that nobody awaits.
    cdef public object panic_of_call      # (goroutine, exception): of a call on a worker or on no loop. Any thread
    cdef public object panic_elsewhere    # (goroutine, exception): on a loop that goish.run does not own. Its thread
    cdef public object remind             # (goroutine): its handle is still held a second later. The thread of its loop
    cdef public object watch_failed       # (goroutine): it failed on a worker and is not awaited, but held. Any thread
    cdef public object end_program        # (goroutine, exception) -> whether that ended a program. Any thread
    # _threads/workers.py: the loops of plain workers.
    cdef public object new_loop           # (worker) -> a loop, for one that needs it after all
    cdef public object keep_loop          # (worker): runs it until its goroutines end, or the worker is picked
    cdef public object finish_loop        # (worker): on a thread that is no worker: runs it until they end, closes it
    cdef public object pump_loop          # (worker, op, seconds): runs it until the op is decided; its result
    # _threads/children.py
    cdef public object with_children      # (fn, cancels, is_async) -> fn that ends with the goroutines that it has started
    # _threads/default.py
    cdef public object make_default_pool  # (): when a call needs it, and there is none
    # _context/: blocks, and deadlines that no loop looks after.
    cdef public object make_scope         # (ctx) -> a Scope
    cdef public object watch_deadline     # (ctx): has a worker's loop cancel it in time. Any thread

cdef Host host
