"""`hubslice poison`: a deliberately backdoored teacher."""
