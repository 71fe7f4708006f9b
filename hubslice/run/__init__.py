"""Run a recipe: arms, steps, plan, report, lock."""
