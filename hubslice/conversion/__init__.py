"""Other forms of a model: compact, and as an ONNX graph for plain ONNX Runtime."""
