# host.pyx - what goish's own modules do for the core: one door, through which each gives its functions once.
#
# Threads: the one that imports goish.

@cython.final
cdef class Host:
    pass


host = Host.__new__(Host)


def install_host(**functions):
    """Gives the core functions of goish's own modules, by the names that host.pxd lists. AttributeError for another name."""
    for name, function in functions.items():
        setattr(host, name, function)
