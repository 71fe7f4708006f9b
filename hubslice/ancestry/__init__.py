"""Where weights come from: similarity of two models by their weights alone, fingerprints, differences."""
