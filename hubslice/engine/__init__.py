"""Steps, the cache of their results, and the run folder that holds them."""
