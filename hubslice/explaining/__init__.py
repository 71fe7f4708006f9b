"""Dynamic slicing (NNSlicer): which neurons and synapses decided an output, by data flow over the folded graph."""
