"""Labelled data loaded with `datasets`: splits, classes, groups, and the selection of files in a folder."""
