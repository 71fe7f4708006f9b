"""`hubslice lineage`: which model another one comes from, by weights alone."""
