"""Live Keras 3 models, on any backend."""

from migspec.models.keras.model import KerasModel

__all__ = ["KerasModel"]
