"""Live Keras 3 models, whatever the backend."""

from migspec.models.keras.model import open_keras

__all__ = ["open_keras"]
