# ring.pyx - the values in a channel: a circle, first in, first out; or the heap of a PriorityChan.
#
# Invariants: size is 0 or a power of two; count <= size; slots outside of head .. head+count hold nothing owned; of a heap head
#   is 0.
# Threads: the owner's lock guards it. Nothing here runs user code or can trigger the collector (PyMem, not PyObject_GC).
# Not here: what a value means, and the waiters of a channel (transfer.pyx).

cdef int ring_reserve(Ring* r) except -1:
    # Makes room for one more, so that ring_push cannot fail.
    if r.count < r.size:
        return 0
    cdef Py_ssize_t size = 8 if r.size == 0 else r.size * 2
    cdef PyObject** slots = <PyObject**>PyMem_Malloc(<size_t>size * sizeof(void*))
    if slots == NULL:
        raise MemoryError
    cdef Py_ssize_t i
    for i in range(r.count):
        slots[i] = r.slots[(r.head + i) & (r.size - 1)]
    PyMem_Free(r.slots)
    r.slots = slots
    r.size = size
    r.head = 0
    return 0


cdef inline void ring_push(Ring* r, PyObject* item) noexcept:
    # Steals item; needs a reserved slot.
    r.slots[(r.head + r.count) & (r.size - 1)] = item
    r.count += 1


cdef inline PyObject* ring_pop(Ring* r) noexcept:
    # Gives an owned reference; count > 0.
    cdef PyObject* item = r.slots[r.head]
    r.head = (r.head + 1) & (r.size - 1)
    r.count -= 1
    return item


cdef inline PyObject* ring_head(Ring* r) noexcept:
    # Borrowed; count > 0.
    return r.slots[r.head]


cdef void ring_trim(Ring* r) noexcept:
    # An empty circle frees the slots that a burst made it take.
    PyMem_Free(r.slots)
    r.slots = NULL
    r.size = r.head = 0


cdef inline bint heap_before(PyObject* a, PyObject* b) noexcept:
    cdef Prioritized x = <Prioritized>a
    cdef Prioritized y = <Prioritized>b
    return x.priority < y.priority or (x.priority == y.priority and x.order < y.order)


cdef void heap_push(Ring* r, PyObject* item) noexcept:
    # Like ring_push, for Prioritized items.
    cdef Py_ssize_t i = r.count
    cdef Py_ssize_t parent
    r.count += 1
    while i > 0:
        parent = (i - 1) >> 1
        if not heap_before(item, r.slots[parent]):
            break
        r.slots[i] = r.slots[parent]
        i = parent
    r.slots[i] = item


cdef PyObject* heap_pop(Ring* r) noexcept:
    cdef PyObject* top = r.slots[0]
    r.count -= 1
    cdef PyObject* last = r.slots[r.count]
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t child = 1
    while child < r.count:
        if child + 1 < r.count and heap_before(r.slots[child + 1], r.slots[child]):
            child += 1
        if not heap_before(r.slots[child], last):
            break
        r.slots[i] = r.slots[child]
        i = child
        child = 2 * i + 1
    r.slots[i] = last
    return top


cdef goish_mutex empty_lock() noexcept:
    cdef goish_mutex lock
    memset(&lock, 0, sizeof(lock))
    return lock
