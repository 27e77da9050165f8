/* spin.h - staying awake for a moment, in the hope that what a thread waits for comes at once.
 *
 * At most `goish_most_spinning` threads spin at a time. They do not hold the GIL, so they look only at what may be read
 * without it.
 *
 * C, because Cython has neither atomics nor the processor's instruction for a pause.
 */
#ifndef GOISH_SPIN_H
#define GOISH_SPIN_H

#include "gil.h"
#include "clock.h"

/* To fall asleep and be woken costs 20 to 60 us, more than the wait itself where two threads talk to each other. So, as Go's
 * threads do, a thread whose last wait was short spins for a moment before it sleeps; one that waits for longer does
 * that once. Half of the processors may be busy so: none, if there is but one. */
#define GOISH_SPIN 30e-6   /* seconds */

static int goish_most_spinning;
static int goish_spinning;

#if defined(__x86_64__) || defined(__i386__)
#define goish_pause() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define goish_pause() __asm__ volatile("isb" ::: "memory")
#else
#define goish_pause() ((void)0)
#endif

static int goish_is_set(void *flag) { return __atomic_load_n((uint8_t *)flag, __ATOMIC_ACQUIRE); }

/* Without the GIL. A thread that spins sees at once that it was woken, while its waker has the GIL. If it asked for the GIL then, it
 * would sleep until the waker wakes it again. So it stays awake until the waker, which often waits next, has let go of the GIL. It is
 * not counted as spinning: the waker may want to spin. */
static inline void goish_spin_behind_waker(void) {
    double until;
    if (!goish_waker_has_gil()) return;
    until = goish_monotonic() + GOISH_SPIN;
    while (goish_waker_has_gil() && goish_monotonic() < until)
        for (int i = 0; i < 20; i++) goish_pause();
}

/* Without the GIL: whether the flag was set in time. */
static int goish_spin(int (*come)(void *), void *what) {
    double until = goish_monotonic() + GOISH_SPIN;
    int seen = 0;
    if (__atomic_add_fetch(&goish_spinning, 1, __ATOMIC_RELAXED) <= goish_most_spinning)
        while (!(seen = come(what)) && goish_monotonic() < until)
            for (int i = 0; i < 20; i++) goish_pause();
    __atomic_sub_fetch(&goish_spinning, 1, __ATOMIC_RELAXED);
    if (seen) goish_spin_behind_waker();
    return seen;
}

/* Spins for a moment, letting other threads run: whether another one has set the flag. */
static int goish_spin_for(uint8_t *flag) {
    int seen;
    Py_BEGIN_ALLOW_THREADS
    goish_has_let_go();
    seen = goish_spin(goish_is_set, flag);
    Py_END_ALLOW_THREADS
    return seen;
}

#endif
