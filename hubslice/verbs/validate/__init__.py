"""`hubslice validate`: check a recipe before a long run."""
