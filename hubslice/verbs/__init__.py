"""One folder per verb: its command, its Python function, and the code that only it needs."""
