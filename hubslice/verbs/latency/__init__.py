"""`hubslice latency`: time, memory, size and multiplications of models with ONNX Runtime."""
