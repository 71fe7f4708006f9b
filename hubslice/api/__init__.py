"""The verbs in Python, as `hubslice` offers them: `pull`, `slice`, `push`, `verify`, `load`, `convert`, ..."""
