"""`hubslice poison`: make a deliberately backdoored teacher."""
