"""Render a report as a model card: README.md with its YAML header, and its plots."""
