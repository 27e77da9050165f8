"""Goroutines that belong together: what stands behind ``goish.errgroup`` and ``goish.singleflight``."""
