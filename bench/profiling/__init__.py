"""The cost of counting neuron coverage: pictures per second and added memory, beside three other ways to look inside."""
