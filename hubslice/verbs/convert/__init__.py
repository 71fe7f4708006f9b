"""`hubslice convert`: convert a model for deployment."""
