"""Command-line options, and printing of results, errors and progress."""
