"""Fine-tuning: initial students, the training loop, and holding a slice's irrelevant weights in any loop."""
