"""How commands read options and print results, errors and progress."""
