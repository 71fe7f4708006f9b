"""`hubslice doctor`: whether this machine has what a run needs."""
