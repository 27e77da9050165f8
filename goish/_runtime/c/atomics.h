/* atomics.h - small fields that several threads touch: states, flags, pointers, counters, numbers.
 *
 * Without the GIL each access is atomic. A state and a flag are acquired and released: what was written before they were set
 * is seen behind them, on processors that reorder stores too. A counter is relaxed and orders nothing. With the GIL they are
 * plain memory, because no other thread runs.
 *
 * C, because Cython has no atomics, and because the two builds differ.
 */
#ifndef GOISH_ATOMICS_H
#define GOISH_ATOMICS_H

#include "refcount.h"

#ifdef Py_GIL_DISABLED
static inline int goish_swap_state(uint8_t *state, uint8_t from, uint8_t to) {
    return __atomic_compare_exchange_n(state, &from, to, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
static inline uint8_t goish_load_state(uint8_t *state) { return __atomic_load_n(state, __ATOMIC_ACQUIRE); }
static inline void goish_store_state(uint8_t *state, uint8_t to) { __atomic_store_n(state, to, __ATOMIC_RELEASE); }
static inline void goish_set_bits(uint8_t *flags, uint8_t bits) { __atomic_fetch_or(flags, bits, __ATOMIC_RELEASE); }
static inline void goish_clear_bits(uint8_t *flags, uint8_t bits) { __atomic_fetch_and(flags, (uint8_t)~bits, __ATOMIC_RELEASE); }
/* A pointer that is written under a lock, and looked at without: is there anything? */
static inline PyObject *goish_load_pointer(PyObject **pointer) { return __atomic_load_n(pointer, __ATOMIC_ACQUIRE); }
static inline void goish_store_pointer(PyObject **pointer, PyObject *to) { __atomic_store_n(pointer, to, __ATOMIC_RELEASE); }
/* A number that one thread writes at a time, its own or under a lock, and any may read, a little late. */
static inline void goish_count(Py_ssize_t *n, Py_ssize_t by) {
    __atomic_store_n(n, __atomic_load_n(n, __ATOMIC_RELAXED) + by, __ATOMIC_RELAXED);
}
static inline Py_ssize_t goish_counted(Py_ssize_t *n) { return __atomic_load_n(n, __ATOMIC_RELAXED); }
/* ... and one that any thread writes. */
static inline void goish_count_anywhere(Py_ssize_t *n, Py_ssize_t by) { __atomic_fetch_add(n, by, __ATOMIC_RELAXED); }
#else
static inline int goish_swap_state(uint8_t *state, uint8_t from, uint8_t to) {
    if (*state != from) return 0;
    *state = to;
    return 1;
}
static inline uint8_t goish_load_state(uint8_t *state) { return *state; }
static inline void goish_store_state(uint8_t *state, uint8_t to) { *state = to; }
static inline void goish_set_bits(uint8_t *flags, uint8_t bits) { *flags |= bits; }
static inline void goish_clear_bits(uint8_t *flags, uint8_t bits) { *flags &= (uint8_t)~bits; }
static inline PyObject *goish_load_pointer(PyObject **pointer) { return *pointer; }
static inline void goish_store_pointer(PyObject **pointer, PyObject *to) { *pointer = to; }
static inline void goish_count(Py_ssize_t *n, Py_ssize_t by) { *n += by; }
static inline Py_ssize_t goish_counted(Py_ssize_t *n) { return *n; }
static inline void goish_count_anywhere(Py_ssize_t *n, Py_ssize_t by) { *n += by; }
#endif

/* The numbers of goish.sync: each call is atomic, and all threads see them in one order. Sums wrap around. */
#ifdef Py_GIL_DISABLED
static inline uint64_t goish_number(uint64_t *n) { return __atomic_load_n(n, __ATOMIC_SEQ_CST); }
static inline uint64_t goish_number_swap(uint64_t *n, uint64_t to) { return __atomic_exchange_n(n, to, __ATOMIC_SEQ_CST); }
static inline uint64_t goish_number_add(uint64_t *n, uint64_t by) { return __atomic_add_fetch(n, by, __ATOMIC_SEQ_CST); }
static inline uint64_t goish_number_and(uint64_t *n, uint64_t bits) { return __atomic_fetch_and(n, bits, __ATOMIC_SEQ_CST); }
static inline uint64_t goish_number_or(uint64_t *n, uint64_t bits) { return __atomic_fetch_or(n, bits, __ATOMIC_SEQ_CST); }
static inline int goish_number_cas(uint64_t *n, uint64_t from, uint64_t to) {
    return __atomic_compare_exchange_n(n, &from, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
#else
static inline uint64_t goish_number(uint64_t *n) { return *n; }
static inline uint64_t goish_number_swap(uint64_t *n, uint64_t to) {
    uint64_t before = *n;
    *n = to;
    return before;
}
static inline uint64_t goish_number_add(uint64_t *n, uint64_t by) { return *n += by; }
static inline uint64_t goish_number_and(uint64_t *n, uint64_t bits) {
    uint64_t before = *n;
    *n &= bits;
    return before;
}
static inline uint64_t goish_number_or(uint64_t *n, uint64_t bits) {
    uint64_t before = *n;
    *n |= bits;
    return before;
}
static inline int goish_number_cas(uint64_t *n, uint64_t from, uint64_t to) {
    if (*n != from) return 0;
    *n = to;
    return 1;
}
#endif

static uint64_t goish_last_id;

static inline uint64_t goish_next(uint64_t *last) {
#ifdef Py_GIL_DISABLED
    return __atomic_add_fetch(last, 1, __ATOMIC_RELAXED);
#else
    return ++*last;
#endif
}

static inline uint64_t goish_next_id(void) { return goish_next(&goish_last_id); }

#endif
