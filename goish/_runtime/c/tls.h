/* tls.h - what a thread knows of itself.
 *
 * The references are borrowed. A drain and a worker set theirs, and put back what was there before. A header that keeps more
 * for each thread declares it next to its use: random.h, stop.h, park.h, flat.h.
 *
 * C, because Cython has no thread-local variables.
 */
#ifndef GOISH_TLS_H
#define GOISH_TLS_H

#include "refcount.h"

/* A shared library reaches its thread-locals through a function call unless the model says otherwise. */
#if defined(__GLIBC__) && defined(__GNUC__)
#define GOISH_TLS static __thread __attribute__((tls_model("initial-exec")))
#elif defined(_MSC_VER)
#define GOISH_TLS static __declspec(thread)
#else
#define GOISH_TLS static __thread
#endif

GOISH_TLS PyObject *goish_tls_sched;   /* borrowed: the Scheduler that drains on this thread just now, or NULL */
GOISH_TLS PyObject *goish_tls_worker;  /* borrowed: the Worker that runs plain calls on this thread, or NULL */
GOISH_TLS int goish_tls_spent;         /* operations in a row that completed without yielding */

#endif
