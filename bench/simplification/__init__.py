"""How well a network still tells some of its classes apart when weights are taken away, by how these are chosen."""
