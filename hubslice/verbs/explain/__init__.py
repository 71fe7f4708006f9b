"""`hubslice explain`: which neurons and weights decided a model's answer."""
