"""`hubslice push`: publish a student."""
