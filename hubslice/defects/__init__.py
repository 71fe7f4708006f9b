"""Inherited defects: attacks that know the teacher alone, and what they do to each model made from it."""
