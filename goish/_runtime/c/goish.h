/* goish.h - the only C of the runtime: what Cython cannot say. core.pxd declares it.
 *
 * Everything is static and part of one translation unit. A header includes what it needs, and only headers above it in this list.
 *
 * Not here: any decision about channels or goroutines.
 */
#ifndef GOISH_H
#define GOISH_H

/* 1: invariants are checked at every operation (make debug). */
#ifndef GOISH_DEBUG
#define GOISH_DEBUG 0
#endif

#include "build.h"
#include "refcount.h"
#include "tls.h"
#include "random.h"
#include "clock.h"
#include "atomics.h"
#include "lock.h"
#include "gil.h"
#include "spin.h"
#include "park.h"
#include "gc.h"
#include "flat.h"
#include "chan.h"
#include "goroutine.h"
#include "exceptions.h"
#include "stop.h"
#include "step.h"
#include "op.h"
#include "types.h"
#include "calls.h"
#include "explain.h"
#include "frames.h"

#endif
