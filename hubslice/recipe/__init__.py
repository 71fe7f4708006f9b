"""The recipe language: schema, loading, built-in recipes. Requires neither torch nor transformers."""
