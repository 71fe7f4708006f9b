"""The handlers of the Hub's routes, by subject; `tests.fake_hub.protocol` says which route leads to which."""
