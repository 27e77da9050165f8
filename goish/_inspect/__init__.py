"""What a person is shown of goroutines: their names and origins, dumps, leaks. Private."""
