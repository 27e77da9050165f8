"""tokio, work-stealing on two threads."""

from benchmarks.compiled import tokio_program, workloads_of

WORKLOADS = workloads_of(tokio_program(), "2")
