"""What a run will cost, and whether its teacher can be used, before anything long begins."""
