/* frames.h - where a goroutine was created: the first frame that is not the package's own.
 *
 * The package's own files are known from import on; before, no frame counts as the package's own.
 *
 * C, because it walks frames by the C API, without a Python object for each attribute that it looks at.
 */
#ifndef GOISH_FRAMES_H
#define GOISH_FRAMES_H

#include "refcount.h"

/* The code object of the calling Python frame (a new reference, NULL if there is none) and the instruction within. */
static inline PyObject *goish_caller(int *lasti) {
    PyFrameObject *frame = PyEval_GetFrame(); /* borrowed */
    if (frame == NULL) {
        *lasti = 0;
        return NULL;
    }
    *lasti = PyFrame_GetLasti(frame);
    return (PyObject *)PyFrame_GetCode(frame);
}

/* Where the package's own modules are, which give work to threads for their callers, and the file in which a worker's
 * thread begins. Set once, at import; NULL before. */
static PyObject *goish_own_directory;
static PyObject *goish_beginning;

static void goish_know_own_files(PyObject *directory, PyObject *beginning) {
    goish_own_directory = Py_NewRef(directory);
    goish_beginning = Py_NewRef(beginning);
}

static inline int goish_is_own(PyCodeObject *code) {
    return goish_own_directory != NULL
        && PyUnicode_Tailmatch(code->co_filename, goish_own_directory, 0, PY_SSIZE_T_MAX, -1) == 1;
}

/* Whether a code object is the package's own. */
static inline int goish_begins_a_thread(PyCodeObject *code) {
    return PyUnicode_Compare(code->co_filename, goish_beginning) == 0;
}

/* The code of the first frame that is not the package's own, and the instruction within; NULL also where a worker begins. */
static PyObject *goish_user_frame(int *lasti) {
    PyFrameObject *frame = PyEval_GetFrame();
    PyFrameObject *back;
    PyCodeObject *code = NULL;
    *lasti = 0;
    Py_XINCREF(frame);
    while (frame != NULL && goish_is_own(code = PyFrame_GetCode(frame))) {
        back = goish_begins_a_thread(code) ? NULL : PyFrame_GetBack(frame);
        Py_DECREF(code);
        Py_DECREF(frame);
        frame = back;
    }
    if (frame == NULL) return NULL;
    *lasti = PyFrame_GetLasti(frame);
    Py_DECREF(frame);
    return (PyObject *)code;
}

#endif
