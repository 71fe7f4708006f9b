"""Inherited defects: attacks that only know the teacher, and their effect on each model derived from it."""
