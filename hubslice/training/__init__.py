"""Fine-tuning: initial students, the loop, and holding a slice's irrelevant weights in any loop."""
