/* calls.h - calling: what a function will make of its arguments, and methods that are called without a tuple and a dict.
 *
 * goish_deferrable and goish_makes_coroutine look at a function's code and never run it.
 *
 * C, because they read code flags, and because Cython's `*args, **kwargs` builds a tuple and a dict for each call.
 */
#ifndef GOISH_CALLS_H
#define GOISH_CALLS_H

#include "refcount.h"

/* Whether calling `fn` with `n` positional arguments makes a coroutine and can do nothing else, so that it may be done later. */
static inline int goish_deferrable(PyObject *fn, Py_ssize_t n) {
    if (PyMethod_Check(fn)) {
        fn = PyMethod_GET_FUNCTION(fn);
        n++;
    }
    if (!PyFunction_Check(fn)) return 0;
    PyCodeObject *code = (PyCodeObject *)PyFunction_GET_CODE(fn);
    return (code->co_flags & (CO_COROUTINE | CO_VARARGS | CO_VARKEYWORDS)) == CO_COROUTINE && code->co_argcount == n
        && code->co_kwonlyargcount == 0;
}

/* Whether calling `fn` makes a coroutine: 1, 0, or -1 where a look at its code does not tell. */
static inline int goish_makes_coroutine(PyObject *fn) {
    if (PyMethod_Check(fn)) fn = PyMethod_GET_FUNCTION(fn);
    if (PyCFunction_Check(fn)) return 0;
    if (!PyFunction_Check(fn)) return -1;
    int flags = ((PyCodeObject *)PyFunction_GET_CODE(fn))->co_flags;
    if (flags & CO_ITERABLE_COROUTINE) return 1;                  /* by types.coroutine */
    if (((PyFunctionObject *)fn)->func_dict != NULL) return -1; /* marked as one, perhaps */
    if (flags & (CO_GENERATOR | CO_ASYNC_GENERATOR)) return -1; /* it is refused */
    return (flags & CO_COROUTINE) != 0;
}

/* A class without it makes no coroutines: asked before the slow check of an abstract class. */
static inline int goish_has_await(PyObject *o) {
    PyAsyncMethods *slots = Py_TYPE(o)->tp_as_async;
    return slots != NULL && slots->am_await != NULL;
}

static inline PyObject *goish_tuple_of(PyObject *const *items, Py_ssize_t n) {
    PyObject *tuple = PyTuple_New(n);
    if (tuple != NULL)
        for (Py_ssize_t i = 0; i < n; i++) PyTuple_SET_ITEM(tuple, i, Py_NewRef(items[i]));
    return tuple;
}

static inline PyObject **goish_tuple_items(PyObject *tuple) { return &PyTuple_GET_ITEM(tuple, 0); }

/* Calls without a tuple and a dict of arguments, which Cython makes for every `*args, **kwargs`. */
typedef PyObject *(*goish_vectorcall)(PyObject *self, PyObject **args, size_t nargsf, PyObject *kwnames);

static void goish_call_fast(PyTypeObject *type, Py_ssize_t offset) {
    type->tp_vectorcall_offset = offset;
    type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
}

/* Gives the method `name` of `type` the body `call`; name and docstring stay. */
static int goish_method_fast(PyTypeObject *type, const char *name, goish_vectorcall call) {
    PyMethodDef *method = (PyMethodDef *)PyMem_RawMalloc(sizeof(PyMethodDef)); /* lives as long as the type */
    PyObject *slow = PyDict_GetItemString(type->tp_dict, name); /* borrowed */
    if (slow == NULL || !Py_IS_TYPE(slow, &PyMethodDescr_Type)) {
        PyErr_Format(PyExc_SystemError, "goish: %s has no method %s to speed up", type->tp_name, name);
        return -1;
    }
    if (method == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *method = *((PyMethodDescrObject *)slow)->d_method;
    method->ml_meth = (PyCFunction)(void (*)(void))call;
    method->ml_flags = METH_FASTCALL | METH_KEYWORDS;
    PyObject *fast = PyDescr_NewMethod(type, method);
    if (fast == NULL || PyDict_SetItemString(type->tp_dict, name, fast) < 0) {
        Py_XDECREF(fast);
        return -1;
    }
    Py_DECREF(fast);
    PyType_Modified(type);
    return 0;
}

#endif
