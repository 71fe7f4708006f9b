"""Report -> model card: the README.md with its YAML head, and the plots that it shows."""
