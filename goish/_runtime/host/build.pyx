# build.pyx - what the core was built by and for: for a bug report, and for what differs without the GIL.
#
# Threads: any.

FREE_THREADED = bool(GOISH_FREE_THREADED)


def build_facts():
    """The compiler, the version of Cython, and whether it is a debug build."""
    cdef unsigned int cython = CYTHON_HEX_VERSION
    version = f"{cython >> 24}.{cython >> 16 & 255}.{cython >> 8 & 255}"
    return GOISH_COMPILER.decode(), version, bool(GOISH_DEBUG)
