"""`hubslice pull`: fetch, check and export a model."""
