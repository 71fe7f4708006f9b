"""Images as inputs of a search: how they are changed, asked about and shown."""
