"""What the order and durations of operators give away of the model that runs, of its exporter and of its software."""
