"""The recipe language: schema, loading, built-in recipes. Needs neither torch nor transformers."""
