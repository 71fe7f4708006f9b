"""What a model can be converted to, one file a kind."""
