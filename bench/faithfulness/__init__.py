"""Whether the channels that a slice names matter."""
