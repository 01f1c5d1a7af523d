"""The inverse of a spec, as a spec in the same language: each statement turned around, or the reason why it cannot be."""
