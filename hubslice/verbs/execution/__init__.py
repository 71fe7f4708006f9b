"""`hubslice execution` and `hubslice patterns`: which model runs, by the order and durations of its operators."""
