"""`hubslice explain`: find the neurons and weights that decided a model's prediction."""
