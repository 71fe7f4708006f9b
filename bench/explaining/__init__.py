"""Speed and memory of dynamic slicing."""
