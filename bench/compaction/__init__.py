"""A network compacted to half its multiplications: which choice of channels keeps the most accuracy."""
