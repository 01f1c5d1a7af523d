"""A live model that is filled, saved by Keras, and read back: every variable is found in the file, whatever it is called there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from keras_models import MODELS, opened, randomise

import migspec


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
@pytest.mark.parametrize("make", MODELS)
def test_every_variable_is_found(make: Callable[[], Any], ending: str, tmp_path: Path) -> None:
    old, new = make(), make()
    randomise(old)
    pairs = list(zip(opened(old).variables, opened(new).variables, strict=True))
    weights = [(left.name, right.name) for left, right in pairs if "seed_generator" not in left.name]
    rules = [f'rename "{left}" -> "{right}"\n' for left, right in weights]
    rules += [f'drop "{left.name}"\n' for left, _ in pairs if "seed_generator" in left.name]
    (tmp_path / "same.mig").write_text("".join(rules))
    counts: list[int] = []
    migspec.compile(tmp_path / "same.mig", old, new).apply(tmp_path / f"out{ending}", verify=True, progress=counts.append)
    sizes = {variable.name: variable.nbytes for variable in opened(new).variables}
    assert sum(counts) == 3 * sum(sizes[name] for _, name in weights)  # filled, compared in the model, and in the file
