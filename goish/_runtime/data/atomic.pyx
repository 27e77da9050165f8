# atomic.pyx - Go's sync/atomic: values of which each change is one step.
#
# Without the GIL a number is one atomic instruction of the processor (c/atomics.h), and a reference has a lock.
# Threads: any.

cdef class Int64:
    """Int64(value=0)\n--\n\n\
    An int of 64 bits of which each change is one step. Go's ``atomic.Int64``.

    All threads see its changes in one order, with the GIL and without it. TypeError for what is no int, OverflowError
    for an int that is too large.

    Example::

        hits = Int64()
        hits.add(2)
        print(hits.add(1), hits.load())  # -> 3 3
    """

    def __cinit__(self, value=0):
        self.n = number_of_int64(value)

    def load(self):
        """The value. Any thread."""
        return <int64_t>goish_number(&self.n)

    def store(self, value):
        """Sets it. Any thread."""
        goish_number_swap(&self.n, number_of_int64(value))

    def add(self, delta):
        """Adds ``delta``, which may be negative, and gives the new value; it wraps around, as Go's. Any thread.

        Example::

            print(Int64(5).add(-2))  # -> 3
        """
        return <int64_t>goish_number_add(&self.n, number_of_int64(delta))

    def swap(self, value):
        """Sets it, and gives the value that it had. Any thread."""
        return <int64_t>goish_number_swap(&self.n, number_of_int64(value))

    def compare_and_swap(self, old, new):
        """Sets it to ``new`` if it is ``old``: True if it did. Any thread.

        Example::

            owner = Int64()
            print(owner.compare_and_swap(0, 7), owner.compare_and_swap(0, 8), owner.load())  # -> True False 7
        """
        return goish_number_cas(&self.n, number_of_int64(old), number_of_int64(new))

    def and_(self, mask):
        """Keeps the bits of ``mask``, and gives the value that it had. Go's ``And``. Any thread."""
        return <int64_t>goish_number_and(&self.n, number_of_int64(mask))

    def or_(self, mask):
        """Sets the bits of ``mask``, and gives the value that it had. Go's ``Or``. Any thread."""
        return <int64_t>goish_number_or(&self.n, number_of_int64(mask))

    def __repr__(self):
        return f"<Int64 {self.load()}>"

    def __reduce_ex__(self, protocol):
        no_copy_of_atomic(self)


cdef uint64_t number_of_int64(object value) except? 0:
    cdef int64_t number = 0
    cdef bint fits = True
    if type(value) is not int:
        raise TypeError(f"an Int64 holds an int, got {value!r} of type {type(value).__name__}")
    try:
        number = value
    except OverflowError:
        fits = False
    if not fits:
        raise OverflowError(f"an Int64 holds -2**63 to 2**63 - 1, got {value}")
    return <uint64_t>number


cdef class Uint64:
    """Uint64(value=0)\n--\n\n\
    An int of 64 bits, 0 or more, of which each change is one step. Go's ``atomic.Uint64``.

    All threads see its changes in one order, with the GIL and without it. TypeError for what is no int, OverflowError
    for an int that is too large.

    Example::

        hits = Uint64()
        hits.add(2)
        print(hits.add(1), hits.load())  # -> 3 3
    """

    def __cinit__(self, value=0):
        self.n = number_of_uint64(value)

    def load(self):
        """The value. Any thread."""
        return <uint64_t>goish_number(&self.n)

    def store(self, value):
        """Sets it. Any thread."""
        goish_number_swap(&self.n, number_of_uint64(value))

    def add(self, delta):
        """Adds ``delta``, which may be negative, and gives the new value; it wraps around, as Go's. Any thread.

        Example::

            print(Uint64(5).add(-2))  # -> 3
        """
        return <uint64_t>goish_number_add(&self.n, number_of_delta(delta))

    def swap(self, value):
        """Sets it, and gives the value that it had. Any thread."""
        return <uint64_t>goish_number_swap(&self.n, number_of_uint64(value))

    def compare_and_swap(self, old, new):
        """Sets it to ``new`` if it is ``old``: True if it did. Any thread.

        Example::

            owner = Uint64()
            print(owner.compare_and_swap(0, 7), owner.compare_and_swap(0, 8), owner.load())  # -> True False 7
        """
        return goish_number_cas(&self.n, number_of_uint64(old), number_of_uint64(new))

    def and_(self, mask):
        """Keeps the bits of ``mask``, and gives the value that it had. Go's ``And``. Any thread."""
        return <uint64_t>goish_number_and(&self.n, number_of_uint64(mask))

    def or_(self, mask):
        """Sets the bits of ``mask``, and gives the value that it had. Go's ``Or``. Any thread."""
        return <uint64_t>goish_number_or(&self.n, number_of_uint64(mask))

    def __repr__(self):
        return f"<Uint64 {self.load()}>"

    def __reduce_ex__(self, protocol):
        no_copy_of_atomic(self)


cdef uint64_t number_of_uint64(object value) except? 0:
    cdef uint64_t number = 0
    cdef bint fits = True
    if type(value) is not int:
        raise TypeError(f"a Uint64 holds an int, got {value!r} of type {type(value).__name__}")
    try:
        number = value
    except OverflowError:
        fits = False
    if not fits:
        raise OverflowError(f"a Uint64 holds 0 to 2**64 - 1, got {value}")
    return <uint64_t>number


cdef uint64_t number_of_delta(object value) except? 0:
    return number_of_int64(value) if type(value) is int and value < 0 else number_of_uint64(value)


cdef class Bool:
    """Bool(value=False)\n--\n\n\
    A truth value of which each change is one step. Go's ``atomic.Bool``.

    TypeError for anything but True and False.

    Example::

        closed = Bool()
        print(closed.swap(True), closed.swap(True))  # -> False True
    """

    def __cinit__(self, value=False):
        self.n = number_of_bool(value)

    def load(self):
        """The value. Any thread."""
        return goish_number(&self.n) != 0

    def store(self, value):
        """Sets it. Any thread."""
        goish_number_swap(&self.n, number_of_bool(value))

    def swap(self, value):
        """Sets it, and gives the value that it had. Any thread."""
        return goish_number_swap(&self.n, number_of_bool(value)) != 0

    def compare_and_swap(self, old, new):
        """Sets it to ``new`` if it is ``old``: True if it did. Any thread.

        Example::

            started = Bool()
            print(started.compare_and_swap(False, True), started.compare_and_swap(False, True))  # -> True False
        """
        return goish_number_cas(&self.n, number_of_bool(old), number_of_bool(new))

    def __repr__(self):
        return f"<Bool {self.load()}>"

    def __reduce_ex__(self, protocol):
        no_copy_of_atomic(self)


cdef uint64_t number_of_bool(object value) except? 0:
    if type(value) is not bool:
        raise TypeError(f"a Bool holds True or False, got {value!r} of type {type(value).__name__}")
    return 1 if value else 0


cdef class Ref:
    """Ref(value=None)\n--\n\n\
    A reference to any object, of which each change is one step. Go's ``atomic.Pointer`` and ``atomic.Value``.

    ``compare_and_swap`` compares by identity (``is``), so numbers and strings are better kept in objects of one's own.

    Example::

        config = Ref({"debug": False})
        config.store({"debug": True})  # readers see the old one or the new one, whole
        print(config.load()["debug"])  # -> True
    """

    def __cinit__(self, value=None):
        self.held = value

    def load(self):
        """The object. Any thread."""
        goish_lock(&self.lock)
        held = self.held
        goish_unlock(&self.lock)
        return held

    def store(self, value):
        """Sets it. Any thread."""
        ref_swap(self, value)

    def swap(self, value):
        """Sets it, and gives the object that it had. Any thread."""
        return ref_swap(self, value)

    def compare_and_swap(self, old, new):
        """Sets it to ``new`` if it is the very object ``old``: True if it did. Any thread.

        Example::

            empty = object()
            slot = Ref(empty)
            print(slot.compare_and_swap(empty, "mine"), slot.compare_and_swap(empty, "yours"))  # -> True False
        """
        cdef bint same
        goish_lock(&self.lock)
        same = self.held is old
        if same:
            old, self.held = self.held, new  # dropped after unlocking
        goish_unlock(&self.lock)
        return same

    __class_getitem__ = classmethod(GenericAlias)

    def __repr__(self):
        return f"<Ref {self.load()!r}>"

    def __reduce_ex__(self, protocol):
        no_copy_of_atomic(self)


cdef object ref_swap(Ref ref, object value):
    goish_lock(&ref.lock)
    value, ref.held = ref.held, value
    goish_unlock(&ref.lock)
    return value


cdef int no_copy_of_atomic(object atomic) except -1:
    raise TypeError(f"{type(atomic).__name__} cannot be copied or pickled: its copies would change apart; copy what load() gives")
