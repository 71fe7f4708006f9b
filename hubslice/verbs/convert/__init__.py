"""`hubslice convert`: other forms of a model."""
