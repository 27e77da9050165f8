# core.pxd - the types of the runtime, and the C that Cython cannot say. The parts and their order: core.pyx.
#
# The floors are files of their own and one translation unit: calls between them are plain C calls, freelists keep working
# for every type, and types may refer to each other (measured: a buffered send + recv costs a sixth less than with one
# extension module per file).

from cpython.object cimport PyObject, PyTypeObject
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
cimport cython

cdef class Op
cdef class Chan

cdef extern from "c/goish.h":
    # goish.h: checks of invariants, compiled in or not
    int GOISH_DEBUG

    # build.h: what the core was built by and for
    const char* GOISH_COMPILER
    int GOISH_FREE_THREADED
    unsigned int CYTHON_HEX_VERSION  # Cython's own

    # refcount.h: without counting
    bint goish_is(PyObject* o, PyObject* type) noexcept

    # tls.h: what a thread knows of itself
    PyObject* goish_tls_sched
    PyObject* goish_tls_worker
    int goish_tls_spent

    # random.h: the order of a select's cases
    uint64_t goish_tls_random
    uint64_t goish_random() noexcept

    # clock.h: the clock of all timeouts
    double goish_monotonic() noexcept
    double goish_uvloops() noexcept
    double goish_uvloops_lead() noexcept
    bint GOISH_UVLOOP_DIFFERS

    # atomics.h: states, flags, pointers, counters, numbers
    bint goish_swap_state(uint8_t* state, uint8_t before, uint8_t after) noexcept
    uint8_t goish_load_state(uint8_t* state) noexcept
    void goish_store_state(uint8_t* state, uint8_t to) noexcept
    void goish_set_bits(uint8_t* flags, uint8_t bits) noexcept
    void goish_clear_bits(uint8_t* flags, uint8_t bits) noexcept
    PyObject* goish_load_pointer(PyObject** pointer) noexcept
    void goish_store_pointer(PyObject** pointer, PyObject* to) noexcept
    void goish_count(Py_ssize_t* n, Py_ssize_t by) noexcept
    Py_ssize_t goish_counted(Py_ssize_t* n) noexcept
    void goish_count_anywhere(Py_ssize_t* n, Py_ssize_t by) noexcept
    uint64_t goish_number(uint64_t* n) noexcept
    uint64_t goish_number_swap(uint64_t* n, uint64_t to) noexcept
    uint64_t goish_number_add(uint64_t* n, uint64_t by) noexcept
    uint64_t goish_number_and(uint64_t* n, uint64_t bits) noexcept
    uint64_t goish_number_or(uint64_t* n, uint64_t bits) noexcept
    bint goish_number_cas(uint64_t* n, uint64_t before, uint64_t after) noexcept
    uint64_t goish_next_id() noexcept
    uint64_t goish_next(uint64_t* last) noexcept

    # lock.h: a PyMutex without the GIL, nothing with it
    ctypedef struct goish_mutex:
        pass
    int GOISH_LOCKS
    void goish_lock(goish_mutex* m) noexcept
    void goish_unlock(goish_mutex* m) noexcept
    goish_mutex* goish_stripe(PyObject* o) noexcept
    void goish_free_stripes() noexcept

    # gil.h: threads that are due to have the GIL, and lending it
    Py_ssize_t goish_due
    void goish_is_due() noexcept
    void goish_has_come() noexcept
    void goish_forget_due() noexcept
    void goish_lend(double seconds) noexcept
    bint goish_alone() noexcept
    long goish_switches() noexcept

    # spin.h: staying awake for a moment
    int goish_most_spinning
    int goish_spinning
    bint goish_spin_for(uint8_t* flag) noexcept

    # park.h: a thread that waits
    void goish_unpark(void* park_lock) noexcept
    void goish_free_park_lock(void* park_lock) noexcept
    int goish_park(void* park_lock, double seconds, bint interruptible) noexcept

    # gc.h: out of the cyclic collector and back
    bint goish_only_ref_is_mine(PyObject* o) noexcept
    bint goish_untrack(PyObject* o) noexcept
    void goish_retrack(PyObject* o) noexcept

    # chan.h: the values in a channel's ring
    ctypedef struct Ring:
        PyObject** slots
        Py_ssize_t head
        Py_ssize_t count
        Py_ssize_t size
    ctypedef Ring* (*goish_ring_of)(PyObject* chan)
    void goish_collect_ring(
        PyTypeObject* chan_type, PyTypeObject* priority_type, PyTypeObject* feed_type, goish_ring_of ring
    ) noexcept

    # goroutine.h: attributes, the last words, the end
    void goish_install_finalizer(
        PyTypeObject* goroutine_type, bint (*is_unretrieved)(PyObject*) noexcept, void (*report)(PyObject*) noexcept
    ) noexcept
    void goish_take_attributes(
        PyTypeObject* goroutine_type, Py_ssize_t offset,
        void (*attribute_set)(PyObject*) noexcept, void (*retrack)(PyObject*) noexcept
    ) noexcept
    void goish_free_goroutines_flat(PyTypeObject* goroutine_type) noexcept

    # exceptions.h: taking and raising them as they are
    PyObject* goish_take_exception() noexcept
    void goish_raise(PyObject* exc) noexcept
    void goish_raise_here(PyObject* exc) noexcept

    # step.h: how the interpreter steps an op
    ctypedef int (*goish_step)(PyObject* op, PyObject** result)
    ctypedef PyObject* (*goish_awaiter)(PyObject* op)
    int goish_install_slots(PyTypeObject* op_type, goish_step step, goish_awaiter awaiter) except -1

    # op.h: ops at rest, and their end
    int GOISH_OP_PLAIN, GOISH_OP_TAKEN, GOISH_OP_NESTS, GOISH_OP_FORGOTTEN, GOISH_OP_FORSAKEN
    Op goish_make_op()
    void goish_take_three(PyObject** behind, PyObject** held) noexcept
    int goish_recycle_ops(
        PyTypeObject* op_type, int (*fate)(PyObject*, PyObject**) noexcept, const char* (*name)(PyObject*) noexcept,
        const char* (*on_thread)(PyObject*) noexcept,
        void (*forsake)(PyObject*) noexcept, bint (*finalized)(PyObject*) noexcept, void (*taken_apart)(PyObject*) noexcept
    ) except -1

    # types.h: types that only the runtime makes
    void goish_forbid_new(PyTypeObject* type) noexcept
    void goish_forbid_subclasses(PyTypeObject* type) noexcept
    bint goish_is_heap_type(PyObject* type) noexcept
    void goish_name_type(PyObject* type, PyObject* name) noexcept

    # calls.h: what calling a function will make; methods without a tuple and a dict
    bint goish_deferrable(PyObject* fn, Py_ssize_t n) noexcept
    int goish_makes_coroutine(PyObject* fn) noexcept
    bint goish_has_await(PyObject* o) noexcept
    tuple goish_tuple_of(PyObject** items, Py_ssize_t n)
    PyObject** goish_tuple_items(PyObject* t) noexcept
    ctypedef PyObject* (*goish_vectorcall)(PyObject* self, PyObject** args, size_t nargsf, PyObject* kwnames) noexcept
    void goish_call_fast(PyTypeObject* type, Py_ssize_t offset) noexcept
    int goish_method_fast(PyTypeObject* type, const char* name, goish_vectorcall call) except -1

    # explain.h: the error for keywords that a callable does not take
    int goish_explain(
        PyObject* called, void (*explainer)(PyObject*, PyObject**, Py_ssize_t, PyObject*) noexcept
    ) except -1

    # frames.h: where a goroutine was created
    PyObject* goish_caller(int* lasti) noexcept
    void goish_know_own_files(PyObject* directory, PyObject* beginning) noexcept
    PyObject* goish_user_frame(int* lasti) noexcept

include "data/ring.pxd"
include "data/waitq.pxd"
include "data/heap.pxd"
include "data/atomic.pxd"
include "data/map.pxd"
include "host/host.pxd"
include "run/op.pxd"
include "run/waiter.pxd"
include "run/goroutine.pxd"
include "run/handle.pxd"
include "run/runq.pxd"
include "aio/clock.pxd"
include "run/inbox.pxd"
include "threads/pool.pxd"
include "run/lend.pxd"
include "run/sched.pxd"
include "threads/thread_wait.pxd"
include "chan/chan.pxd"
include "chan/feed.pxd"
include "chan/context.pxd"
include "chan/counter.pxd"
include "chan/waitgroup.pxd"
include "chan/event.pxd"
include "chan/gate.pxd"
include "chan/bucket.pxd"
include "chan/nursery.pxd"
include "chan/cond.pxd"
include "chan/select.pxd"
include "net/conn.pxd"
include "net/acceptor.pxd"
