"""One call of ``run``: its main goroutine, panics, deadlocks, Ctrl-C and its end. Private."""
