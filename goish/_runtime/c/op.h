/* op.h - the life of ops: making one from those at rest, and its end.
 *
 * An op at rest is reset, tracked, and has one reference, its next user's. What an op held is released last, once the op is
 * whole again or gone, because that may run user code. The fate of an op (the enum) is decided in op.pyx.
 *
 * C, because Cython's freelists reset and track an object anew each time it is made.
 */
#ifndef GOISH_OP_H
#define GOISH_OP_H

#include "flat.h"
#include "gc.h"

/* Results of results of results ...: flat.h. An op nests only if it holds one of the two. */
enum { GOISH_OP_PLAIN, GOISH_OP_TAKEN, GOISH_OP_NESTS, GOISH_OP_FORGOTTEN, GOISH_OP_FORSAKEN };

static destructor goish_op_free;
static newfunc goish_op_new;
static int (*goish_op_fate)(PyObject *op, PyObject **held);

/* Every await makes an op, so ops that are done with are kept, reset and in the collector, each with the one reference that its
 * next user will own: neither malloc nor the collector's list is touched again. gc.get_objects() shows them. An op
 * that is taken from there is kept, because only one with a single reference is used again. */
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
static const char *(*goish_op_on_thread)(PyObject *op); /* how a thread without an event loop does it; NULL: it is another mistake */

static Py_NO_INLINE void goish_warn_forgotten(PyObject *self) { /* out of the way of the ops that were used */
    const char *call = goish_op_on_thread(self);
    if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "goish: a '%s' was never awaited, so it has not happened%s%s", goish_op_name(self),
                         call == NULL ? "" : "; without an event loop, as on this thread, write ", call == NULL ? "" : call) < 0)
        PyErr_WriteUnraisable(NULL);
}

/* A future that has lost its last reference: what waits in its place is withdrawn (twin.pyx). */
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
                             const char *(*name)(PyObject *), const char *(*on_thread)(PyObject *), void (*forsake)(PyObject *),
                             int (*finalized)(PyObject *), void (*taken_apart)(PyObject *)) {
    goish_no_args = PyTuple_New(0);
    if (goish_no_args == NULL) return -1;
    goish_op_type = op_type;
    goish_op_new = op_type->tp_new;
    goish_op_free = op_type->tp_dealloc;
    op_type->tp_dealloc = goish_op_dealloc;
    goish_op_fate = fate;
    goish_op_name = name;
    goish_op_on_thread = on_thread;
    goish_op_forsake = forsake;
    goish_op_finalized = finalized;
    goish_op_taken_apart = taken_apart;
    op_type->tp_finalize = goish_op_finalize;
    goish_op_clear_fields = op_type->tp_clear;
    op_type->tp_clear = goish_op_clear;
    return 0;
}

#endif
