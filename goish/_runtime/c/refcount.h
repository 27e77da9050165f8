/* refcount.h - references: counting them, or doing without.
 *
 * CPython's own macros are redefined, for Cython's code too. So every header that counts references includes this one, in
 * place of Python.h. The arithmetic is CPython's; only the width of the load and the store differs.
 *
 * C, because Cython has no say in how its code counts.
 */
#ifndef GOISH_REFCOUNT_H
#define GOISH_REFCOUNT_H

#include <Python.h>
#include <stdint.h>

/* There, Py_INCREF stores 32 bits and Py_DECREF loads 64: a processor cannot forward such a store to such a load, and waits until
 * the store is in its cache (5 ns each time; a sixth of a buffered send and receive). Loading 32 bits and storing all 64 is the
 * same arithmetic, for a count above 32 bits does not occur, and can be forwarded from and to either. */
#if PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030E0000 && SIZEOF_VOID_P > 4 && !defined(Py_GIL_DISABLED) \
    && !defined(Py_REF_DEBUG)
static inline Py_ALWAYS_INLINE void goish_incref(PyObject *o) {
    uint32_t count = o->ob_refcnt_split[PY_BIG_ENDIAN];
    if ((int32_t)count >= 0) o->ob_refcnt = (Py_ssize_t)count + 1; /* a negative one is immortal */
}
static inline Py_ALWAYS_INLINE void goish_decref(PyObject *o) {
    uint32_t count = o->ob_refcnt_split[PY_BIG_ENDIAN];
    if ((int32_t)count < 0) return;
    o->ob_refcnt = (Py_ssize_t)count - 1;
    if (count == 1) _Py_Dealloc(o);
}
static inline Py_ALWAYS_INLINE void goish_xdecref(PyObject *o) {
    if (o != NULL) goish_decref(o);
}
#undef Py_INCREF
#undef Py_DECREF
#undef Py_XDECREF
#define Py_INCREF(o) goish_incref(_PyObject_CAST(o))
#define Py_DECREF(o) goish_decref(_PyObject_CAST(o))
#define Py_XDECREF(o) goish_xdecref(_PyObject_CAST(o))
#endif

/* Exactly this type, without a reference being counted. */
#define goish_is(o, type) (Py_TYPE(o) == (PyTypeObject *)(type))

#endif
