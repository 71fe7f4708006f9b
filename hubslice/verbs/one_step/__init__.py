"""`hubslice profile`, `audit` and `card`: one step of a run."""
