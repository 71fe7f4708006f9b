"""`hubslice diff`: find inputs on which two models disagree, and train on them."""
