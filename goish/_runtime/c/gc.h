/* gc.h - the cyclic collector: taking objects of a live goroutine out of it, and putting them back.
 *
 * What is taken out comes back before its own deallocator runs, because deallocators untrack without asking.
 *
 * C, because Cython keeps an object tracked all its life, and because a field of PyObject is read that Cython does not know.
 */
#ifndef GOISH_GC_H
#define GOISH_GC_H

#include "refcount.h"

/* Whether the caller holds the only reference. Without the GIL, the last reference of another thread than the object's maker
 * waits, when dropped, in a queue until the maker runs Python again. With the GIL no reference waits, and the answer is 0. */
static inline int goish_only_ref_is_mine(PyObject *o) {
#ifdef Py_GIL_DISABLED
    Py_ssize_t shared = __atomic_load_n(&o->ob_ref_shared, __ATOMIC_ACQUIRE);
    return Py_REFCNT(o) == 1 + ((shared & _Py_REF_SHARED_FLAG_MASK) == _Py_REF_QUEUED);
#else
    (void)o;
    return 0;
#endif
}

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

#endif
