"""The files of a model repository: validated before use, and written reproducibly."""
