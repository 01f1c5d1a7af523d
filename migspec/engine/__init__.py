"""Running copies: from the bytes of sources to the bytes of targets, in bounded memory."""

from migspec.engine.run import BUDGET, run
from migspec.engine.target import Target

__all__ = ["BUDGET", "Target", "run"]
