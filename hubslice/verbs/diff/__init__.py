"""`hubslice diff`: inputs on which two models disagree, and training on them."""
