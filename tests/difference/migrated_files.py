"""Specs at random with the files that they go between: numpy's arrays say what shapes their targets have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
from hypothesis import strategies as st

import migspec

Arrays = Mapping[str, numpy.ndarray]


@dataclass(frozen=True)
class Statement:
    """How one is written around its names, how many sources it takes, and the shapes and dtypes of its targets."""

    text: str
    count: int
    makes: Callable[[Sequence[numpy.ndarray]], Sequence[numpy.ndarray]]


STATEMENTS = (
    Statement("rename {} -> {} as is", 1, lambda old: [old[0]]),
    Statement("rename {} -> {} transpose", 1, lambda old: [old[0].T]),
    Statement("rename {} -> {} reshape", 1, lambda old: [old[0].reshape(-1, 2)]),
    Statement("rename {} -> {} flip 0", 1, lambda old: [old[0]]),
    Statement("rename {} -> {} cast float16", 1, lambda old: [old[0].astype("float16")]),
    Statement("rename {} -> {} scale 0.5 add 1.0", 1, lambda old: [old[0]]),
    Statement("rename {} -> {} split rows in 2", 1, lambda old: numpy.split(old[0], 2)),
    Statement("rename {} -> {} concat columns", 2, lambda old: [numpy.concatenate([*old], axis=-1)]),
    Statement("rename {} -> {} stack 0", 2, lambda old: [numpy.stack([*old])]),
    Statement("rename {} -> {} sum", 2, lambda old: [old[0]]),
    Statement("rename {} -> {} pad normal 0.1 seed 3", 1, lambda old: [numpy.pad(old[0], ((0, 3), (0, 0)))]),
)


@dataclass(frozen=True)
class Case:
    """A spec, what it reads, and a target of the right shapes with other values."""

    spec: str
    old: Arrays
    new: Arrays

    def migrate(self, folder: Path) -> tuple[Path, Path, Path]:
        """Write it all and apply it: the source, the spec, and what came of it."""
        source, spec, target, out = (folder / name for name in ("old.npz", "case.mig", "new.npz", "out.npz"))
        spec.write_text(self.spec)
        numpy.savez(source, **self.old)
        numpy.savez(target, **self.new)
        migspec.compile(spec, source, target).apply(out, overwrite=True, sync=False)
        return source, spec, out


@st.composite
def cases(draw: st.DrawFn) -> Case:
    generator = numpy.random.default_rng(draw(st.integers(0, 99)))
    old: dict[str, numpy.ndarray] = {}
    new: dict[str, numpy.ndarray] = {}
    lines: list[str] = []
    for number, statement in enumerate(draw(st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=5))):
        shape = (2 * draw(st.integers(1, 3)), draw(st.sampled_from((2, 5, 8))))
        sources = {
            f"block_{number}/w{place}": generator.normal(size=shape).astype("float32") for place in range(statement.count)
        }
        made = statement.makes(list(sources.values()))
        targets = {
            f"new/{number}/v{place}": generator.normal(size=one.shape).astype(one.dtype) for place, one in enumerate(made)
        }
        lines.append(statement.text.format(", ".join(sources), ", ".join(targets)))
        old.update(sources)
        new.update(targets)
    if draw(st.booleans()):
        old["global_step"] = numpy.array(7)
        lines.append("drop global_step")
    if draw(st.booleans()):
        new["temperature"] = numpy.array([0.25])
        lines.append("keep temperature")
    if draw(st.booleans()):
        new["fresh"] = numpy.zeros(5, "float32")
        lines.append("fill fresh with uniform -1 1 seed 4")
    return Case("\n".join(lines) + "\n", old, new)
