"""Steps, the cache of their results, and the run folder that contains them."""
