"""Two checkpoints held against each other, variable by variable; or one against what a plan makes of the other."""
