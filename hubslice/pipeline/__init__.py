"""From a recipe to a run folder: steps, their cache, the plan."""
