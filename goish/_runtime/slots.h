/* slots.h - the only C of the runtime: what Cython cannot say.
 *
 * - SEND fast paths: am_send and tp_iternext of Op, with a StopIteration that is never allocated twice.
 * - the GIL: which threads are due to have it, lending it.
 * - locks: a PyMutex without the GIL; nothing with it, where the GIL is the critical section. The lock that a thread waits on.
 * - per-thread state: which scheduler drains here, the fast-path budget, the random state of select.
 * - GC: taking a live goroutine out of the cyclic collector and putting it back.
 *
 * Not here: any decision about channels or goroutines.
 */
#ifndef GOISH_SLOTS_H
#define GOISH_SLOTS_H

#include <Python.h>
#include <pythread.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#ifndef Py_GIL_DISABLED
#include <sched.h>
#include <sys/resource.h>
#endif

#ifndef GOISH_DEBUG
#define GOISH_DEBUG 0
#endif

/* ---- reference counts on 3.12 and 3.13 ---- */

/* There, Py_INCREF stores 32 bits and Py_DECREF loads 64: a processor cannot forward such a store to such a load, and waits until
 * the store is in its cache (5 ns each time; a sixth of a buffered send and receive). Loading 32 bits and storing all 64 is the
 * same arithmetic, for a count above 32 bits does not occur, and can be forwarded from and to either. */
#if PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030E0000 && SIZEOF_VOID_P > 4 && !defined(Py_GIL_DISABLED) \
    && !defined(Py_REF_DEBUG)
static inline Py_ALWAYS_INLINE void goish_incref(PyObject *o) {
    uint32_t count = o->ob_refcnt_split[PY_BIG_ENDIAN];
    if ((int32_t)count >= 0) o->ob_refcnt = (Py_ssize_t)count + 1; /* a negative one is immortal */
}
static inline Py_ALWAYS_INLINE void goish_decref(PyObject *o) {
    uint32_t count = o->ob_refcnt_split[PY_BIG_ENDIAN];
    if ((int32_t)count < 0) return;
    o->ob_refcnt = (Py_ssize_t)count - 1;
    if (count == 1) _Py_Dealloc(o);
}
static inline Py_ALWAYS_INLINE void goish_xdecref(PyObject *o) {
    if (o != NULL) goish_decref(o);
}
#undef Py_INCREF
#undef Py_DECREF
#undef Py_XDECREF
#define Py_INCREF(o) goish_incref(_PyObject_CAST(o))
#define Py_DECREF(o) goish_decref(_PyObject_CAST(o))
#define Py_XDECREF(o) goish_xdecref(_PyObject_CAST(o))
#endif

/* Exactly this type, without a reference being counted. */
#define goish_is(o, type) (Py_TYPE(o) == (PyTypeObject *)(type))

/* ---- per-thread state ---- */

/* A shared library reaches its thread-locals through a function call unless the model says otherwise. */
#if defined(__GLIBC__) && defined(__GNUC__)
#define GOISH_TLS static __thread __attribute__((tls_model("initial-exec")))
#elif defined(_MSC_VER)
#define GOISH_TLS static __declspec(thread)
#else
#define GOISH_TLS static __thread
#endif

GOISH_TLS PyObject *goish_tls_sched;   /* borrowed: the Scheduler that drains on this thread just now, or NULL */
GOISH_TLS PyObject *goish_tls_worker;  /* borrowed: the Worker that runs plain calls on this thread, or NULL */
GOISH_TLS int goish_tls_spent;         /* operations in a row that completed without yielding */
GOISH_TLS uint64_t goish_tls_random;   /* xorshift state; 0 = not seeded yet */
GOISH_TLS PyObject *goish_tls_stop;    /* ours: a StopIteration at rest, or NULL */

static inline uint64_t goish_random(void) {
    uint64_t x = goish_tls_random;
    if (x == 0) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        x = ((uint64_t)now.tv_nsec << 32) ^ (uint64_t)now.tv_sec ^ (uint64_t)(uintptr_t)&goish_tls_random;
        x |= 1;
    }
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    goish_tls_random = x;
    return x * 0x2545F4914F6CDD1DULL;
}

static inline double goish_monotonic(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- locks ---- */

#ifdef Py_GIL_DISABLED
typedef PyMutex goish_mutex;
#define goish_lock(m) PyMutex_Lock(m)
#define goish_unlock(m) PyMutex_Unlock(m)
#define GOISH_LOCKS 1
static inline int goish_swap_state(uint8_t *state, uint8_t from, uint8_t to) {
    return __atomic_compare_exchange_n(state, &from, to, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
static inline uint8_t goish_load_state(uint8_t *state) { return __atomic_load_n(state, __ATOMIC_ACQUIRE); }
static inline void goish_store_state(uint8_t *state, uint8_t to) { __atomic_store_n(state, to, __ATOMIC_RELEASE); }
static inline void goish_set_bits(uint8_t *flags, uint8_t bits) { __atomic_fetch_or(flags, bits, __ATOMIC_RELAXED); }
static inline void goish_clear_bits(uint8_t *flags, uint8_t bits) { __atomic_fetch_and(flags, (uint8_t)~bits, __ATOMIC_RELAXED); }
/* A number that one thread writes at a time, its own or under a lock, and any may read, a little late. */
static inline void goish_count(Py_ssize_t *n, Py_ssize_t by) {
    __atomic_store_n(n, __atomic_load_n(n, __ATOMIC_RELAXED) + by, __ATOMIC_RELAXED);
}
static inline Py_ssize_t goish_counted(Py_ssize_t *n) { return __atomic_load_n(n, __ATOMIC_RELAXED); }
/* ... and one that any thread writes. */
static inline void goish_count_anywhere(Py_ssize_t *n, Py_ssize_t by) { __atomic_fetch_add(n, by, __ATOMIC_RELAXED); }
/* Locks for objects that are too many to have one each: a goroutine's end, and its awaiters. */
#define GOISH_STRIPES 64
static goish_mutex goish_stripes[GOISH_STRIPES];
static inline goish_mutex *goish_stripe(PyObject *o) { return &goish_stripes[((uintptr_t)o >> 5) % GOISH_STRIPES]; }
static inline void goish_free_stripes(void) { memset(goish_stripes, 0, sizeof(goish_stripes)); }
#else
typedef char goish_mutex;
#define goish_lock(m) ((void)(m))
#define goish_unlock(m) ((void)(m))
#define GOISH_LOCKS 0
static inline int goish_swap_state(uint8_t *state, uint8_t from, uint8_t to) {
    if (*state != from) return 0;
    *state = to;
    return 1;
}
static inline uint8_t goish_load_state(uint8_t *state) { return *state; }
static inline void goish_store_state(uint8_t *state, uint8_t to) { *state = to; }
static inline void goish_set_bits(uint8_t *flags, uint8_t bits) { *flags |= bits; }
static inline void goish_clear_bits(uint8_t *flags, uint8_t bits) { *flags &= (uint8_t)~bits; }
static inline void goish_count(Py_ssize_t *n, Py_ssize_t by) { *n += by; }
static inline Py_ssize_t goish_counted(Py_ssize_t *n) { return *n; }
static inline void goish_count_anywhere(Py_ssize_t *n, Py_ssize_t by) { *n += by; }
static inline goish_mutex *goish_stripe(PyObject *o) {
    (void)o;
    return NULL;
}
static inline void goish_free_stripes(void) {}
#endif

/* ---- a thread that waits ---- */

/* To fall asleep and be woken costs 20 to 60 us, more than the wait itself where two threads talk to each other. So, as Go's
 * threads do, a thread whose last wait was short spins for a moment before it sleeps; one that waits for longer does
 * that once. Half of the processors may be busy so: none, if there is but one. */
#define GOISH_SPIN 30e-6   /* seconds */
#define GOISH_SHORT 200e-6 /* two wake-ups on a slow day */

GOISH_TLS double goish_tls_waited; /* seconds that this thread's last wait took */
static int goish_most_spinning;
static int goish_spinning;

#if defined(__x86_64__) || defined(__i386__)
#define goish_pause() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define goish_pause() __asm__ volatile("isb" ::: "memory")
#else
#define goish_pause() ((void)0)
#endif

/* With the GIL: a thread that was woken is due until it has it. The thread that lends the GIL waits for the baton, a lock that is
 * taken, which the next due thread to come releases. All under the GIL. */
#ifdef Py_GIL_DISABLED
#define goish_due ((Py_ssize_t)0)
static inline void goish_is_due(void) {}
static inline void goish_has_come(void) {}
static inline void goish_forget_due(void) {}
#else
static Py_ssize_t goish_due;
static PyThread_type_lock goish_baton;
static int goish_lending; /* a thread waits for the baton */
static inline void goish_is_due(void) { goish_due++; }
static inline void goish_has_come(void) {
    if (goish_due > 0) goish_due--; /* in a forked child the parent's are forgotten */
    if (!goish_lending) return;
    goish_lending = 0;
    PyThread_release_lock(goish_baton);
}
static inline void goish_forget_due(void) {
    goish_due = goish_lending = 0;
    goish_baton = NULL; /* in any state: another thread of the parent's may have been at it */
}
#endif

/* Wakes the thread that waits in goish_park, or is about to. */
static inline void goish_unpark(void *park_lock) {
    goish_is_due();
    PyThread_release_lock((PyThread_type_lock)park_lock);
}

static int goish_unparked(void *park_lock) { return PyThread_acquire_lock((PyThread_type_lock)park_lock, NOWAIT_LOCK); }
static int goish_is_set(void *flag) { return __atomic_load_n((uint8_t *)flag, __ATOMIC_ACQUIRE); }

/* Without the GIL: whether the flag was set in time. */
static int goish_spin(int (*come)(void *), void *what) {
    double until = goish_monotonic() + GOISH_SPIN;
    int seen = 0;
    if (__atomic_add_fetch(&goish_spinning, 1, __ATOMIC_RELAXED) <= goish_most_spinning)
        while (!(seen = come(what)) && goish_monotonic() < until)
            for (int i = 0; i < 20; i++) goish_pause();
    __atomic_sub_fetch(&goish_spinning, 1, __ATOMIC_RELAXED);
    return seen;
}

/* Spins for a moment, letting other threads run: whether another one has set the flag. */
static int goish_spin_for(uint8_t *flag) {
    int seen;
    Py_BEGIN_ALLOW_THREADS
    seen = goish_spin(goish_is_set, flag);
    Py_END_ALLOW_THREADS
    return seen;
}

/* Takes the lock, letting other threads run: 1 taken, 0 not within `seconds` or for now, -1 a signal came. Infinite seconds: for
 * ever. A signal that comes during a spin interrupts no system call: a thread that it must reach sleeps but briefly at first. */
static int goish_park(PyThread_type_lock park_lock, double seconds, int interruptible) {
    PY_TIMEOUT_T microseconds = -1;
    PyLockStatus status = PY_LOCK_FAILURE;
    double began = goish_monotonic();
    int spins = seconds > GOISH_SPIN && goish_tls_waited < GOISH_SHORT && goish_most_spinning > 0;
    if (seconds < 86400.0) /* longer ones in pieces: the caller asks again */
        microseconds = seconds > 0.0 ? (PY_TIMEOUT_T)(seconds * 1e6) + 1 : 0;
    else if (seconds <= 1e300)
        microseconds = (PY_TIMEOUT_T)86400 * 1000000;
    Py_BEGIN_ALLOW_THREADS
    if (spins && goish_spin(goish_unparked, park_lock))
        status = PY_LOCK_ACQUIRED;
    else
        status = PyThread_acquire_lock_timed(park_lock, microseconds, interruptible);
    goish_tls_waited = goish_monotonic() - began;
    Py_END_ALLOW_THREADS
    if (status == PY_LOCK_ACQUIRED) goish_has_come();
    return status == PY_LOCK_ACQUIRED ? 1 : status == PY_LOCK_INTR ? -1 : 0;
}

/* ---- the GIL, lent (lend.pyx) ---- */

#ifdef Py_GIL_DISABLED
static inline void goish_lend(double seconds) { (void)seconds; }
static inline int goish_alone(void) { return 1; }
static inline long goish_switches(void) { return 0; }
#else

/* Waits until the next thread that comes has released the baton. One thread waits for it at a time. */
static void goish_await_baton(double seconds) {
    int came;
    goish_lending = 1;
    Py_BEGIN_ALLOW_THREADS
    came = PyThread_acquire_lock_timed(goish_baton, (PY_TIMEOUT_T)(seconds * 1e6), 0) == PY_LOCK_ACQUIRED;
    Py_END_ALLOW_THREADS
    if (came) return;
    if (goish_lending)
        goish_lending = 0;
    else
        PyThread_acquire_lock(goish_baton, NOWAIT_LOCK); /* it came a moment later */
}

/* Lets other threads have the GIL: until one that is due has it, at most so many seconds; 0: those that run, or may run here. */
static void goish_lend(double seconds) {
    struct timespec nap = {0, (long)(seconds * 1e9)};
    if (goish_baton == NULL && (goish_baton = PyThread_allocate_lock()) != NULL) PyThread_acquire_lock(goish_baton, WAIT_LOCK);
    if (seconds > 0.0 && !goish_lending && goish_baton != NULL) {
        goish_await_baton(seconds);
        return;
    }
    Py_BEGIN_ALLOW_THREADS
    if (seconds > 0.0)
        nanosleep(&nap, NULL);
    else
        sched_yield();
    Py_END_ALLOW_THREADS
}

/* Whether no other thread has ever run Python here, or all that did have ended. */
static inline int goish_alone(void) {
    return PyThreadState_Next(PyInterpreterState_ThreadHead(PyInterpreterState_Get())) == NULL;
}

/* How often the other threads were taken from a processor so far, because they waited or because others had their turn. */
static long goish_switches(void) {
#ifdef RUSAGE_THREAD
    struct rusage all, mine;
    if (getrusage(RUSAGE_SELF, &all) == 0 && getrusage(RUSAGE_THREAD, &mine) == 0)
        return all.ru_nvcsw + all.ru_nivcsw - mine.ru_nvcsw - mine.ru_nivcsw;
#endif
    return 0; /* not known: others then get the GIL when they happen to run as the loop yields */
}
#endif

/* ---- is the caller's reference the last? ---- */

/* Whether only the caller holds the object. Without the GIL, the last reference, dropped by another thread than its maker, waits in
 * a queue until the maker runs Python again. With it there is no such time. */
static inline int goish_only_ref_is_mine(PyObject *o) {
#ifdef Py_GIL_DISABLED
    Py_ssize_t shared = __atomic_load_n(&o->ob_ref_shared, __ATOMIC_ACQUIRE);
    return Py_REFCNT(o) == 1 + ((shared & _Py_REF_SHARED_FLAG_MASK) == _Py_REF_QUEUED);
#else
    (void)o;
    return 0;
#endif
}

/* ---- the cyclic collector ---- */

/* Takes `o` out of the collector; returns whether it was in, so that goish_retrack may put it back.
 * Without the GIL a suspended frame may hold uncounted references that only the collector sees: leave it tracked. */
static inline int goish_untrack(PyObject *o) {
#ifdef Py_GIL_DISABLED
    (void)o;
    return 0;
#else
    if (!PyObject_GC_IsTracked(o)) return 0;
    PyObject_GC_UnTrack(o);
    return 1;
#endif
}

/* The deallocators of coroutine and Context untrack without asking: give both back before they are released. */
static inline void goish_retrack(PyObject *o) {
    if (!PyObject_GC_IsTracked(o)) PyObject_GC_Track(o);
}

/* The values in a channel's ring, which Cython cannot see, belong to the collector too. */
typedef struct {
    PyObject **slots;  /* owned references at head .. head+count (a heap: 0 .. count) */
    Py_ssize_t head;   /* always 0 in a heap */
    Py_ssize_t count;
    Py_ssize_t size;   /* allocated slots: 0 or a power of two */
} Ring;

typedef Ring *(*goish_ring_of)(PyObject *chan);
static goish_ring_of goish_chan_ring;
static traverseproc goish_chan_fields;
static inquiry goish_chan_clear_fields;

static int goish_chan_traverse(PyObject *self, visitproc visit, void *arg) {
    Ring *r = goish_chan_ring(self);
    for (Py_ssize_t i = 0; i < r->count; i++) Py_VISIT(r->slots[(r->head + i) & (r->size - 1)]);
    return goish_chan_fields(self, visit, arg);
}

static int goish_chan_clear(PyObject *self) {
    Ring *r = goish_chan_ring(self);
    while (r->count > 0) {
        PyObject *value = r->slots[r->head];
        r->head = (r->head + 1) & (r->size - 1);
        r->count--;
        Py_DECREF(value); /* Beware: may run user code. */
    }
    return goish_chan_clear_fields(self);
}

/* A channel may hold a channel that holds a channel ...: a million of them must not go down the C stack. From a certain depth
 * on, an object to free is put aside, and the outermost frees it. (CPython's trashcan allows 10,000 levels on 3.12 and 3.13,
 * which is more than the stack of a small thread.) */
typedef struct {
    PyObject *object;
    destructor release;
} goish_dying;

#define GOISH_DEEP 40

GOISH_TLS int goish_tls_depth;
GOISH_TLS goish_dying *goish_tls_dying;
GOISH_TLS Py_ssize_t goish_tls_dying_count, goish_tls_dying_size;

static int goish_put_aside(PyObject *self, destructor release) {
    if (goish_tls_dying_count == goish_tls_dying_size) {
        Py_ssize_t size = goish_tls_dying_size ? 2 * goish_tls_dying_size : 16;
        goish_dying *grown = (goish_dying *)PyMem_RawRealloc(goish_tls_dying, (size_t)size * sizeof(goish_dying));
        if (grown == NULL) return 0;
        goish_tls_dying = grown;
        goish_tls_dying_size = size;
    }
    goish_tls_dying[goish_tls_dying_count].object = self;
    goish_tls_dying[goish_tls_dying_count].release = release;
    goish_tls_dying_count++;
    return 1;
}

static void goish_free_flat(PyObject *self, destructor release) {
    PyObject_GC_UnTrack(self);
    if (goish_tls_depth >= GOISH_DEEP && goish_put_aside(self, release)) return;
    goish_tls_depth++;
    release(self);
    while (goish_tls_depth == 1 && goish_tls_dying_count > 0) {
        goish_dying next = goish_tls_dying[--goish_tls_dying_count];
        next.release(next.object);
    }
    goish_tls_depth--;
    if (goish_tls_depth == 0 && goish_tls_dying_size > 0) {
        PyMem_RawFree(goish_tls_dying);
        goish_tls_dying = NULL;
        goish_tls_dying_size = 0;
    }
}

static destructor goish_chan_free, goish_priority_free;
static void goish_chan_dealloc(PyObject *self) { goish_free_flat(self, goish_chan_free); }
static void goish_priority_dealloc(PyObject *self) { goish_free_flat(self, goish_priority_free); }

static void goish_collect_ring(PyTypeObject *chan_type, PyTypeObject *priority_type, goish_ring_of ring) {
    goish_chan_free = chan_type->tp_dealloc;
    goish_priority_free = priority_type->tp_dealloc;
    chan_type->tp_dealloc = goish_chan_dealloc;
    priority_type->tp_dealloc = goish_priority_dealloc;
    goish_chan_ring = ring;
    goish_chan_fields = chan_type->tp_traverse;
    goish_chan_clear_fields = chan_type->tp_clear;
    chan_type->tp_traverse = priority_type->tp_traverse = goish_chan_traverse;
    chan_type->tp_clear = priority_type->tp_clear = goish_chan_clear;
}

/* Results of results of results ...: the same for goroutines and ops. An op nests only if it holds one of the two. */
enum { GOISH_OP_PLAIN, GOISH_OP_TAKEN, GOISH_OP_NESTS, GOISH_OP_FORGOTTEN, GOISH_OP_FORSAKEN };
static destructor goish_goroutine_free, goish_op_free;
static newfunc goish_op_new;
static int (*goish_op_fate)(PyObject *op, PyObject **held);

/* A goroutine may have a failure to report before it goes: asked here, and by the collector, through tp_finalize. */
static int (*goish_goroutine_is_unretrieved)(PyObject *);
static void (*goish_goroutine_report)(PyObject *);

static void goish_goroutine_finalize(PyObject *self) {
    if (goish_goroutine_is_unretrieved(self)) goish_goroutine_report(self);
}

static void goish_install_finalizer(PyTypeObject *goroutine_type, int (*unseen)(PyObject *), void (*last_words)(PyObject *)) {
    goish_goroutine_is_unretrieved = unseen;
    goish_goroutine_report = last_words;
    goroutine_type->tp_finalize = goish_goroutine_finalize;
}

/* Attributes that the type does not know, in a dict that exists only once one is set. Cython would make one for each
 * goroutine, and with __getattr__ would keep the interpreter from caching any attribute. */
static Py_ssize_t goish_attributes;
static traverseproc goish_goroutine_fields;
static inquiry goish_goroutine_clear_fields;
static void (*goish_goroutine_attribute_set)(PyObject *);
static void (*goish_goroutine_retrack)(PyObject *); /* tracks again what it owns and has untracked */
#define GOISH_ATTRIBUTES(self) (*(PyObject **)((char *)(self) + goish_attributes))

static int goish_goroutine_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(GOISH_ATTRIBUTES(self));
    return goish_goroutine_fields(self, visit, arg);
}

static int goish_goroutine_clear(PyObject *self) {
    goish_goroutine_retrack(self);
    Py_CLEAR(GOISH_ATTRIBUTES(self));
    return goish_goroutine_clear_fields(self);
}

static int goish_goroutine_setattr(PyObject *self, PyObject *name, PyObject *value) {
    if (PyObject_GenericSetAttr(self, name, value) < 0) return -1;
    if (GOISH_ATTRIBUTES(self) != NULL) goish_goroutine_attribute_set(self);
    return 0;
}

static void goish_take_attributes(PyTypeObject *goroutine_type, Py_ssize_t offset, void (*attribute_set)(PyObject *),
                                  void (*retrack)(PyObject *)) {
    goish_attributes = offset;
    goish_goroutine_attribute_set = attribute_set;
    goish_goroutine_retrack = retrack;
    goroutine_type->tp_setattro = goish_goroutine_setattr;
    goish_goroutine_fields = goroutine_type->tp_traverse;
    goish_goroutine_clear_fields = goroutine_type->tp_clear;
    goroutine_type->tp_traverse = goish_goroutine_traverse;
    goroutine_type->tp_clear = goish_goroutine_clear;
    goroutine_type->tp_dictoffset = offset;
    PyType_Modified(goroutine_type);
}

static void goish_goroutine_release(PyObject *self) {
    goish_goroutine_retrack(self);
    Py_CLEAR(GOISH_ATTRIBUTES(self));
    goish_goroutine_free(self);
}

static void goish_goroutine_dealloc(PyObject *self) {
    if (goish_goroutine_is_unretrieved(self) && PyObject_CallFinalizerFromDealloc(self) < 0) return;
    goish_free_flat(self, goish_goroutine_release);
}

/* Every await makes an op, so ops that are done with are kept, reset and in the collector, each with the one reference that its
 * next user will own: neither malloc nor the collector's list is touched again. gc.get_objects() shows them; code that takes one
 * from there keeps it, because only an op with a single reference is used again. */
static PyTypeObject *goish_op_type;
static PyObject *goish_no_args; /* () */
#ifndef Py_GIL_DISABLED
#define GOISH_SPARE 256
static PyObject *goish_spare[GOISH_SPARE];
static int goish_spare_count;
#endif

static inline PyObject *goish_make_op(void) {
#ifndef Py_GIL_DISABLED
    while (goish_spare_count > 0) {
        PyObject *op = goish_spare[--goish_spare_count];
        if (Py_REFCNT(op) == 1) return op;
        Py_DECREF(op);
    }
#endif
    return goish_op_new(goish_op_type, goish_no_args, NULL);
}

/* The three references before `behind`: taken out, None in their place. */
static inline void goish_take_three(PyObject **behind, PyObject **held) {
    for (int i = 0; i < 3; i++) {
        held[i] = behind[i - 3];
        behind[i - 3] = Py_None;
#if PY_VERSION_HEX < 0x030C0000
        Py_INCREF(Py_None); /* immortal from then on */
#endif
    }
}

/* Frees what is reset already; `held` are the three references that it had. */
static inline void goish_spend_op(PyObject *self, PyObject **held, int taken) {
#ifndef Py_GIL_DISABLED
    if (goish_spare_count < GOISH_SPARE) {
#ifdef Py_REF_DEBUG
        _Py_NewReference(self);
#else
        Py_SET_REFCNT(self, 1);
#endif
        if (taken) goish_retrack(self);
        goish_spare[goish_spare_count++] = self;
        self = NULL;
    }
#endif
    if (self != NULL) PyObject_GC_UnTrack(self);
    /* Last, with the op whole again: they may run user code, which may take it. */
    Py_DECREF(held[0]);
    Py_DECREF(held[1]);
    Py_DECREF(held[2]);
    if (self != NULL) goish_op_free(self);
}

/* A forgotten await is the commonest mistake of all, and silent: nothing was sent, nothing received. */
static const char *(*goish_op_name)(PyObject *op);

static void goish_warn_forgotten(PyObject *self) {
    if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "goish: a '%s' was never awaited, so it has not happened", goish_op_name(self)) < 0)
        PyErr_WriteUnraisable(NULL);
}

/* A future that nothing refers to any more: its twin, which waits in its place, is withdrawn (op.pyx). */
static void (*goish_op_forsake)(PyObject *op);

static void goish_op_say(PyObject *self, void (*say)(PyObject *)) {
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *pending = PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
#endif
    say(self);
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(pending);
#else
    PyErr_Restore(type, value, traceback);
#endif
}

static void goish_op_dealloc(PyObject *self) {
    PyObject *held[3];
    int fate = goish_op_fate(self, held);
    if (fate <= GOISH_OP_TAKEN) {
        goish_spend_op(self, held, fate == GOISH_OP_TAKEN);
        return;
    }
    PyObject_GC_UnTrack(self); /* Python code runs here, and the collector must not meet what has no references */
    if (fate == GOISH_OP_FORGOTTEN && !PyErr_Occurred()) goish_op_say(self, goish_warn_forgotten); /* an exception on its way is the reason */
    if (fate == GOISH_OP_FORSAKEN) goish_op_say(self, goish_op_forsake);
    goish_free_flat(self, goish_op_free);
}

/* For an op in a garbage cycle: before the collector takes anything of the cycle apart, its twin included. An op that another
 * finalizer kept and that comes here again has no second call, and is taken apart: then no value can be saved. */
static int (*goish_op_finalized)(PyObject *op);
static void (*goish_op_taken_apart)(PyObject *op);
static inquiry goish_op_clear_fields;

static void goish_op_finalize(PyObject *self) {
#ifndef Py_GIL_DISABLED
    for (int i = 0; i < goish_spare_count; i++) /* another finalizer of the cycle has let go of it: as it is marked now, */
        if (goish_spare[i] == self) {           /* its next user would never be reported */
            goish_spare[i] = goish_spare[--goish_spare_count];
            Py_DECREF(self); /* the collector has it */
            break;
        }
#endif
    if (goish_op_finalized(self)) goish_op_say(self, goish_op_forsake);
}

static int goish_op_clear(PyObject *self) {
    goish_op_taken_apart(self);
    return goish_op_clear_fields(self);
}

static int goish_recycle_ops(PyTypeObject *op_type, int (*fate)(PyObject *, PyObject **),
                             const char *(*name)(PyObject *), void (*forsake)(PyObject *), int (*finalized)(PyObject *),
                             void (*taken_apart)(PyObject *)) {
    goish_no_args = PyTuple_New(0);
    if (goish_no_args == NULL) return -1;
    goish_op_type = op_type;
    goish_op_new = op_type->tp_new;
    goish_op_free = op_type->tp_dealloc;
    op_type->tp_dealloc = goish_op_dealloc;
    goish_op_fate = fate;
    goish_op_name = name;
    goish_op_forsake = forsake;
    goish_op_finalized = finalized;
    goish_op_taken_apart = taken_apart;
    op_type->tp_finalize = goish_op_finalize;
    goish_op_clear_fields = op_type->tp_clear;
    op_type->tp_clear = goish_op_clear;
    return 0;
}

static void goish_free_goroutines_flat(PyTypeObject *goroutine_type) {
    goish_goroutine_free = goroutine_type->tp_dealloc;
    goroutine_type->tp_dealloc = goish_goroutine_dealloc;
}

/* ---- exceptions ---- */

/* The raised exception, normalised and with its traceback: a new reference; the error indicator is clear after. */
static inline PyObject *goish_take_exception(void) {
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    PyErr_NormalizeException(&type, &value, &tb);
    if (tb != NULL) PyException_SetTraceback(value, tb);
    Py_XDECREF(type);
    Py_XDECREF(tb);
    return value;
#endif
}

/* Raises `exc` as it is: no context is chained, no traceback added. */
static inline void goish_raise(PyObject *exc) {
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(Py_NewRef(exc));
#else
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(exc)), Py_NewRef(exc), PyException_GetTraceback(exc));
#endif
}

/* Raises `exc` as a `raise` at this place of the program would: chained to the exception that is being handled. */
static inline void goish_raise_here(PyObject *exc) { PyErr_SetObject((PyObject *)Py_TYPE(exc), exc); }

/* ---- StopIteration that carries a value without being allocated ---- */

/* SEND on 3.12 and later takes an op's result from a raised StopIteration: it reads `value` and drops the exception.
 * A subtype whose deallocator keeps the object for the next use makes that a few nanoseconds, and the value is
 * released the moment the interpreter lets go of the exception. */
static PyTypeObject goish_StopType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "goish._runtime.StopIteration",
};

static void goish_stop_dealloc(PyObject *self) {
    PyStopIterationObject *stop = (PyStopIterationObject *)self;
    if (Py_TYPE(self) == &goish_StopType && goish_tls_stop == NULL && stop->traceback == NULL && stop->context == NULL
        && stop->cause == NULL && stop->dict == NULL && stop->notes == NULL) {
        PyObject *value = stop->value;
        stop->value = NULL;
#if defined(Py_GIL_DISABLED) || defined(Py_REF_DEBUG)
        PyObject_Init(self, &goish_StopType);
#else
        Py_SET_REFCNT(self, 1); /* untracked since it was made: nothing tracks an exception that nobody caught */
#endif
        goish_tls_stop = self;
        Py_XDECREF(value); /* Beware: may run user code, which may come back here. */
        return;
    }
    ((PyTypeObject *)PyExc_StopIteration)->tp_dealloc(self);
}

static int goish_stop_init(void) {
    goish_StopType.tp_base = (PyTypeObject *)PyExc_StopIteration;
    goish_StopType.tp_flags = Py_TPFLAGS_DEFAULT;
    goish_StopType.tp_dealloc = goish_stop_dealloc;
    return PyType_Ready(&goish_StopType);
}

/* Raises StopIteration(value); steals `value`. */
static void goish_raise_stop(PyObject *value) {
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *stop = goish_tls_stop;
    goish_tls_stop = NULL;
    if (stop == NULL) {
        stop = PyObject_CallNoArgs((PyObject *)&goish_StopType);
        if (stop == NULL) {
            Py_DECREF(value);
            return;
        }
        if (PyObject_GC_IsTracked(stop)) PyObject_GC_UnTrack(stop); /* it lives for a moment only */
    }
    Py_XSETREF(((PyStopIterationObject *)stop)->value, value);
    PyErr_SetRaisedException(stop);
#else
    PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
    Py_DECREF(value);
    if (stop != NULL) {
        PyErr_SetObject(PyExc_StopIteration, stop);
        Py_DECREF(stop);
    }
#endif
}

/* ---- the slots of Op ---- */

/* Steps the op: 0 = it yields itself, 1 = *result is its value (a new reference), -1 = an exception is set. */
typedef int (*goish_step)(PyObject *op, PyObject **result);
static goish_step goish_op_step;

static PySendResult goish_op_send(PyObject *self, PyObject *arg, PyObject **result) {
    (void)arg;
    switch (goish_op_step(self, result)) {
        case 0: *result = Py_NewRef(self); return PYGEN_NEXT;
        case 1: return PYGEN_RETURN;
        default: *result = NULL; return PYGEN_ERROR;
    }
}

static PyObject *goish_op_next(PyObject *self) {
    PyObject *result = NULL;
    switch (goish_op_step(self, &result)) {
        case 0: return Py_NewRef(self);
        case 1:
            if (result == Py_None) { /* NULL and no exception means None */
                Py_DECREF(result);
                return NULL;
            }
            goish_raise_stop(result);
            return NULL;
        default: return NULL;
    }
}

static int goish_install_slots(PyTypeObject *op_type, goish_step step) {
    goish_op_step = step;
    if (op_type->tp_as_async == NULL || op_type->tp_as_async->am_await == NULL) {
        PyErr_SetString(PyExc_SystemError, "goish: Op has no am_await slot to build on");
        return -1;
    }
    op_type->tp_as_async->am_send = goish_op_send;
    op_type->tp_iternext = goish_op_next;
    PyType_Modified(op_type);
    return goish_stop_init();
}

/* Types whose objects only the runtime makes: `T()` and `T.__new__(T)` raise; Cython's own calls do not come here. */
static PyObject *goish_no_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)args;
    (void)kwargs;
    PyErr_Format(PyExc_TypeError,
                 "%s objects are made by goish - go(fn), spawn(fn), ch.recv(), ch.sender, select(...) - not by calling the type", type->tp_name);
    return NULL;
}

static void goish_forbid_new(PyTypeObject *type) {
    type->tp_new = goish_no_new;
    type->tp_vectorcall = NULL; /* Cython's shortcut past tp_new */
}

/* For a type that has subclasses here and allows no others. */
static void goish_forbid_subclasses(PyTypeObject *type) {
    type->tp_flags &= ~Py_TPFLAGS_BASETYPE;
    PyType_Modified(type);
}

/* ---- calling go ---- */

/* Whether calling `fn` with `n` positional arguments makes a coroutine and can do nothing else, so that it may be done later. */
static inline int goish_deferrable(PyObject *fn, Py_ssize_t n) {
    if (PyMethod_Check(fn)) {
        fn = PyMethod_GET_FUNCTION(fn);
        n++;
    }
    if (!PyFunction_Check(fn)) return 0;
    PyCodeObject *code = (PyCodeObject *)PyFunction_GET_CODE(fn);
    return (code->co_flags & (CO_COROUTINE | CO_VARARGS | CO_VARKEYWORDS)) == CO_COROUTINE && code->co_argcount == n
        && code->co_kwonlyargcount == 0;
}

/* Whether calling `fn` makes a coroutine: 1, 0, or -1 where a look at its code does not tell. */
static inline int goish_makes_coroutine(PyObject *fn) {
    if (PyMethod_Check(fn)) fn = PyMethod_GET_FUNCTION(fn);
    if (PyCFunction_Check(fn)) return 0;
    if (!PyFunction_Check(fn)) return -1;
    int flags = ((PyCodeObject *)PyFunction_GET_CODE(fn))->co_flags;
    if (flags & CO_ITERABLE_COROUTINE) return 1;                  /* by types.coroutine */
    if (((PyFunctionObject *)fn)->func_dict != NULL) return -1; /* marked as one, perhaps */
    if (flags & (CO_GENERATOR | CO_ASYNC_GENERATOR)) return -1; /* it is refused */
    return (flags & CO_COROUTINE) != 0;
}

/* A class without it makes no coroutines: asked before the slow check of an abstract class. */
static inline int goish_has_await(PyObject *o) {
    PyAsyncMethods *slots = Py_TYPE(o)->tp_as_async;
    return slots != NULL && slots->am_await != NULL;
}

static inline PyObject *goish_tuple_of(PyObject *const *items, Py_ssize_t n) {
    PyObject *tuple = PyTuple_New(n);
    if (tuple != NULL)
        for (Py_ssize_t i = 0; i < n; i++) PyTuple_SET_ITEM(tuple, i, Py_NewRef(items[i]));
    return tuple;
}

static inline PyObject **goish_tuple_items(PyObject *tuple) { return &PyTuple_GET_ITEM(tuple, 0); }

/* Calls without a tuple and a dict of arguments, which Cython makes for every `*args, **kwargs`. */
typedef PyObject *(*goish_vectorcall)(PyObject *self, PyObject **args, size_t nargsf, PyObject *kwnames);

static void goish_call_fast(PyTypeObject *type, Py_ssize_t offset) {
    type->tp_vectorcall_offset = offset;
    type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
}

/* Gives the method `name` of `type` the body `call`; name and docstring stay. */
static int goish_method_fast(PyTypeObject *type, const char *name, goish_vectorcall call) {
    PyMethodDef *method = (PyMethodDef *)PyMem_RawMalloc(sizeof(PyMethodDef)); /* lives as long as the type */
    PyObject *slow = PyDict_GetItemString(type->tp_dict, name); /* borrowed */
    if (slow == NULL || !Py_IS_TYPE(slow, &PyMethodDescr_Type)) {
        PyErr_Format(PyExc_SystemError, "goish: %s has no method %s to speed up", type->tp_name, name);
        return -1;
    }
    if (method == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *method = *((PyMethodDescrObject *)slow)->d_method;
    method->ml_meth = (PyCFunction)(void (*)(void))call;
    method->ml_flags = METH_FASTCALL | METH_KEYWORDS;
    PyObject *fast = PyDescr_NewMethod(type, method);
    if (fast == NULL || PyDict_SetItemString(type->tp_dict, name, fast) < 0) {
        Py_XDECREF(fast);
        return -1;
    }
    Py_DECREF(fast);
    PyType_Modified(type);
    return 0;
}

/* ---- keywords that a callable does not take ---- */

/* The error says what to write instead. Methods, functions and types each have a `vectorcall` field, and goish_explain() puts a
 * detour into it. A call that the interpreter has specialised goes to the C function directly and takes no detour. */
typedef void (*goish_explainer)(PyObject *called, PyObject **args, Py_ssize_t n, PyObject *keywords);
static goish_explainer goish_explain_keywords;

#define GOISH_EXPLAINED(way)                                                                                   \
    static vectorcallfunc goish_##way;                                                                         \
    static PyObject *goish_##way##_explained(PyObject *called, PyObject *const *args, size_t n, PyObject *keywords) { \
        PyObject *result = goish_##way(called, args, n, keywords);                                             \
        if (result == NULL && keywords != NULL)                                                                \
            goish_explain_keywords(called, (PyObject **)args, PyVectorcall_NARGS(n), keywords);                \
        return result;                                                                                         \
    }
GOISH_EXPLAINED(method_of_one)
GOISH_EXPLAINED(method)
GOISH_EXPLAINED(function)
GOISH_EXPLAINED(function_of_tuple)
GOISH_EXPLAINED(type)
GOISH_EXPLAINED(subtype)

/* A function that takes a tuple and a dict has no vectorcall: this is one. */
static PyObject *goish_call_by_tuple(PyObject *called, PyObject *const *args, size_t nargsf, PyObject *keywords) {
    Py_ssize_t n = PyVectorcall_NARGS(nargsf), named = keywords == NULL ? 0 : PyTuple_GET_SIZE(keywords);
    PyObject *tuple = goish_tuple_of(args, n), *dict = named > 0 ? PyDict_New() : NULL, *result = NULL;
    if (tuple == NULL || (named > 0 && dict == NULL)) goto done;
    for (Py_ssize_t i = 0; i < named; i++)
        if (PyDict_SetItem(dict, PyTuple_GET_ITEM(keywords, i), args[n + i]) < 0) goto done;
    result = ((PyCFunctionWithKeywords)(void (*)(void))PyCFunction_GET_FUNCTION(called))(PyCFunction_GET_SELF(called), tuple, dict);
done:
    Py_XDECREF(tuple);
    Py_XDECREF(dict);
    return result;
}

static int goish_explain(PyObject *called, goish_explainer explainer) {
    vectorcallfunc *field, *kept, explained;
    goish_explain_keywords = explainer;
    if (Py_IS_TYPE(called, &PyMethodDescr_Type)) {
        int one = ((PyMethodDescrObject *)called)->d_method->ml_flags & METH_O;
        field = &((PyMethodDescrObject *)called)->vectorcall;
        kept = one ? &goish_method_of_one : &goish_method;
        explained = one ? goish_method_of_one_explained : goish_method_explained;
    } else if (PyCFunction_CheckExact(called)) {
        field = &((PyCFunctionObject *)called)->vectorcall;
        kept = *field == NULL ? &goish_function_of_tuple : &goish_function;
        explained = *field == NULL ? goish_function_of_tuple_explained : goish_function_explained;
        if (*field == NULL) *field = goish_call_by_tuple;
    } else {
        int sub = ((PyTypeObject *)called)->tp_base != &PyBaseObject_Type;
        field = &((PyTypeObject *)called)->tp_vectorcall;
        kept = sub ? &goish_subtype : &goish_type;
        explained = sub ? goish_subtype_explained : goish_type_explained;
    }
    if (*field == NULL || (*kept != NULL && *kept != *field)) {
        PyErr_Format(PyExc_SystemError, "goish: %R is not called as expected", called);
        return -1;
    }
    *kept = *field;
    *field = explained;
    return 0;
}

/* ---- numbers ---- */

static uint64_t goish_last_id;

static inline uint64_t goish_next(uint64_t *last) {
#ifdef Py_GIL_DISABLED
    return __atomic_add_fetch(last, 1, __ATOMIC_RELAXED);
#else
    return ++*last;
#endif
}

static inline uint64_t goish_next_id(void) { return goish_next(&goish_last_id); }

/* ---- where a goroutine was created ---- */

/* The code object of the calling Python frame (a new reference, NULL if there is none) and the instruction within. */
static inline PyObject *goish_caller(int *lasti) {
    PyFrameObject *frame = PyEval_GetFrame(); /* borrowed */
    if (frame == NULL) {
        *lasti = 0;
        return NULL;
    }
    *lasti = PyFrame_GetLasti(frame);
    return (PyObject *)PyFrame_GetCode(frame);
}

/* The place of the package's own modules, which give work to threads for their callers, and the file in which a worker's
 * thread begins. Set once, at import; NULL before. */
static PyObject *goish_own_directory;
static PyObject *goish_beginning;

static inline int goish_is_heap_type(PyObject *type) {
    return (((PyTypeObject *)type)->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0;
}

/* A static type's public name, with its module. `name` lives as long as the type: for ever. */
static void goish_name_type(PyObject *type, PyObject *name) {
    const char *text = PyUnicode_AsUTF8(Py_NewRef(name));
    if (text != NULL) {
        ((PyTypeObject *)type)->tp_name = text;
    }
}

static void goish_know_own_files(PyObject *directory, PyObject *beginning) {
    goish_own_directory = Py_NewRef(directory);
    goish_beginning = Py_NewRef(beginning);
}

static inline int goish_is_own(PyCodeObject *code) {
    return goish_own_directory != NULL
        && PyUnicode_Tailmatch(code->co_filename, goish_own_directory, 0, PY_SSIZE_T_MAX, -1) == 1;
}

/* Whether a code object is the package's own. */
static inline int goish_begins_a_thread(PyCodeObject *code) {
    return PyUnicode_Compare(code->co_filename, goish_beginning) == 0;
}

/* The code of the first frame that is not the package's own, and the instruction within; NULL also where a worker begins. */
static PyObject *goish_user_frame(int *lasti) {
    PyFrameObject *frame = PyEval_GetFrame();
    PyFrameObject *back;
    PyCodeObject *code = NULL;
    *lasti = 0;
    Py_XINCREF(frame);
    while (frame != NULL && goish_is_own(code = PyFrame_GetCode(frame))) {
        back = goish_begins_a_thread(code) ? NULL : PyFrame_GetBack(frame);
        Py_DECREF(code);
        Py_DECREF(frame);
        frame = back;
    }
    if (frame == NULL) return NULL;
    *lasti = PyFrame_GetLasti(frame);
    Py_DECREF(frame);
    return (PyObject *)code;
}

#endif
