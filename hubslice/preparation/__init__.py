"""How an image becomes a model's input: by the stock library, in a part that moves pixels and one that only scales."""
