"""The forms that `convert` gives a model, and the pictures that some need."""
