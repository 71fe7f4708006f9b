"""What students inherit from a backdoored teacher, over slicing methods and ratios: the frontier of accuracy and DIR."""
