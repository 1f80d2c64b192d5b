"""The benchmark: compares the service with its floors, on this machine, in one run. See docs/benchmarks.md."""
