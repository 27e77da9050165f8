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

/* The error says what to write instead. Methods, functions and types each have a `vectorcall` field, and goish_explain() puts a
 * detour into it. A call that the interpreter has specialised goes to the C function directly and takes no detour. */
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
GOISH_EXPLAINED(function)
GOISH_EXPLAINED(function_of_tuple)
GOISH_EXPLAINED(type)
GOISH_EXPLAINED(subtype)

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

static int goish_explain(PyObject *called, goish_explainer explainer) {
    vectorcallfunc *field, *kept, explained;
    goish_explain_keywords = explainer;
    if (Py_IS_TYPE(called, &PyMethodDescr_Type)) {
        int one = ((PyMethodDescrObject *)called)->d_method->ml_flags & METH_O;
        field = &((PyMethodDescrObject *)called)->vectorcall;
        kept = one ? &goish_method_of_one : &goish_method;
        explained = one ? goish_method_of_one_explained : goish_method_explained;
    } else if (PyCFunction_CheckExact(called)) {
        field = &((PyCFunctionObject *)called)->vectorcall;
        kept = *field == NULL ? &goish_function_of_tuple : &goish_function;
        explained = *field == NULL ? goish_function_of_tuple_explained : goish_function_explained;
        if (*field == NULL) *field = goish_call_by_tuple;
    } else {
        field = &((PyTypeObject *)called)->tp_vectorcall;
        int sub = goish_type != NULL && goish_type != *field; /* types with a `__cinit__` are called by another function */
        kept = sub ? &goish_subtype : &goish_type;
        explained = sub ? goish_subtype_explained : goish_type_explained;
    }
    if (*field == NULL || (*kept != NULL && *kept != *field)) {
        PyErr_Format(PyExc_SystemError, "goish: %R is not called as expected", called);
        return -1;
    }
    *kept = *field;
    *field = explained;
    return 0;
}

#endif
