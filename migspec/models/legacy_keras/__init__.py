"""Live models of Keras 2: the package `tf_keras`, which is also `tf.keras` where `TF_USE_LEGACY_KERAS=1` is set."""

from migspec.models.legacy_keras.model import open_legacy_keras

__all__ = ["open_legacy_keras"]
