/* gil.h - the GIL: which threads are due to have it, and lending it to them (lend.pyx).
 *
 * A woken thread is due until it has the GIL. The lender waits for the baton, a lock that is taken; the next thread to come
 * releases it. One thread at a time is the lender, until it has the GIL again. So the baton is taken while there is no lender,
 * and released once for each lender. A thread has the GIL when it changes the counter or the stage, or releases the baton.
 * Without the GIL, no thread is due and nothing is lent.
 *
 * C, because these functions release the GIL halfway, and because the two builds differ.
 */
#ifndef GOISH_GIL_H
#define GOISH_GIL_H

#include "refcount.h"
#include <pythread.h>
#include <time.h>
#ifndef Py_GIL_DISABLED
#include <sched.h>
#include <sys/resource.h>
#endif

#ifdef Py_GIL_DISABLED
#define goish_due ((Py_ssize_t)0)
static inline void goish_is_due(void) {}
static inline void goish_has_come(void) {}
static inline void goish_forget_due(void) {}
static inline void goish_has_let_go(void) {}
static inline int goish_waker_has_gil(void) { return 0; }
#else
static Py_ssize_t goish_due;
static PyThread_type_lock goish_baton;
static enum { NO_LENDER, LENDER_WAITS, BATON_RELEASED } goish_lending;
static uint32_t goish_let_go;  /* how often a thread of goish has let go of the GIL, in order to wait; atomic */
static uint32_t goish_woke_at; /* ... when the last thread was woken; atomic */
static inline void goish_is_due(void) {
    goish_due++;
    __atomic_store_n(&goish_woke_at, __atomic_load_n(&goish_let_go, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}
/* Without the GIL. */
static inline void goish_has_let_go(void) { __atomic_add_fetch(&goish_let_go, 1, __ATOMIC_RELEASE); }
/* Without the GIL, on a thread that was woken: whether its waker is likely to have the GIL still. */
static inline int goish_waker_has_gil(void) {
    return __atomic_load_n(&goish_let_go, __ATOMIC_ACQUIRE) == __atomic_load_n(&goish_woke_at, __ATOMIC_RELAXED);
}
static inline void goish_has_come(void) {
    if (goish_due > 0) goish_due--; /* in a forked child the parent's are forgotten */
    if (goish_lending != LENDER_WAITS) return;
    goish_lending = BATON_RELEASED;
    PyThread_release_lock(goish_baton);
}
static inline void goish_forget_due(void) {
    goish_due = 0;
    goish_lending = NO_LENDER;
    goish_baton = NULL; /* in any state: another thread of the parent's may have been at it */
}
#endif

#ifdef Py_GIL_DISABLED
static inline void goish_lend(double seconds) { (void)seconds; }
static inline int goish_alone(void) { return 1; }
static inline long goish_switches(void) { return 0; }
#else

/* Waits until the next thread that comes has released the baton. */
static void goish_await_baton(double seconds) {
    int came;
    goish_lending = LENDER_WAITS;
    Py_BEGIN_ALLOW_THREADS
    goish_has_let_go();
    came = PyThread_acquire_lock_timed(goish_baton, (PY_TIMEOUT_T)(seconds * 1e6), 0) == PY_LOCK_ACQUIRED;
    Py_END_ALLOW_THREADS
    if (!came && goish_lending == BATON_RELEASED) PyThread_acquire_lock(goish_baton, NOWAIT_LOCK); /* it came a moment later */
    goish_lending = NO_LENDER;
}

/* Lets other threads have the GIL: until one that is due has it, at most so many seconds; 0: those that run, or may run here. */
static void goish_lend(double seconds) {
    struct timespec nap = {0, (long)(seconds * 1e9)};
    if (goish_baton == NULL && (goish_baton = PyThread_allocate_lock()) != NULL) PyThread_acquire_lock(goish_baton, WAIT_LOCK);
    if (seconds > 0.0 && goish_lending == NO_LENDER && goish_baton != NULL) {
        goish_await_baton(seconds);
        return;
    }
    Py_BEGIN_ALLOW_THREADS
    goish_has_let_go();
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

#endif
