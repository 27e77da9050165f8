# runq.pyx - the two queues of a loop: goroutines that are ready, and the turns of a goish loop.
#
# The run queue has the goroutines of go() and what channels wake; a drain runs it in slices (drain.pyx).
# asyncio keeps one queue: task steps, call_soon, done callbacks and the wake-ups by futures run in the order in which they were
# asked for, and what is asked for during a turn runs in the next. A loop of new_event_loop() keeps this queue here and gives
# the loop below it one callback a turn. A task's step is then a place in the queue, not a Handle.
#
# Invariants: if the run queue is not empty, a drain is running or on its way (armed). If the queue of turns is not empty, the
#   loop below is about to call turn_run() (turns.armed).
# Threads: the loop's own. In debug mode, and on loops that are not goish's, tasks take their steps by handles of the loop: the
#   same order, at the loop's own price.
# Not here: what puts goroutines, steps and callbacks into them (ready.pyx); timers (timers.pyx).

cdef bint post_callback(Scheduler s, object callback) noexcept:
    # Has the loop call one of our callbacks. False: it is closed, or another thread calls it in a moment.
    cdef PyObject* args[2]
    cdef PyObject* handle
    if s.dead:
        return False
    args[0] = <PyObject*>callback
    base = own_context(s)
    args[1] = <PyObject*>base
    handle = PyObject_Vectorcall(<PyObject*>s.call_soon, args, 1, <PyObject*>context_keyword)
    if handle != NULL:
        Py_DECREF(<object>handle)
        return True
    # Closed: nothing runs there any more, and the waker must not suffer for it. Otherwise it was a signal handler, or there is no
    # room for a call.
    error = pending_exception()
    taken = loop_call_retry(s.loop, s.call_soon, (callback,), own_context(s))
    if taken is False:
        s.dead = True
        return False
    if taken is None:
        inbox_poke(s)
    if not isinstance(error, (RecursionError, MemoryError)):
        raise_later(s.loop, error)
    return taken is not None


# ---- goroutines ----

cdef inline void run_push(Scheduler s, PyObject* g) noexcept:
    (<Goroutine>g).link.next = NULL
    if s.run_tail == NULL:
        s.run_head = g
    else:
        (<Goroutine>s.run_tail).link.next = g
    s.run_tail = g


cdef inline PyObject* run_pop(Scheduler s) noexcept:
    cdef PyObject* g = s.run_head
    s.run_head = (<Goroutine>g).link.next
    if s.run_head == NULL:
        s.run_tail = NULL
    return g


cdef inline void arm_drain(Scheduler s) noexcept:
    if not s.armed and (not s.draining or s.nests):
        s.armed = post_callback(s, s.drain_callback)


# ---- turns ----

cdef inline bint has_turns(Scheduler s) noexcept:
    return s.is_ours and not s.debug


cdef inline void turn_link(Scheduler s, PyObject* item) noexcept:
    link_of(item)[0] = NULL
    if s.turns.tail == NULL:
        s.turns.head = item
    else:
        link_of(s.turns.tail)[0] = item
    s.turns.tail = item
    s.turns.count += 1


cdef inline PyObject* turn_pop(Scheduler s) noexcept:
    cdef PyObject* item = s.turns.head
    s.turns.head = link_of(item)[0]
    if s.turns.head == NULL:
        s.turns.tail = NULL
    s.turns.count -= 1
    return item


cdef inline int turn_arm(Scheduler s, object call) except -1:
    # `call`: the own call_soon, or call_soon_threadsafe, of the loop below. Raises what that raises: the loop is closed.
    cdef PyObject* args[2]
    if s.turns.armed:
        return 0
    base = own_context(s)
    args[0] = <PyObject*>s.turn_callback
    args[1] = <PyObject*>base
    call_checked(PyObject_Vectorcall(<PyObject*>call, args, 1, <PyObject*>context_keyword))
    s.turns.armed = True
    return 0


cdef void turn_push_late(Scheduler s, PyObject* item) noexcept:
    # For where nothing may be raised.
    turn_link(s, item)
    if not s.turns.armed:
        s.turns.armed = post_callback(s, s.turn_callback)
