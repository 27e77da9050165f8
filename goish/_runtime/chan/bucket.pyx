# bucket.pyx - tokens that come at a rate and are reserved ahead: what a Limiter is made of.
#
# Compiled, because allow() is called for each event, and because no user code (a signal handler, a finalizer) may run between
# reading the tokens and taking them.
#
# Invariants (under `lock`): tokens <= burst, as of the time `last`; negative: so many are promised. `latest` is when the last
#   reservation may act.
# Threads: any. The clock, which may be user code, is read before the lock is taken; so it may go back a little, or far if a loop
#   with a clock of its own comes along. Then no tokens have come since.
# Not here: the types that programs see (goish/rate.py).

cdef double bucket_shift(Scheduler s) noexcept:
    # What to add to a time of that loop for one of buckets: they go by one clock on all threads, unless a loop has a virtual one.
    return -goish_uvloops_lead() if is_uvloops(s) else 0.0


cdef double bucket_time() except? -1.0:
    cdef Scheduler s = clock_here()
    return timer_clock(s) + bucket_shift(s)


def bucket_now():
    """The time by the clock of buckets."""
    return bucket_time()


cdef class Bucket:
    """Bucket(limit, burst)\n--\n\n"""

    def __init__(self, double limit, double burst):
        self.limit = limit
        self.burst = self.tokens = burst

    def take(self, double n):
        """Takes ``n`` tokens that are there; False if fewer are."""
        cdef double now = bucket_time()
        return bucket_reserve(self, n, now, now) >= 0.0

    def reserve(self, double n, double until):
        """Promises ``n`` tokens by ``until``: (when, now, limit), or None if that is too early or too many."""
        cdef Scheduler s = clock_here()
        cdef double now = timer_clock(s)
        cdef double shift = bucket_shift(s)
        cdef double delay = bucket_reserve(self, n, now + shift, until + shift)
        return (now + delay, now, self.limit) if delay >= 0.0 else None

    def give_back(self, double n, double when, double limit):
        """Undoes a reservation, but for what was promised to later ones. Nothing, if it was to act before now."""
        cdef Scheduler s = clock_here()
        cdef double shift = bucket_shift(s)
        bucket_give_back(self, n, when + shift, limit, timer_clock(s) + shift)

    def set(self, double limit, double burst):
        """Changes limit and burst; NaN: as it is."""
        cdef double now = bucket_time()
        goish_lock(&self.lock)
        bucket_advance(self, now)
        self.limit = limit if limit == limit else self.limit
        self.burst = burst if burst == burst else self.burst
        goish_unlock(&self.lock)

    def get(self):
        """(limit, burst, tokens) now."""
        cdef double now = bucket_time()
        cdef double limit, burst, tokens
        goish_lock(&self.lock)
        limit, burst, tokens = self.limit, self.burst, bucket_tokens(self, now)
        goish_unlock(&self.lock)
        return limit, burst, tokens


cdef inline double bucket_tokens(Bucket b, double now) noexcept:
    cdef double elapsed = max(now - b.last, 0.0)
    if elapsed == 0.0 or b.limit == 0.0:
        return min(b.tokens, b.burst)
    return min(b.tokens + elapsed * b.limit, b.burst)


cdef inline void bucket_advance(Bucket b, double now) noexcept:
    b.tokens = bucket_tokens(b, now)
    b.last = now


cdef double bucket_reserve(Bucket b, double n, double now, double until) noexcept:
    # Gives the delay in seconds; negative: refused, and nothing has changed.
    cdef double tokens
    cdef double delay = 0.0
    goish_lock(&b.lock)
    if b.limit < INFINITY:
        tokens = bucket_tokens(b, now) - n
        if tokens < 0.0:
            delay = INFINITY if b.limit == 0.0 else -tokens / b.limit
        if n > b.burst or now + delay > until:
            delay = -1.0
        else:
            b.last = now
            b.tokens = tokens
            b.latest = now + delay
    goish_unlock(&b.lock)
    return delay


cdef double ROUNDING = 2e-15  # of a time: `latest` is computed back from the times of later reservations


cdef void bucket_give_back(Bucket b, double n, double when, double limit, double now) noexcept:
    cdef double restored, before
    goish_lock(&b.lock)
    if b.limit < INFINITY and limit < INFINITY and n > 0.0 and now <= when < INFINITY:
        restored = n - max(b.latest - when, 0.0) * limit
        if restored > 0.0:
            bucket_advance(b, now)
            b.tokens = min(b.tokens + restored, b.burst)
            if fabs(b.latest - when) <= when * ROUNDING:  # else later ones act earlier: the limit was raised
                before = when - n / limit
                if before >= now:
                    b.latest = before
    goish_unlock(&b.lock)
