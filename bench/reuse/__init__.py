"""What small models trained from scratch, and slices of them, can be used for again."""
