"""A detector of odd inputs, learned from clean ones alone."""
