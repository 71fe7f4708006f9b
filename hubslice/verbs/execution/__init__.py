"""`hubslice execution` and `hubslice patterns`: identify a model by the order and durations of its operators."""
