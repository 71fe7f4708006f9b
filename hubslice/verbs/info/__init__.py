"""`hubslice info`: show a run folder."""
