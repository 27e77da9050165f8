/* explain.h - the error for keywords that a callable does not take: it says what to write instead (instead.pyx).
 *
 * The detour explains only a call that gave keywords and failed; another call pays one comparison.
 * Each way of calling has one original function. goish_explain checks that all callables of that way share it.
 *
 * C, because Python code and Cython cannot reach the `vectorcall` fields of others' types.
 */
#ifndef GOISH_EXPLAIN_H
#define GOISH_EXPLAIN_H

#include "calls.h"

/* The error says what to write instead. Methods, types and functions that take a tuple each have a `vectorcall` field, and
 * goish_explain() puts a detour into it. */
typedef void (*goish_explainer)(PyObject *called, PyObject **args, Py_ssize_t n, PyObject *keywords);
static goish_explainer goish_explain_keywords;

#define GOISH_EXPLAINED(way)                                                                                   \
    static vectorcallfunc goish_##way;                                                                         \
    static PyObject *goish_##way##_explained(PyObject *called, PyObject *const *args, size_t n, PyObject *keywords) { \
        PyObject *result = goish_##way(called, args, n, keywords);                                             \
        if (result == NULL && keywords != NULL)                                                                \
            goish_explain_keywords(called, (PyObject **)args, PyVectorcall_NARGS(n), keywords);                \
        return result;                                                                                         \
    }
GOISH_EXPLAINED(method_of_one)
GOISH_EXPLAINED(method)
GOISH_EXPLAINED(function_of_tuple)
GOISH_EXPLAINED(type)
GOISH_EXPLAINED(subtype)

/* A function that takes an array has such a field too. But CPython 3.12, which specialises calls of it with keywords, calls what its
 * definition names: the detour stands there. There is one such function. */
typedef PyObject *(*goish_function_of_array)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
static goish_function_of_array goish_function;
static PyObject *goish_function_object; /* borrowed: who calls it has it */
static PyObject *goish_function_explained(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *keywords) {
    PyObject *result = goish_function(self, args, n, keywords);
    if (result == NULL && keywords != NULL) goish_explain_keywords(goish_function_object, (PyObject **)args, n, keywords);
    return result;
}

/* A function that takes a tuple and a dict has no vectorcall: this is one. */
static PyObject *goish_call_by_tuple(PyObject *called, PyObject *const *args, size_t nargsf, PyObject *keywords) {
    Py_ssize_t n = PyVectorcall_NARGS(nargsf), named = keywords == NULL ? 0 : PyTuple_GET_SIZE(keywords);
    PyObject *tuple = goish_tuple_of(args, n), *dict = named > 0 ? PyDict_New() : NULL, *result = NULL;
    if (tuple == NULL || (named > 0 && dict == NULL)) goto done;
    for (Py_ssize_t i = 0; i < named; i++)
        if (PyDict_SetItem(dict, PyTuple_GET_ITEM(keywords, i), args[n + i]) < 0) goto done;
    result = ((PyCFunctionWithKeywords)(void (*)(void))PyCFunction_GET_FUNCTION(called))(PyCFunction_GET_SELF(called), tuple, dict);
done:
    Py_XDECREF(tuple);
    Py_XDECREF(dict);
    return result;
}

static int goish_not_as_expected(PyObject *called) {
    PyErr_Format(PyExc_SystemError, "goish: %R is not called as expected", called);
    return -1;
}

static int goish_explain(PyObject *called, goish_explainer explainer) {
    vectorcallfunc *field, *kept, explained;
    goish_explain_keywords = explainer;
    if (PyCFunction_CheckExact(called) && PyCFunction_GET_FLAGS(called) == (METH_FASTCALL | METH_KEYWORDS)) {
        if (goish_function != NULL) return goish_not_as_expected(called);
        goish_function = (goish_function_of_array)(void (*)(void))PyCFunction_GET_FUNCTION(called);
        goish_function_object = called;
        ((PyCFunctionObject *)called)->m_ml->ml_meth = (PyCFunction)(void (*)(void))goish_function_explained;
        return 0;
    }
    if (Py_IS_TYPE(called, &PyMethodDescr_Type)) {
        int one = ((PyMethodDescrObject *)called)->d_method->ml_flags & METH_O;
        field = &((PyMethodDescrObject *)called)->vectorcall;
        kept = one ? &goish_method_of_one : &goish_method;
        explained = one ? goish_method_of_one_explained : goish_method_explained;
    } else if (PyCFunction_CheckExact(called)) {
        field = &((PyCFunctionObject *)called)->vectorcall;
        if (*field != NULL) return goish_not_as_expected(called);
        kept = &goish_function_of_tuple;
        explained = goish_function_of_tuple_explained;
        *field = goish_call_by_tuple;
    } else {
        field = &((PyTypeObject *)called)->tp_vectorcall;
        int sub = goish_type != NULL && goish_type != *field; /* types with a `__cinit__` are called by another function */
        kept = sub ? &goish_subtype : &goish_type;
        explained = sub ? goish_subtype_explained : goish_type_explained;
    }
    if (*field == NULL || (*kept != NULL && *kept != *field)) return goish_not_as_expected(called);
    *kept = *field;
    *field = explained;
    return 0;
}

#endif
