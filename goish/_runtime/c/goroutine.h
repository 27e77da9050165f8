/* goroutine.h - type slots of Goroutine: attributes, the last words, the end.
 *
 * What a goroutine keeps out of the collector is put back (gc.h) before anything of it is released or cleared.
 *
 * C, because Cython has no __dict__ that is made on demand, and writes tp_traverse, tp_clear and tp_dealloc itself.
 */
#ifndef GOISH_GOROUTINE_H
#define GOISH_GOROUTINE_H

#include "flat.h"

static destructor goish_goroutine_free;

/* A goroutine may have a failure to report before it goes: asked here, and by the collector, through tp_finalize. */
static int (*goish_goroutine_is_unretrieved)(PyObject *);
static void (*goish_goroutine_report)(PyObject *);

static void goish_goroutine_finalize(PyObject *self) {
    if (goish_goroutine_is_unretrieved(self)) goish_goroutine_report(self);
}

static void goish_install_finalizer(PyTypeObject *goroutine_type, int (*unseen)(PyObject *), void (*last_words)(PyObject *)) {
    goish_goroutine_is_unretrieved = unseen;
    goish_goroutine_report = last_words;
    goroutine_type->tp_finalize = goish_goroutine_finalize;
}

/* Attributes that the type does not know, in a dict that is there only once one is set. Cython would make one for each
 * goroutine, and with __getattr__ would keep the interpreter from caching any attribute. */
static Py_ssize_t goish_attributes;
static traverseproc goish_goroutine_fields;
static inquiry goish_goroutine_clear_fields;
static void (*goish_goroutine_attribute_set)(PyObject *);
static void (*goish_goroutine_retrack)(PyObject *); /* tracks again what it owns and has untracked */
#define GOISH_ATTRIBUTES(self) (*(PyObject **)((char *)(self) + goish_attributes))

static int goish_goroutine_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(GOISH_ATTRIBUTES(self));
    return goish_goroutine_fields(self, visit, arg);
}

static int goish_goroutine_clear(PyObject *self) {
    goish_goroutine_retrack(self);
    Py_CLEAR(GOISH_ATTRIBUTES(self));
    return goish_goroutine_clear_fields(self);
}

static int goish_goroutine_setattr(PyObject *self, PyObject *name, PyObject *value) {
    if (PyObject_GenericSetAttr(self, name, value) < 0) return -1;
    if (GOISH_ATTRIBUTES(self) != NULL) goish_goroutine_attribute_set(self);
    return 0;
}

static void goish_take_attributes(PyTypeObject *goroutine_type, Py_ssize_t offset, void (*attribute_set)(PyObject *),
                                  void (*retrack)(PyObject *)) {
    goish_attributes = offset;
    goish_goroutine_attribute_set = attribute_set;
    goish_goroutine_retrack = retrack;
    goroutine_type->tp_setattro = goish_goroutine_setattr;
    goish_goroutine_fields = goroutine_type->tp_traverse;
    goish_goroutine_clear_fields = goroutine_type->tp_clear;
    goroutine_type->tp_traverse = goish_goroutine_traverse;
    goroutine_type->tp_clear = goish_goroutine_clear;
    goroutine_type->tp_dictoffset = offset;
    PyType_Modified(goroutine_type);
}

static void goish_goroutine_release(PyObject *self) {
    goish_goroutine_retrack(self);
    Py_CLEAR(GOISH_ATTRIBUTES(self));
    goish_goroutine_free(self);
}

static void goish_goroutine_dealloc(PyObject *self) {
    if (goish_goroutine_is_unretrieved(self) && PyObject_CallFinalizerFromDealloc(self) < 0) return;
    goish_free_flat(self, goish_goroutine_release);
}

static void goish_free_goroutines_flat(PyTypeObject *goroutine_type) {
    goish_goroutine_free = goroutine_type->tp_dealloc;
    goroutine_type->tp_dealloc = goish_goroutine_dealloc;
}

#endif
