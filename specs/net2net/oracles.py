"""What a layer computes, and what the wider one does: one oracle for each spec of this folder, on real Keras layers.

A widened layer gives each old output `factor` times, side by side. The layer behind it is given each old input `factor` times, and
computes what it did. An activation that works on each element changes nothing of that, so none is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy

if TYPE_CHECKING:
    from migspec.testing import Case

_Outputs = tuple[Any, Any]

_BATCH = 3
_MARGIN = 2  # of an image beyond the window, so that the window has several places


def widen_dense(case: Case) -> _Outputs:
    """Dense: each unit so many times."""
    inputs = _drawn(case, _BATCH, case.sizes["inputs"])
    old, new = (_dense(values) for values in (case.source, case.target))
    return _repeated(case, old(inputs)), new(inputs)


def after_wider_dense(case: Case) -> _Outputs:
    """Dense behind a widened one."""
    inputs = _drawn(case, _BATCH, case.sizes["inputs"])
    old, new = (_dense(values) for values in (case.source, case.target))
    return old(inputs), new(_repeated(case, inputs))


def widen_conv(case: Case) -> _Outputs:
    """Conv2D: each filter so many times."""
    image = _image(case)
    old, new = (_conv(values) for values in (case.source, case.target))
    return _repeated(case, old(image)), new(image)


def after_wider_conv(case: Case) -> _Outputs:
    """Conv2D behind a widened one."""
    image = _image(case)
    old, new = (_conv(values) for values in (case.source, case.target))
    return old(image), new(_repeated(case, image))


def widen_batch_norm(case: Case) -> _Outputs:
    """BatchNormalization behind a widened layer."""
    inputs = _drawn(case, _BATCH, case.sizes["channels"])
    old, new = (_batch_norm(values) for values in (case.source, case.target))
    return _repeated(case, old(inputs, training=False)), new(_repeated(case, inputs), training=False)


def _dense(values: Mapping[str, numpy.ndarray]) -> Any:
    import keras

    kernel = values["kernel"]
    return _filled(keras.layers.Dense(kernel.shape[-1], use_bias="bias" in values), kernel.shape[:1], values)


def _conv(values: Mapping[str, numpy.ndarray]) -> Any:
    import keras

    kernel = values["kernel"]
    layer = keras.layers.Conv2D(kernel.shape[-1], kernel.shape[:2], use_bias="bias" in values)
    return _filled(layer, (None, None, kernel.shape[2]), values)


def _batch_norm(values: Mapping[str, numpy.ndarray]) -> Any:
    import keras

    layer = keras.layers.BatchNormalization(center="beta" in values, scale="gamma" in values)
    return _filled(layer, values["moving_mean"].shape, values)


def _filled(layer: Any, shape: tuple[int | None, ...], values: Mapping[str, numpy.ndarray]) -> Any:
    """The layer with these values, by the names that its own variables have."""
    layer.build((None, *shape))
    assert {variable.name for variable in layer.variables} == set(values)
    for variable in layer.variables:
        variable.assign(values[variable.name])
    return layer


def _image(case: Case) -> numpy.ndarray:
    return _drawn(case, 2, *(case.sizes[side] + _MARGIN for side in ("height", "width")), case.sizes["inputs"])


def _drawn(case: Case, *shape: int) -> numpy.ndarray:
    return case.random.standard_normal(shape).astype(numpy.float32)


def _repeated(case: Case, values: Any) -> numpy.ndarray:
    """Each channel so many times, side by side."""
    return numpy.repeat(numpy.asarray(values), case.sizes["factor"], axis=-1)
