"""What may be said of a verification."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy


@dataclass(frozen=True)
class Request:
    """What may be said of a verification beyond its two sides.

    - `inputs`: a path of an npz, or arrays by name; without it, inputs are made: `samples` along an open first axis, from `seed`,
      with `ranges` (low, high: for integers high is excluded) and `shapes` by input
    - `constants`: inputs of one side alone, each with `true`, `false` or a number
    - `input_pairs`, `output_pairs`: names of the old model to names of the new; if outputs are named, only those are compared
    - `atol`, `rtol`: an element passes if `|new - old| <= atol + rtol * |old|`; None for 1e-5 and 1e-4, or 1e-2 for half precision
    - `old_signature`, `new_signature`: of a SavedModel; `old_weights`, `new_weights`: a checkpoint for a `.meta` file, or one that is
      filled into a live model by name
    - `spec`: what the new model was migrated by, with `given` and `allow` as in `migspec.compile`; if the outputs differ, its cause is
      looked for in at most `tries` runs of the new model
    """

    inputs: str | Mapping[str, numpy.ndarray] | None = None
    samples: int = 4
    seed: int = 0
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    input_pairs: Mapping[str, str] = field(default_factory=dict)
    output_pairs: Mapping[str, str] = field(default_factory=dict)
    atol: float | None = None
    rtol: float | None = None
    old_signature: str | None = None
    new_signature: str | None = None
    old_weights: str | None = None
    new_weights: str | None = None
    spec: str | None = None
    given: Mapping[str, int | float] = field(default_factory=dict)
    allow: Collection[str] = ()
    tries: int = 1000
