# heap.pyx - alarms in a binary heap, earliest first.
#
# Invariants: heap[i] is not later than its children; waiter.index == i for the one at i. The heap owns its waiters.
# Threads: `lock` guards the heap, into which another thread may put the alarm of an after() channel.
# Not here: adding an alarm, and the loop timer behind the heap (timers.pyx).

cdef inline bint alarm_earlier(Alarm* a, Alarm* b) noexcept:
    return a.when < b.when or (a.when == b.when and a.order < b.order)


cdef inline void heap_place(Alarm* heap, Py_ssize_t i, Alarm alarm) noexcept:
    heap[i] = alarm
    if goish_is(alarm.waiter, <PyObject*>Op):
        (<Op>alarm.waiter).index = <uint32_t>i
    else:
        (<Handle>alarm.waiter).index = <uint32_t>i


cdef void sift_up(Alarm* heap, Py_ssize_t i, Alarm alarm) noexcept:
    cdef Py_ssize_t parent
    while i > 0:
        parent = (i - 1) >> 1
        if not alarm_earlier(&alarm, &heap[parent]):
            break
        heap_place(heap, i, heap[parent])
        i = parent
    heap_place(heap, i, alarm)


cdef void sift_down(Alarm* heap, Py_ssize_t count, Py_ssize_t i, Alarm alarm) noexcept:
    cdef Py_ssize_t child = 2 * i + 1
    while child < count:
        if child + 1 < count and alarm_earlier(&heap[child + 1], &heap[child]):
            child += 1
        if not alarm_earlier(&heap[child], &alarm):
            break
        heap_place(heap, i, heap[child])
        i = child
        child = 2 * i + 1
    heap_place(heap, i, alarm)


cdef inline bint is_linked(PyObject* waiter) noexcept:
    if goish_is(waiter, <PyObject*>Op):
        return (<Op>waiter).flags & F_LINKED
    return (<Handle>waiter).linked


cdef void timers_take(Timers* t, PyObject* waiter) noexcept:
    cdef Py_ssize_t i
    cdef Alarm last
    if goish_is(waiter, <PyObject*>Op):
        (<Op>waiter).flags = (<Op>waiter).flags & ~F_LINKED
        i = (<Op>waiter).index
    else:
        (<Handle>waiter).linked = False
        i = (<Handle>waiter).index
    t.count -= 1
    last = t.heap[t.count]
    if i < t.count:
        if i > 0 and alarm_earlier(&last, &t.heap[(i - 1) >> 1]):
            sift_up(t.heap, i, last)
        else:
            sift_down(t.heap, t.count, i, last)


cdef bint timers_pop(Timers* t, double latest, PyObject** waiter) noexcept:
    # Pops the earliest alarm, with its reference, unless it is later than that.
    cdef bint due
    goish_lock(&t.lock)
    due = t.count > 0 and t.heap[0].when <= latest
    if due:
        waiter[0] = t.heap[0].waiter
        timers_take(t, waiter[0])
    goish_unlock(&t.lock)
    return due


cdef double timers_first(Timers* t) noexcept:
    # When the earliest goes off; infinite if there is none.
    cdef double when
    goish_lock(&t.lock)
    when = t.heap[0].when if t.count > 0 else INFINITY
    goish_unlock(&t.lock)
    return when


cdef void timers_remove(Timers* t, PyObject* waiter) noexcept:
    # The heap's reference is dropped: the caller holds one.
    cdef bint was
    goish_lock(&t.lock)
    was = is_linked(waiter)
    if was:
        timers_take(t, waiter)
    goish_unlock(&t.lock)
    if was:
        Py_DECREF(<object>waiter)
