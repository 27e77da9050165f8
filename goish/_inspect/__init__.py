"""What goish shows of goroutines: their names and origins, dumps, leaks. Private."""
