"""Slicing methods: each makes a `Slice` from weights, neuron map and profile, and nothing else."""
