"""`hubslice slice`: make a student from a recipe."""
