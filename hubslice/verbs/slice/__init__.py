"""`hubslice slice`: from a recipe to a student."""
