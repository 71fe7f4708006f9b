"""`hubslice lineage`: find which model another one comes from, by weights alone."""
