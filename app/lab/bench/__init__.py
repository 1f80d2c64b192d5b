"""The benchmark: the engine against its floors, on this machine, in one run."""
