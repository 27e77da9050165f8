/* stop.h - a StopIteration that carries a value without being allocated.
 *
 * At most one rests on each thread, untracked, with no value in it. One that was caught is not used again: it has a traceback,
 * a context, a cause, notes or a dict.
 *
 * C, because its deallocator keeps the object.
 */
#ifndef GOISH_STOP_H
#define GOISH_STOP_H

#include "tls.h"

GOISH_TLS PyObject *goish_tls_stop;    /* ours: a StopIteration at rest, or NULL */

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
        Py_SET_REFCNT(self, 1); /* untracked since it was made: an exception that was never caught is never tracked */
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

#endif
