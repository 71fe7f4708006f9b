"""Adversarial images, and who notices them: slices beside simple detectors that see the same clean images."""
