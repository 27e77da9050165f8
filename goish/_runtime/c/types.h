/* types.h - types that only the runtime makes or extends, and their names.
 *
 * Types are changed at import, before any other thread sees them.
 *
 * C, because Cython's types can be called and subclassed unless their slots and flags say otherwise.
 */
#ifndef GOISH_TYPES_H
#define GOISH_TYPES_H

#include "refcount.h"

/* Types whose objects only the runtime makes: `T()` and `T.__new__(T)` raise; Cython's own calls do not come here. */
static PyObject *goish_no_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)args;
    (void)kwargs;
    PyErr_Format(PyExc_TypeError,
                 "%s objects are made by goish - go(fn), spawn(fn), ch.recv(), ch.sender, select(...) - not by calling the type", type->tp_name);
    return NULL;
}

static void goish_forbid_new(PyTypeObject *type) {
    type->tp_new = goish_no_new;
    type->tp_vectorcall = NULL; /* Cython's shortcut past tp_new */
}

/* For a type that has subclasses here and allows no others. */
static void goish_forbid_subclasses(PyTypeObject *type) {
    type->tp_flags &= ~Py_TPFLAGS_BASETYPE;
    PyType_Modified(type);
}

static inline int goish_is_heap_type(PyObject *type) {
    return (((PyTypeObject *)type)->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0;
}

/* A static type's public name, with its module. `name` lives as long as the type: for ever. */
static void goish_name_type(PyObject *type, PyObject *name) {
    const char *text = PyUnicode_AsUTF8(Py_NewRef(name));
    if (text != NULL) {
        ((PyTypeObject *)type)->tp_name = text;
    }
}

#endif
