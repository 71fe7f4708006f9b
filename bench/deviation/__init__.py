"""How soon a search finds inputs on which a model and its deployed form answer differently, and what helps it."""
