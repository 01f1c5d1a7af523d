"""What an optimizer's variables are called: `adam/iteration`, `adam/dense_kernel_momentum`.

Keras numbers them in the file. Their order is that of keras/src/optimizers (the `build` methods, Keras 3.0 to 3.15): the iteration, the
learning rate unless a schedule gives it, then the slots. A name is given only if the whole sequence of shapes agrees.
"""

from __future__ import annotations

from collections.abc import Sequence

from migspec import dtypes
from migspec.formats.keras.config import ObjectConfig
from migspec.formats.keras.tree import Group, StoredArray, split_number

# Slots that come in turn for each variable.
_SLOTS = {
    "adam": ("momentum", "velocity"),
    "adam_w": ("momentum", "velocity"),
    "nadam": ("momentum", "velocity"),
    "lamb": ("momentum", "velocity"),
    "adamax": ("momentum", "norm"),
    "adadelta": ("accumulated_grad", "accumulated_delta_var"),
    "adagrad": ("accumulator",),
    "ftrl": ("accumulator", "linear"),
    "lion": ("momentum",),
    "rm_sprop": ("velocity",),
    "sgd": (),
}
_UNNAMED_AT_END = {"nadam": 1}  # a variable whose name Keras makes up

Trainable = tuple[str, tuple[int, ...]]
"""A trainable variable: its whole path, and its shape."""


def optimizer_names(
    group: Group, config: ObjectConfig | None, trainable: Sequence[Trainable] | None, prefix: str = ""
) -> dict[str, str]:
    """The names of an optimizer's variables by their path in the file, for those that are certain.

    `trainable` are the model's trainable variables in Keras' order, None if that is not known. `prefix` is the name of the optimizer
    around this one, with a slash.
    """
    if group.name is None:
        return {}
    arrays = list(group.arrays)
    names: dict[str, str] = {}
    if arrays and arrays[0].shape == () and dtypes.kind(arrays[0].dtype) == "integer":
        names[arrays.pop(0).path] = f"{group.name}/iteration"
        has_schedule = config is not None and isinstance(config.options.get("learning_rate"), dict)
        if arrays and not has_schedule and arrays[0].shape == () and dtypes.kind(arrays[0].dtype) == "float":
            names[arrays.pop(0).path] = f"{group.name}/learning_rate"
    if config is None or config.kind not in _SLOTS or trainable is None or not names:
        return names
    slots = _slots(config, trainable)
    unnamed = _UNNAMED_AT_END.get(config.kind, 0)
    if slots and [array.shape for array in arrays[: len(arrays) - unnamed]] == [shape for _, shape in slots]:
        for array, (name, _) in zip(arrays, slots, strict=False):
            names[array.path] = f"{prefix}{group.name}/{name}"
    return names


def _slots(config: ObjectConfig, trainable: Sequence[Trainable]) -> list[Trainable]:
    options = config.options
    lists: list[tuple[str, ...]] = []
    if options.get("use_ema"):
        lists.append(("average",))
    if options.get("gradient_accumulation_steps"):
        lists.append(("gradient_accumulator",))
    lists.append(_SLOTS[config.kind])
    if config.kind == "sgd" and options.get("momentum"):
        lists.append(("momentum",))
    if options.get("amsgrad"):
        lists.append(("velocity_hat",))
    if config.kind == "rm_sprop":
        lists += [
            (slot,) for option, slot in (("momentum", "momentum"), ("centered", "average_gradient")) if options.get(option)
        ]
    return [(f"{path.replace('/', '_')}_{slot}", shape) for slots in lists for path, shape in trainable for slot in slots]


def loss_scale_copies(group: Group) -> tuple[dict[str, str], dict[str, StoredArray]]:
    """For an optimizer that wraps another: the names of its own two variables, and which arrays of it repeat the inner one's.

    The second maps a path inside the inner optimizer to the array outside that holds the same variable again.
    """
    inner = group.child("inner_optimizer")
    if split_number(group.name or "")[0] != "loss_scale_optimizer" or inner is None:
        return {}, {}
    own, repeated = group.arrays[:4], group.arrays[4:]
    if [array.shape for array in repeated] != [array.shape for array in inner.arrays]:
        return {}, {}
    names = {array.path: f"{group.name}/{name}" for array, name in zip(own[2:], ("step_counter", "dynamic_scale"), strict=True)}
    return names, {array.path: outside for array, outside in zip(inner.arrays, repeated, strict=True)}
