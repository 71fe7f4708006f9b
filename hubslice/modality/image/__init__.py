"""Image inputs: reading, and the preprocessing defined by timm or transformers."""
