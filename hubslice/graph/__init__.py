"""Export a model as an ONNX graph, and map its neurons to the model's parameters."""
