"""Statistics of the teacher's activations, computed inside the graph in one pass over the data."""
