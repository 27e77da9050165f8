"""tokio, on one thread."""

from benchmarks.compiled import tokio_program, workloads_of

WORKLOADS = workloads_of(tokio_program(), "1")
