"""What a model costs to run with ONNX Runtime: time, memory, multiplications."""
