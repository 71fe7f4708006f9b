"""Labelled data through `datasets`: splits, classes, groups, and what of a folder is data."""
