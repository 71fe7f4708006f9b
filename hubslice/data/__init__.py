"""Task data: labelled pictures through `datasets`, split by group, prepared as the teacher's pixels."""
