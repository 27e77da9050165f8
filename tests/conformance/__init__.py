"""Suites that others wrote: CPython's, anyio's, aiohttp's, janus's and uvloop's. See docs/conformance.md."""
