/* exceptions.h - taking and raising exceptions as they are.
 *
 * Taking an exception gives a new reference; raising one borrows it.
 *
 * C, because Cython's `raise` and `except` chain contexts and add tracebacks, and the calls differ between versions.
 */
#ifndef GOISH_EXCEPTIONS_H
#define GOISH_EXCEPTIONS_H

#include "refcount.h"

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

#endif
