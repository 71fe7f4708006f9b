"""`hubslice exposure`: how much of a student its teacher gives away."""
