"""The cost of counting neuron coverage: speed and added memory, beside three other ways to look inside a model."""
