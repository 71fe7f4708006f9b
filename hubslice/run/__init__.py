"""The chain of a recipe: arms, steps, plan, report, lock."""
