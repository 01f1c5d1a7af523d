"""Which of TensorFlow's outputs is written, and after which template."""

from __future__ import annotations

from migspec.diagnostics import file_error
from migspec.formats.base import Reader, Writer
from migspec.formats.output import Destination
from migspec.formats.tensorflow_bundle.reader import SAVED_MODEL_FORMAT, BundleReader
from migspec.formats.tensorflow_bundle.saved_model_writer import SavedModelWriter
from migspec.formats.tensorflow_bundle.writer import BundleWriter
from migspec.variables import VariableMap


def create_tensorflow_writer(destination: Destination, variables: VariableMap, format: str, template: Reader | None) -> Writer:
    """A writer of `format`, `saved-model` or `tensorflow-bundle`.

    A SavedModel is written after a SavedModel, else MIG508. A bundle is written after a bundle or the variables of a SavedModel,
    and name-based after anything else. Further errors as those of the two writers.
    """
    after = template if isinstance(template, BundleReader) else None
    if format != SAVED_MODEL_FORMAT:
        return BundleWriter(destination, variables, after)
    if after is None or after.saved_model is None:
        raise file_error(
            "MIG508",
            destination.path,
            "a SavedModel is written after a SavedModel, and the target is none",
            helps=[
                "name the folder of a SavedModel as the target",
                "write a TensorFlow checkpoint: `--format tensorflow-bundle`",
            ],
        )
    return SavedModelWriter(destination, variables, after, after.saved_model)
