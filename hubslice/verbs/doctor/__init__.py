"""`hubslice doctor`: check that this machine has what a run needs."""
