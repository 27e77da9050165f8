/* lock.h - the lock of a channel, a wait group, a goroutine's end.
 *
 * A PyMutex without the GIL, nothing with it, where the GIL is the critical section. Whatever may run Python code stays
 * out of the critical section: with the GIL it would let another thread in.
 *
 * C, because PyMutex is a C type, and because the two builds differ.
 */
#ifndef GOISH_LOCK_H
#define GOISH_LOCK_H

#include "refcount.h"
#include <string.h>

#ifdef Py_GIL_DISABLED
typedef PyMutex goish_mutex;
#define goish_lock(m) PyMutex_Lock(m)
#define goish_unlock(m) PyMutex_Unlock(m)
#define GOISH_LOCKS 1
/* Locks for objects that are too many to have one each: a goroutine's end, and its waiters. */
#define GOISH_STRIPES 64
static goish_mutex goish_stripes[GOISH_STRIPES];
static inline goish_mutex *goish_stripe(PyObject *o) { return &goish_stripes[((uintptr_t)o >> 5) % GOISH_STRIPES]; }
static inline void goish_free_stripes(void) { memset(goish_stripes, 0, sizeof(goish_stripes)); }
#else
typedef char goish_mutex;
#define goish_lock(m) ((void)(m))
#define goish_unlock(m) ((void)(m))
#define GOISH_LOCKS 0
static inline goish_mutex *goish_stripe(PyObject *o) {
    (void)o;
    return NULL;
}
static inline void goish_free_stripes(void) {}
#endif

#endif
