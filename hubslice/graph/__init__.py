"""The teacher as one ONNX program graph, and the map from its neurons to the model's parameters."""
