/* park.h - a thread that waits: it parks on a lock that is taken, and its waker releases the lock.
 *
 * A waker unparks once for each wait that it ends. The woken thread is due to have the GIL (gil.h) from then on until
 * goish_park has it back.
 *
 * C, because the wait runs without the GIL and notes in a thread-local variable how long it took.
 */
#ifndef GOISH_PARK_H
#define GOISH_PARK_H

#include "gil.h"
#include "spin.h"
#include "tls.h"
#include <pythread.h>

#define GOISH_SHORT 200e-6 /* two wake-ups on a slow day */

GOISH_TLS double goish_tls_waited;       /* seconds that this thread's last wait took */
GOISH_TLS unsigned goish_tls_passes;     /* how many waits it sleeps through at once, since spins were in vain */
GOISH_TLS unsigned goish_tls_passes_left;
#define GOISH_MOST_PASSES 63

/* Wakes the thread that waits in goish_park, or is about to. */
static inline void goish_unpark(void *park_lock) {
    goish_is_due();
    PyThread_release_lock((PyThread_type_lock)park_lock);
}

/* Python 3.11 and 3.12 want nobody to hold a lock that is freed; 3.15 aborts if a lock is released that nobody holds. */
static inline void goish_free_park_lock(void *park_lock) {
    PyThread_acquire_lock((PyThread_type_lock)park_lock, NOWAIT_LOCK);
    PyThread_release_lock((PyThread_type_lock)park_lock);
    PyThread_free_lock((PyThread_type_lock)park_lock);
}

static int goish_unparked(void *park_lock) { return PyThread_acquire_lock((PyThread_type_lock)park_lock, NOWAIT_LOCK); }

/* Without the GIL: spins, if that is likely to help. Where others need the processors, or the waker keeps the GIL, it takes from
 * the waker what it waits for: so after a spin in vain the thread sleeps at once, more and more times. */
static int goish_park_awake(void *park_lock) {
    int seen;
    if (goish_tls_passes_left > 0) {
        goish_tls_passes_left--;
        return 0;
    }
    seen = goish_spin(goish_unparked, park_lock);
    if (seen && !goish_waker_has_gil())
        goish_tls_passes = 0;
    else if ((goish_tls_passes = 2 * goish_tls_passes + 1) > GOISH_MOST_PASSES)
        goish_tls_passes = GOISH_MOST_PASSES;
    goish_tls_passes_left = goish_tls_passes;
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
    goish_has_let_go();
    if (spins && goish_park_awake(park_lock))
        status = PY_LOCK_ACQUIRED;
    else
        status = PyThread_acquire_lock_timed(park_lock, microseconds, interruptible);
    goish_tls_waited = goish_monotonic() - began;
    Py_END_ALLOW_THREADS
    if (status == PY_LOCK_ACQUIRED) goish_has_come();
    return status == PY_LOCK_ACQUIRED ? 1 : status == PY_LOCK_INTR ? -1 : 0;
}

#endif
