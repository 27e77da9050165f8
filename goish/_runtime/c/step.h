/* step.h - how the interpreter awaits and steps an op: am_await, am_send and tp_iternext of Op.
 *
 * op.pyx decides what a step does. These slots translate its answer for the interpreter: am_send up to Python 3.11,
 * tp_iternext from 3.12 on.
 *
 * C, because Cython has no syntax for am_send, and makes a new StopIteration each time that a __next__ raises one.
 */
#ifndef GOISH_STEP_H
#define GOISH_STEP_H

#include "stop.h"

/* Steps the op: 0 = it yields itself, 1 = *result is its value (a new reference), -1 = an exception is set. */
typedef int (*goish_step)(PyObject *op, PyObject **result);
static goish_step goish_op_step;

/* Gives the op back, to be stepped; NULL and an exception if it cannot be awaited any more. */
typedef PyObject *(*goish_awaiter)(PyObject *op);

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

static int goish_install_slots(PyTypeObject *op_type, goish_step step, goish_awaiter awaiter) {
    goish_op_step = step;
    if (op_type->tp_as_async == NULL || op_type->tp_as_async->am_await == NULL) {
        PyErr_SetString(PyExc_SystemError, "goish: Op has no am_await slot to build on");
        return -1;
    }
    op_type->tp_as_async->am_await = awaiter; /* a call of __await__ by name keeps Cython's, which has the op iterated */
    op_type->tp_as_async->am_send = goish_op_send;
    op_type->tp_iternext = goish_op_next;
    PyType_Modified(op_type);
    return goish_stop_init();
}

#endif
