/* clock.h - the clock of all timeouts.
 *
 * Seconds since a moment that is the same for all threads; it never goes back. It is time.monotonic(), by which asyncio's loops go,
 * so that times of a loop can be compared with it. While a Mac sleeps, that stands still. The clock of libuv, by which uvloop goes,
 * goes on there, and so does CLOCK_MONOTONIC, which besides follows the corrections of the system's time. On Linux all are one.
 *
 * C, because a thread that spins or parks reads it without the GIL.
 */
#ifndef GOISH_CLOCK_H
#define GOISH_CLOCK_H

#include <stdint.h>
#include <time.h>

#ifdef __APPLE__
#define GOISH_CLOCK CLOCK_UPTIME_RAW            /* mach_absolute_time() */
#define GOISH_UVLOOPS_CLOCK CLOCK_MONOTONIC_RAW /* mach_continuous_time() */
#define GOISH_UVLOOP_DIFFERS 1
#else
#define GOISH_CLOCK CLOCK_MONOTONIC
#define GOISH_UVLOOPS_CLOCK CLOCK_MONOTONIC
#define GOISH_UVLOOP_DIFFERS 0
#endif

static inline double goish_seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static inline double goish_monotonic(void) { return goish_seconds(GOISH_CLOCK); }

/* The clock of uvloop's loops. */
static inline double goish_uvloops(void) { return goish_seconds(GOISH_UVLOOPS_CLOCK); }

/* By how much that is ahead: the same each time, until the machine sleeps again, so that a time can be converted and back. */
static inline double goish_uvloops_lead(void) {
    static int64_t known; /* nanoseconds; atomic */
    int64_t before = __atomic_load_n(&known, __ATOMIC_RELAXED);
    int64_t lead = (int64_t)((goish_uvloops() - goish_monotonic()) * 1e9);
    if (lead - before > 1000000 || before - lead > 1000000) /* not a pause between the two looks */
        __atomic_store_n(&known, before = lead, __ATOMIC_RELAXED);
    return (double)before * 1e-9;
}

#endif
