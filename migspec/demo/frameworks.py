"""TensorFlow and Keras 3, imported without their start-up log."""

from __future__ import annotations

import contextlib
import os

from migspec.diagnostics import SpecError, file_error
from migspec.models.startup_log import tensorflow_starts_quietly

_INSTALL = "install them: `pip install 'migspec[tensorflow]'`, or from a checkout: `pip install '.[tensorflow]'`"


def load() -> str:
    """Import both frameworks; gives their versions on one line. Raises SpecError (MIG513) if they are not there."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # what keras.json names may not be installed
    try:
        with tensorflow_starts_quietly():
            import tensorflow
        import keras
    except ImportError as error:
        raise _missing(str(error)) from error
    if keras.__version__.partition(".")[0] in ("1", "2"):
        raise _missing(f"keras {keras.__version__} is installed")
    # Both models run on the processor: a graphics card may multiply float32 with fewer digits (TF32).
    with contextlib.suppress(RuntimeError):  # this process has used its devices already
        tensorflow.config.set_visible_devices([], "GPU")
    tensorflow.get_logger().setLevel("ERROR")
    return f"TensorFlow {tensorflow.__version__}, Keras {keras.__version__} on {keras.backend.backend()}"


def _missing(note: str) -> SpecError:
    return file_error("MIG513", "migspec demo", "the demo needs TensorFlow and Keras 3", (note,), (_INSTALL,))
