"""The files of a model repository: checked before they are trusted, and written to the same bytes each time."""
