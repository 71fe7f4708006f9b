"""Models of timm and transformers behind one small interface."""
