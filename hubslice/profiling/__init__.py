"""Statistics of the teacher's activations, reduced inside the graph in one pass over the data."""
