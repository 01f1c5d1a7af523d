"""Whether a Keras model, of whichever generation, has all its variables already, and has any."""

from __future__ import annotations

from typing import Any

from migspec.diagnostics import SpecError, file_error

_SHOWN = 3


def missing_variables(model: Any) -> str | None:
    """Why a model may not have all its variables yet, for a note; None if it has them.

    `_flatten_layers` and the mark of a `build` that makes nothing, `_is_default`, are not public, and the same in Keras 3.15 and
    tf_keras 2.21.
    """
    if not model.built:
        return "Keras makes a model's variables when it is built"
    unbuilt = [
        layer.name
        for layer in model._flatten_layers(include_self=False)
        if not layer.built and not getattr(layer.build, "_is_default", False)
    ]
    if not unbuilt:
        return None
    more = f" and {len(unbuilt) - _SHOWN} more" if len(unbuilt) > _SHOWN else ""
    return f"these layers are not built yet: {', '.join(f'`{name}`' for name in unbuilt[:_SHOWN])}{more}"


def no_variables(model: Any, label: str) -> SpecError:
    """The error (MIG512) for a model that is built and has no variables: to build it again would change nothing."""
    return file_error(
        "MIG512",
        label,
        f"the model `{model.name}` has no variables",
        notes=("it is built, and none of its layers has weights",),
        helps=(
            "name the model that has the weights: `package.module:function` gives what the function returns",
            "Keras finds layers that are attributes of a model, or lie in its lists and dicts; one made inside `call` is lost",
        ),
    )
