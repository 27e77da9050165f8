# map.pyx - Go's sync.Map: a map that goroutines and threads change at the same time.
#
# A bucket is a tuple, which never changes. A change makes a new bucket, and puts it in the place of the old one if that is still
#   there (bucket_swap); otherwise it begins anew.
# Invariant: under the lock no code of a program runs. Keys are hashed and compared outside of it; the keys of `buckets` are ints.
# Threads: any.

cdef object ABSENT = object()


cdef object bucket_of(Map m, object h):
    # The bucket of a hash: a tuple, or None.
    goish_lock(&m.lock)
    bucket = m.buckets.get(h)
    goish_unlock(&m.lock)
    return bucket


cdef bint bucket_swap(Map m, object h, object old, tuple new) except -1:
    # False: another thread was faster.
    cdef bint same
    cdef Py_ssize_t grown = (len(new) - (0 if old is None else len(<tuple>old))) // 2
    goish_lock(&m.lock)
    now = m.buckets.get(h)
    same = now is old
    if same:
        m.count += grown
        if len(new) == 0:
            old = m.buckets.pop(h, None)  # dropped after unlocking
        else:
            m.buckets[h] = new
    goish_unlock(&m.lock)
    return same


cdef Py_ssize_t place_in_bucket(object bucket, object key) except -2:
    # -1: it is not there. Compares as a dict does.
    cdef Py_ssize_t i
    if bucket is None:
        return -1
    for i in range(0, len(<tuple>bucket), 2):
        there = (<tuple>bucket)[i]
        if there is key or there == key:
            return i
    return -1


cdef tuple bucket_with(object bucket, Py_ssize_t i, object key, object value):
    if bucket is None:
        return (key, value)
    if i < 0:
        return <tuple>bucket + (key, value)
    return (<tuple>bucket)[:i + 1] + (value,) + (<tuple>bucket)[i + 2:]


cdef tuple bucket_without(tuple bucket, Py_ssize_t i):
    return bucket[:i] + bucket[i + 2:]


cdef object map_swap(Map m, object key, object value):
    # The value before, or ABSENT.
    cdef Py_ssize_t i
    h = hash(key)
    while True:
        bucket = bucket_of(m, h)
        i = place_in_bucket(bucket, key)
        if bucket_swap(m, h, bucket, bucket_with(bucket, i, key, value)):
            return ABSENT if i < 0 else (<tuple>bucket)[i + 1]


cdef object map_take(Map m, object key, object expected):
    # Deletes the key, if its value is the expected one or ABSENT is expected. The value, or ABSENT: nothing was deleted.
    cdef Py_ssize_t i
    h = hash(key)
    while True:
        bucket = bucket_of(m, h)
        i = place_in_bucket(bucket, key)
        if i < 0:
            return ABSENT
        value = (<tuple>bucket)[i + 1]
        if expected is not ABSENT and not (value is expected or value == expected):
            return ABSENT
        if bucket_swap(m, h, bucket, bucket_without(<tuple>bucket, i)):
            return value


cdef class Map:
    """Map(items=())\n--\n\n\
    A map that goroutines and threads change at the same time. Go's ``sync.Map``.

    Each method is one step for all threads, with the GIL and without it. ``items``: a mapping, or pairs, to begin with.
    TypeError for a key that cannot be hashed.

    Example::

        visits = Map()
        print(visits.load_or_store("/", 1), visits.load_or_store("/", 2))  # -> (1, False) (1, True)
        print(len(visits), "/" in visits)  # -> 1 True
    """

    def __cinit__(self, items=()):
        self.buckets = {}
        for key, value in dict(items).items():
            map_swap(self, key, value)

    def load(self, key, default=None):
        """The value of ``key``, or ``default``. Any thread. Go's ``Load``.

        Example::

            print(Map({"a": 1}).load("a"), Map().load("a"))  # -> 1 None
        """
        bucket = bucket_of(self, hash(key))
        cdef Py_ssize_t i = place_in_bucket(bucket, key)
        return default if i < 0 else (<tuple>bucket)[i + 1]

    def store(self, key, value):
        """Sets the value of ``key``. Any thread. Go's ``Store``."""
        map_swap(self, key, value)

    def load_or_store(self, key, value):
        """The value of ``key`` and True; if there is none, it sets ``value``, and gives that and False. Any thread.

        Example::

            m = Map()
            value, loaded = m.load_or_store("a", 1)
            print(value, loaded)  # -> 1 False
        """
        cdef Py_ssize_t i
        h = hash(key)
        while True:
            bucket = bucket_of(self, h)
            i = place_in_bucket(bucket, key)
            if i >= 0:
                return (<tuple>bucket)[i + 1], True
            if bucket_swap(self, h, bucket, bucket_with(bucket, i, key, value)):
                return value, False

    def load_and_delete(self, key, default=None):
        """Deletes ``key``; its value and True, or ``default`` and False if there is none. Any thread.

        Example::

            m = Map({"a": 1})
            print(m.load_and_delete("a"), m.load_and_delete("a"))  # -> (1, True) (None, False)
        """
        value = map_take(self, key, ABSENT)
        return (default, False) if value is ABSENT else (value, True)

    def delete(self, key):
        """Deletes ``key``, if it is there. Any thread."""
        map_take(self, key, ABSENT)

    def swap(self, key, value, default=None):
        """Sets the value of ``key``; the value before and True, or ``default`` and False if there was none. Any thread.

        Example::

            print(Map({"a": 1}).swap("a", 2))  # -> (1, True)
        """
        before = map_swap(self, key, value)
        return (default, False) if before is ABSENT else (before, True)

    def compare_and_swap(self, key, old, new):
        """Sets the value of ``key`` to ``new`` if it is there and equals ``old``: True if it did. Any thread.

        Example::

            m = Map({"a": 1})
            print(m.compare_and_swap("a", 1, 2), m.compare_and_swap("a", 1, 3))  # -> True False
        """
        cdef Py_ssize_t i
        h = hash(key)
        while True:
            bucket = bucket_of(self, h)
            i = place_in_bucket(bucket, key)
            if i < 0 or not ((<tuple>bucket)[i + 1] is old or (<tuple>bucket)[i + 1] == old):
                return False
            if bucket_swap(self, h, bucket, bucket_with(bucket, i, (<tuple>bucket)[i], new)):
                return True

    def compare_and_delete(self, key, old):
        """Deletes ``key`` if it is there and its value equals ``old``: True if it did. Any thread."""
        return map_take(self, key, old) is not ABSENT

    def range(self):
        """An iterator over the pairs ``(key, value)``. Any thread. Go's ``Range``.

        A key that is there all the time comes once; one that is stored or deleted meanwhile comes once or not at all. The
        map may be changed meanwhile.

        Example::

            m = Map({"a": 1, "b": 2})
            for key, value in m.range():
                m.store(key.upper(), value)
            print(sorted(key for key, _ in m.range()))  # -> ['A', 'B', 'a', 'b']
        """
        goish_lock(&self.lock)
        buckets = self.buckets
        goish_unlock(&self.lock)
        # Not under the lock, since the collector may run here; copy() is one step by itself.
        return iter([(bucket[i], bucket[i + 1]) for bucket in buckets.copy().values() for i in range(0, len(bucket), 2)])

    def clear(self):
        """Deletes all keys. Any thread."""
        fresh = {}
        goish_lock(&self.lock)
        fresh, self.buckets = self.buckets, fresh  # dropped after unlocking
        self.count = 0
        goish_unlock(&self.lock)

    def __len__(self):
        return self.count

    def __contains__(self, key):
        return place_in_bucket(bucket_of(self, hash(key)), key) >= 0

    __class_getitem__ = classmethod(GenericAlias)

    def __repr__(self):
        return f"<Map of {self.count}>"

    def __reduce_ex__(self, protocol):
        raise TypeError("a Map cannot be copied or pickled: its copies would change apart; dict(m.range()) has what is in it")
