# flavor.pyx - what kind of channel: checked when it is made, declared to have one producer or consumer, and described.
#
# Threads: all of this is set when the channel is made, but for the weak references to the declared ends. What describes a channel
#   reads its counts without the lock: right a moment ago.

# ---- making ----

cdef dict OVERFLOWS = {"block": BLOCK, "error": ERROR, "drop_oldest": DROP_OLDEST, "drop_newest": DROP_NEWEST}
cdef dict FLAVORS = {
    "mpmc": 0, "spmc": C_SINGLE_SENDER, "mpsc": C_SINGLE_RECEIVER, "spsc": C_SINGLE_SENDER | C_SINGLE_RECEIVER
}


cdef Py_ssize_t checked_capacity(object capacity) except -1:
    if type(capacity) is not int:
        if type(capacity) is float and capacity == INFINITY:
            return PY_SSIZE_T_MAX
        raise TypeError(
            f"a channel's capacity is an int (0: unbuffered) or math.inf (unbounded), got {capacity!r} "
            f"of type {type(capacity).__name__}"
        )
    if capacity < 0:
        raise ValueError(f"a channel's capacity is 0 (unbuffered) or more, got {capacity}")
    if capacity >= PY_SSIZE_T_MAX:
        raise OverflowError(f"a capacity of {capacity} is more than memory can address; use math.inf for an unbounded channel")
    return capacity


cdef void chan_configure(Chan ch, object overflow, object flavor, object on_undelivered) except *:
    cdef ChanCold cold
    if overflow != "block":
        if overflow not in OVERFLOWS:
            raise ValueError(f"overflow must be one of {', '.join(map(repr, OVERFLOWS))}; got {overflow!r}")
        if ch.capacity == 0 or ch.capacity == PY_SSIZE_T_MAX:
            kind = "an unbuffered channel has no buffer to overflow" if ch.capacity == 0 else "an unbounded one never overflows"
            raise ValueError(f"overflow={overflow!r} needs a bounded capacity of 1 or more: {kind}")
        if overflow == "drop_oldest" and ch.flags & C_HEAP:
            raise ValueError('overflow="drop_oldest" would drop the most urgent item of a PriorityChan; use "drop_newest"')
        ch.overflow = OVERFLOWS[overflow]
    if flavor != "mpmc":
        if flavor not in FLAVORS:
            raise ValueError(f"flavor must be one of {', '.join(map(repr, FLAVORS))}; got {flavor!r}")
        ch.flags |= FLAVORS[flavor]
    if on_undelivered is not None and not callable(on_undelivered):
        raise TypeError(f"on_undelivered must be callable, got {on_undelivered!r}")
    if ch.cold is None and (on_undelivered is not None or flavor != "mpmc"):
        cold = ChanCold.__new__(ChanCold)
        cold.on_undelivered = on_undelivered
        ch.cold = cold


# ---- one declared producer or consumer, enforced in asyncio's debug mode (goish.run(debug=True), -X dev) ----

cdef bint enforce_flavors = bool(os.environ.get("GOISH_DEBUG"))


cdef void check_flavor(Chan ch, bint sending) except *:
    cdef ChanCold cold
    if not ch.flags & (C_SINGLE_SENDER if sending else C_SINGLE_RECEIVER):
        return
    cold = <ChanCold>ch.cold
    goish_lock(&ch.lock)
    known = cold.sender if sending else cold.receiver
    goish_unlock(&ch.lock)
    loop = asyncio_running_loop()
    # A plain thread has no loop to ask for its debug mode: it is checked where the other side was.
    if not enforce_flavors and not (known is not None or sys.flags.dev_mode if loop is None else loop.get_debug()):
        return
    who = current_goroutine()  # of a plain call too, whose thread runs others after it
    if who is None and loop is not None:
        who = asyncio_current_task()
    if who is None:
        who = current_thread()
    other = None if known is None else known()
    if other is None or (other.done() if hasattr(other, "done") else not other.is_alive()):
        fresh = weak_reference(who)
        goish_lock(&ch.lock)
        _before = cold.sender if sending else cold.receiver  # dropped after unlocking
        if sending:
            cold.sender = fresh
        else:
            cold.receiver = fresh
        goish_unlock(&ch.lock)
    elif other is not who:
        role = "producer" if sending else "consumer"
        raise FlavorError(f"{ch!r} is declared to have a single {role}, {other!r}; {who!r} is a second one")


# ---- describing ----

cdef Py_ssize_t chan_len(Chan ch) noexcept:
    return 0 if ch.flags & C_TIMER else ch.buffer.count


cdef object chan_cap(Chan ch):
    if ch.flags & C_TIMER:
        return 0
    return INFINITY if ch.capacity == PY_SSIZE_T_MAX else ch.capacity


cdef object chan_statistics(Chan ch):
    return ChanStatistics(
        chan_len(ch), chan_cap(ch), ch.senders.count, ch.receivers.count, goish_load_state(&ch.closed) != 0
    )


cdef object chan_flavor(Chan ch):
    if ch.flags & C_TIMER:
        storage = "timer"
    elif ch.flags & C_HEAP:
        storage = "heap"
    else:
        storage = "none" if ch.capacity == 0 else "ring"
    return Flavor(
        "single" if ch.flags & C_SINGLE_SENDER else "multi",
        "single" if ch.flags & C_SINGLE_RECEIVER else "multi",
        storage,
        list(OVERFLOWS)[ch.overflow],
        "by priority, then by when the send was called" if ch.flags & C_HEAP else "first in, first out",
        f"lock-based; a send or receive is amortized {'O(log n)' if ch.flags & C_HEAP else 'O(1)'} under the lock and runs no "
        "user code there",
    )


cdef str chan_repr(Chan ch, str kind):
    if ch.flags & C_NIL:
        return "NIL"
    cdef list about = [f"cap={chan_cap(ch)}", f"len={chan_len(ch)}"]
    cdef int declared = ch.flags & (C_SINGLE_SENDER | C_SINGLE_RECEIVER)
    if ch.overflow != BLOCK:
        about.append(f"overflow={list(OVERFLOWS)[ch.overflow]}")
    about += [f"flavor={name}" for name, bits in FLAVORS.items() if bits and bits == declared]
    if ch.senders.count:
        about.append(f"senders={ch.senders.count}")
    if ch.receivers.count:
        about.append(f"receivers={ch.receivers.count}")
    if goish_load_state(&ch.closed):
        about.append("closed")
    return f"<{kind} {' '.join(about)}>"


cdef class ChanCold:
    pass


cdef int raise_no_channel_copy() except -1:
    raise TypeError(
        "a channel cannot be copied or pickled: pass it itself, goroutines share it. It does not reach into other processes: "
        "a function that runs there returns its values"
    )


cdef Prioritized with_priority(PriorityChan ch, object value, object given):
    cdef Prioritized item = Prioritized.__new__(Prioritized)
    item.priority = float_of(int(given) if type(given) is bool else given, "a priority", " is a number")
    item.order = goish_next(&ch.order)
    item.value = value
    return item
