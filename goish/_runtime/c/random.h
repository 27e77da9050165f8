/* random.h - the order of a select's cases.
 *
 * xorshift64*: fast and fair enough for a choice among cases, and nothing that a secret may depend on. Each thread seeds
 * its own from the clock and from an address of its own, so no state is shared.
 *
 * C, because its state is thread-local.
 */
#ifndef GOISH_RANDOM_H
#define GOISH_RANDOM_H

#include "tls.h"
#include <time.h>

GOISH_TLS uint64_t goish_tls_random;   /* xorshift state; 0 = not seeded yet */

static inline uint64_t goish_random(void) {
    uint64_t x = goish_tls_random;
    if (x == 0) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        x = ((uint64_t)now.tv_nsec << 32) ^ (uint64_t)now.tv_sec ^ (uint64_t)(uintptr_t)&goish_tls_random;
        x |= 1;
    }
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    goish_tls_random = x;
    return x * 0x2545F4914F6CDD1DULL;
}

#endif
