"""`hubslice profile`, `audit` and `card`: run one step of a run."""
