"""Text inputs of a search: how they are changed, evaluated and shown."""
