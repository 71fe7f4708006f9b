"""`hubslice verify`: check every claim of a student."""
