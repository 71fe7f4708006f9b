"""One folder a verb: its command, its Python function, and what only it needs."""
