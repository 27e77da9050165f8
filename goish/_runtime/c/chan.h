/* chan.h - the values in a channel's ring, as the collector sees them.
 *
 * A ring owns its values at head .. head+count; nothing else in `slots` is a reference. Cython's own functions for the
 * other fields are called after these.
 *
 * C, because Cython writes tp_traverse and tp_clear for the fields that it knows, and a ring is none of them.
 */
#ifndef GOISH_CHAN_H
#define GOISH_CHAN_H

#include "flat.h"

/* The values in a channel's ring, which Cython cannot see, belong to the collector too. */
typedef struct {
    PyObject **slots;  /* owned references at head .. head+count (a heap: 0 .. count) */
    Py_ssize_t head;   /* always 0 in a heap */
    Py_ssize_t count;
    Py_ssize_t size;   /* allocated slots: 0 or a power of two */
} Ring;

typedef Ring *(*goish_ring_of)(PyObject *chan);
static goish_ring_of goish_chan_ring;
static traverseproc goish_chan_fields, goish_feed_fields;
static inquiry goish_chan_clear_fields, goish_feed_clear_fields;

static int goish_ring_traverse(PyObject *self, visitproc visit, void *arg) {
    Ring *r = goish_chan_ring(self);
    for (Py_ssize_t i = 0; i < r->count; i++) Py_VISIT(r->slots[(r->head + i) & (r->size - 1)]);
    return 0;
}

static void goish_ring_clear(PyObject *self) {
    Ring *r = goish_chan_ring(self);
    while (r->count > 0) {
        PyObject *value = r->slots[r->head];
        r->head = (r->head + 1) & (r->size - 1);
        r->count--;
        Py_DECREF(value); /* Beware: may run user code. */
    }
}

static int goish_chan_traverse(PyObject *self, visitproc visit, void *arg) {
    int stop = goish_ring_traverse(self, visit, arg);
    return stop ? stop : goish_chan_fields(self, visit, arg);
}

static int goish_chan_clear(PyObject *self) {
    goish_ring_clear(self);
    return goish_chan_clear_fields(self);
}

static int goish_feed_traverse(PyObject *self, visitproc visit, void *arg) {
    int stop = goish_ring_traverse(self, visit, arg);
    return stop ? stop : goish_feed_fields(self, visit, arg);
}

static int goish_feed_clear(PyObject *self) {
    goish_ring_clear(self);
    return goish_feed_clear_fields(self);
}

static destructor goish_chan_free, goish_priority_free, goish_feed_free;
static void goish_chan_dealloc(PyObject *self) { goish_free_flat(self, goish_chan_free); }
static void goish_priority_dealloc(PyObject *self) { goish_free_flat(self, goish_priority_free); }

/* A feed leaves its broadcast in its finalizer, before the collector clears anything of it. */
static void goish_feed_dealloc(PyObject *self) {
    if (PyObject_CallFinalizerFromDealloc(self) < 0) return;
    goish_free_flat(self, goish_feed_free);
}

static void goish_collect_ring(PyTypeObject *chan_type, PyTypeObject *priority_type, PyTypeObject *feed_type,
                               goish_ring_of ring) {
    goish_chan_free = chan_type->tp_dealloc;
    goish_priority_free = priority_type->tp_dealloc;
    chan_type->tp_dealloc = goish_chan_dealloc;
    priority_type->tp_dealloc = goish_priority_dealloc;
    goish_feed_free = feed_type->tp_dealloc;
    feed_type->tp_dealloc = goish_feed_dealloc;
    goish_chan_ring = ring;
    goish_chan_fields = chan_type->tp_traverse;
    goish_chan_clear_fields = chan_type->tp_clear;
    chan_type->tp_traverse = priority_type->tp_traverse = goish_chan_traverse;
    chan_type->tp_clear = priority_type->tp_clear = goish_chan_clear;
    goish_feed_fields = feed_type->tp_traverse;
    goish_feed_clear_fields = feed_type->tp_clear;
    feed_type->tp_traverse = goish_feed_traverse;
    feed_type->tp_clear = goish_feed_clear;
}

#endif
