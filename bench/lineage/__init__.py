"""What weights tell of where a model comes from, what an index finds, what a teacher gives away, what a delta saves."""
