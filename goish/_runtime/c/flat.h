/* flat.h - freeing chains of objects without going down the C stack.
 *
 * `goish_tls_depth` counts the deallocators that this thread is within. Only the outermost frees what was put aside, so
 * each object is freed once, by the thread that dropped its last reference.
 *
 * C, because it stands in tp_dealloc, which Cython writes itself.
 */
#ifndef GOISH_FLAT_H
#define GOISH_FLAT_H

#include "tls.h"

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

#endif
