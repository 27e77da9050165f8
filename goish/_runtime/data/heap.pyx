# heap.pyx - alarms in a heap, earliest first. A node has four children, which lie side by side: half the levels of a binary heap,
# and at each level a waiter somewhere in memory is told its place.
#
# Invariants: heap[i] is not later than its children, which begin at 4 * i + 1; waiter.index == i for the one at i. The heap owns
#   its waiters.
# Threads: `lock` guards the heap, into which another thread may put the alarm of an after() channel.
# Not here: the loop timer behind the heap (timers.pyx).

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
        parent = (i - 1) >> 2
        if not alarm_earlier(&alarm, &heap[parent]):
            break
        heap_place(heap, i, heap[parent])
        i = parent
    heap_place(heap, i, alarm)


cdef void sift_down(Alarm* heap, Py_ssize_t count, Py_ssize_t i, Alarm alarm) noexcept:
    cdef Py_ssize_t first = 4 * i + 1
    cdef Py_ssize_t child, sibling
    while first < count:
        child = first
        for sibling in range(first + 1, min(first + 4, count)):
            if alarm_earlier(&heap[sibling], &heap[child]):
                child = sibling
        if not alarm_earlier(&heap[child], &alarm):
            break
        heap_place(heap, i, heap[child])
        i = child
        first = 4 * i + 1
    heap_place(heap, i, alarm)


cdef inline bint is_linked(PyObject* waiter) noexcept:
    if goish_is(waiter, <PyObject*>Op):
        return (<Op>waiter).flags & F_LINKED
    return (<Handle>waiter).linked


cdef bint timers_insert(Timers* t, PyObject* waiter, double when) noexcept:
    # False: no memory.
    cdef Alarm* heap
    cdef Alarm alarm
    cdef Py_ssize_t size
    goish_lock(&t.lock)
    if t.count == t.size:
        size = 16 if t.size == 0 else 2 * t.size
        heap = <Alarm*>PyMem_Realloc(t.heap, <size_t>size * sizeof(Alarm))
        if heap == NULL:
            goish_unlock(&t.lock)
            return False
        t.heap = heap
        t.size = size
    alarm.when = when
    alarm.order = t.order
    alarm.waiter = waiter
    t.order += 1
    t.count += 1
    Py_INCREF(<object>waiter)
    if goish_is(waiter, <PyObject*>Op):
        (<Op>waiter).flags = (<Op>waiter).flags | F_LINKED
    else:
        (<Handle>waiter).linked = True
    sift_up(t.heap, t.count - 1, alarm)
    goish_unlock(&t.lock)
    return True


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
        if i > 0 and alarm_earlier(&last, &t.heap[(i - 1) >> 2]):
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
