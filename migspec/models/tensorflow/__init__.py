"""TensorFlow's own objects as live models: `tf.Module`, `tf.train.Checkpoint`, what `tf.saved_model.load` returns."""

from migspec.models.tensorflow.trackable import is_trackable, open_trackable

__all__ = ["is_trackable", "open_trackable"]
