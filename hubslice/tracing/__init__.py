"""Dynamic slicing (NNSlicer): contributions traced back through the graph from an output to its inputs."""
