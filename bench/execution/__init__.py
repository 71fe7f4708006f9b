"""What the order and durations of operators give away of the model that runs, to whom, and what hides it."""
