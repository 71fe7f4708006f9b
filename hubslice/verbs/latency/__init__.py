"""`hubslice latency`: compare time, memory, size and multiplications of models with ONNX Runtime."""
