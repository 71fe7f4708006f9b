"""Experiments whose results are committed beside them: `make bench`, or one by one as each package's help says."""
