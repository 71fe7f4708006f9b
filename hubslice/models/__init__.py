"""A common interface to timm and transformers models."""
