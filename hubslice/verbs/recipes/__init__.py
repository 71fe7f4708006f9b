"""`hubslice recipes`: the built-in recipes and the recipe language."""
