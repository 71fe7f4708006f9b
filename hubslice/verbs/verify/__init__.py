"""`hubslice verify`: check all claims of a student."""
