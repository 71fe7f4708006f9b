"""The forms that a model can be converted to, one file per kind."""
