"""`hubslice info`: what a run folder holds."""
