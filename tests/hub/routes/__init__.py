"""The handlers of the Hub's routes, by subject; `tests.hub.protocol` says which route leads to which."""
