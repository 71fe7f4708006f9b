"""hubslice: slice Hub teachers to the weights a task needs."""
