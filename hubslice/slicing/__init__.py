"""Slicing methods: each computes a `Slice` only from weights, neuron map and profile."""
