"""Running copies: from the bytes of sources to the bytes of targets, in bounded memory."""

from migspec.engine.run import BUDGET, Target, run

__all__ = ["BUDGET", "Target", "run"]
