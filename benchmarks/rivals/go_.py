"""Go, on all processors."""

from benchmarks.compiled import go_program, workloads_of

WORKLOADS = workloads_of(go_program())
