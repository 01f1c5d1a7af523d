"""TensorFlow V2 checkpoints (bundles: one `.index`, one or more `.data-NNNNN-of-NNNNN`) and SavedModels, without TensorFlow."""

from migspec.formats.tensorflow_bundle.location import is_bundle
from migspec.formats.tensorflow_bundle.reader import open_bundle

__all__ = ["is_bundle", "open_bundle"]
