"""Trace where weights come from: similarity of two models by their weights, fingerprints, deltas."""
