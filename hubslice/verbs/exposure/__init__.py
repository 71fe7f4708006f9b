"""`hubslice exposure`: measure how much of a student its teacher reveals."""
