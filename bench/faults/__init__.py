"""Faults of every kind, tried by the hundred: how many commands end well."""
