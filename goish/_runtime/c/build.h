/* build.h - what the core was built by and for. Constants only. */
#ifndef GOISH_BUILD_H
#define GOISH_BUILD_H

#include <Python.h>

#if defined(__clang__)
#define GOISH_COMPILER "Clang " __clang_version__
#elif defined(__GNUC__)
#define GOISH_COMPILER "GCC " __VERSION__
#else
#error "goish needs the atomics and thread-local variables of GCC or Clang"
#endif

#ifdef Py_GIL_DISABLED
#define GOISH_FREE_THREADED 1
#else
#define GOISH_FREE_THREADED 0
#endif

#endif
