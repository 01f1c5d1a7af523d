"""Orbax checkpoints: folders that hold a tree of arrays."""
