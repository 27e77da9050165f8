/* clock.h - the clock of all timeouts.
 *
 * Seconds since a moment that is the same for all threads; it never goes back.
 *
 * C, because a thread that spins or parks reads it without the GIL.
 */
#ifndef GOISH_CLOCK_H
#define GOISH_CLOCK_H

#include <time.h>

static inline double goish_monotonic(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

#endif
