"""What students inherit from a backdoored teacher, over methods and ratios: the frontier of accuracy and DIR."""
