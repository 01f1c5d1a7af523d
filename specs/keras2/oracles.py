"""What the recurrent layers of Keras 2 compute, and what those of Keras 3 do: one oracle for each spec of this folder.

tf_keras is Keras 2, and its GRU the real old layer. CuDNNLSTM and CuDNNGRU run on a GPU only: the real ones check names and
shapes, and what they would compute comes from the LSTM and GRU of Keras 2, with weights as Keras 2 itself converts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy

if TYPE_CHECKING:
    from migspec.testing import Case

_Outputs = tuple[Any, Any]

_STEPS = 5
_WITH_ALL = {"return_sequences": True, "return_state": True}


def cudnn_lstm(case: Case) -> _Outputs:
    """CuDNNLSTM, converted as Keras 2 does it when it loads an `.h5` file."""
    import keras
    import tf_keras
    from tf_keras.api._v1.keras import layers

    units = case.sizes["units"]
    old = tf_keras.layers.LSTM(units, **_WITH_ALL)
    _give(old, case, _converted(layers.CuDNNLSTM(units), old, case))
    return _both(case, old, keras.layers.LSTM(units, **_WITH_ALL), states=2)


def cudnn_gru(case: Case) -> _Outputs:
    """CuDNNGRU, converted as Keras 2 does it when it loads an `.h5` file."""
    import keras
    import tf_keras
    from tf_keras.api._v1.keras import layers

    units = case.sizes["units"]
    old = tf_keras.layers.GRU(units, reset_after=True, **_WITH_ALL)
    _give(old, case, _converted(layers.CuDNNGRU(units), old, case))
    return _both(case, old, keras.layers.GRU(units, reset_after=True, **_WITH_ALL), states=1)


def gru_reset_after(case: Case) -> _Outputs:
    """GRU of Keras 2, whose reset gate comes after the matrix product."""
    return _gru(case, reset_after=True)


def gru_reset_before(case: Case) -> _Outputs:
    """GRU of Keras 2, whose reset gate comes before the matrix product."""
    return _gru(case, reset_after=False)


def _gru(case: Case, reset_after: bool) -> _Outputs:
    import keras
    import tf_keras

    arguments: dict[str, Any] = {
        "units": case.sizes["units"],
        "reset_after": reset_after,
        "use_bias": "bias" in case.source,
        **_WITH_ALL,
    }
    old = tf_keras.layers.GRU(**arguments)
    _give(old, case, case.source)
    return _both(case, old, keras.layers.GRU(**arguments), states=1)


def _converted(cudnn: Any, layer: Any, case: Case) -> dict[str, numpy.ndarray]:
    """The weights of a cuDNN layer as Keras 2 puts them into its own `layer`."""
    from tf_keras.src.saving.legacy.hdf5_format import preprocess_weights_for_loading

    _give(cudnn, case, case.source)
    weights = preprocess_weights_for_loading(layer, cudnn.get_weights(), original_keras_version="2")
    return dict(zip(("kernel", "recurrent_kernel", "bias"), weights, strict=True))


def _give(layer: Any, case: Case, values: Mapping[str, numpy.ndarray]) -> None:
    """Build a layer of either Keras, and give it `values`, which must be all its weights by their names and shapes."""
    layer.build((None, _STEPS, case.sizes["inputs"]))
    weights = {weight.name.removesuffix(":0").rsplit("/", 1)[-1]: weight for weight in layer.weights}
    found = {name: tuple(weight.shape) for name, weight in weights.items()}
    assert found == {name: value.shape for name, value in values.items()}, (found, list(values))
    for name, weight in weights.items():
        weight.assign(values[name])


def _both(case: Case, old: Any, new: Any, states: int) -> _Outputs:
    """Sequences and last states of two layers that get the same inputs and first states. The old one has its weights already."""
    import keras
    import tensorflow

    _give(new, case, case.target)
    inputs = case.random.normal(size=(3, _STEPS, case.sizes["inputs"])).astype("float32")
    first = [case.random.normal(size=(3, case.sizes["units"])).astype("float32") for _ in range(states)]
    state = [tensorflow.constant(one) for one in first]
    expected = [output.numpy() for output in old(tensorflow.constant(inputs), initial_state=state, training=False)]
    return expected, [keras.ops.convert_to_numpy(output) for output in new(inputs, initial_state=first, training=False)]
