"""What of Go's package ``sync`` is plain Python, made of the core's locks, counters and atomic values."""
