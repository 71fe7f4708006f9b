"""`hubslice recipes`: the built-in recipes and the recipe schema."""
