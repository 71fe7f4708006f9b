"""The Hub: what a model's name means, getting a model, putting a student back."""
