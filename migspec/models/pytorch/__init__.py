"""Live PyTorch modules."""

from migspec.models.pytorch.model import open_module

__all__ = ["open_module"]
