"""Text inputs: tokenizers, and the inputs of text classifiers."""
