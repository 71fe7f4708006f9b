"""Estimate a run's cost, and check that its teacher can be used, before anything long starts."""
