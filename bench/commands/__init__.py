"""How long the short commands take, and what it costs to rank eleven million weights."""
