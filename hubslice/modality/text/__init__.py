"""Texts: tokenizers, and what classifiers of texts take."""
